# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test ranges by name, and the default interval of a range."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invenio_stats_dashboard.queries.query import EARLIEST
from invenio_stats_dashboard.resources.ranges import default_interval, first_day

days = st.dates(date(1950, 1, 1), date(2200, 12, 31))


@pytest.mark.parametrize(
    ("name", "today", "first"),
    [
        ("1d", "2026-11-27", "2026-11-27"),
        ("7d", "2026-11-27", "2026-11-21"),
        ("30d", "2026-03-01", "2026-01-31"),
        ("2w", "2026-11-27", "2026-11-14"),
        ("1mo", "2026-11-27", "2026-10-28"),
        ("12mo", "2026-11-27", "2025-11-28"),
        ("1mo", "2026-03-31", "2026-03-01"),
        ("12mo", "2024-02-29", "2023-03-01"),
        ("12mo", "2025-02-28", "2024-02-29"),
        ("1y", "2026-12-31", "2026-01-01"),
        ("5y", "2026-11-27", "2021-11-28"),
        ("mtd", "2026-11-27", "2026-11-01"),
        ("qtd", "2026-11-27", "2026-10-01"),
        ("qtd", "2026-01-01", "2026-01-01"),
        ("ytd", "2026-11-27", "2026-01-01"),
        ("99999d", "2026-11-27", "1900-01-01"),
        ("99999y", "2026-11-27", "1900-01-01"),
    ],
)
def test_a_range_ends_today_and_has_what_its_name_says(name, today, first):
    assert first_day(name, date.fromisoformat(today)) == date.fromisoformat(first)


@pytest.mark.parametrize(
    "name",
    ["", "0d", "-1d", "7", "d", "7D", "7 d", "week", "1.5y", "\u0667d", "7d\n", "1e3d"],
)
def test_other_names_mean_nothing(name):
    assert first_day(name, date(2026, 11, 27)) is None


def test_all_begins_with_the_first_numbers():
    today = date(2026, 11, 27)
    assert first_day("all", today, date(2021, 5, 4)) == date(2021, 5, 4)
    assert first_day("all", today, None) == today, "nothing was counted"
    assert first_day("all", today, date(1712, 1, 1)) == EARLIEST
    assert first_day("all", today, date(2030, 1, 1)) == today, "a record of the future"


@given(days, st.integers(1, 400), st.sampled_from(["d", "w", "mo", "y"]))
def test_a_longer_range_begins_earlier_and_none_after_today(today, number, unit):
    first = first_day(f"{number}{unit}", today)
    longer = first_day(f"{number + 1}{unit}", today)
    assert EARLIEST <= longer <= first <= today
    if first > EARLIEST:
        assert longer < first


@given(days, st.integers(1, 600))
def test_months_are_calendar_months(today, number):
    first = first_day(f"{number}mo", today)
    if first == EARLIEST:
        return
    before = first - timedelta(days=1)
    months = (today.year - before.year) * 12 + today.month - before.month
    assert months == number
    assert before.day == today.day or (before.day < today.day and first.day == 1)


@pytest.mark.parametrize(
    ("number", "interval"),
    [(1, "day"), (92, "day"), (93, "month"), (1098, "month"), (1099, "year")],
)
def test_the_interval_suits_the_range(number, interval):
    last = date(2026, 11, 27)
    assert default_interval(last - timedelta(days=number - 1), last) == interval
