# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Resolve named ranges of days, and choose an interval for a range."""

import re
from datetime import date, timedelta

from ..queries.query import DAY, EARLIEST, MONTH, YEAR

ALL = "all"
"""From the first day that has numbers."""

DEFAULT = "30d"

ALLOWED = (
    "a number of days, weeks, months or years (7d, 4w, 12mo, 5y), mtd, qtd or ytd "
    "(since the start of the month, quarter or year), or all"
)
"""The possible names, for error messages and descriptions."""

_LAST = re.compile(r"([1-9]\d{0,4})(d|w|mo|y)", re.ASCII)
_LONGEST_BY_DAY, _LONGEST_BY_MONTH = 92, 3 * 366


def first_day(name: str, today: date, first: date | None = None) -> date | None:
    """Return the first day of a range that ends today.

    Args:
        name: name of the range.
        today: the current UTC day.
        first: first day that has numbers, for ``all``; None for today.

    Returns:
        The day, not before :data:`~..queries.query.EARLIEST`; None if the name is
        unknown.
    """
    if name == ALL:
        return max(EARLIEST, min(first or today, today))
    if name == "mtd":
        return today.replace(day=1)
    if name == "qtd":
        return today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    if name == "ytd":
        return today.replace(month=1, day=1)
    if not (match := _LAST.fullmatch(name)):
        return None
    number, unit = int(match[1]), match[2]
    if unit in ("d", "w"):
        days = number * (7 if unit == "w" else 1)
        return today - timedelta(days=min(days - 1, (today - EARLIEST).days))
    months = number * (12 if unit == "y" else 1)
    return max(EARLIEST, _months_before(today, months) + timedelta(days=1))


def default_interval(first: date, last: date) -> str:
    """Return an interval that divides a range into a readable number of intervals.

    Args:
        first: first day.
        last: last day, inclusive.

    Returns:
        day for up to 92 days, month for up to three years, else year.
    """
    days = (last - first).days + 1
    if days <= _LONGEST_BY_DAY:
        return DAY
    return MONTH if days <= _LONGEST_BY_MONTH else YEAR


def _months_before(day: date, number: int) -> date:
    """Return the same day some months before, or the last day of a shorter month."""
    months = day.year * 12 + day.month - 1 - number
    year, month = max(months // 12, 1), months % 12 + 1
    start = date(year, month, 1)
    following = date(year + month // 12, month % 12 + 1, 1)
    return min(
        start.replace(day=1) + timedelta(days=day.day - 1),
        following - timedelta(days=1),
    )
