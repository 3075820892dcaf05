# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The number of values in a file is bounded, for guests and for users."""

import csv
import io
import tempfile
from datetime import date

import pytest

from invenio_stats_dashboard.queries.query import SeriesQuery
from invenio_stats_dashboard.queries.series_reader import SeriesReader
from invenio_stats_dashboard.resources.file_limits import (
    VALUES_OF_ALL,
    FileLimit,
    estimated_values,
)

from ..helpers.commands import run
from .large_community import DAYS, SUBJECTS, make_large_community

GUEST = "STATS_DASHBOARD_FILE_VALUES_GUEST"
USER = "STATS_DASHBOARD_FILE_VALUES_USER"
FORMATS = ("csv", "xlsx")
VALUES = DAYS * 2 * (1 + SUBJECTS)
"""Values of the large community: all subjects have views every day, but no downloads."""

JUNE = {"first": date(2024, 6, 1), "last": date(2024, 6, 30)}


@pytest.fixture()
def path(site):
    """Return the path of a community that everyone may read."""
    return f"/stats-dashboard/communities/{site.slugs['open']}?range=30d"


@pytest.fixture(scope="module")
def large(site, client, names):
    """Return the path of a query for all values of a large community."""
    return f"{make_large_community(site, client, names)}&top=all"


@pytest.fixture()
def limits(site, monkeypatch):
    """Return a function that sets the limits."""

    def set_limits(guest, user):
        monkeypatch.setitem(site.app.config, GUEST, guest)
        monkeypatch.setitem(site.app.config, USER, user)

    return set_limits


def refused(answer):
    """Return the sentence of an answer that refuses a request for a large file."""
    assert answer.status_code == 400, answer.data[:500]
    (error,) = answer.json["errors"]
    assert error["field"] == "interval"
    return " ".join(error["messages"])


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ({"metrics": ("views",)}, 30),
        ({"metrics": ("views", "downloads")}, 2 * 30),
        ({"metrics": ("views",), "interval": "week"}, 5),
        ({"metrics": ("views",), "interval": "month"}, 1),
        ({"metrics": ("views",), "compare": "previous"}, 2 * 30),
        ({"metrics": ("views",), "breakdowns": ("a", "b"), "top": 3}, 30 * (1 + 6)),
        ({"metrics": ("views",), "breakdowns": ("a",), "top": 3, "other": True}, 150),
        (
            {"metrics": ("views",), "breakdowns": ("a",), "top": None, "other": True},
            30 * (1 + VALUES_OF_ALL),
        ),
    ],
    ids=str,
)
def test_the_estimate_multiplies_metrics_values_and_intervals(query, values):
    assert estimated_values(SeriesQuery("global", **JUNE, **query)) == values


@pytest.mark.parametrize("form", FORMATS)
def test_a_large_file_is_refused_before_anything_is_read(
    form, path, anyone, limits, monkeypatch
):
    limits(59, 61)
    read = []
    monkeypatch.setattr(SeriesReader, "rows", lambda *_: read.append(1) or iter(()))
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: read.append(2))
    for send in (anyone.get, anyone.head):
        answer = send(f"{path}&format={form}")
        assert (answer.status_code, read) == (400, [])
    assert refused(anyone.get(f"{path}&format={form}")) == (
        "The file could have 60 values; the maximum is 59. For users who are logged in "
        "it is 61. Use a longer interval, a shorter range, fewer metrics or breakdowns, "
        "or a smaller top."
    )


@pytest.mark.parametrize("form", FORMATS)
def test_a_user_gets_a_larger_file_than_a_guest(form, path, site, limits):
    limits(59, 60)
    assert site.as_("anyone").get(f"{path}&format={form}").status_code == 400
    assert site.as_("stranger").get(f"{path}&format={form}").status_code == 200
    limits(60, 59)
    assert site.as_("anyone").get(f"{path}&format={form}").status_code == 200
    sentence = refused(site.as_("stranger").get(f"{path}&format={form}"))
    assert "the maximum is 59. Use a longer" in sentence


def test_a_higher_limit_is_named_only_if_it_is_higher():
    assert FileLimit.of(5, 10, is_user=False) == FileLimit(5, 10)
    assert FileLimit.of(5, 10, is_user=True) == FileLimit(10)
    assert FileLimit.of(10, 5, is_user=False) == FileLimit(10)
    assert FileLimit.of(None, 5, is_user=False) == FileLimit(None)


@pytest.mark.parametrize("form", FORMATS)
def test_without_a_limit_every_file_is_made(form, path, anyone, limits):
    limits(None, None)
    assert anyone.get(f"{path}&format={form}").status_code == 200


def test_json_has_other_limits(path, anyone, limits):
    limits(1, 1)
    assert anyone.get(path).status_code == 200


def test_days_before_all_numbers_do_not_count(path, anyone, limits):
    limits(10_000, 10_000)
    path = f"{path.partition('?')[0]}?interval=day&format=csv"
    assert anyone.get(f"{path}&from=1900-01-01").status_code == 200
    assert "metrics=views" not in path and anyone.get(path).status_code == 200


def test_a_workbook_is_refused_when_it_becomes_too_large(large, anyone, limits):
    estimate = DAYS * 2 * (1 + VALUES_OF_ALL)
    assert estimate < VALUES
    limits(estimate, None)
    sentence = refused(anyone.get(f"{large}&format=xlsx"))
    assert f"has more values than allowed; the maximum is {estimate:,}." in sentence


def test_a_table_breaks_off_when_it_becomes_too_large(large, anyone, limits):
    limits(VALUES - 1, None)
    with pytest.raises(Exception, match="more values than allowed"):
        anyone.get(f"{large}&format=csv")
    limits(VALUES, None)
    table = csv.reader(io.StringIO(anyone.get(f"{large}&format=csv").text))
    assert sum(1 for _ in table) == 1 + VALUES


def test_the_command_line_has_no_limit(site, limits):
    limits(1, 1)
    options = (
        "--community",
        site.communities["open"],
        "--family",
        "usage-delta",
        "--json",
    )
    result = run(site.app, "read", *options)
    assert result.exit_code == 0, result.err
    assert result.out.count('"period_start"') == 30
