# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Runs find changes, write differences, and can end at any point."""

from copy import deepcopy
from datetime import UTC, datetime

import pytest

from invenio_stats_dashboard.aggregations.runner import LOCK
from invenio_stats_dashboard.aggregations.usage import checkpoints, snapshots
from invenio_stats_dashboard.errors import LockedError, SearchUnavailableError
from invenio_stats_dashboard.search.lock import ClusterLock
from invenio_stats_dashboard.search.names import USAGE_FAMILIES

from ...conftest import remove_statistics
from ...helpers.processes import Forked
from ...helpers.search_requests import sent_requests
from ..kills import killed_at
from .build import BLUE, RED, Events, changed

DAYS = [f"2026-03-{n:02d}" for n in (1, 2, 3, 5, 9)]


@pytest.fixture()
def counted(app, client, names, prepared):
    """Return events of a few days that are counted.

    They are counted once. What a test writes is put back before the next one.
    """

    def make():
        remove_statistics(client, names)
        events = Events(app, client, names)
        events.days(DAYS)
        events.days(DAYS[1:3], kind="download", communities=(BLUE, RED), first=40)
        events.aggregate()
        events.assert_right()
        return events.stored

    stored = deepcopy(prepared.get(__name__, make, restore=True))
    events = Events(app, client, names)
    events.stored = stored
    return events


def test_a_late_event_changes_its_day_and_the_later_snapshots(counted):
    late = counted.event(99, f"{DAYS[1]}T23:59:59", communities=(BLUE,))
    counted.write([late])
    done = counted.aggregate()
    # global and blue: their snapshots of that day and later
    assert (done.days, changed(done)["usage-delta"]) == (1, 2)
    assert changed(done)["usage-snapshot"] == 4 + 2
    counted.assert_right()


def test_a_deleted_event_is_noticed_without_new_events(counted):
    counted.delete(f"{DAYS[3]}T00:00:00-18")
    done = counted.aggregate()
    assert done.days == 1
    counted.assert_right()


def test_a_day_that_loses_its_last_event_loses_its_documents(counted):
    for id in [id for id in counted.stored["view"] if id.startswith(DAYS[4])]:
        counted.delete(id)
    done = counted.aggregate()
    assert done.families["usage-delta"].deleted == 2
    assert done.families["usage-snapshot"].deleted == 2
    counted.assert_right()
    counted.days([DAYS[4]], first=3)
    counted.aggregate()
    counted.assert_right()


def test_a_reattributed_event_moves_to_its_communities(counted):
    id, source = next(iter(counted.stored["view"].items()))
    counted.write([(id, {**source, "community_ids": [BLUE]})])
    assert counted.aggregate().days == 1
    counted.assert_right()


def test_a_recreated_index_is_counted_again(counted):
    month = counted.names.events_month("view", "2026-03")
    remaining = dict(list(counted.stored["view"].items())[:9])
    counted.client.indices.delete(index=month)
    counted.stored["view"] = {}
    counted.write(remaining.items())
    counted.aggregate()
    counted.assert_right()
    counted.client.indices.delete(index=month)
    counted.stored["view"] = {}
    counted.aggregate()
    counted.assert_right()


def test_an_idle_run_sends_few_requests_for_any_number_of_communities(counted):
    with sent_requests() as few:
        done = counted.aggregate()
    assert (done.days, changed(done)) == (0, {})
    more = [f"10000000-0000-4000-8000-{n:012d}" for n in range(snapshots.GROUP + 5)]
    counted.days(["2026-04-01"], communities=more)
    counted.aggregate()
    counted.assert_right()
    with sent_requests() as many:
        counted.aggregate()
    assert len(many) == len(few) < 40
    assert not [r for r in many if "_search" in r.path and "events" in r.path]


def test_equal_documents_are_not_written_again(counted):
    before = counted.client.search(
        index=counted.names.aggregates("usage-delta"), body={"size": 1000}
    )
    done = counted.aggregate(rebuild=True)
    assert changed(done) == {}
    after = counted.client.search(
        index=counted.names.aggregates("usage-delta"), body={"size": 1000}
    )
    assert before["hits"]["hits"] == after["hits"]["hits"]


def test_a_rebuild_repairs_damaged_documents(counted):
    client, names = counted.client, counted.names
    index = names.aggregates_from("usage-delta", 1)
    client.delete(index=index, id=f"global:{DAYS[0]}")
    client.update(
        index=index, id=f"{RED}:{DAYS[1]}", body={"doc": {"checksum": "another"}}
    )
    body = {"community_id": BLUE, "period_start": "2026-02-01", "checksum": "x"}
    client.index(index=index, id=f"{BLUE}:2026-02-01", body=body)
    client.indices.delete(index=names.aggregates_from("usage-snapshot", 1))
    client.indices.delete(index=names.between_runs)
    counted.aggregate(rebuild=True)
    counted.assert_right()


def test_an_event_of_an_earlier_year_continues_from_the_end_of_the_year_before(
    events, monkeypatch
):
    days = [
        f"{year}-{rest}" for year in (2022, 2023, 2024) for rest in ("06-01", "12-31")
    ]
    events.days(days)
    events.days(["2024-02-29", "2025-01-01", "2025-01-02"], kind="download")
    events.aggregate()
    events.assert_right()
    events.days(["2023-07-01"], each=3, communities=(BLUE,), first=50)
    monkeypatch.setattr(snapshots, "_LARGE", 1)
    with sent_requests() as sent:
        events.aggregate()
    events.assert_right()
    # global: a page for each day since the end of 2022, and an empty one
    assert 6 < _searches_of_deltas(sent) < 14
    # days after the newest checkpoint, and a new community
    events.days(["2025-01-02", "2025-03-01"], communities=(BLUE, RED), first=9)
    events.aggregate()
    events.assert_right()


@pytest.mark.parametrize("lost", [False, True])
def test_a_checkpoint_larger_than_a_document_is_complete_or_not_used(
    events, monkeypatch, lost
):
    monkeypatch.setattr(checkpoints, "PIECE", 300)
    events.days(["2022-06-01", "2023-12-31", "2024-06-01", "2024-06-02"])
    events.aggregate()
    index, client = events.names.between_runs, events.client
    client.indices.refresh(index=index)
    pieces = client.count(index=index, body={"query": {"term": {"anchor": "latest:2"}}})
    assert pieces["count"] == 2  # of two communities
    if lost:
        client.delete(index=index, id="global:latest:1", refresh=True)
        client.delete(index=index, id="global:2023:1", refresh=True)
    events.days(["2024-06-02"], first=70)
    monkeypatch.setattr(snapshots, "_LARGE", 1)
    with sent_requests() as sent:
        events.aggregate()
    events.assert_right()
    # global: a page for each day that is added again, and an empty one
    assert (_searches_of_deltas(sent) > 6) == lost


def _searches_of_deltas(sent):
    return len([r for r in sent if r.path.endswith("usage-delta/_search")])


def test_a_run_counts_a_limited_number_of_days_and_the_next_one_the_rest(
    events, monkeypatch
):
    events.days(DAYS)
    monkeypatch.setitem(events.app.config, "COMMUNITY_STATS_CATCHUP_INTERVAL", 2)
    left = []
    for _ in range(3):
        done = events.aggregate()
        left.append((done.days, done.days_left, done.completed))
    assert left == [(2, 3, False), (2, 1, False), (1, 0, True)]
    events.assert_right()


def test_a_restricted_run_leaves_the_rest_on_the_list(events):
    events.days(DAYS)
    done = events.aggregate(community_ids=["global"])
    assert {c for c, _ in events.found()["usage-delta"]} == {"global"}
    done = events.aggregate(start_date=DAYS[1], end_date=DAYS[2])
    assert done.days == 2
    done = events.aggregate(families=["usage-delta"])
    assert done.days == 3 and list(done.families) == ["usage-delta"]
    events.aggregate()
    events.assert_right()


def test_a_rebuild_of_one_community_leaves_no_work_to_the_next_run(counted):
    index = counted.names.aggregates_from("usage-delta", 1)
    counted.client.delete(index=index, id=f"{RED}:{DAYS[0]}")
    counted.client.delete(index=index, id=f"global:{DAYS[0]}")
    done = counted.aggregate(community_ids=["global"], rebuild=True)
    assert done.families["usage-delta"].created == 1
    assert counted.aggregate().days == 0
    counted.aggregate(rebuild=True)
    counted.assert_right()


def test_a_dry_run_reports_what_it_would_write_and_writes_nothing(events):
    events.days(DAYS)
    done = events.aggregate(dry_run=True)
    assert done.families["usage-delta"].created == 10
    assert events.found() == {"usage-delta": {}, "usage-snapshot": {}}
    events.aggregate()
    events.assert_right()


def test_one_run_at_a_time(counted):
    client, names = counted.client, counted.names
    lock = ClusterLock(client, names.bookmarks, LOCK, "another", ttl=60)
    lock.acquire()
    try:
        with pytest.raises(LockedError, match="another"):
            counted.aggregate()
    finally:
        lock.release()
    counted.aggregate()


def test_an_index_that_cannot_be_read_stops_the_run_and_deletes_nothing(counted):
    month = counted.names.events_month("view", "2026-03")
    counted.client.indices.close(index=month)
    try:
        with pytest.raises(SearchUnavailableError, match="is closed"):
            counted.aggregate()
    finally:
        counted.client.indices.open(index=month)
    counted.client.cluster.health(index=month, wait_for_status="yellow")
    counted.assert_right()
    counted.aggregate()
    counted.assert_right()


def test_an_asynchronous_translog_does_not_delay_counting(counted):
    month = counted.names.events_month("view", "2026-03")
    counted.client.indices.put_settings(
        index=month, body={"index.translog.durability": "async"}
    )
    counted.days([DAYS[0]], first=77)
    counted.aggregate()
    counted.assert_right()


def test_after_a_kill_before_any_write_the_next_run_completes_it(events, zygote):
    events.days(DAYS)
    events.aggregate()
    number, writes = 0, None
    while writes is None:
        number += 1
        events.days(
            [DAYS[0], DAYS[2]], 2, "download", communities=(BLUE,), first=40 * number
        )
        events.delete(next(iter(events.stored["view"])))
        # each kill also leaves work for the next run
        writes = zygote.run(killed_at, USAGE_FAMILIES, number)
        if number % 3 == 0:
            events.aggregate()
            events.assert_right()
    assert number > 8
    events.assert_right()


def counted_in_a_fork_of_a_fork(app):
    """Aggregate, and let a child of this process aggregate."""
    service = app.extensions["invenio-stats-dashboard"].community_stats_service
    service.aggregate(families=USAGE_FAMILIES)
    try:
        return Forked(app, service.aggregate).wait()
    except AssertionError as error:
        return str(error)


def test_a_process_in_which_polars_would_wait_forever_raises_an_error(zygote, events):
    events.days(DAYS)
    assert "was forked" in zygote.run(counted_in_a_fork_of_a_fork)


def test_the_status_reports_how_the_last_run_ended(counted):
    found = counted.client.get(index=counted.names.bookmarks, id="run:last")["_source"]
    assert found["error"] is None and found["completed"]
    assert found["as_of"] <= datetime.now(UTC).isoformat()
