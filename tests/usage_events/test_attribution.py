# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Events are re-attributed after a change of membership that was detected late."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import pytest

from invenio_stats_dashboard.community_events.store import EventStore
from invenio_stats_dashboard.errors import SearchUnavailableError, StatsDashboardError
from invenio_stats_dashboard.migration import run_factory
from invenio_stats_dashboard.search.client import text_client
from invenio_stats_dashboard.services import event_reindexing
from invenio_stats_dashboard.tasks import BEAT_SCHEDULE, attribute_usage_events_again
from invenio_stats_dashboard.usage_events.enrichment import Splicer
from invenio_stats_dashboard.usage_events.maintenance import reattribution
from scripts.demo.bulk import write

from ..helpers.known import MigratedMonth
from ..helpers.usage import RED, _events
from .test_dead_letters import MONTH

CHANGED_AT = "2026-03-12T00:00:00"


def busiest(usage):
    """Return the record without communities with most events after ``CHANGED_AT``."""
    counts = Counter(
        s["recid"] for s in usage.all.values() if s["timestamp"] >= CHANGED_AT
    )
    of_none = [r for r in usage.records if not usage.histories[r.recid]]
    return max(of_none, key=lambda record: counts[record.recid])


def learn(usage, record, changed_at=CHANGED_AT):
    """Add a community event that puts a record into a community in the past."""
    history = ((RED, changed_at, None),)
    store = EventStore(usage.client, usage.names)
    record_id = store.facts([record.recid])[record.recid].record_id
    events = _events(record, record_id, history)
    store.create_events([replace(event, cause="accepted") for event in events])
    store.refresh()
    usage.histories[record.recid] = history


@pytest.fixture(scope="module")
def month(app, known_records):
    """Return a month that was migrated once for all tests."""
    with app.app_context():
        return MigratedMonth.of(known_records.without_events(), MONTH, 400)


@pytest.fixture()
def late(month, usage):
    """Return a migrated month with a change of membership that was detected late.

    During the migration, a record was in no community. Now its timeline shows that it
    was added to one in the middle of the month.
    """
    usage.all = month.store(usage)
    usage.record = busiest(usage)
    learn(usage, usage.record)
    usage.concerned = {
        id
        for id, source in usage.all.items()
        if source["recid"] == usage.record.recid and source["timestamp"] >= CHANGED_AT
    }
    assert len(usage.concerned) > 3
    return usage


def note(usage, changed_at=CHANGED_AT, recids=None):
    """Note the record, or other records, for re-attribution."""
    client = text_client(usage.app)
    recids = recids or [usage.record.recid]
    reattribution.note(client, usage.names, dict.fromkeys(recids, changed_at), limit=5)


def noted(usage):
    """Return the entries of the list."""
    usage.client.indices.refresh(index=usage.names.reindexing)
    query = {"query": {"term": {"kind": reattribution.KIND}}}
    hits = usage.client.search(index=usage.names.reindexing, body=query)["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


def test_only_events_from_the_change_on_are_reattributed(late):
    before = dict(late.seen())
    note(late)
    attribute_usage_events_again()
    assert len(noted(late)) == 1  # workers may still write with cached memberships
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


def test_of_two_notes_the_earlier_time_counts(late):
    note(late, "2026-03-20T00:00:00")
    note(late, CHANGED_AT)
    note(late, "2026-03-25T00:00:00")
    assert late.service.attribute_again(rest=0).records == 3
    late.assert_enriched_once(late.all)
    assert noted(late) == {}


def test_a_record_stays_on_the_list_while_one_of_its_months_is_copied(late):
    later = late.legacy("view", "2026-04", 400, seed=3)
    assert late.record.recid in {source["recid"] for source in later.values()}
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


def test_a_concurrent_write_of_the_live_site_is_neither_lost_nor_missed(
    late, monkeypatch
):
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


def test_a_record_that_is_noted_again_during_a_run_stays_on_the_list(late, monkeypatch):
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


def test_a_migration_looks_up_a_membership_again_after_its_note_is_done(
    usage, monkeypatch
):
    monkeypatch.setattr(run_factory, "KNOWN_SECONDS", 0.0)
    usage.all = usage.legacy("view", MONTH, 400)
    later = usage.legacy("view", "2026-04", 400, seed=3)
    usage.record = busiest(usage)
    assert usage.record.recid in {source["recid"] for source in later.values()}
    claims = []

    def change(step):
        claims.extend([step] if step == "claim" else [])
        if len(claims) == 2 and step == "claim":  # the second month is still legacy
            learn(usage, usage.record)
            note(usage)
            assert usage.service.attribute_again(rest=0).records == 1

    usage.migrate(step=change)
    usage.assert_enriched_once({**usage.all, **later})
    assert noted(usage) == {}


def test_no_look_up_caches_a_membership_as_long_as_a_note_rests(usage, monkeypatch):
    assert reattribution.KNOWN_SECONDS <= reattribution.REST / 2
    assert (
        run_factory.KNOWN_SECONDS
        == event_reindexing.KNOWN_SECONDS
        == reattribution.KNOWN_SECONDS
    )
    monkeypatch.setattr(event_reindexing, "KNOWN_SECONDS", 0.0)
    usage.all = dict(usage.events("view", MONTH, 400, 1))
    record, splicer = busiest(usage), usage.service._splicer()
    event = f'{{"recid":"{record.recid}","timestamp":"{CHANGED_AT}"}}'.encode()
    ((_, before, _),) = splicer.splice([event])
    learn(usage, record)
    ((_, after, _),) = splicer.splice([event])
    assert RED.encode() not in before and RED.encode() in after


def test_a_late_change_while_a_month_is_copied_is_not_a_difference(usage):
    usage.all = usage.legacy("view", MONTH, 400)
    usage.record = busiest(usage)

    def change(step):
        if step == "batch written" and not usage.histories[usage.record.recid]:
            learn(usage, usage.record)
            note(usage)

    report = usage.migrate(batch_size=50, step=change)
    assert report["event_types"]["view"]["months"][MONTH]["state"] == "done"
    assert usage.service.attribute_again(rest=0).records == 1
    usage.assert_enriched_once(usage.all)


def test_a_wrong_membership_without_a_note_fails_the_month(usage):
    usage.all = usage.legacy("view", MONTH, 400)
    usage.record = busiest(usage)

    def change(step):
        if step == "batch written" and not usage.histories[usage.record.recid]:
            learn(usage, usage.record)

    report = usage.migrate(batch_size=50, step=change)
    month = report["event_types"]["view"]["months"][MONTH]
    assert month["state"] == "failed" and "timeline they are" in str(month["errors"])


def half_copied(usage):
    """Return events of a month that is being copied, none of them of the record."""
    month = dict(usage.events("view", "2026-04", 200, 3))
    month = {i: s for i, s in month.items() if s["recid"] != usage.record.recid}
    usage.legacy_index("view", "2026-04")
    write(usage.client, usage.names.prefix, "view", month.items())
    usage.client.indices.refresh(index=usage.names.events_alias("view"))
    usage.migrate(months=["2026-04"], batch_size=20, max_batches=2)
    return month


def test_records_whose_month_is_copied_do_not_delay_others(late):
    month = half_copied(late)
    others = sorted({source["recid"] for source in month.values()})[:5]
    note(late, "2026-04-01T00:00:00", others)
    note(late)
    # older than everything that is copied, but without an event there
    note(late, "2020-01-01T00:00:00")
    done = late.service.attribute_again(records=2, rest=0)
    assert (done.records, done.pending) == (2, 5)
    assert {source["recid"] for source in noted(late).values()} == set(others)
    late.assert_seen({**late.all, **month}, enriched=late.all)
    late.migrate()
    assert late.service.attribute_again(rest=0).records == 5
    late.assert_enriched_once({**late.all, **month})


def test_an_entry_that_has_to_wait_goes_to_the_end_of_the_list(late):
    month = half_copied(late)
    others = sorted({source["recid"] for source in month.values()})[:3]
    note(late, "2026-04-01T00:00:00", others)
    note(late)
    assert late.service.attribute_again(records=3, rest=0, seconds=0).pending == 3
    assert late.service.attribute_again(records=1, rest=0, seconds=0).records == 1


def test_a_run_continues_until_its_time_is_over(late):
    recids = [record.recid for record in late.records]
    note(late, CHANGED_AT, recids)
    assert late.service.attribute_again(records=7, rest=0, seconds=0).records == 7
    left = len(recids) - 7
    assert late.service.attribute_again(records=7, rest=0).records == left
    late.assert_enriched_once(late.all)
    assert noted(late) == {}


def test_an_old_change_of_one_record_does_not_read_old_events_of_others(
    late, monkeypatch
):
    splice, seen = Splicer.splice, []

    def watched(splicer, sources):
        seen.extend(sources)
        return splice(splicer, sources)

    events = Counter(source["recid"] for source in late.all.values())
    other = next(r.recid for r in late.records if late.histories[r.recid])
    monkeypatch.setattr(Splicer, "splice", watched)
    note(late, "2026-04-01T00:00:00")
    note(late, "2020-01-01T00:00:00", [other])
    late.service.attribute_again(rest=0)
    assert len(seen) == events[other]


@contextmanager
def refusing(usage, recid):
    """Make the month refuse every write of one record."""
    pipeline = f"{usage.names.prefix}refuse"
    fail = {"fail": {"if": f"ctx.recid == '{recid}'", "message": "so it is"}}
    usage.client.ingest.put_pipeline(id=pipeline, body={"processors": [fail]})
    put(usage, "index.final_pipeline", pipeline)
    try:
        yield
    finally:
        put(usage, "index.final_pipeline", "_none")
        usage.client.ingest.delete_pipeline(id=pipeline)


def put(usage, setting, value):
    """Change a setting of the migrated month."""
    target = usage.names.events_target("view", MONTH)
    usage.client.indices.put_settings(index=target, body={setting: value})


def test_refused_events_are_reported_and_do_not_delay_others(late):
    other = next(r.recid for r in late.records if late.histories[r.recid])
    note(late)
    note(late, "2020-01-01T00:00:00", [other])
    reported = pytest.raises(
        StatsDashboardError, match=r"events of 1 records with their new communities"
    )
    with refusing(late, late.record.recid), reported:
        late.service.attribute_again(records=1, rest=0)
    left = {source["recid"] for source in noted(late).values()}
    assert left == {late.record.recid}
    assert late.service.attribute_again(rest=0).records == 1
    late.assert_enriched_once(late.all)


def test_an_index_that_accepts_no_writes_does_not_delay_others(late, monkeypatch):
    other = next(r.recid for r in late.records if late.histories[r.recid])
    note(late)
    note(late, "2020-01-01T00:00:00", [other])
    put(late, "index.blocks.write", True)
    with monkeypatch.context() as patch:
        patch.setattr(reattribution, "LIMIT", 0.5)
        with pytest.raises(SearchUnavailableError, match="accepted no documents"):
            late.service.attribute_again(records=1, rest=0)
    assert late.service.attribute_again(records=1, rest=0, seconds=0).records == 1
    left = {source["recid"] for source in noted(late).values()}
    assert left == {late.record.recid}
    put(late, "index.blocks.write", None)
    assert late.service.attribute_again(rest=0).records == 1
    late.assert_enriched_once(late.all)


def test_events_of_indices_without_a_month_are_reattributed(late):
    day = f"{late.names.events_alias('view')}-2026-03-12"
    added = dict(late.events("view", MONTH, 200, 5))
    for id, source in added.items():
        late.client.index(index=day, id=id, body=source)
    late.client.indices.refresh(index=day)
    assert late.service.fill_usage_events().events == len(added)
    for id, source in late.seen(index=day):
        if source["recid"] == late.record.recid:
            late.client.update(index=day, id=id, body={"doc": {"community_ids": []}})
    note(late)
    assert late.service.attribute_again(rest=0).records == 1
    late.assert_enriched_once({**late.all, **added})
