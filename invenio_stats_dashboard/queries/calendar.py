# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The calendar: the buckets of a range, and the range that it is compared with."""

from datetime import date, timedelta

from ..errors import UsageError
from .query import COMPARISONS, DAY, INTERVALS, MONTH, QUARTER, WEEK, YEAR, Interval

_ONE = timedelta(days=1)
_MONTHS = {MONTH: 1, QUARTER: 3, YEAR: 12}


def buckets(first, last, interval):
    """Return the intervals of a range, in order.

    Weeks begin on Monday (ISO 8601). The first and the last one are cut off at the
    ends of the range.

    Args:
        first: first day, a date.
        last: last day, inclusive.
        interval: one of :data:`~.query.INTERVALS`.

    Returns:
        tuple[Bucket, ...]: without gaps.

    Raises:
        UsageError: the last day is before the first, or there is no such interval.
    """
    if interval not in INTERVALS:
        raise UsageError(
            f"There is no interval {interval!r}; there are {', '.join(INTERVALS)}."
        )
    if last < first:
        raise UsageError(f"The last day {last} is before the first, {first}.")
    found, start = [], first
    while True:
        end = _end(start, interval)
        if end >= last:
            return (*found, Interval(start, last))
        found.append(Interval(start, end))
        start = end + _ONE


def compared_range(first, last, how):
    """Return the range that a range is compared with.

    Args:
        first: first day, a date.
        last: last day, inclusive.
        how: ``previous`` for as many days just before; ``year`` for the same days of
            the year before, 28 February for the 29th.

    Returns:
        tuple: first and last day.

    Raises:
        UsageError: there is no such comparison, or no year so early.
    """
    if how not in COMPARISONS:
        raise UsageError(
            f"There is no comparison {how!r}; there are {', '.join(COMPARISONS)}."
        )
    try:
        if how == "previous":
            days = last - first + _ONE
            return first - days, last - days
        return _year_before(first), _year_before(last)
    except (OverflowError, ValueError):
        raise UsageError(f"There is nothing before {first} to compare with.") from None


def _end(day, interval):
    """Return the last day of the interval that a day is in."""
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


def _year_before(day):
    if (day.month, day.day) == (2, 29):
        return date(day.year - 1, 2, 28)
    return day.replace(year=day.year - 1)
