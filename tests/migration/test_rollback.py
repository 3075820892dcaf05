# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A month can return to its legacy index, with all events that came later."""

import pytest

from invenio_stats_dashboard.errors import UsageError
from invenio_stats_dashboard.migration.months import utc_now
from invenio_stats_dashboard.search.mappings import ENRICHED_FIELDS

from ..helpers.faults import (
    At,
    Frozen,
    assert_no_marks,
    killed_at,
    later,
    write_once,
)
from ..helpers.usage import Reader, Writer

ARGUMENTS = {"batch_size": 20, "ignore_stock_workers": True}
EVENTS = 60
STEPS = (
    "rollback carry",
    "rollback compare",
    "rollback intent",
    "rollback block",
    "rollback flush",
    "rollback delta",
    "rollback last call",
    "rollback after last call",
    "rolled back",
)
BLOCKED = ("rollback flush", "rollback delta", "rollback last call")


@pytest.fixture()
def month():
    """Return the current month."""
    return utc_now().strftime("%Y-%m")


@pytest.fixture()
def migrated(events_of, month):
    """Return a migrated month and its events, some of which came later."""
    events = events_of.legacy("view", month, EVENTS)
    assert events_of.migrate(**ARGUMENTS)["completed"]
    events.update(events_of.add("view", month, 30, seed=21))
    return events_of, events


def _roll_back(usage, month, **arguments):
    (outcome,) = usage.service.rollback(("view",), (month,), **arguments)
    return outcome


def _assert_legacy(usage, month, events):
    usage.assert_seen(events)
    assert not any(
        key in source for _, source in usage.seen() for key in ENRICHED_FIELDS
    )
    assert not usage.client.indices.exists(
        index=usage.names.events_target("view", month)
    )
    assert_no_marks(usage)


def _write_late(usage, month, events, seed):
    late = dict(usage.events("view", month, 5, seed))
    assert all(write_once(usage, "view", month, *event) for event in late.items())
    events.update(late)


def test_month_rolled_back_written_and_migrated_again_has_all_events(migrated, month):
    usage, events = migrated
    outcome = _roll_back(usage, month)
    assert outcome.error is None and outcome.copied_back == 30
    _assert_legacy(usage, month, events)
    _write_late(usage, month, events, 22)
    usage.assert_seen(events)
    report = usage.migrate(**ARGUMENTS)
    assert report["completed"], report
    usage.assert_enriched_once(events)
    _write_late(usage, month, events, 23)
    outcome = _roll_back(usage, month)
    assert outcome.error is None, outcome
    _assert_legacy(usage, month, events)


def test_a_rollback_includes_later_updates_and_deletions(migrated, month):
    usage, events = migrated
    stock = usage.names.events_month("view", month)
    changed, gone = list(events)[:5], list(events)[5:10]
    for id in changed:
        events[id] = {**events[id], "country": "XX"}
        usage.client.index(index=stock, id=id, body=events[id])
    for id in gone:
        events.pop(id)
        usage.client.delete(index=stock, id=id, refresh=True)
    assert _roll_back(usage, month).error is None
    _assert_legacy(usage, month, events)


def test_readers_and_writers_notice_nothing_of_a_rollback(migrated, month):
    usage, events = migrated
    with (
        Writer(usage, "view", month, seed=24) as writer,
        Reader(usage, "view", len(events), writer) as reader,
    ):
        outcome = _roll_back(usage, month)
    assert outcome.error is None, outcome
    assert reader.wrong == [] and reader.polls > 20
    _assert_legacy(usage, month, {**events, **writer.written})


@pytest.mark.pairs("then")
@pytest.mark.parametrize("then", ["rollback", "migration"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_rollback_is_ended_by_the_next_run(migrated, month, step, then):
    usage, events = migrated
    killed_at(usage, step, method="rollback", months=(month,))
    usage.assert_seen(events)
    if step in BLOCKED:
        assert not write_once(usage, "view", month, "x", next(iter(events.values())))
        assert usage.service.recover_overdue() == []
    if then == "rollback":
        _ended_by_a_rollback(usage, events, month, step)
    else:
        _ended_by_a_migration(usage, events, month)


def _ended_by_a_rollback(usage, events, month, step):
    if step in BLOCKED:
        assert usage.service.recover_overdue(now=later) == [f"view-{month}"]
    _write_late(usage, month, events, 25)
    outcome = _roll_back(usage, month)
    assert outcome.error is None, outcome
    _assert_legacy(usage, month, events)
    _write_late(usage, month, events, 26)
    assert usage.migrate(**ARGUMENTS)["completed"]
    usage.assert_enriched_once(events)


def _ended_by_a_migration(usage, events, month):
    report = usage.migrate(**ARGUMENTS)
    assert report["completed"], report
    usage.assert_seen(events, enriched=list(events)[:EVENTS])
    assert_no_marks(usage)
    _write_late(usage, month, events, 25)
    usage.assert_seen(events)


@pytest.mark.parametrize("step", ["rollback block", "rollback last call"])
def test_frozen_rollback_that_others_took_back_changes_nothing(migrated, month, step):
    usage, events = migrated
    frozen = Frozen(usage, step, method="rollback", months=(month,))
    assert usage.service.recover_overdue(now=later) == [f"view-{month}"]
    _write_late(usage, month, events, 25)
    assert frozen.wake()["exit_code"] == 3
    usage.assert_seen(events)
    _write_late(usage, month, events, 26)
    assert usage.client.indices.exists(index=usage.names.events_target("view", month))
    assert _roll_back(usage, month).error is None
    _assert_legacy(usage, month, events)


def test_deletion_in_the_switch_back_leaves_the_month_as_it_was(migrated, month):
    usage, events = migrated
    stock = usage.names.events_month("view", month)

    def delete_one():
        id = next(iter(events))
        events.pop(id)
        usage.client.delete(index=stock, id=id, refresh=True)

    outcome = _roll_back(usage, month, step=At("rollback block", delete_one))
    assert "The month still uses" in outcome.error
    usage.assert_seen(events)
    assert_no_marks(usage)
    _write_late(usage, month, events, 25)
    assert _roll_back(usage, month).error is None
    _assert_legacy(usage, month, events)


def test_month_without_backup_says_why_it_cannot_be_rolled_back(events_of, month):
    usage = events_of
    events = usage.legacy("view", month, EVENTS)
    assert usage.migrate(delete_backup=True, **ARGUMENTS)["completed"]
    assert _roll_back(usage, month).error == "its backup was deleted"
    usage.assert_enriched_once(events)


def test_month_that_is_not_migrated_says_so(events_of, month):
    usage = events_of
    events = usage.legacy("view", month, EVENTS)
    assert _roll_back(usage, month).error == "it is not migrated"
    usage.assert_seen(events)


def test_rollback_of_no_month_in_particular_is_refused(events_of):
    with pytest.raises(UsageError, match="--months"):
        events_of.service.rollback()
