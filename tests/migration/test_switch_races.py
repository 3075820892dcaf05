# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Writes and deletions during copy and cut-over reach the target index."""

import threading
from itertools import islice

import pytest
from opensearchpy.exceptions import OpenSearchException

from invenio_stats_dashboard.migration.months import utc_now
from scripts.demo.bulk import write

from ..helpers.faults import At, assert_no_marks, until
from ..helpers.usage import Writer

ARGUMENTS = {"batch_size": 20, "ignore_stock_workers": True}
POINTS = ("bookmark written", "verify", "verified", "replicas", "intent", "block")
EVENTS = 60


@pytest.fixture()
def month():
    """Return the current month."""
    return utc_now().strftime("%Y-%m")


def _migrated(usage, month, step, at_once=False, **arguments):
    report = usage.migrate(step=step, **ARGUMENTS, **arguments)
    assert report["completed"], report
    if at_once:
        # the cut-over itself copied all events; no later step had to add any
        assert step.seen["block"] == 1 and not step.seen["abort"]
    assert usage.state("view", month)["brought_after"] == 0
    assert_no_marks(usage)
    return report["event_types"]["view"]["months"][month]


@pytest.mark.parametrize("point", POINTS)
def test_more_events_than_a_page_holds_arrive_whenever_they_come(
    events_of, month, point
):
    usage = events_of
    events = usage.legacy("view", month, EVENTS)
    late = dict(usage.events("view", month, 100, seed=12))

    def burst():
        write(usage.client, usage.names.prefix, "view", late.items())

    _migrated(usage, month, At(point, burst), at_once=True)
    usage.assert_enriched_once({**events, **late})


def test_events_of_the_same_second_all_arrive(events_of, month):
    usage = events_of
    events = usage.legacy("view", month, EVENTS)
    (_, event), *_ = events.items()
    late = {f"same-second-{n}": event for n in range(45)}

    def burst():
        write(usage.client, usage.names.prefix, "view", late.items())

    _migrated(usage, month, At("block", burst), at_once=True)
    usage.assert_enriched_once({**events, **late})


@pytest.mark.parametrize("point", POINTS)
def test_update_of_an_event_that_was_copied_wins(events_of, month, point):
    usage = events_of
    events = usage.legacy("view", month, EVENTS)
    updated = {
        id: {**source, "updated_timestamp": "2027-01-01T00:00:00", "country": "XX"}
        for id, source in islice(events.items(), 25)
    }

    def update():
        write(usage.client, usage.names.prefix, "view", updated.items())

    nth = 2 if point == "bookmark written" else 1
    _migrated(usage, month, At(point, update, nth), at_once=True)
    usage.assert_enriched_once({**events, **updated})


@pytest.mark.parametrize("point", (*POINTS, "batch written"))
def test_event_deleted_at_the_source_is_in_no_copy(events_of, month, point):
    usage = events_of
    events = usage.legacy("view", month, EVENTS)
    gone = list(events)[:15]

    def delete():
        for id in gone:
            usage.client.delete(index=usage.names.events_month("view", month), id=id)
        usage.client.indices.refresh(index=usage.names.events_month("view", month))

    _migrated(usage, month, At(point, delete))
    usage.assert_enriched_once({k: v for k, v in events.items() if k not in gone})


def test_deletions_and_as_many_new_events_are_distinguished(events_of, month):
    usage = events_of
    events = usage.legacy("view", month, EVENTS)
    gone = list(events)[:15]
    late = dict(usage.events("view", month, 15, seed=12))

    def exchange():
        for id in gone:
            usage.client.delete(index=usage.names.events_month("view", month), id=id)
        write(usage.client, usage.names.prefix, "view", late.items())

    _migrated(usage, month, At("block", exchange))
    remaining = {k: v for k, v in events.items() if k not in gone}
    usage.assert_enriched_once({**remaining, **late})


def test_event_deleted_and_written_again_is_seen_once(events_of, month):
    usage = events_of
    events = usage.legacy("view", month, EVENTS)
    again = dict(islice(events.items(), 15))

    def delete_and_write():
        for id in again:
            usage.client.delete(index=usage.names.events_month("view", month), id=id)
        write(usage.client, usage.names.prefix, "view", again.items())

    _migrated(usage, month, At("block", delete_and_write))
    usage.assert_enriched_once(events)


def test_switch_that_cannot_be_made_in_time_is_taken_back_and_tried_again(
    events_of, month, monkeypatch
):
    usage = events_of
    monkeypatch.setitem(
        usage.app.config, "STATS_DASHBOARD_REINDEXING_SWITCH_TIMEOUT", 4
    )
    events = usage.legacy("view", month, EVENTS)
    never_set = threading.Event()
    with Writer(usage, "view", month) as writer:
        # the switch stands still for longer than it may
        step = At("read alias", lambda: never_set.wait(3))
        _migrated(usage, month, step)
        assert step.seen["block"] >= 2 and step.seen["abort"] >= 1
    usage.assert_seen({**events, **writer.written}, enriched=events)


@pytest.fixture()
def repository(alone, events_of, tmp_path):
    """Return a snapshot repository that writes slowly."""
    client, name = events_of.client, f"{events_of.names.prefix}slow"
    settings = client.nodes.info(metric="settings")
    node, *_ = settings["nodes"].values()
    base = node["settings"]["path"]["repo"]
    base = base[0] if isinstance(base, list) else base
    client.snapshot.create_repository(
        repository=name,
        body={
            "type": "fs",
            "settings": {
                "location": f"{base}/{name}",
                "max_snapshot_bytes_per_sec": "20kb",
            },
        },
    )
    yield name
    client.snapshot.delete(repository=name, snapshot="*", ignore=[404])
    client.snapshot.delete_repository(repository=name)


@pytest.mark.parametrize("point", ["copy", "block"])
def test_switch_waits_for_a_running_snapshot(events_of, month, repository, point):
    usage = events_of
    events = usage.legacy("view", month, 400)
    source = usage.names.events_month("view", month)
    said = []

    def snapshot():
        usage.client.snapshot.create(
            repository=repository,
            snapshot="one",
            body={"indices": source, "include_global_state": False},
        )

    report = _migrated(
        usage, month, At(point, snapshot), progress=lambda p: said.append(p.waiting)
    )
    assert any(s and "snapshot one" in s for s in said), report
    until(
        lambda: usage.client.snapshot.get(repository=repository, snapshot="one")[
            "snapshots"
        ][0]["state"]
        == "SUCCESS",
        "the snapshot ended",
    )
    usage.assert_enriched_once(events)


def test_switch_whose_last_call_fails_is_taken_back_and_tried_again(events_of, month):
    usage = events_of
    events = usage.legacy("view", month, EVENTS)
    read = usage.names.events_alias("view")

    def forbid(value):
        # an index with this setting cannot be removed
        usage.client.indices.put_settings(
            index=usage.names.events_month("view", month),
            body={"index.blocks.metadata": value},
        )

    seen = []

    def step(point):
        if point == "last call" and "last call" not in seen:
            forbid(True)
        if point == "abort":
            forbid(None)
        seen.append(point)

    report = usage.migrate(step=step, **ARGUMENTS)
    assert report["completed"], report
    assert seen.count("last call") == 2 and "abort" in seen
    assert usage.client.indices.exists_alias(
        index=usage.names.events_target("view", month), name=read
    )
    usage.assert_enriched_once(events)


def test_failed_switch_leaves_readers_and_writers_as_they_were(events_of, month):
    usage = events_of
    events = usage.legacy("view", month, EVENTS)
    stock = usage.names.events_month("view", month)

    def delete_one():
        id = next(iter(events))
        events.pop(id)
        usage.client.delete(index=stock, id=id, refresh=True)

    def step(point):
        if point == "block":
            delete_one()

    report = usage.migrate(step=step, **ARGUMENTS)
    assert not report["completed"]
    errors = report["event_types"]["view"]["months"][month]["errors"]
    assert "aborted" in errors[0], errors
    usage.assert_seen(events)
    aliases = usage.client.indices.get_alias(index=stock)[stock]["aliases"]
    assert set(aliases) == {usage.names.events_alias("view")}
    usage.client.index(index=stock, id="late", body=next(iter(events.values())))
    events["late"] = next(iter(events.values()))
    assert usage.migrate(**ARGUMENTS)["completed"]
    usage.assert_enriched_once(events)
    try:
        usage.client.index(index=stock, id="later", body=events["late"])
    except OpenSearchException as error:
        pytest.fail(f"writing is refused: {error}")
