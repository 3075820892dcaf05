# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Valid parameters are accepted; each other one is refused with a sentence."""

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
        ("foo=1", "foo", "There is no such parameter. Available: from, to, range"),
        ("from=2024-1-1", "from", "'2024-1-1' is not a date; write it as YYYY-MM-DD."),
        ("from=2023-02-29", "from", "'2023-02-29' is not a date"),
        ("from=", "from", "'' is not a date"),
        ("from=2024-02-02&to=2024-02-01", "from", "before it begins on 2024-02-02"),
        (f"to={TOMORROW}", "to", f"{TOMORROW} is in the future; the last possible"),
        (f"from={TOMORROW}", "from", "is in the future"),
        ("from=1899-12-31", "from", "too early; the first possible day"),
        ("to=0001-01-01", "to", "too early"),
        ("range=week", "range", "'week' is not a range; use a number of days"),
        ("range=7d&to=2024-01-01", "range", "Use either from and to, or range."),
        ("from=2024-01-01&from=2024-01-02", "from", "more than once"),
        ("interval=hour", "interval", "Available: day, week, month, quarter, year."),
        ("metrics=", "metrics", "comma-separated list of names"),
        ("metrics=views,,downloads", "metrics", "comma-separated list of names"),
        ("metrics=all,views", "metrics", "Give either all, or names."),
        ("metrics=likes", "metrics", "no metric 'likes'. Available: views, "),
        ("breakdown=moods", "breakdown", "no breakdown 'moods'. Available: resource_"),
        ("top=0", "top", "give a whole number from 1 to 1000, or all."),
        ("top=1001", "top", "give a whole number"),
        ("top=1e3", "top", "give a whole number"),
        ("top=%D9%A3", "top", "give a whole number"),
        ("top=all&breakdown=countries", "top", "JSON returns at most 1000 values"),
        ("other=maybe", "other", "'maybe' is neither true nor false."),
        ("cumulative=yes", "cumulative", "neither true nor false"),
        ("basis=uploaded", "basis", "Available: created, published, added."),
        ("compare=decade", "compare", "Available: previous, year."),
        ("from=1900-02-01&to=1900-02-02&compare=year", "compare", "before 1900-01-01"),
        ("filter=countries", "filter", "is not a value of a breakdown; write it as"),
        ("filter=:CA", "filter", "is not a value of a breakdown"),
        ("filter=countries:_other", "filter", "sum of the values that are not listed"),
        ("filter=moods:CA", "filter", "no breakdown 'moods'"),
        ("filter=countries:CA&breakdown=subjects", "filter", "with other breakdowns"),
        ("filter=countries:CA&breakdown=all", "filter", "with other breakdowns"),
        ("filter=countries:CA&metrics=records", "metrics", "records has no breakdown"),
        ("lang=tlh", "lang", "'tlh' is not a language of this site. Available: en"),
        ("format=pdf", "format", "Available: json, csv, xlsx."),
        ("breakdown=countries&metrics=uploaders", "metrics", "by countries."),
        ("breakdown=countries&metrics=views,records", "metrics", "Available: resource"),
        (
            "breakdown=all&metrics=uploaders",
            "breakdown",
            "No breakdown is available for uploaders.",
        ),
        ("metrics=viewed_records&range=90d&interval=week", "metrics", "a week. Use in"),
        ("metrics=viewed_records&range=12mo", "metrics", "for a month. Use interval"),
        (
            "metrics=viewed_records&breakdown=countries&cumulative=true",
            "metrics",
            "viewed_records cannot be broken down by countries",
        ),
        (
            "metrics=all&breakdown=all&top=100",
            "metrics",
            "series; JSON returns at most 5000",
        ),
        (
            "breakdown=subjects&top=1000&range=12mo&interval=day",
            "interval",
            "numbers; JSON returns at most 500000",
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(
    query, field, sentence, site, anyone
):
    found = refused(anyone, site, query)
    assert list(found) == [field]
    assert sentence in found[field]


def test_all_wrong_parameters_are_reported_at_once(site, anyone):
    assert refused(anyone, site, "from=x&top=0&interval=hour").keys() == {
        "from",
        "top",
        "interval",
    }


@pytest.mark.parametrize(
    ("path", "query", "field", "sentence"),
    [
        ("/records", "by=likes", "by", "Available: views, downloads."),
        ("/records", "of=files", "of", "Available: parents, records."),
        ("/records", "size=101", "size", "from 1 to 100"),
        ("/records", "interval=day", "interval", "There is no such parameter"),
        ("/records", "to=1800-01-01", "to", "too early"),
        ("/records", "format=csv", "format", "Available: json."),
        ("/counter", "", "month", "Give the month of the report as YYYY-MM."),
        ("/counter", "month=2024-13", "month", "not a month since 1900"),
        ("/counter", "month=1776-07", "month", "not a month since 1900"),
        ("/counter", "month=2999-01", "month", "2999-01 is in the future."),
    ],
)
def test_the_same_of_records_and_counter(path, query, field, sentence, site, anyone):
    found = refused(anyone, site, query, path)
    assert list(found) == [field] and sentence in found[field]


@pytest.mark.parametrize(
    ("variable", "value", "query", "sentence"),
    [
        ("STATS_DASHBOARD_MAX_DAYS", 31, "range=32d", "32 days; the maximum is 31"),
        ("STATS_DASHBOARD_MAX_DAYS", 31, "from=2024-01-01", "the maximum is 31"),
        (
            "STATS_DASHBOARD_MAX_CELLS",
            5,
            "breakdown=countries&top=6",
            "JSON returns at most 5 values",
        ),
        ("STATS_DASHBOARD_MAX_SERIES", 1, "range=7d", "have 2 series; JSON returns"),
        ("STATS_DASHBOARD_MAX_VALUES", 59, "range=30d", "have 60 numbers; JSON"),
    ],
)
def test_limits_are_configurable(
    variable, value, query, sentence, site, anyone, monkeypatch
):
    monkeypatch.setitem(site.app.config, variable, value)
    (reason,) = refused(anyone, site, query).values()
    assert sentence in reason


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
