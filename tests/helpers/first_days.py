# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find the first day of an EDTF date, by rules written by hand.

This module is independent of any EDTF library and of the package, so tests compare the
package with it. The forms are those of ISO 8601-2:2019, levels 0 to 2.
"""

import re
from datetime import date

MARKS = "?~%"
"""Marks of uncertain, approximate or doubtful dates, which are ignored."""

SEASON_MONTHS = {
    # seasons without a hemisphere, and of the northern one; autumn and winter by name
    21: 3, 22: 6, 23: 9, 24: 12, 25: 3, 26: 6, 27: 9, 28: 12,
    # seasons of the southern hemisphere
    29: 9, 30: 12, 31: 3, 32: 6,
    # quarters, thirds and halves of a year
    33: 1, 34: 4, 35: 7, 36: 10, 37: 1, 38: 5, 39: 9, 40: 1, 41: 7,
}  # fmt: skip
"""Number of a season -> its first month."""

_DATE = re.compile(r"([0-9X]{4})(?:-([0-9X]{2})(?:-([0-9X]{2}))?)?")
_TIME = re.compile(r"T\d\d:\d\d:\d\d(Z|[+-]\d\d(:\d\d)?)?")


def first_day(text):
    """Return the first day of a date, or None if nothing can be read.

    Args:
        text: EDTF or any other text.

    Returns:
        str | None: ``YYYY-MM-DD``, in the years 0001 to 9999.
    """
    if not isinstance(text, str):
        return None
    text = text.strip()
    if "/" in text:
        return _first_of_interval(text)
    if text[:1] + text[-1:] in ("[]", "{}"):
        return _first_of_set(text[1:-1])
    return _first_of_date(text)


def _first_of_interval(text):
    """Read ``start/end``: the start, or the end if the start is open or unknown."""
    ends = text.split("/")
    if len(ends) != 2:
        return None
    days = [_first_of_date(side) for side in ends if side not in ("", "..")]
    if not days or None in days:
        return None
    return days[0]


def _first_of_set(text):
    """Read ``[a,b,c..d]`` and ``{…}``: the earliest named date."""
    named = [part.strip() for item in text.split(",") for part in item.split("..")]
    days = [_first_of_date(part) for part in named if part]
    if not days or None in days:
        return None
    return min(days)


def _first_of_date(text):
    """Read one date of any precision."""
    for mark in MARKS:
        text = text.replace(mark, "")
    if "T" in text:
        text, time = text[: text.index("T")], text[text.index("T") :]
        if not _TIME.fullmatch(time) or len(text) != 10:
            return None
    match = _DATE.fullmatch(text)
    if not match:
        return None
    year, month, day = match.groups()
    year = int(year.replace("X", "0"))  # XXXX is year 0, which is not a date
    month = _first_number(month)
    if month in SEASON_MONTHS and day is None:
        month = SEASON_MONTHS[month]
    try:
        return date(year, month, _first_number(day)).isoformat()
    except ValueError:
        return None


def _first_number(digits):
    """Return the smallest month or day that two digits allow; X is any digit."""
    if digits in (None, "XX", "0X"):
        return 1
    if digits == "X0":
        return 10
    return int(digits.replace("X", "0"))
