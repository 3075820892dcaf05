# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Buckets fill a range without gaps, and follow the calendar."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invenio_stats_dashboard.errors import UsageError
from invenio_stats_dashboard.queries.intervals import buckets, compared_range
from invenio_stats_dashboard.queries.query import INTERVALS, Interval

from ..helpers import series as expected

ONE = timedelta(days=1)

days = st.dates(date(1890, 1, 1), date(2110, 12, 31))
ranges = st.builds(
    lambda day, n: (day, day + timedelta(days=n)), days, st.integers(0, 900)
)


@given(ranges, st.sampled_from(INTERVALS))
def test_buckets_fill_the_range(its, interval):
    first, last = its
    found = buckets(first, last, interval)
    assert (found[0].start, found[-1].end) == (first, last)
    assert all(a.end + ONE == b.start for a, b in pairwise(found))


@given(ranges, st.sampled_from(INTERVALS))
def test_buckets_follow_the_calendar(its, interval):
    found = [(b.start.isoformat(), b.end.isoformat()) for b in buckets(*its, interval)]
    assert found == expected.buckets(*its, interval)


@given(ranges)
def test_the_range_before_is_as_long(its):
    first, last = its
    begin, end = compared_range(first, last, "previous")
    assert end + ONE == first
    assert end - begin == last - first


@given(ranges)
def test_the_year_before_has_the_same_days(its):
    assert compared_range(*its, "year") == expected.compared(*its, "year")


def test_a_leap_day_is_compared_with_the_day_before_march():
    found = compared_range(date(2024, 2, 29), date(2024, 2, 29), "year")
    assert found == (date(2023, 2, 28), date(2023, 2, 28))


def test_the_ends_of_the_calendar_are_ends():
    assert buckets(date(9999, 12, 28), date.max, "week")[-1] == Interval(
        date(9999, 12, 27) + ONE, date.max
    )
    assert len(buckets(date.max, date.max, "year")) == 1


@pytest.mark.parametrize("how", ["previous", "year"])
def test_nothing_is_before_the_first_year(how):
    with pytest.raises(UsageError, match="no range before 0001-01-01"):
        compared_range(date.min, date(1, 3, 1), how)


def test_a_range_ends_after_it_begins():
    with pytest.raises(UsageError, match="before the first"):
        buckets(date(2024, 1, 2), date(2024, 1, 1), "day")


def test_unknown_intervals_and_comparisons_are_refused():
    with pytest.raises(UsageError, match="no interval 'hour'"):
        buckets(date(2024, 1, 1), date(2024, 1, 1), "hour")
    with pytest.raises(UsageError, match="no comparison 'month'"):
        compared_range(date(2024, 1, 1), date(2024, 1, 1), "month")
