# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Generated histories are stored as described, and differences are reported."""

import pytest
from hypothesis import HealthCheck, given, settings

from invenio_stats_dashboard.community_events.documents import CommunityEvent
from invenio_stats_dashboard.community_events.facts import RecordFacts
from invenio_stats_dashboard.community_events.stored_fields import TimelineEntry
from invenio_stats_dashboard.community_events.timeline import Timeline

from ..conftest import remove_statistics
from ..helpers import reference
from ..helpers.histories import DAYS, TIMES, histories
from ..helpers.stored import StoredInstance, aggregates_in, assert_same


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(histories())
def test_stored_documents_are_those_of_the_history(client, names, history):
    remove_statistics(client, names)
    instance = StoredInstance(client, names)
    for _, stored, _ in history.moments():
        instance.put(stored)
        patterns = {
            "views": f"{names.events_alias('view')}",
            "downloads": f"{names.events_alias('download')}",
            "facts": names.record_facts,
            "community_events": names.community_events,
        }
        for name, pattern in patterns.items():
            answer = client.search(
                index=pattern, body={"size": 1000}, ignore_unavailable=True
            )
            found = {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}
            assert found == getattr(stored, name)


@settings(max_examples=100, deadline=None)
@given(histories())
def test_stored_documents_have_the_format_of_the_package(history):
    world = history.world()
    stored = world.stored()
    for source in stored.facts.values():
        assert RecordFacts.from_document(source).to_document() == source
    entries = {}
    for id, source in stored.community_events.items():
        event = CommunityEvent.from_document(source)
        assert event.to_document() == source and event.id == id
        entry = TimelineEntry(
            event.community_id, event.place, event.event_type, event.event_date
        )
        entries.setdefault(event.recid, []).append(entry)
    for recid, events in entries.items():
        timeline = Timeline(events)
        for moment in (f"{day}T{time}" for day in DAYS for time in TIMES):
            found = world.communities_at(recid, moment)
            assert found == list(timeline.communities_at(moment))


def test_aggregates_are_read_back(fresh, client, names):
    family, document = "usage-delta", {
        "community_id": "c",
        "period_start": "2024-02-29",
    }
    assert aggregates_in(client, names) == {f: {} for f in reference.FAMILIES}
    client.index(
        index=f"{names.prefix}stats-community-{family}-2024",
        id="c:2024-02-29",
        body={**document, "updated_timestamp": "2024-03-01T00:00:00"},
    )
    found = aggregates_in(client, names, (family,))
    assert found == {family: {("c", "2024-02-29"): document}}


def test_differences_are_reported():
    found = {"usage-delta": {("c", "2024-01-01"): {"totals": 1}}}
    wanted = {"usage-delta": {("c", "2024-01-01"): {"totals": 2}}}
    with pytest.raises(AssertionError, match="c:2024-01-01/totals is 1; should be 2"):
        assert_same(found, wanted)
    with pytest.raises(AssertionError, match="is missing"):
        assert_same({"usage-delta": {}}, wanted)
    with pytest.raises(AssertionError, match="should not be"):
        assert_same(found, {"usage-delta": {}})
    assert_same(found, found)
