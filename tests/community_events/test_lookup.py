# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the look-up of facts and timelines."""

import threading

import pytest
from msgspec.structs import replace

from invenio_stats_dashboard import subcounts
from invenio_stats_dashboard.community_events import store as event_store
from invenio_stats_dashboard.community_events.documents import CommunityEvent
from invenio_stats_dashboard.community_events.evidence import truth_of
from invenio_stats_dashboard.community_events.facts import FactsReader
from invenio_stats_dashboard.community_events.lookup import RecordLookup
from invenio_stats_dashboard.community_events.resolver import DatabaseResolver
from invenio_stats_dashboard.community_events.store import EventStore
from invenio_stats_dashboard.community_events.timeline import Timeline, compare
from invenio_stats_dashboard.search.client import text_client
from tests.helpers import content
from tests.helpers.statistics import community_events, facts

from .build import REGISTRY, community, row, second


@pytest.fixture()
def store(fresh, client, names):
    """Return a store whose index templates exist."""
    store = EventStore(client, names)
    store.ensure_templates()
    return store


def _write(store, *numbers):
    """Store events and facts of records ``r0``, ``r1`` … in community ``a``."""
    rows = [
        replace(row({"id": f"r{n}"}, communities=(community("a"),)), record_id=f"id{n}")
        for n in numbers
    ]
    events = [
        e for r in rows for e in compare(truth_of(r), Timeline(), "backfill", second(1))
    ]
    store.create_events(events)
    store.put_facts([FactsReader(REGISTRY).read(r) for r in rows])
    store.refresh()


def test_every_requested_record_is_in_the_result(store, client, names):
    _write(store, 1)
    found = RecordLookup(client, names, REGISTRY).get(["r1", "nobody"])
    assert set(found) == {"r1", "nobody"}
    assert found["r1"].facts.recid == "r1"
    assert found["r1"].timeline.communities_at(second(5)) == ("a",)
    assert found["nobody"].facts is None
    assert found["nobody"].timeline.communities_at(second(5)) == ()


def test_an_instance_without_any_index_knows_no_record(fresh, client, names):
    assert RecordLookup(client, names, REGISTRY).get(["r1"])["r1"].facts is None


def test_it_makes_no_difference_whether_the_client_decodes(store, client, names, fresh):
    _write(store, 1, 2)
    plain = RecordLookup(client, names, REGISTRY).get(["r1", "r2"])
    text = RecordLookup(text_client(fresh), names, REGISTRY).get(["r1", "r2"])
    assert {r: c.facts for r, c in plain.items()} == {
        r: c.facts for r, c in text.items()
    }


def test_more_records_than_fit_one_request_are_found(store, client, names, monkeypatch):
    monkeypatch.setattr(event_store, "MAX_RECIDS", 100)
    numbers = range(230)
    _write(store, *numbers)
    recids = [f"r{n}" for n in numbers]
    found = RecordLookup(client, names, REGISTRY).get(recids)
    assert all(found[r].facts.recid == r for r in recids)
    assert all(found[r].timeline.communities() == ("a",) for r in recids)


def test_more_events_than_fit_one_page_are_found(store, client, names, monkeypatch):
    # two full pages and a third one; several requests for the last events
    monkeypatch.setattr(event_store, "PAGE", 100)
    monkeypatch.setattr(event_store, "MAX_RECIDS", 50)
    _write(store, 1)
    places, first = 206, community_events(client, names, "r1")[0]
    events = [
        CommunityEvent(
            **{
                **first,
                "event_type": "added" if place % 2 else "removed",
                "event_date": f"2030-01-01T{place // 3600:02}:"
                f"{place // 60 % 60:02}:{place % 60:02}",
                "place": place,
            }
        )
        for place in range(2, places)
    ]
    store.create_events(events)
    store.refresh()
    timeline = RecordLookup(client, names, REGISTRY).get(["r1"])["r1"].timeline
    assert timeline.last("a")[0] == places - 1
    assert store.marks_now([("id1", "a", 2024)])[("id1", "a")][-1].place == places - 1


def test_the_last_requested_records_are_cached_and_the_rest_is_not(
    store, client, names
):
    _write(store, 1, 2, 3)
    lookup = RecordLookup(client, names, REGISTRY, max_records=2)
    first = lookup.get(["r1"])["r1"]
    lookup.get(["r2"])
    assert lookup.get(["r1"])["r1"] is first
    lookup.get(["r3"])
    client.indices.delete(index=names.record_facts)
    assert lookup.get(["r1"])["r1"] is first
    assert lookup.get(["r2"])["r2"].facts is None


def test_a_forgotten_record_is_read_again(store, client, names):
    lookup = RecordLookup(client, names, REGISTRY)
    assert lookup.get(["r1"])["r1"].facts is None
    _write(store, 1)
    assert lookup.get(["r1"])["r1"].facts is None
    lookup.forget(["r1"])
    assert lookup.get(["r1"])["r1"].facts.recid == "r1"


def test_records_share_equal_values_in_memory(store, client, names):
    _write(store, 1, 2)
    found = RecordLookup(client, names, REGISTRY).get(["r1", "r2"])
    one, two = (found[r].facts.subcounts for r in ("r1", "r2"))
    assert one["access_statuses"] is two["access_statuses"]


def test_it_works_in_a_thread_without_an_application(store, client, names):
    _write(store, 1)
    lookup, found = RecordLookup(client, names, REGISTRY), {}
    thread = threading.Thread(target=lambda: found.update(lookup.get(["r1"])))
    thread.start()
    thread.join()
    assert found["r1"].facts.recid == "r1"


def test_a_record_without_facts_is_looked_up_in_the_database_and_stored(
    fresh, client, names
):
    community_id = content.make_community()
    recid = content.make_record(communities=[community_id])
    draft = content.make_draft()
    resolver = DatabaseResolver(fresh, client, names, REGISTRY, {}.update)
    lookup = RecordLookup(client, names, REGISTRY, resolver=resolver)
    found = lookup.get([recid, draft, "nobody"])
    assert found[recid].facts.recid == recid
    assert found[recid].timeline.communities_at("2100-01-01T00:00:00") == (
        community_id,
    )
    assert found[draft].facts is None and found["nobody"].facts is None
    assert set(facts(client, names)) == {recid}
    assert len(community_events(client, names)) == 2


def test_a_breakdown_added_later_is_read_from_the_database(fresh, client, names):
    recid = content.make_record(publisher="A press")
    less = {k: s for k, s in REGISTRY.items() if k != "publishers"}
    resolver = DatabaseResolver(fresh, client, names, less, {}.update)
    RecordLookup(client, names, less, resolver=resolver).get([recid])
    assert "publishers" not in facts(client, names)[recid]["subcounts"]
    without = RecordLookup(client, names, REGISTRY).get([recid])[recid]
    assert "publishers" not in without.facts.subcounts
    resolver = DatabaseResolver(fresh, client, names, REGISTRY, {}.update)
    found = RecordLookup(client, names, REGISTRY, resolver=resolver).get([recid])
    assert found[recid].facts.subcounts["publishers"] == ["A press"]
    assert facts(client, names)[recid]["subcounts"]["publishers"] == ["A press"]


def test_facts_are_never_replaced_by_older_ones(store, client, names):
    reader = FactsReader(
        subcounts.load({"publishers": {"field": "metadata.publisher"}})
    )
    new = reader.read(row({"metadata": {"publisher": "new"}}, revision=7))
    old = reader.read(row({"metadata": {"publisher": "old"}}, revision=6))
    assert store.put_facts([new]).stored == 1
    assert store.put_facts([old]).conflicts == [old]
    assert facts(client, names)[new.recid]["subcounts"] == {"publishers": ["new"]}


def test_known_records_expire_and_unknown_ones_expire_sooner(store, client, names):
    _write(store, 1)
    now = 0.0
    lookup = RecordLookup(
        client, names, REGISTRY, ttl=60, unknown_ttl=10, clock=lambda: now
    )
    first = lookup.get(["r1", "r2"])
    assert first["r1"].facts and first["r2"].facts is None
    _write(store, 2)
    now = 9.0
    assert lookup.get(["r2"])["r2"].facts is None
    now = 11.0
    assert lookup.get(["r2"])["r2"].facts.recid == "r2"
    client.indices.delete(index=names.record_facts)
    now = 59.0
    assert lookup.get(["r1"])["r1"] is first["r1"]
    now = 61.0
    assert lookup.get(["r1"])["r1"].facts is None
