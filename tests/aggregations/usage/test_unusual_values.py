# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Events with unusual values are counted as OpenSearch would count them."""

import json
import random

import pytest

from invenio_stats_dashboard.aggregations.usage.event_filter import queries
from invenio_stats_dashboard.reports.counter.usage import UseCounts, UseEvent
from invenio_stats_dashboard.usage_events.odd_events import read_odd_events

from ...migration.test_odd_values import any_value

DAY = "2026-03-05"


@pytest.mark.parametrize(
    ("fields", "usual"),
    [
        ({"visitor_id": 17}, {"visitor_id": "17"}),
        ({"visitor_id": ""}, {"visitor_id": None}),
        (
            {"recid": 1250535, "parent_recid": 8},
            {"recid": "1250535", "parent_recid": "8"},
        ),
        ({"country": 45}, {"country": "45"}),
        ({"referrer": 1}, {"referrer": "1"}),
        ({"referrer": ["https://a.example/x"]}, {"referrer": "https://a.example/x"}),
        ({"is_machine": "true"}, {"is_machine": True}),
        ({"recid": ["a", "b"]}, {"recid": None}),
        ({"visitor_id": ["a", "b"]}, {"visitor_id": None}),
        ({"community_ids": None}, {"community_ids": []}),
        ({"subcounts": {"subjects": "a"}}, {"subcounts": {"subjects": ["a"]}}),
    ],
    ids=str,
)
def test_an_unusual_value_is_counted(events, fields, usual):
    events.days([DAY], each=6)
    for number in range(3):  # the same value counts as one visitor
        id, source = events.event(number, f"{DAY}T20:00:0{number}")
        events.write([(id, {**source, **fields})])
        events.stored["view"][id] = {**source, **usual}
    assert events.aggregate().events == 9
    events.assert_right()


def test_an_event_counts_for_each_of_its_countries(events):
    events.days([DAY], each=1)
    events.write([events.event(7, f"{DAY}T20:00:00", country=["DK", "SE"])])
    events.aggregate()
    found = events.found()["usage-delta"]["global", DAY]
    cells = {
        c["id"]: c["view"]["total_events"] for c in found["subcounts"]["countries"]
    }
    assert cells["DK"] == cells["SE"] == 1
    assert found["totals"]["view"]["total_events"] == 2


FIELDS = (
    *("recid", "parent_recid", "visitor_id", "country", "referrer", "is_machine"),
    *("via_api", "is_robot", "community_ids", "subcounts"),
)


@pytest.mark.parametrize("seed", [1])
def test_events_with_any_values_are_counted_as_opensearch_counts_them(events, seed):
    rng = random.Random(seed)
    events.days([DAY], each=10)
    index = events.names.events_month("view", DAY[:7])
    stored = 0
    for number in range(300):
        _, source = events.event(number, f"{DAY}T20:00:00")
        for name in rng.sample(FIELDS, rng.choice((1, 1, 2, 4))):
            source[name] = any_value(rng)
        if rng.random() < 0.1:
            source["timestamp"] = rng.choice(TIMES)
        lines = [json.dumps({"index": {"_id": f"any-{number}"}}), json.dumps(source)]
        path = f"/{index}/_bulk"
        body = "\n".join(lines) + "\n"
        answer = events.client.transport.perform_request("POST", path, body=body)
        stored += not answer["errors"]
    assert stored > 50
    events.client.indices.refresh(index=index)
    events.aggregate()
    found = events.found()["usage-delta"]
    for day, total, countries in as_opensearch_counts(events, index):
        delta = found["global", day]
        assert delta["totals"]["view"]["total_events"] == total
        cells = {
            cell["id"]: cell["view"]["total_events"]
            for cell in delta["subcounts"]["countries"]
        }
        assert cells == countries


TIMES = (
    "2026-03-06T00:30:00+01:00",
    "2026-03-07",
    "2026-03-07T01:00:00.25Z",
    1772874000000,
    "1772874000000",
    ["2026-03-08T12:00:00"],
    "2026-03",
)


def as_opensearch_counts(events, index):
    """Yield day, number of views that count, and number for each country."""
    query = queries(events.app)["view"]
    terms = {"terms": {"field": "country", "size": 10_000}}
    known = {"exists": {"field": "country"}}
    named = {"bool": {"filter": known, "must_not": {"term": {"country": ""}}}}
    histogram = {"field": "timestamp", "calendar_interval": "day", "min_doc_count": 1}
    answer = events.client.search(
        index=index,
        body={
            "size": 0,
            "query": query,
            "aggs": {
                "days": {
                    "date_histogram": {**histogram, "format": "yyyy-MM-dd"},
                    "aggs": {"countries": terms, "named": {"filter": named}},
                }
            },
        },
    )
    for day in answer["aggregations"]["days"]["buckets"]:
        countries = {
            b["key"]: b["doc_count"] for b in day["countries"]["buckets"] if b["key"]
        }
        unknown = day["doc_count"] - day["named"]["doc_count"]
        if unknown:
            countries["unknown"] = unknown
        yield day["key_as_string"], day["doc_count"], countries


def test_unreadable_fields_are_named_once(events):
    events.days([DAY], each=2)
    id, source = events.event(5, f"{DAY}T20:00:00", recid=["a", "b"])
    events.write([(id, source)])
    events.aggregate()
    events.aggregate(rebuild=True)
    (month,) = read_odd_events(events.client, events.names)
    assert (month.event_type, month.month) == ("view", "2026-03")
    assert month.events == {id: ["recid"]} and not month.has_more


def test_empty_sessions_and_records_are_unknown():
    counts = UseCounts()
    page = [UseEvent("r", "", ""), UseEvent("r", "", ("DK", "SE")), UseEvent("", "s")]
    assert counts.add_day([(False, page)]) == 3
    ((recid, (everywhere,)),) = counts.records()
    assert recid == "r" and everywhere.country is None
    assert everywhere.counts == (2, 0, 0, 0)


@pytest.mark.parametrize("country", ["XX", "T1", "DEU", "", "45"])
def test_a_report_names_only_countries_of_the_iso_list(country):
    counts = UseCounts()
    counts.add_day([(False, [UseEvent("r", "s", country), UseEvent("r", "s", "DE")])])
    ((_, cells),) = counts.records()
    assert {cell.country: cell.counts[0] for cell in cells} == {None: 2, "de": 1}
