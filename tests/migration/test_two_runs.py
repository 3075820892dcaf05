# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Of two migrations at once, one works, and the other stops with a message."""

import pytest

from invenio_stats_dashboard.errors import LockedError
from invenio_stats_dashboard.migration.months import utc_now
from invenio_stats_dashboard.services.event_reindexing import LOCK

from ..helpers import commands
from ..helpers.faults import Frozen, cluster_of, killed_at, migrate_when_free

MONTH = "2026-03"
ARGUMENTS = {"batch_size": 20, "ignore_stock_workers": True}


def test_second_migration_says_one_sentence_and_changes_nothing(events_of):
    usage = events_of
    usage.legacy("view", MONTH, 60)
    first = Frozen(usage, "bookmark written", **ARGUMENTS)
    before = cluster_of(usage)
    second = commands.run(usage.app, "migrate-events")
    assert second.exit_code == 2
    assert "Another run is active" in second.err + second.out
    assert "Traceback" not in second.err + second.out
    assert cluster_of(usage) == before
    assert first.wake()["said"]["completed"]


@pytest.mark.parametrize("method", ["rollback", "cleanup", "clear_bookmarks", "verify"])
def test_other_work_on_months_waits_for_its_turn_too(events_of, method):
    usage = events_of
    usage.legacy("view", MONTH, 60)
    first = Frozen(usage, "bookmark written", **ARGUMENTS)
    before = cluster_of(usage)
    with pytest.raises(LockedError):
        getattr(usage.service, method)(months=[MONTH])
    assert cluster_of(usage) == before
    assert first.wake()["said"]["completed"]


def test_lock_of_a_run_that_died_on_this_machine_is_free_at_once(events_of):
    usage = events_of
    events = usage.legacy("view", MONTH, 60)
    killed_at(usage, "bookmark written", **ARGUMENTS)
    assert usage.migrate(**ARGUMENTS)["completed"]
    usage.assert_enriched_once(events)


def test_lock_of_a_run_that_died_elsewhere_is_free_when_it_has_expired(
    events_of, monkeypatch
):
    usage = events_of
    ttl = 1.0
    monkeypatch.setitem(usage.app.config, "STATS_DASHBOARD_REINDEXING_LOCK_TTL", ttl)
    usage.legacy("view", MONTH, 60)
    killed_at(usage, "bookmark written", **ARGUMENTS)
    # as if it had been another machine's
    usage.client.update(
        index=usage.names.reindexing,
        id=LOCK,
        body={"doc": {"host": "elsewhere", "process": None, "ttl": ttl}},
    )
    lock = usage.client.get(index=usage.names.reindexing, id=LOCK)["_source"]
    usage.client.update(
        index=usage.names.reindexing,
        id=LOCK,
        body={"doc": {"renewed_at": utc_now().isoformat()}},
    )
    with pytest.raises(LockedError, match="elsewhere"):
        usage.migrate(**ARGUMENTS)
    assert migrate_when_free(usage, **ARGUMENTS)["completed"]
    assert lock["released"] is False


def test_recovery_leaves_a_switch_alone_that_is_within_its_deadline(events_of):
    usage = events_of
    month = utc_now().strftime("%Y-%m")
    events = usage.legacy("view", month, 60)
    first = Frozen(usage, "last call", **ARGUMENTS)
    before = cluster_of(usage)
    assert usage.service.recover_overdue() == []
    assert cluster_of(usage) == before
    assert first.wake()["said"]["completed"]
    usage.assert_enriched_once(events)
