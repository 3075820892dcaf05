# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Report problems that need attention, in sentences that state what to do.

Work that the scheduled tasks will do is not a problem. So the rules check whether these
tasks are enabled, and whether they have run.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias, cast

from ..aggregations.aggregate_indices import earlier_layout
from ..migration.report import PLANNED
from ..search.foreign_indices import PAGE as FOREIGN
from .preparation import READY

if TYPE_CHECKING:
    from .status import StatsStatus

COMMAND = "invenio community-stats"
SCHEDULED = "scheduled task"
"""Name of the lock of the task that prepares the instance, and aggregates."""

LATE = timedelta(hours=3)
"""An hourly task that has not run for this time counts as stopped."""


def problems(status: "StatsStatus") -> tuple[str, ...]:
    """Return the problems that need attention, in one or two sentences each.

    Args:
        status: the status, whose own ``problems`` are not used.
    """
    if not status.enabled:
        return ()
    return tuple(
        sentence for rule in _RULES for sentence in rule(status) if sentence is not None
    )


def _prepares_automatically(status: "StatsStatus") -> bool:
    return status.scheduled and status.preparing


def _migration(status: "StatsStatus") -> Iterator[str]:
    for month in status.migration.months:
        sentence = month.problem or month.error
        if sentence:
            retry = f" Try again: {month.retry}" if month.retry else ""
            yield f"{month.event_type} {month.month}: {sentence}{retry}"
    yield from status.migration.problems


def _dead_letters(status: "StatsStatus") -> Iterator[str]:
    letters = status.migration.dead_letters
    if letters.count:
        yield (
            f"{letters.count:,} usage events were refused by OpenSearch and are stored "
            f"as dead letters. The newest reason: {letters.reason} Fix the event or "
            f"the mapping, then run '{COMMAND} usage-events replay'."
        )


def _odd_events(status: "StatsStatus") -> Iterator[str]:
    found = status.migration.odd_events
    if found.new:
        yield (
            f"{found.new:,} usage events have fields that cannot be read as expected, "
            f"such as {found.ids[0]}. They are counted, but these fields count as "
            "unknown; only events whose timestamp cannot be read are not counted. "
            f"'{COMMAND} usage-events odd' lists them; with --acknowledge they need no "
            "action any more."
        )


def _preparation(status: "StatsStatus") -> Iterator[str]:
    """Report what blocks the preparation, except a migration that is running.

    Foreign indices are reported as they are now.
    """
    found = status.preparation or {}
    waits_for = found.get("waits_for")
    if waits_for and found.get("step") != READY and not status.holder("migration"):
        reported = [month.error for month in status.migration.months if month.error]
        reported.append(FOREIGN)
        if not any(error in waits_for for error in reported):
            yield f"The preparation cannot continue: {waits_for}"


def _community_events(status: "StatsStatus") -> Iterator[str]:
    if not status.community_events.complete and not _prepares_automatically(status):
        yield (
            "The community events of existing records are not complete, and no "
            "scheduled task generates them. Run "
            f"'{COMMAND} generate-community-events'."
        )


def _legacy_months(status: "StatsStatus") -> Iterator[str]:
    planned = [m for m in status.migration.months if m.state == PLANNED]
    if planned and not _prepares_automatically(status):
        yield (
            f"{len(planned)} monthly indices of usage events are not migrated, and no "
            "scheduled task migrates them. Their events count for the instance only. "
            f"Run '{COMMAND} migrate-events'."
        )


def _earlier_layout(status: "StatsStatus") -> Iterator[str]:
    if status.yearly_indices:
        yield earlier_layout(status.yearly_indices)


def _last_run(status: "StatsStatus") -> Iterator[str]:
    run = status.last_run
    if status.holder("aggregation"):
        return
    error = (run or {}).get("error")
    if error and error not in _earlier_layout(status):
        yield f"The last aggregation failed: {error}"


def _no_recent_run(status: "StatsStatus") -> Iterator[str]:
    if status.holder("aggregation") or status.holder(SCHEDULED):
        return
    if not status.scheduled:
        if status.last_run is None:
            yield (
                "No aggregation has ever run, and the scheduled tasks are disabled "
                "(COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED). Run "
                f"'{COMMAND} aggregate'."
            )
        return
    moments = [
        run["updated_at"] for run in (status.last_run, status.preparation) if run
    ]
    if status.community_events.finished_at:
        moments.append(aware(status.community_events.finished_at))
    if not moments:
        yield from _never_run(status)
        return
    idle = min(_age(status, moment) for moment in moments)
    if idle > LATE:
        yield (
            f"No scheduled aggregation has run for {_hours(idle)}. Check that Celery "
            f"beat and a worker are running, or run '{COMMAND} aggregate'."
        )


def _never_run(status: "StatsStatus") -> Iterator[str]:
    """Report that no scheduled task has run since the installation."""
    since, migration = status.installed_at, status.migration
    has_events = (
        status.community_events.events
        or migration.undated.events
        or any(month.events for month in migration.months)
    )
    if since and has_events and _age(status, since) > LATE:
        yield (
            "No scheduled task has run since the extension was installed "
            f"{_hours(_age(status, since))} ago. Restart Celery beat, so that it reads "
            "its schedule, and check that a worker is running. The first run of the "
            "entry stats-dashboard-catch-up follows within an hour."
        )


def _pending_days(status: "StatsStatus") -> Iterator[str]:
    left = status.usage_days_left
    if left == 0 or status.scheduled or status.last_run is None:
        return
    if not status.holder("aggregation"):
        days = "An unknown number of days" if left is None else _days(left)
        yield (
            f"{days} of usage must be counted again, and the scheduled tasks are disabled "
            "(COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED). The numbers are the earlier ones "
            f"until then. Run '{COMMAND} aggregate'."
        )


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number:,} days"


def _reconciliation(status: "StatsStatus") -> Iterator[str]:
    finished_at = status.community_events.finished_at
    looked_at = status.reconciled_at or (finished_at and aware(finished_at))
    if not (status.scheduled and status.community_events.complete and looked_at):
        return
    if _age(status, looked_at) > LATE and not status.holder("reconciliation"):
        yield (
            "No scheduled reconciliation of community events has run for "
            f"{_hours(_age(status, looked_at))}. Check that Celery beat and a worker "
            f"are running, or run '{COMMAND} community-events reconcile'."
        )


def _database_indexes(status: "StatsStatus") -> Iterator[str]:
    missing = [index for index in status.database_indexes if not index.exists]
    if missing:
        tables = " and ".join(index.table for index in missing)
        yield (
            f"The database has no index for live capture on {tables}, so each look-up "
            "of a membership scans whole tables. Until the indexes exist, membership "
            "changes are deferred, and many are captured together. Run "
            f"'{COMMAND} database-indexes create'."
        )


def _deferred_captures(status: "StatsStatus") -> Iterator[str]:
    deferred = status.deferred_captures
    since = cast(str, deferred.since)  # a moment if any capture waits
    if deferred.waiting and _age(status, since) > LATE:
        yield (
            f"{deferred.waiting:,} deferred captures of membership changes have waited "
            f"for up to {_hours(_age(status, since))}. Create the database indexes "
            f"with '{COMMAND} database-indexes create', and check that a worker is "
            "running."
        )
    if deferred.timed_out:
        yield (
            f"{deferred.timed_out:,} captures of membership changes wait for the next "
            "reconciliation, because the database canceled their statements after "
            "STATS_DASHBOARD_STATEMENT_TIMEOUT seconds. Find out what slows the "
            "database down. To capture them now, run "
            f"'{COMMAND} community-events reconcile'."
        )


def _queues(status: "StatsStatus") -> Iterator[str]:
    silent = [queue for queue in status.queues if queue.length is None]
    if silent:
        yield (
            f"The message broker does not answer ({silent[0].error}), so no usage "
            "events are processed. Check that it is running and that BROKER_URL is "
            "correct."
        )


def _age(status: "StatsStatus", moment: str) -> timedelta:
    return datetime.fromisoformat(status.now) - datetime.fromisoformat(moment)


def aware(moment: str) -> str:
    """Return a naive moment in UTC as an aware one, both ISO 8601."""
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).isoformat()


def _hours(age: timedelta) -> str:
    return f"{age / timedelta(hours=1):,.0f} hours"


_Rule: TypeAlias = "Callable[[StatsStatus], Iterator[str]]"

_RULES: tuple[_Rule, ...] = (
    _community_events,
    _migration,
    _legacy_months,
    _preparation,
    _dead_letters,
    _odd_events,
    _earlier_layout,
    _last_run,
    _no_recent_run,
    _pending_days,
    _reconciliation,
    _database_indexes,
    _deferred_captures,
    _queues,
)
