# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Convert days to numbers, and find the first day of a publication date.

A day is the ordinal of :class:`datetime.date`, so that frames sort and compare
integers.
"""

import re
from datetime import date
from functools import lru_cache

from edtf import EDTFParseException, parse_edtf

_PLAIN = re.compile(r"([0-9X]{4})(?:-([0-9X]{2})(?:-([0-9X]{2}))?)?")
_SMALLEST = {"XX": "01", "0X": "01", "X0": "10"}
_MARKS = str.maketrans("", "", "?~%")
"""Characters that mark a date as uncertain, approximate or both."""
_OPEN = ("", "..")
_OPEN_SET = re.compile(r"([\[{])\s*\.\.\s*([^],}]+)")


@lru_cache(maxsize=100_000)
def day_number(moment: str) -> int:
    """Return the ordinal of the day of a timestamp.

    Args:
        moment: ISO 8601 text in UTC that begins with ``YYYY-MM-DD``.

    Raises:
        ValueError: the text does not begin with a date.
    """
    return date.fromisoformat(moment[:10]).toordinal()


@lru_cache(maxsize=100_000)
def day_text(number: int) -> str:
    """Return a day as ``YYYY-MM-DD``."""
    return date.fromordinal(number).isoformat()


@lru_cache(maxsize=100_000)
def first_day(text: str | None) -> int | None:
    """Return the ordinal of the first day of an EDTF date (ISO 8601-2).

    * An interval begins with its start, or with its end if the start is open.
    * A set begins with its earliest date, even if the set is open before that date.
    * Uncertain and approximate dates are read as if they were certain.
    * Unspecified digits are the smallest possible ones.

    Args:
        text: a publication date from a record's metadata, or None.

    Returns:
        None if the text contains no date, or if the day is outside the years 1 to 9999.
    """
    text = (text or "").strip().translate(_MARKS)
    if "/" not in text:
        return _first_of(text)
    sides = text.split("/")
    days = [_first_of(side) for side in sides if side not in _OPEN]
    if len(sides) != 2 or not days or None in days:
        return None
    return days[0]


def _first_of(text: str) -> int | None:
    # The grammar accepts no set of one date, so the date is repeated.
    text = _OPEN_SET.sub(r"\1\2,\2", text, count=1)
    if match := _PLAIN.fullmatch(text):
        years, months, days = match.groups("01")
        if (month := _smallest(months)) <= 12:
            return _ordinal(int(years.replace("X", "0")), month, _smallest(days))
    try:
        year, month, day = parse_edtf(text).lower_strict()[:3]
    except (EDTFParseException, AttributeError, TypeError, ValueError):
        # A date that the grammar accepts but that has no beginning raises other errors.
        return None
    return _ordinal(year, month, day)


def _smallest(digits: str) -> int:
    """Return the smallest month or day that two digits allow; X is any digit."""
    return int(_SMALLEST.get(digits, digits.replace("X", "0")))


def _ordinal(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal()
    except (OverflowError, ValueError):
        return None
