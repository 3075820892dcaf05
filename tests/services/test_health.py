# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A problem is reported with what to do; work of the scheduled tasks is not."""

from dataclasses import replace

import pytest

from invenio_stats_dashboard.community_events.backfill_state import BackfillState
from invenio_stats_dashboard.community_events.reconciliation import ReconciliationState
from invenio_stats_dashboard.migration.migration_status import (
    MigrationStatus,
    MonthStatus,
    UndatedStatus,
)
from invenio_stats_dashboard.services.health import problems
from invenio_stats_dashboard.services.status import StatsStatus
from invenio_stats_dashboard.usage_events.dead_letters import DeadLetters
from invenio_stats_dashboard.usage_events.queues import QueueLength

NOW = "2026-03-10T12:00:00+00:00"
AN_HOUR_AGO, YESTERDAY = "2026-03-10T11:00:00+00:00", "2026-03-09T12:00:00+00:00"
RUN = {"updated_at": AN_HOUR_AGO, "error": None}
LONG_AGO = ReconciliationState(looked_at="2026-03-09T12:00:00")
EVENTS = BackfillState(complete=True, finished_at="2026-01-01T00:00:00")
HAS_EVENTS = BackfillState(events=1)
WELL = StatsStatus(
    now=NOW,
    last_run=RUN,
    preparation={"step": "ready", "waits_for": None, "updated_at": AN_HOUR_AGO},
    community_events=EVENTS,
    reconciliation=ReconciliationState(looked_at="2026-03-10T11:00:00"),
    queues=(QueueLength("view", "stats-record-view", 3),),
)


def month(state, error=None, problem=None, retry=None):
    """Return the status of a month."""
    return MonthStatus(
        event_type="view",
        month="2026-02",
        state=state,
        events=9,
        not_enriched=0,
        copied=0,
        percent=0.0,
        rate=None,
        eta=None,
        index=None,
        backup=None,
        error=error,
        retry=retry,
        problem=problem,
        updated_at=None,
    )


def test_a_healthy_site_has_no_problems():
    assert problems(WELL) == ()


def test_pending_days_are_no_problem_if_they_are_being_counted_or_will_be():
    assert problems(replace(WELL, usage_days_left=2)) == ()
    now = {"scheduled": False, "locks": {"aggregation": "run a"}}
    assert problems(replace(WELL, usage_days_left=2, **now)) == ()


def test_a_long_part_of_the_preparation_is_no_problem():
    old = {"updated_at": YESTERDAY, "error": None}
    found = {**WELL.preparation, "updated_at": YESTERDAY}
    silent = replace(WELL, last_run=old, preparation=found)
    assert len(problems(silent)) == 1
    assert problems(replace(silent, locks={"scheduled task": "run a"})) == ()


def test_a_site_that_was_just_set_up_has_no_problems():
    planned = MigrationStatus([month("planned")])
    assert problems(StatsStatus(now=NOW, migration=planned)) == ()


def test_a_disabled_extension_has_no_problems():
    assert problems(StatsStatus(now=NOW, enabled=False, scheduled=False)) == ()


NEVER_RUN = StatsStatus(
    now=NOW,
    installed_at=YESTERDAY,
    migration=MigrationStatus([month("planned")]),
)


def test_scheduled_tasks_that_have_never_run_are_reported_after_three_hours():
    (problem,) = problems(NEVER_RUN)
    assert "No scheduled task has run since" in problem and "24 hours ago" in problem
    assert "Restart Celery beat" in problem and "stats-dashboard-catch-up" in problem
    in_time = "2026-03-10T09:00:00+00:00"
    assert problems(replace(NEVER_RUN, installed_at=in_time)) == ()


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"migration": MigrationStatus([])}, False),
        ({"migration": MigrationStatus([]), "community_events": HAS_EVENTS}, True),
        ({"migration": MigrationStatus([], undated=UndatedStatus(1, 9))}, True),
        ({"installed_at": None}, False),
        ({"locks": {"scheduled task": "run a"}}, False),
        ({"preparation": {"step": "ready", "updated_at": AN_HOUR_AGO}}, False),
        ({"last_run": RUN}, False),
    ],
)
def test_tasks_that_have_never_run_matter_if_events_exist(changes, reported):
    found = problems(replace(NEVER_RUN, **changes))
    assert any("since the extension" in problem for problem in found) == reported


WAITS = {"step": "migration", "waits_for": "No disk.", "updated_at": AN_HOUR_AGO}


@pytest.mark.parametrize(
    ("changes", "reported", "to_do"),
    [
        (
            {
                "migration": MigrationStatus(
                    [month("failed", "Differs.", retry="again")]
                )
            },
            "view 2026-02: Differs.",
            "again",
        ),
        (
            {
                "migration": MigrationStatus(
                    [month("switching", problem="Not finished.")]
                )
            },
            "view 2026-02: Not finished.",
            "",
        ),
        ({"migration": MigrationStatus([], problems=["An index."])}, "An index.", ""),
        (
            {
                "migration": MigrationStatus(
                    [], dead_letters=DeadLetters(2, "No number.")
                )
            },
            "2 usage events were refused",
            "usage-events replay",
        ),
        ({"preparation": WAITS}, "The preparation cannot continue: No disk.", ""),
        (
            {"community_events": BackfillState(), "preparing": False},
            "no scheduled task generates them",
            "generate-community-events",
        ),
        (
            {"community_events": BackfillState(), "scheduled": False},
            "no scheduled task generates them",
            "generate-community-events",
        ),
        (
            {"migration": MigrationStatus([month("planned")]), "preparing": False},
            "1 monthly indices of usage events are not migrated",
            "migrate-events",
        ),
        (
            {"scheduled": False, "usage_days_left": 2},
            "2 days of usage must be counted again, and the scheduled tasks are disabled",
            "aggregate",
        ),
        (
            {"scheduled": False, "usage_days_left": 1},
            "1 day of usage must be counted again",
            "aggregate",
        ),
        (
            {"scheduled": False, "usage_days_left": None},
            "An unknown number of days of usage must be counted again",
            "aggregate",
        ),
        (
            {"last_run": {**RUN, "error": "Disk is full."}},
            "The last aggregation failed: Disk is full.",
            "",
        ),
        (
            {"last_run": {**RUN, "updated_at": YESTERDAY}, "preparation": None},
            "No scheduled aggregation has run for 24 hours",
            "aggregate",
        ),
        (
            {"last_run": None, "preparation": None},
            "No scheduled aggregation has run",
            "beat",
        ),
        (
            {"last_run": None, "preparation": None, "scheduled": False},
            "No aggregation has ever run",
            "aggregate",
        ),
        (
            {"reconciliation": LONG_AGO},
            "No scheduled reconciliation of community events has run for 24 hours",
            "community-events reconcile",
        ),
        (
            {"reconciliation": ReconciliationState()},
            "No scheduled reconciliation of community events has run for",
            "beat",
        ),
        (
            {"outdated_facts": 3, "scheduled": False},
            "3 record facts were computed by another version",
            "community-events reconcile",
        ),
        (
            {"queues": (QueueLength("view", "stats-record-view", error="refused"),)},
            "The message broker does not answer (refused)",
            "BROKER_URL",
        ),
    ],
)
def test_a_problem_is_reported_with_what_to_do(changes, reported, to_do):
    found = problems(replace(WELL, **changes))
    assert len(found) == 1, found
    assert reported in found[0] and to_do in found[0]


@pytest.mark.parametrize(
    ("changes", "lock"),
    [
        ({"last_run": {**RUN, "error": "Disk is full."}}, "aggregation"),
        (
            {"last_run": {**RUN, "updated_at": YESTERDAY}, "preparation": None},
            "aggregation",
        ),
        ({"preparation": WAITS}, "migration"),
        ({"reconciliation": LONG_AGO}, "reconciliation"),
        ({"outdated_facts": 3, "scheduled": False}, "reconciliation"),
    ],
)
def test_work_in_progress_is_no_problem(changes, lock):
    assert problems(replace(WELL, **changes))
    assert problems(replace(WELL, **changes, locks={lock: "run a"})) == ()


def test_a_month_that_failed_is_reported_once():
    failed = month("failed", "Differs.", retry="again")
    waits = {**WAITS, "waits_for": "view 2026-02: Differs. Try again with: again"}
    found = replace(WELL, migration=MigrationStatus([failed]), preparation=waits)
    assert len(problems(found)) == 1


def test_the_scheduled_reconciliation_computes_outdated_facts_again():
    assert problems(replace(WELL, outdated_facts=3)) == ()


def test_an_old_reconciliation_is_no_problem_without_scheduled_tasks():
    assert problems(replace(WELL, reconciliation=LONG_AGO, scheduled=False)) == ()
