# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A process that is frozen, loses its month to another and wakes changes nothing."""

import pytest

from invenio_stats_dashboard.migration import alias_actions
from invenio_stats_dashboard.migration.months import utc_now

from ..helpers.faults import (
    At,
    Frozen,
    assert_no_marks,
    cluster_of,
    later,
    migrate_when_free,
    write_once,
)
from ..helpers.usage import Writer

MONTH = "2026-03"
ARGUMENTS = {"batch_size": 20, "ignore_stock_workers": True}
EVENTS = 60


@pytest.fixture()
def usage(events_of, monkeypatch):
    """Return events of an instance whose locks expire soon."""
    # nobody else requests the lock, so a late renewal does no harm
    monkeypatch.setitem(
        events_of.app.config, "STATS_DASHBOARD_REINDEXING_LOCK_TTL", 0.3
    )
    return events_of


def _current():
    return utc_now().strftime("%Y-%m")


def _wake_in_vain(usage, frozen):
    """Wake a run that has lost its month; it must change nothing and say so."""
    before = cluster_of(usage)
    answer = frozen.wake()
    assert answer["exit_code"] == 3, answer
    assert cluster_of(usage) == before


@pytest.mark.parametrize(
    "step, nth",
    [
        ("claim", 1),
        ("drop target", 1),
        ("create target", 1),
        ("store bookmark", 1),
        ("batch written", 1),
        ("bookmark written", 1),
        ("verify", 1),
        ("replicas", 1),
        ("intent", 1),
        ("block", 1),
        ("flush", 1),
        ("delta", 1),
        ("read alias", 1),
        ("clone", 1),
        ("last call", 1),
    ],
)
def test_frozen_run_changes_nothing_after_another_has_ended_its_month(usage, step, nth):
    events = usage.legacy("view", MONTH, EVENTS)
    frozen = Frozen(usage, step, nth, **ARGUMENTS)
    report = migrate_when_free(usage, **ARGUMENTS)
    assert report["completed"], report
    _wake_in_vain(usage, frozen)
    usage.assert_enriched_once(events)
    late = dict(usage.events("view", MONTH, 2, seed=12))
    assert all(write_once(usage, "view", MONTH, *event) for event in late.items())
    assert_no_marks(usage)


@pytest.mark.parametrize("step", ["block", "flush", "read alias", "clone", "last call"])
def test_frozen_switch_that_others_took_back_changes_nothing(events_of, step):
    usage, month = events_of, _current()
    events = usage.legacy("view", month, EVENTS)
    frozen = Frozen(usage, step, **ARGUMENTS)
    assert usage.service.recover_overdue(now=later) == [f"view-{month}"]
    late = dict(usage.events("view", month, 5, seed=12))
    assert all(write_once(usage, "view", month, *event) for event in late.items())
    events.update(late)
    _wake_in_vain(usage, frozen)
    usage.assert_seen(events)
    report = usage.migrate(**ARGUMENTS)
    assert report["completed"], report
    usage.assert_enriched_once(events)
    assert_no_marks(usage)


@pytest.mark.pairs("woken_at")
@pytest.mark.parametrize("frozen_at", ["claim", "lift block", "remove clone"])
@pytest.mark.parametrize("woken_at", ["delta", "cloned", "last call"])
def test_frozen_recovery_that_wakes_in_anothers_switch_loses_no_event(
    events_of, frozen_at, woken_at
):
    usage, month = events_of, _current()
    events = usage.legacy("view", month, EVENTS)
    stuck = Frozen(usage, "last call", **ARGUMENTS)
    recovery = Frozen(usage, frozen_at, method="recover_overdue", now=later)
    stuck.kill()
    with Writer(usage, "view", month) as writer:
        wake = At(woken_at, recovery.wake)
        report = usage.migrate(step=wake, **ARGUMENTS)
        assert wake.seen[woken_at] >= 1
        if not report["completed"]:
            # it was disturbed, which is no harm: the next one ends it
            assert report["stopped"]["resumable"]
            usage.service.recover_overdue(now=later)
            report = usage.migrate(**ARGUMENTS)
        assert report["completed"], report
    events.update(writer.written)
    usage.assert_seen(events)
    assert_no_marks(usage)
    backup = usage.names.events_backup("view", month)
    assert usage.client.indices.exists(index=backup)


@pytest.mark.parametrize("frozen_at", ["clone", "lift block"])
def test_frozen_switch_never_deletes_the_clone_of_another(usage, frozen_at):
    month = _current()
    events = usage.legacy("view", month, EVENTS)
    if frozen_at == "clone":
        frozen = Frozen(usage, "clone", **ARGUMENTS)
    else:
        frozen = Frozen(usage, frozen_at, also=_delete_at_block(usage), **ARGUMENTS)
        events.pop(min(events))
    wake = At("last call", frozen.wake)
    report = migrate_when_free(usage, step=wake, **ARGUMENTS)
    assert report["completed"], report
    backup = usage.names.events_backup("view", month)
    assert len(usage.seen(index=backup)) == len(events)
    usage.assert_enriched_once(events)


def _delete_at_block(usage):
    from ..helpers.faults import own_client

    def step(point):
        if point == "block":
            client = own_client(usage)
            index = usage.names.events_month("view", _current())
            client.delete(index=index, id=min(_ids(client, index)), refresh=True)

    return step


def _ids(client, index):
    client.indices.refresh(index=index)
    hits = client.search(index=index, body={"size": 1000, "_source": False})
    return [hit["_id"] for hit in hits["hits"]["hits"]]


def test_frozen_block_never_hits_what_serves_under_the_old_name(usage):
    usage.legacy("view", MONTH, EVENTS)
    frozen = Frozen(usage, "block", **ARGUMENTS)
    assert migrate_when_free(usage, **ARGUMENTS)["completed"]
    assert frozen.wake()["exit_code"] == 3
    target = usage.names.events_target("view", MONTH)
    assert not alias_actions.is_blocked(usage.client, target)


def test_frozen_deletion_of_a_backup_spares_one_that_serves_again(usage):
    events = usage.legacy("view", MONTH, EVENTS)
    frozen = Frozen(usage, "delete backup", delete_old_indices=True, **ARGUMENTS)
    rolled_back = []

    def roll_back():
        from invenio_stats_dashboard.errors import LockedError

        try:
            rolled_back.extend(usage.service.rollback(months=[MONTH]))
        except LockedError:
            return False
        return True

    from ..helpers.faults import until

    until(roll_back, "the lock was free")
    assert rolled_back[0].error is None, rolled_back
    _wake_in_vain(usage, frozen)
    usage.assert_seen(events)
