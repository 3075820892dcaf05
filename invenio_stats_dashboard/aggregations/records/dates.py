# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Days as numbers, and the first day of a publication date.

A day is the ordinal of :class:`datetime.date`, so frames sort and compare whole
numbers.
"""

import re
from datetime import date
from functools import lru_cache

from edtf import EDTFParseException, parse_edtf

_PLAIN = re.compile(r"([0-9X]{4})(?:-([0-9X]{2})(?:-([0-9X]{2}))?)?")
_SMALLEST = {"XX": "01", "0X": "01", "X0": "10"}
_MARKS = str.maketrans("", "", "?~%")
_OPEN = ("", "..")
_OPEN_SET = re.compile(r"([\[{])\s*\.\.\s*([^],}]+)")


@lru_cache(maxsize=100_000)
def day_number(moment):
    """Return the day of a moment.

    Args:
        moment: ISO 8601 text in UTC that begins with ``YYYY-MM-DD``.

    Returns:
        int: its ordinal.

    Raises:
        ValueError: the text is no moment.
    """
    return date.fromisoformat(moment[:10]).toordinal()


@lru_cache(maxsize=100_000)
def day_text(number):
    """Return a day as ``YYYY-MM-DD``."""
    return date.fromordinal(number).isoformat()


@lru_cache(maxsize=100_000)
def first_day(text):
    """Return the first day of what an EDTF date (ISO 8601-2) gives.

    An interval begins with its start, or with its end where the start is open; a set
    with the earliest date that is named, also where it is open before that; uncertain
    and approximate dates are read as without their mark; digits that are not specified
    are the smallest ones.

    Args:
        text: a publication date as a record gives it, or None.

    Returns:
        int | None: its ordinal; None when nothing can be read, or the day is
        outside of the years 1 to 9999.
    """
    text = (text or "").strip().translate(_MARKS)
    if "/" not in text:
        return _first_of(text)
    sides = text.split("/")
    days = [_first_of(side) for side in sides if side not in _OPEN]
    if len(sides) != 2 or not days or None in days:
        return None
    return days[0]


def _first_of(text):
    # the grammar takes no set of one date
    text = _OPEN_SET.sub(r"\1\2,\2", text, count=1)
    if match := _PLAIN.fullmatch(text):
        year, month, day = match.groups("01")
        if (month := _smallest(month)) <= 12:
            return _ordinal(int(year.replace("X", "0")), month, _smallest(day))
    try:
        year, month, day = parse_edtf(text).lower_strict()[:3]
    except (EDTFParseException, AttributeError, TypeError, ValueError):
        # what the grammar takes but has no beginning fails in other ways
        return None
    return _ordinal(year, month, day)


def _smallest(digits):
    """Return the smallest month or day that two digits allow; X is any digit."""
    return int(_SMALLEST.get(digits, digits.replace("X", "0")))


def _ordinal(year, month, day):
    try:
        return date(year, month, day).toordinal()
    except (OverflowError, ValueError):
        return None
