# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Events are attributed again when a change of membership is known late."""

from collections import Counter
from dataclasses import replace

import pytest

from invenio_stats_dashboard.community_events.store import EventStore
from invenio_stats_dashboard.search.client import text_client
from invenio_stats_dashboard.tasks import BEAT_SCHEDULE, attribute_usage_events_again
from invenio_stats_dashboard.usage_events import attribution
from invenio_stats_dashboard.usage_events.enrichment import Splicer

from ..helpers.usage import RED, _events
from .test_dead_letters import MONTH, usage

__all__ = ("usage",)

SINCE = "2026-03-12T00:00:00"


@pytest.fixture()
def late(usage):
    """Return a migrated month; a record was in no community when that was done.

    Since then it is known that it came into one in the middle of the month.
    """
    usage.all = usage.legacy("view", MONTH, 400)
    usage.migrate()
    since = Counter(s["recid"] for s in usage.all.values() if s["timestamp"] >= SINCE)
    of_none = [n for n, r in enumerate(usage.records) if not usage.histories[r.recid]]
    number = max(of_none, key=lambda n: since[usage.records[n].recid])
    usage.record = usage.records[number]
    history = ((RED, SINCE, None),)
    store = EventStore(usage.client, usage.names)
    record_id = store.facts([usage.record.recid])[usage.record.recid].record_id
    events = _events(usage.record, record_id, history)
    store.create_events([replace(event, cause="accepted") for event in events])
    store.refresh()
    usage.histories[usage.record.recid] = history
    usage.concerned = {
        id
        for id, source in usage.all.items()
        if source["recid"] == usage.record.recid and source["timestamp"] >= SINCE
    }
    assert len(usage.concerned) > 3
    return usage


def note(usage, since=SINCE):
    """Note the record for re-attribution."""
    client = text_client(usage.app)
    attribution.note(client, usage.names, {usage.record.recid: since}, limit=5)


def noted(usage):
    """Return what is on the list."""
    usage.client.indices.refresh(index=usage.names.reindexing)
    query = {"query": {"term": {"kind": attribution.KIND}}}
    hits = usage.client.search(index=usage.names.reindexing, body=query)["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


def test_events_since_the_change_are_attributed_and_nothing_else_is(late):
    before = dict(late.seen())
    note(late)
    attribute_usage_events_again()
    assert len(noted(late)) == 1  # workers may still write what they know of before
    late.service.attribute_again(rest=0)
    late.assert_enriched_once(late.all)
    after = dict(late.seen())
    changed = {id for id in after if after[id] != before[id]}
    assert changed == late.concerned
    for id in changed:
        assert after[id] == {**before[id], "community_ids": [RED]}
    assert noted(late) == {}
    names = {entry["task"] for entry in BEAT_SCHEDULE.values()}
    assert attribute_usage_events_again.name in names


def test_of_two_notes_the_earliest_moment_counts(late):
    note(late, "2026-03-20T00:00:00")
    note(late, SINCE)
    note(late, "2026-03-25T00:00:00")
    assert late.service.attribute_again(rest=0).records == 3
    late.assert_enriched_once(late.all)
    assert noted(late) == {}


def test_a_record_stays_on_the_list_while_a_month_of_it_is_copied(late):
    later = late.legacy("view", "2026-04", 100, seed=3)
    late.migrate(months=["2026-04"], batch_size=20, max_batches=2)
    note(late)
    assert late.service.attribute_again(rest=0).records == 0
    assert len(noted(late)) == 1
    late.migrate()
    assert late.service.attribute_again(rest=0).records == 1
    late.assert_enriched_once({**late.all, **later})
    assert noted(late) == {}


def test_a_bounded_run_leaves_the_record_on_the_list(late):
    note(late)
    done = late.service.attribute_again(limit=2, batch=2, rest=0)
    assert (done.records, done.pending) == (0, 1) and done.events >= 2
    assert len(noted(late)) == 1
    assert late.service.attribute_again(rest=0).records == 1
    late.assert_enriched_once(late.all)
    assert noted(late) == {}


def test_a_write_of_the_live_site_meanwhile_is_neither_lost_nor_left(late, monkeypatch):
    chosen = min(late.concerned)
    target = late.names.events_target("view", MONTH)
    splice, calls = Splicer.splice, []

    def between(splicer, sources):
        if not calls:
            body = {"doc": {"country": "XX"}}
            late.client.update(index=target, id=chosen, body=body)
        calls.append(len(sources))
        return splice(splicer, sources)

    monkeypatch.setattr(Splicer, "splice", between)
    note(late)
    assert late.service.attribute_again(rest=0).records == 1
    late.all[chosen] = {**late.all[chosen], "country": "XX"}
    late.assert_enriched_once(late.all)


def test_a_record_that_is_noted_again_meanwhile_stays_on_the_list(late, monkeypatch):
    splice, calls = Splicer.splice, []

    def between(splicer, sources):
        if not calls:
            note(late, "2026-03-25T00:00:00")
        calls.append(len(sources))
        return splice(splicer, sources)

    monkeypatch.setattr(Splicer, "splice", between)
    note(late)
    late.service.attribute_again(rest=0)
    assert len(noted(late)) == 1
    late.service.attribute_again(rest=0)
    assert noted(late) == {}
