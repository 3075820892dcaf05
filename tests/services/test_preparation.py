# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""On a new site, the scheduled task generates and migrates what is missing."""

from contextlib import contextmanager

import pytest

from invenio_stats_dashboard import tasks
from invenio_stats_dashboard.aggregations.usage import aggregator
from invenio_stats_dashboard.community_events import backfill_run
from invenio_stats_dashboard.community_events.backfill_state import backfill_state
from invenio_stats_dashboard.migration.report import FAILED
from invenio_stats_dashboard.search.compare_and_set import Bookmark
from invenio_stats_dashboard.search.lock import ClusterLock
from invenio_stats_dashboard.services.event_reindexing import LOCK
from invenio_stats_dashboard.services.preparation import (
    EVENTS,
    MIGRATION,
    READY,
    Preparation,
    read_preparation,
)

from ..helpers.content import make_community, make_record
from ..helpers.faults import until
from ..helpers.processes import Forked, kill_me
from ..helpers.usage import Usage

MONTHS = ("2026-02", "2026-03")
EACH = 100
"""Number of events in a month."""


def with_legacy(app, client, names, months):
    """Return an instance with some legacy months; needs an application context."""
    usage = Usage(app, client, names)
    usage.stored = {}
    for number, month in enumerate(months):
        usage.stored.update(usage.legacy("view", month, EACH, seed=number))
    return usage


@pytest.fixture()
def site(fresh, client, names):
    """Return an instance with one legacy month, in an application context."""
    with fresh.app_context():
        yield with_legacy(fresh, client, names, MONTHS[:1])


@pytest.fixture()
def two_months(fresh, client, names):
    """Return an instance with two legacy months, in an application context."""
    with fresh.app_context():
        yield with_legacy(fresh, client, names, MONTHS)


def preparation(usage, seconds=60.0):
    """Return the preparation of an instance."""
    state = usage.app.extensions["invenio-stats-dashboard"]
    return Preparation(
        usage.app,
        usage.client,
        state.community_stats_service,
        state.event_reindexing_service,
        seconds,
    )


def test_everything_is_prepared_in_one_part_if_there_is_time(two_months):
    found = preparation(two_months).advance()
    assert (found.step, found.events, found.waits_for) == (READY, 2 * EACH, None)
    two_months.assert_enriched_once(two_months.stored)
    assert preparation(two_months).advance() == type(found)(READY)
    assert read_preparation(two_months.client, two_months.names)["step"] == READY


def test_months_are_migrated_over_as_many_pieces_as_it_takes(two_months, monkeypatch):
    monkeypatch.setitem(
        two_months.app.config, "STATS_DASHBOARD_REINDEXING_BATCH_SIZE", 35
    )
    steps = []
    while not (steps and steps[-1].is_ready):
        assert len(steps) < 40
        steps.append(preparation(two_months, seconds=0.0).advance())
    assert len(steps) > 3 and steps[0].step == MIGRATION
    assert [s.months_left for s in steps] == sorted(
        (s.months_left for s in steps), reverse=True
    )
    assert all(s.waits_for is None for s in steps)
    assert sum(s.events for s in steps) == 2 * EACH
    two_months.assert_enriched_once(two_months.stored)
    backups = f"{two_months.names.prefix}backup-*"
    assert len(two_months.client.indices.get(index=backups)) == 2, "nothing is deleted"


@pytest.mark.parametrize("pace", [0.0, 3600.0], ids=["each page", "the end"])
def test_community_events_are_made_first_over_as_many_pieces(
    pace, fresh, client, names, monkeypatch
):
    monkeypatch.setattr(backfill_run, "_SHOWN_EVERY", pace)
    with fresh.app_context():
        community = make_community()
        for _ in range(3):
            make_record(communities=[community])
        usage = type("", (), {"app": fresh, "client": client, "names": names})
        first = preparation(usage, seconds=0.0).advance()
        assert (first.step, first.is_ready) == (EVENTS, False)
        assert not backfill_state(client, names).complete
        pieces = [first]
        while not pieces[-1].is_ready:
            assert len(pieces) < 10, "it makes no way"
            pieces.append(preparation(usage, seconds=0.0).advance())
        assert sum(piece.records for piece in pieces) == 3, "each is read once"
        assert pieces[-1].step == READY
        assert backfill_state(client, names).complete


@pytest.mark.parametrize(
    "point", ["create target", "batch written", "read alias", "compared"]
)
def test_killed_at_any_point_the_next_piece_goes_on(site, point, monkeypatch):
    def work():
        service = site.app.extensions["invenio-stats-dashboard"]
        migrate = service.event_reindexing_service.reindex_events

        def killing(*args, **options):
            options["step"] = lambda name: name == point and kill_me()
            return migrate(*args, **options)

        service.event_reindexing_service.reindex_events = killing
        return preparation(site).advance()

    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_REINDEXING_LOCK_TTL", 1)
    assert Forked(site.app, work).wait() is None
    until(lambda: preparation(site).advance().is_ready, "the next pieces")
    site.assert_enriched_once(site.stored)


def test_a_lock_that_blocks_a_step_is_reported_and_the_step_is_retried(site):
    lock = ClusterLock(site.client, site.names.reindexing, LOCK, "somebody", 60)
    lock.acquire()
    found = preparation(site).advance()
    assert (found.step, found.months_left) == (MIGRATION, 1)
    assert "Another run is migrating" in found.waits_for
    assert read_preparation(site.client, site.names)["waits_for"] == found.waits_for
    lock.release()
    assert preparation(site).advance().is_ready


def test_month_that_cannot_be_migrated_does_not_block_the_others(two_months):
    month = two_months.names.events_month("view", "2026-02")
    two_months.client.indices.close(index=month)
    found = preparation(two_months).advance()
    assert (found.step, found.months_left, found.events) == (MIGRATION, 1, EACH)
    assert "view 2026-02" in found.waits_for and "is closed" in found.waits_for
    assert "migrate --event-types view --months 2026-02" in found.waits_for
    two_months.client.indices.open(index=month)
    assert preparation(two_months).advance().is_ready


def test_month_that_failed_needs_an_operator(two_months):
    bookmark = Bookmark(two_months.client, two_months.names.reindexing, "view-2026-02")
    bookmark.write(kind="month", event_type="view", month="2026-02", state=FAILED)
    bookmark.write(error="It was not the same.")
    found = preparation(two_months).advance()
    assert (found.months_left, found.events) == (1, EACH)
    assert "It was not the same." in found.waits_for
    assert preparation(two_months).advance().events == 0, "it was tried again"
    two_months.migrate(months=["2026-02"])
    assert preparation(two_months).advance().is_ready


def test_month_that_was_rolled_back_needs_an_operator(site):
    assert preparation(site).advance().is_ready
    service = site.app.extensions["invenio-stats-dashboard"].event_reindexing_service
    service.rollback(months=["2026-02"])
    found = preparation(site).advance()
    assert (found.step, found.months_left, found.events) == (MIGRATION, 1, 0)
    assert "view 2026-02 was rolled back" in found.waits_for
    assert "migrate --event-types view --months 2026-02" in found.waits_for
    site.migrate(months=["2026-02"])
    assert preparation(site).advance().is_ready


def test_the_scheduled_task_sends_for_helpers(site, monkeypatch):
    # a step for each few days, so that there are enough steps to share
    monkeypatch.setattr(aggregator.units, "__defaults__", (EACH // 8,))
    sent = []
    monkeypatch.setattr(
        tasks.help_aggregating, "apply_async", lambda **sending: sent.append(sending)
    )
    tasks.catch_up_community_stats()
    assert len(sent) >= site.app.config["COMMUNITY_STATS_AGGREGATION_HELPERS"]
    assert all(sending["kwargs"]["run"] for sending in sent)


def test_with_preparation_switched_off_it_says_what_to_run(site, monkeypatch):
    monkeypatch.setitem(site.app.config, "COMMUNITY_STATS_PREPARATION_ENABLED", False)
    service = site.app.extensions["invenio-stats-dashboard"].community_stats_service
    done = service.catch_up()
    assert done.report is None and done.prepared.months_left == 1
    assert "migrate-events" in read_preparation(site.client, site.names)["waits_for"]
    site.migrate()
    assert service.catch_up().report.completed


def test_counting_begins_when_nothing_is_missing(site):
    service = site.app.extensions["invenio-stats-dashboard"].community_stats_service
    done = service.catch_up()
    assert done.prepared.is_ready and done.report.completed
    found = site.client.search(
        index=site.names.aggregates("usage-delta"),
        body={
            "size": 0,
            "query": {"term": {"community_id": "global"}},
            "aggs": {"views": {"sum": {"field": "totals.view.total_events"}}},
        },
    )
    # robots are left out when events come, or not at all
    assert found["aggregations"]["views"]["value"] == len(site.stored)


def test_two_workers_do_not_catch_up_at_once(site):
    service = site.app.extensions["invenio-stats-dashboard"].community_stats_service
    with held(site, "lock:catch-up"):
        assert service.catch_up() is None
    assert service.catch_up() is not None


@contextmanager
def held(site, name):
    """Hold a lock in the index of bookmarks meanwhile."""
    lock = ClusterLock(site.client, site.names.bookmarks, name, "somebody", 60)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
