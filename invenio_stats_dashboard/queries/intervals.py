# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Split a range of days into intervals, and find the range that it is compared with."""

from datetime import date, timedelta

from ..errors import UsageError
from .query import COMPARISONS, DAY, INTERVALS, MONTH, QUARTER, WEEK, YEAR, Interval

_ONE = timedelta(days=1)
_MONTHS = {MONTH: 1, QUARTER: 3, YEAR: 12}


def buckets(first: date, last: date, interval: str) -> tuple[Interval, ...]:
    """Return the intervals of a range, in order and without gaps.

    Weeks begin on Monday (ISO 8601). The first and the last interval are cut off at the
    ends of the range.

    Args:
        first: first day.
        last: last day, inclusive.
        interval: one of :data:`~.query.INTERVALS`.

    Raises:
        UsageError: the last day is before the first, or the interval is unknown.
    """
    if interval not in INTERVALS:
        raise UsageError(
            f"There is no interval {interval!r}. Available: {', '.join(INTERVALS)}."
        )
    if last < first:
        raise UsageError(f"The last day {last} is before the first, {first}.")
    found: list[Interval] = []
    start = first
    while True:
        end = _end(start, interval)
        if end >= last:
            return (*found, Interval(start, last))
        found.append(Interval(start, end))
        start = end + _ONE


def compared_range(first: date, last: date, how: str) -> tuple[date, date]:
    """Return the first and the last day of the range that a range is compared with.

    Args:
        first: first day.
        last: last day, inclusive.
        how: ``previous`` for as many days just before; ``year`` for the same days of
            the year before, with 28 February instead of the 29th.

    Raises:
        UsageError: the comparison is unknown, or the range begins before year 1.
    """
    if how not in COMPARISONS:
        raise UsageError(
            f"There is no comparison {how!r}. Available: {', '.join(COMPARISONS)}."
        )
    try:
        if how == "previous":
            days = last - first + _ONE
            return first - days, last - days
        return _year_before(first), _year_before(last)
    except (OverflowError, ValueError):
        raise UsageError(f"There is no range before {first}.") from None


def _end(day: date, interval: str) -> date:
    """Return the last day of the interval that contains a day."""
    if interval == DAY:
        return day
    if interval == WEEK:
        left = min(6 - day.weekday(), (date.max - day).days)
        return day + timedelta(days=left)
    months = _MONTHS[interval]
    following = (day.month - 1) // months * months + months + 1
    if following > 12:
        return date(day.year, 12, 31)
    return date(day.year, following, 1) - _ONE


def _year_before(day: date) -> date:
    if (day.month, day.day) == (2, 29):
        return date(day.year - 1, 2, 28)
    return day.replace(year=day.year - 1)
