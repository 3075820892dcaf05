# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Parameters: what is allowed, and a sentence for everything else."""

from datetime import timedelta

import pytest

from invenio_stats_dashboard.queries.metrics import DISTINCT, METRICS

from ..helpers.counted_site import TODAY

TOMORROW = (TODAY + timedelta(days=1)).isoformat()


def refused(http, site, query, path=""):
    """Return field -> sentence of the answer to a wrong request."""
    answer = http.get(
        f"/stats-dashboard/communities/{site.slugs['open']}{path}?{query}"
    )
    assert answer.status_code == 400, answer.data
    assert answer.json["status"] == 400 and answer.json["message"]
    assert all(len(e["messages"]) == 1 for e in answer.json["errors"])
    return {e["field"]: e["messages"][0] for e in answer.json["errors"]}


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("foo=1", "foo", "There is no such parameter; there are from, to, range"),
        ("from=2024-1-1", "from", "'2024-1-1' is no date; write it as YYYY-MM-DD."),
        ("from=2023-02-29", "from", "'2023-02-29' is no date"),
        ("from=", "from", "'' is no date"),
        ("from=2024-02-02&to=2024-02-01", "from", "before it begins on 2024-02-02"),
        (f"to={TOMORROW}", "to", f"{TOMORROW} is in the future; the last day"),
        (f"from={TOMORROW}", "from", "is in the future"),
        ("from=1899-12-31", "from", "too long ago; the first day"),
        ("to=0001-01-01", "to", "too long ago"),
        ("range=week", "range", "'week' is no range; it can be a number of days"),
        ("range=7d&to=2024-01-01", "range", "but not both"),
        ("from=2024-01-01&from=2024-01-02", "from", "more than once"),
        ("interval=hour", "interval", "there are day, week, month, quarter, year."),
        ("metrics=", "metrics", "a list of names with commas"),
        ("metrics=views,,downloads", "metrics", "a list of names with commas"),
        ("metrics=all,views", "metrics", "Give all alone, or the names."),
        ("metrics=likes", "metrics", "no metric 'likes'; there are views, "),
        ("breakdown=moods", "breakdown", "no breakdown 'moods'; there are resource_"),
        ("top=0", "top", "give a whole number from 1 to 1000, or all."),
        ("top=1001", "top", "give a whole number"),
        ("top=1e3", "top", "give a whole number"),
        ("top=%D9%A3", "top", "give a whole number"),
        ("top=all&breakdown=countries", "top", "JSON can tell 1000 cells"),
        ("other=maybe", "other", "'maybe' is neither true nor false."),
        ("cumulative=yes", "cumulative", "neither true nor false"),
        ("basis=uploaded", "basis", "there are created, published, added."),
        ("compare=decade", "compare", "there are previous, year."),
        ("from=1900-02-01&to=1900-02-02&compare=year", "compare", "before 1900-01-01"),
        ("filter=countries", "filter", "names no cell; write it as <breakdown>:<id>"),
        ("filter=:CA", "filter", "names no cell"),
        ("filter=moods:CA", "filter", "no breakdown 'moods'"),
        ("filter=countries:CA&breakdown=subjects", "filter", "no other breakdowns"),
        ("filter=countries:CA&breakdown=all", "filter", "no other breakdowns"),
        ("filter=countries:CA&metrics=records", "metrics", "records has no breakdown"),
        ("lang=tlh", "lang", "'tlh' is no language of this site; there are en"),
        ("format=pdf", "format", "there are json, csv, xlsx."),
        ("breakdown=countries&metrics=uploaders", "metrics", "by countries."),
        ("breakdown=countries&metrics=views,records", "metrics", "it has resource_ty"),
        (
            "breakdown=all&metrics=uploaders",
            "breakdown",
            "no breakdown that uploaders have",
        ),
        ("metrics=viewed_records&range=90d&interval=week", "metrics", "to a week: ask"),
        ("metrics=viewed_records&range=12mo", "metrics", "to a month: ask for inter"),
        (
            "metrics=viewed_records&breakdown=countries&cumulative=true",
            "metrics",
            "known of everything together only, not by countries",
        ),
        (
            "metrics=all&breakdown=all&top=100",
            "metrics",
            "series, and 5000 at most can be told as JSON",
        ),
        (
            "breakdown=subjects&top=1000&range=12mo&interval=day",
            "interval",
            "values, and 500000 at most can be told as JSON",
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(
    query, field, sentence, site, anyone
):
    found = refused(anyone, site, query)
    assert list(found) == [field]
    assert sentence in found[field]


def test_all_wrong_parameters_are_told_at_once(site, anyone):
    assert refused(anyone, site, "from=x&top=0&interval=hour").keys() == {
        "from",
        "top",
        "interval",
    }


@pytest.mark.parametrize(
    ("path", "query", "field", "sentence"),
    [
        ("/records", "by=likes", "by", "there are views, downloads."),
        ("/records", "of=files", "of", "there are parents, records."),
        ("/records", "size=101", "size", "from 1 to 100"),
        ("/records", "interval=day", "interval", "There is no such parameter"),
        ("/records", "to=1800-01-01", "to", "too long ago"),
        ("/records", "format=csv", "format", "there are json."),
        ("/counter", "", "month", "Give the month of the report as YYYY-MM."),
        ("/counter", "month=2024-13", "month", "no month since 1900"),
        ("/counter", "month=1776-07", "month", "no month since 1900"),
        ("/counter", "month=2999-01", "month", "2999-01 is still to come."),
    ],
)
def test_the_same_of_records_and_counter(path, query, field, sentence, site, anyone):
    found = refused(anyone, site, query, path)
    assert list(found) == [field] and sentence in found[field]


@pytest.mark.parametrize(
    ("variable", "value", "query", "sentence"),
    [
        ("STATS_DASHBOARD_MAX_DAYS", 31, "range=32d", "32 days; a range can have 31"),
        ("STATS_DASHBOARD_MAX_DAYS", 31, "from=2024-01-01", "a range can have 31 here"),
        (
            "STATS_DASHBOARD_MAX_CELLS",
            5,
            "breakdown=countries&top=6",
            "JSON can tell 5 cells",
        ),
        ("STATS_DASHBOARD_MAX_SERIES", 1, "range=7d", "These can be 2 series, and 1"),
        ("STATS_DASHBOARD_MAX_VALUES", 59, "range=30d", "These can be 60 values, and"),
    ],
)
def test_limits_are_configurable(
    variable, value, query, sentence, site, anyone, monkeypatch
):
    monkeypatch.setitem(site.app.config, variable, value)
    (told,) = refused(anyone, site, query).values()
    assert sentence in told


def test_a_range_of_all_is_cut_to_the_limit(site, anyone, monkeypatch):
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_MAX_DAYS", 31)
    answer = anyone.get("/stats-dashboard/global?range=all").json
    assert answer["from"] == (TODAY - timedelta(days=30)).isoformat()
    assert answer["bounds"]["first"] < answer["from"]


def test_what_is_asked_for_by_default(site, anyone):
    found = anyone.get("/stats-dashboard/global").json
    assert found["from"] == (TODAY - timedelta(days=29)).isoformat()
    assert found["to"] == TODAY.isoformat()
    assert (found["interval"], found["basis"]) == ("day", "added")
    assert list(found["metrics"]) == ["views", "downloads"]
    to = anyone.get("/stats-dashboard/global?to=2024-03-30").json
    assert (to["from"], to["to"]) == ("2024-03-01", "2024-03-30")


def test_all_metrics_are_all_that_can_be_told(site, anyone):
    def metrics(query):
        return list(
            anyone.get(f"/stats-dashboard/global?metrics=all&{query}").json["metrics"]
        )

    every = list(METRICS)
    assert metrics("range=7d") == metrics("range=12mo&cumulative=true") == every
    assert metrics("range=12mo") == [k for k in every if METRICS[k].kind != DISTINCT]
    of_usage = [k for k in every if METRICS[k].of == "usage"]
    assert metrics("range=7d&breakdown=countries") == of_usage
    assert metrics("range=7d&filter=countries:CA") == of_usage


def test_all_breakdowns_are_those_that_the_metrics_have(site, anyone):
    subcounts = site.app.extensions["invenio-stats-dashboard"].subcounts
    found = anyone.get("/stats-dashboard/global?metrics=records&breakdown=all").json
    assert list(found["breakdowns"]) == [k for k, s in subcounts.items() if s.of_record]
    found = anyone.get("/stats-dashboard/global?breakdown=all").json
    assert list(found["breakdowns"]) == list(subcounts)
