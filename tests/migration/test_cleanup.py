# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Legacy events are deleted only on request, and after a full comparison."""

import pytest

from invenio_stats_dashboard.migration.months import utc_now

from ..helpers import commands
from ..helpers.faults import At, assert_no_marks, killed_at
from ..helpers.usage import native

PAST = "2026-03"
ARGUMENTS = {"batch_size": 20, "ignore_stock_workers": True}
EVENTS = 60


def _current():
    return utc_now().strftime("%Y-%m")


def _backups(usage):
    found = usage.client.indices.get(index=f"{usage.names.prefix}backup-*")
    return sorted(name.rpartition("view-")[2] for name in found)


@pytest.mark.parametrize(
    "options, remaining",
    [
        ({}, [PAST, _current()]),
        ({"delete_old_indices": True}, [_current()]),
        ({"delete_backup": True}, [PAST]),
        ({"delete_old_indices": True, "delete_backup": True}, []),
    ],
    ids=["nothing", "old indices", "backup", "both"],
)
def test_only_the_requested_backups_are_deleted(events_of, options, remaining):
    usage = events_of
    events = {
        **usage.legacy("view", PAST, EVENTS),
        **usage.legacy("view", _current(), EVENTS, seed=2),
    }
    report = usage.migrate(**options, **ARGUMENTS)
    assert report["completed"], report
    assert _backups(usage) == remaining
    usage.assert_enriched_once(events)
    assert_no_marks(usage)


def test_later_run_deletes_the_backup_when_it_is_requested(events_of):
    usage = events_of
    usage.legacy("view", PAST, EVENTS)
    usage.migrate(**ARGUMENTS)
    assert _backups(usage) == [PAST]
    assert usage.migrate(delete_old_indices=True, **ARGUMENTS)["completed"]
    assert _backups(usage) == []


def test_cleanup_retains_a_backup_that_was_not_compared(events_of):
    usage = events_of
    usage.legacy("view", PAST, EVENTS)
    killed_at(usage, "comparison", **ARGUMENTS)
    ((name, reason),) = usage.service.cleanup()
    assert "not been compared" in reason
    assert usage.client.indices.exists(index=name)
    usage.migrate(**ARGUMENTS)
    assert usage.service.cleanup(dry_run=True) == [(name, None)]
    assert usage.client.indices.exists(index=name)
    assert usage.service.cleanup() == [(name, None)]
    assert not usage.client.indices.exists(index=name)
    assert_no_marks(usage)


def test_events_deleted_after_the_cut_over_are_restored_only_on_request(events_of):
    usage = events_of
    events = usage.legacy("view", PAST, EVENTS)
    usage.migrate(**ARGUMENTS)
    target = usage.names.events_target("view", PAST)
    backup = usage.names.events_backup("view", PAST)
    first, second, *_ = events
    usage.client.delete(index=target, id=first, refresh=True)

    ((_, reason),) = usage.service.cleanup()
    assert "1 missing" in reason and "--accept-deletions" in reason
    report = usage.migrate(delete_old_indices=True, **ARGUMENTS)
    assert not report["completed"]
    assert usage.client.indices.exists(index=backup)
    assert len(usage.seen()) == len(events) - 1

    usage.migrate(fresh_start=True, **ARGUMENTS)
    assert len(usage.seen()) == len(events)

    usage.client.delete(index=target, id=second, refresh=True)
    assert not usage.migrate(delete_old_indices=True, **ARGUMENTS)["completed"]
    cleanup = ("usage-events", "cleanup", "--yes", "--accept-deletions")
    assert commands.run(usage.app, *cleanup).exit_code == 2
    assert commands.run(usage.app, "usage-events", "cleanup", "--yes").exit_code == 1
    assert "1 missing" in usage.state("view", PAST)["error"]
    result = commands.run(usage.app, *cleanup, "--months", PAST)
    assert usage.state("view", PAST)["error"] is None
    assert result.exit_code == 0 and not usage.client.indices.exists(index=backup)
    assert {id for id, _ in usage.seen()} == set(events) - {second}


def test_backup_that_somebody_reads_by_an_alias_is_not_deleted(events_of):
    usage = events_of
    usage.legacy("view", PAST, EVENTS)
    usage.migrate(**ARGUMENTS)
    name = usage.names.events_backup("view", PAST)
    alias = f"{usage.names.prefix}somebody"
    usage.client.indices.put_alias(index=name, name=alias)
    ((_, reason),) = usage.service.cleanup()
    assert alias in reason and usage.client.indices.exists(index=name)
    report = usage.migrate(delete_old_indices=True, **ARGUMENTS)
    assert not report["completed"]
    assert usage.client.indices.exists(index=name)
    assert_no_marks(usage)


def test_event_that_only_the_backup_has_is_brought_over_by_the_comparison(events_of):
    usage = events_of
    events = usage.legacy("view", PAST, EVENTS)
    lost = list(events)[:25]

    def lose():
        target = usage.names.events_target("view", PAST)
        for id in lost:
            usage.client.delete(index=target, id=id)
        usage.client.indices.refresh(index=target)

    report = usage.migrate(step=At("switched", lose), **ARGUMENTS)
    assert report["completed"], report
    assert usage.state("view", PAST)["brought_after"] == len(lost)
    usage.assert_enriched_once(events)
    assert_no_marks(usage)


def test_comparison_never_overwrites_later_writes(events_of):
    usage, month = events_of, _current()
    events = usage.legacy("view", month, EVENTS)
    first, second, *_ = events
    newer = {**events[first], "country": "XX"}

    def lose_and_write():
        target = usage.names.events_target("view", month)
        usage.client.delete(index=target, id=second, refresh=True)
        usage.client.index(
            index=usage.names.events_month("view", month), id=first, body=newer
        )

    report = usage.migrate(step=At("switched", lose_and_write), **ARGUMENTS)
    assert report["completed"], report
    usage.assert_seen({**events, first: newer})


def test_corrupted_event_is_reported_and_nothing_is_deleted(events_of):
    usage = events_of
    events = usage.legacy("view", PAST, EVENTS)
    spoilt = next(iter(events))

    def corrupt():
        # below the position of the switch: nobody wrote it afterwards
        target = usage.names.events_target("view", PAST)
        source = usage.client.get(index=target, id=spoilt)["_source"]
        usage.client.index(index=target, id=spoilt, body={**source, "country": "XX"})

    report = usage.service.reindex_events(
        step=At("block", corrupt), delete_old_indices=True, **ARGUMENTS
    )
    assert report.exit_code == 1
    (month,) = [m for m in report.months if m.errors]
    assert "1 changed" in month.errors[0], month.errors
    assert month.retry
    assert _backups(usage) == [PAST]
    stored = dict(usage.seen(index=usage.names.events_backup("view", PAST)))
    assert {id: native(source) for id, source in stored.items()} == events
    again = commands.run(usage.app, "migrate-events", "--delete-old-indices")
    assert again.exit_code == 1
    ((_, reason),) = usage.service.cleanup()
    assert "not been compared" in reason
    assert _backups(usage) == [PAST]
    (check,) = usage.service.verify()
    assert check.same is False and "1 changed" in check.difference


def test_verify_changes_nothing_and_reports_what_is_missing(events_of):
    usage = events_of
    events = usage.legacy("view", PAST, EVENTS)
    usage.migrate(**ARGUMENTS)
    (check,) = usage.service.verify()
    assert check.same is True
    target = usage.names.events_target("view", PAST)
    usage.client.delete(index=target, id=next(iter(events)), refresh=True)
    (check,) = usage.service.verify()
    assert check.same is False and "1 missing" in check.difference
    assert len(usage.seen()) == len(events) - 1
