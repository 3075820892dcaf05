# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the rules for the first day of a publication date."""

import pytest

from invenio_stats_dashboard.aggregations.records.dates import (
    day_number,
    day_text,
    first_day,
)


@pytest.mark.parametrize(
    ("given", "day"),
    [
        ("2020", "2020-01-01"),
        ("2020-05", "2020-05-01"),
        ("2020-05-17", "2020-05-17"),
        (" 2020 ", "2020-01-01"),
        ("0450", "0450-01-01"),
        # an interval begins with its start, or with its end if the start is open
        ("2019/2020", "2019-01-01"),
        ("2019-03/..", "2019-03-01"),
        ("2019/", "2019-01-01"),
        ("../2020-05", "2020-05-01"),
        ("/2020", "2020-01-01"),
        # unspecified digits are the smallest possible ones
        ("202X", "2020-01-01"),
        ("20XX-12", "2000-12-01"),
        ("2020-XX", "2020-01-01"),
        ("2020-X0", "2020-10-01"),
        ("2020-1X", "2020-10-01"),
        ("2020-05-XX", "2020-05-01"),
        # uncertain dates are read as if they were certain
        ("2020?", "2020-01-01"),
        ("2020-05~", "2020-05-01"),
        ("2020%", "2020-01-01"),
        ("1939?/1945~", "1939-01-01"),
        # seasons, sets, dates with a time
        ("2020-21", "2020-03-01"),
        ("2020-24", "2020-12-01"),
        ("[2021,2020]", "2020-01-01"),
        ("{2019,2020-05}", "2019-01-01"),
        # a set that is open before its first date begins with that date
        ("[..1990]", "1990-01-01"),
        ("{..1990-05}", "1990-05-01"),
        ("[..1990, 1985-03]", "1985-03-01"),
        ("[1990..]", "1990-01-01"),
        ("{1990..1993}", "1990-01-01"),
        ("2020-05-17T23:59:59Z", "2020-05-17"),
        ("2024-02-29", "2024-02-29"),
    ],
)
def test_the_first_day_of_a_date_counts(given, day):
    assert day_text(first_day(given)) == day


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "in press",
        "2020-13",
        "2021-02-29",
        "2020-5",
        "../..",
        "/",
        "2020/unknown",
        "2019/2020/2021",
        # no day that can be written as YYYY-MM-DD
        "-0450",
        "0000",
        "Y170000",
    ],
)
def test_an_unreadable_date_has_no_day(given):
    assert first_day(given) is None


def test_the_day_of_a_timestamp_is_that_of_its_text():
    assert day_text(day_number("2024-02-29T23:59:59")) == "2024-02-29"
