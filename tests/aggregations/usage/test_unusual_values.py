# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Events with unusual values are counted as OpenSearch would count them."""

import pytest

from invenio_stats_dashboard.reports.counter.usage import UseCounts, UseEvent
from invenio_stats_dashboard.usage_events.odd_events import read_odd_events

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
