# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Files begin with the first day that has numbers, and their headers show the request."""

import csv
import io
from datetime import date, timedelta

import pytest
from python_calamine import CalamineWorkbook

HEADER = "Stats-Requested-From"


@pytest.fixture()
def path(site):
    """Return the path of a community that everyone may read."""
    return f"/stats-dashboard/communities/{site.slugs['open']}"


@pytest.fixture()
def first(path, anyone):
    """Return the first day of the community that has numbers of usage."""
    found = anyone.get(f"{path}?metrics=views").json["bounds"]["first"]
    return date.fromisoformat(found)


def table(answer):
    """Return the lines of a CSV file."""
    return list(csv.DictReader(io.StringIO(answer.text)))


def name_of(answer):
    """Return the name of a file."""
    return answer.headers["Content-Disposition"]


@pytest.mark.parametrize("more", ["", "&cumulative=true", "&compare=year"])
def test_a_file_has_no_days_before_all_numbers(more, path, first, anyone):
    query = f"{path}?interval=day&breakdown=countries&top=all&format=csv{more}"
    answer = anyone.get(f"{query}&from=1950-01-01")
    wanted = anyone.get(f"{query}&from={first}")
    assert answer.status_code == 200 and HEADER not in wanted.headers
    assert table(answer) == table(wanted)
    assert min(row["start"] for row in table(answer) if row["period"] == "current") == (
        first.isoformat()
    )
    assert answer.headers[HEADER] == "1950-01-01"
    assert name_of(answer) == name_of(wanted)


def test_a_head_request_shows_the_requested_day_too(path, anyone):
    head = anyone.head(f"{path}?from=1950-02-03&format=csv")
    assert head.headers[HEADER] == "1950-02-03"


def test_a_workbook_says_where_the_request_begins(path, first, anyone):
    def line(start):
        data = anyone.get(f"{path}?from={start}&format=xlsx&lang=en").data
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        return book.get_sheet_by_name("About").to_python()[2][1:]

    day, sentence = line("1950-02-03")
    assert day == first.isoformat()
    assert sentence.startswith("The request begins on 1950-02-03")
    assert line(first) == [first.isoformat(), ""]


@pytest.mark.parametrize("days", [0, 1])
def test_a_later_day_is_not_moved(days, path, first, anyone):
    start = (first + timedelta(days=days)).isoformat()
    answer = anyone.get(f"{path}?from={start}&interval=day&format=csv")
    assert HEADER not in answer.headers
    assert table(answer)[0]["start"] == start


def test_a_named_range_is_not_moved(path, first, anyone):
    answer = anyone.get(f"{path}?range=2y&interval=day&format=csv")
    assert HEADER not in answer.headers
    assert table(answer)[0]["start"] < first.isoformat()


def test_a_range_before_all_numbers_has_its_last_day_only(path, anyone):
    answer = anyone.get(f"{path}?from=1900-01-01&to=1990-12-31&format=csv")
    assert {row["start"] for row in table(answer)} == {"1990-12-31"}
    assert {row["value"] for row in table(answer)} == {"0"}


def test_the_intervals_are_those_of_json(path, first, anyone):
    query = f"{path}?from=1950-02-03"
    answer = anyone.get(query).json
    assert (answer["from"], answer["interval"]) == ("1950-02-03", "year")
    ends = [bucket["end"] for bucket in answer["buckets"]]
    found = [row["end"] for row in table(anyone.get(f"{query}&format=csv"))]
    assert sorted(set(found)) == [end for end in ends if end >= first.isoformat()]


def test_files_from_different_days_have_different_tags(path, anyone):
    def tag(start):
        return anyone.get(f"{path}?from={start}&format=csv").headers["ETag"]

    assert tag("1950-02-03") != tag("1950-02-04")
