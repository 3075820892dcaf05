# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""After ``kill -9`` at any step, the site works and the next run continues."""

import pytest

from invenio_stats_dashboard.migration.months import utc_now

from ..helpers.faults import (
    assert_no_marks,
    killed_at,
    later,
    own_client,
    write_once,
)

PAST = "2026-03"
STEPS = (
    ("claim", 1),
    ("create target", 1),
    ("store bookmark", 1),
    ("copy", 1),
    ("batch written", 1),
    ("bookmark written", 1),
    ("batch written", 3),
    ("bookmark written", 3),
    ("verify", 1),
    ("verified", 1),
    ("replicas", 1),
    ("intent", 1),
    ("block", 1),
    ("flush", 1),
    ("delta", 1),
    ("delta written", 1),
    ("read alias", 1),
    ("clone", 1),
    ("cloned", 1),
    ("last call", 1),
    ("after last call", 1),
    ("switched", 1),
    ("comparison", 1),
    ("compared", 1),
    ("delete backup", 1),
    ("backup deleted", 1),
)
BLOCKED = {
    "flush",
    "delta",
    "delta written",
    "read alias",
    "clone",
    "cloned",
    "last call",
}
EVENTS = 60
BATCH = 20


def _current():
    return utc_now().strftime("%Y-%m")


def _arguments(**more):
    return {
        "batch_size": BATCH,
        "ignore_stock_workers": True,
        "delete_old_indices": True,
        "delete_backup": True,
        **more,
    }


def _assert_serves(usage, event_type, count):
    """Check that readers see each event once."""
    alias = usage.names.events_alias(event_type)
    usage.client.indices.refresh(index=alias)
    assert usage.client.count(index=alias)["count"] == count


def _finish(usage, month, events, not_enriched=(), **arguments):
    """Run the same command again, and check its end."""
    report = usage.migrate(**arguments)
    assert report["completed"], report
    assert report["event_types"]["view"]["months"][month]["state"] == "done"
    usage.assert_seen(events, enriched=set(events) - set(not_enriched))
    assert_no_marks(usage)
    late = dict(usage.events("view", month, 1, seed=13))
    for id, source in late.items():
        assert write_once(usage, "view", month, id, source)
    usage.assert_seen({**events, **late})


@pytest.mark.pairs("when")
@pytest.mark.parametrize(
    "when, step, nth",
    [
        *(("past", *step) for step in STEPS),
        # for the current month, only the steps from replicas on, which affect writers
        *(("current", *step) for step in STEPS[STEPS.index(("replicas", 1)) :]),
    ],
    ids=lambda value: str(value),
)
def test_killed_run_loses_nothing_and_the_next_one_ends_the_same(
    events_of, when, step, nth
):
    usage, month = events_of, PAST if when == "past" else _current()
    events = usage.legacy("view", month, EVENTS)
    killed_at(usage, step, nth, **_arguments())
    _assert_serves(usage, "view", len(events))

    late = dict(usage.events("view", month, 3, seed=12))
    taken = [write_once(usage, "view", month, *event) for event in late.items()]
    assert set(taken) == {step not in BLOCKED}
    if step in BLOCKED:
        # the next process removes the block; writers have retained their events
        assert usage.service.recover_overdue(now=utc_now) == []
        assert usage.service.recover_overdue(now=later) == [f"view-{month}"]
        assert all(write_once(usage, "view", month, *event) for event in late.items())
    events.update(late)
    _assert_serves(usage, "view", len(events))
    switched = (step, nth) in STEPS[STEPS.index(("after last call", 1)) :]
    _finish(usage, month, events, late if switched else (), **_arguments())


@pytest.mark.parametrize("step", ["flush", "read alias", "last call"])
def test_next_run_brings_a_killed_switch_back_by_itself(events_of, step):
    usage, month = events_of, _current()
    events = usage.legacy("view", month, EVENTS)
    killed_at(usage, step, **_arguments())
    _finish(usage, month, events, **_arguments())


@pytest.mark.parametrize("step", ["abort", "lift block", "remove clone"])
def test_run_that_is_killed_while_it_aborts_a_cutover_can_be_run_again(events_of, step):
    usage, month = events_of, PAST
    events = usage.legacy("view", month, EVENTS)
    first = next(iter(events))

    def delete_in_the_switch(point):
        # a deletion just before the block makes the switch fail its count
        if point == "block":
            own_client(usage).delete(
                index=usage.names.events_month("view", month), id=first, refresh=True
            )

    killed_at(usage, step, also=delete_in_the_switch, **_arguments())
    events.pop(first)
    _assert_serves(usage, "view", len(events))
    _finish(usage, month, events, **_arguments())


@pytest.mark.parametrize("step", ["recover", "claim", "lift block", "remove clone"])
def test_recovery_that_is_killed_is_done_by_the_next_one(events_of, step):
    usage, month = events_of, _current()
    events = usage.legacy("view", month, EVENTS)
    killed_at(usage, "last call", **_arguments())
    if step == "recover":
        killed_at(usage, step, **_arguments())
    else:
        killed_at(usage, step, method="recover_overdue", now=later)
    _assert_serves(usage, "view", len(events))
    assert usage.service.recover_overdue(now=later) == [f"view-{month}"]
    late = dict(usage.events("view", month, 3, seed=12))
    assert all(write_once(usage, "view", month, *event) for event in late.items())
    events.update(late)
    _finish(usage, month, events, **_arguments())


def test_run_that_is_killed_before_it_drops_a_target_does_so_again(events_of):
    usage, month = events_of, PAST
    events = usage.legacy("view", month, EVENTS)
    killed_at(usage, "verify", **_arguments())
    killed_at(usage, "drop target", **_arguments(fresh_start=True))
    _assert_serves(usage, "view", len(events))
    _finish(usage, month, events, **_arguments())


def test_month_that_failed_its_verification_is_copied_again_though_it_was_killed(
    events_of,
):
    usage, month = events_of, PAST
    events = usage.legacy("view", month, EVENTS)
    spoil = _spoil_enrichment(usage, month)
    killed_at(usage, "start anew", also=spoil, **_arguments())
    _assert_serves(usage, "view", len(events))
    # the next run finds the same, and does what the killed one was about to do
    report = usage.migrate(**_arguments())
    errors = report["event_types"]["view"]["months"][month]["errors"]
    assert "copies this month from the beginning" in errors[0]
    target = usage.names.events_target("view", month)
    assert not usage.client.indices.exists(index=target)
    _assert_serves(usage, "view", len(events))
    _finish(usage, month, events, **_arguments())


def _spoil_enrichment(usage, month):
    def step(point):
        if point == "verify":
            client = own_client(usage)
            target = usage.names.events_target("view", month)
            client.indices.refresh(index=target)
            client.update_by_query(
                index=target,
                body={"script": "ctx._source.remove('enriched_at')"},
                refresh=True,
            )

    return step
