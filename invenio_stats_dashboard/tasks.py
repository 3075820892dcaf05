# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Celery tasks, each of which calls a service, and their schedule."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from celery import Task, shared_task
from flask import Flask, current_app
from kombu.exceptions import KombuError
from opensearchpy.exceptions import OpenSearchException

from .broker import RETRY_POLICY, prompt_connection, prompt_producer
from .community_events.change_queue import ChangeQueue
from .community_events.membership_changes import MembershipChanges
from .errors import (
    ClusterNotHealthyError,
    ForeignIndexError,
    LockedError,
    LockLostError,
    NotReadyError,
    SearchUnavailableError,
    StatsDashboardError,
)
from .proxies import current_stats_dashboard
from .search.client import describe, is_transient
from .search.names import Names

if TYPE_CHECKING:
    from .community_events.backfill import BackfillReport
    from .community_events.live_capture import CaptureReport


class BeatEntry(TypedDict):
    """An entry of ``CELERY_BEAT_SCHEDULE``.

    Attributes:
        task: name of the task.
        schedule: how often it runs.
    """

    task: str
    schedule: timedelta


@shared_task
def reindex_usage_events(**arguments: Any) -> dict[str, Any]:
    """Migrate usage events; see ``EventReindexingService.reindex_events``.

    Args:
        arguments: keyword arguments of that method, as JSON values.
    """
    service = current_stats_dashboard.event_reindexing_service
    return service.reindex_events(**arguments).as_json()


@shared_task(acks_late=True)
def re_enrich_usage_events(**arguments: Any) -> list[dict[str, Any]]:
    """Write one breakdown again; see ``EventReindexingService.re_enrich``.

    Args:
        arguments: keyword arguments of that method, as JSON values.

    Returns:
        The outcome of each month.
    """
    service = current_stats_dashboard.event_reindexing_service
    return [asdict(month) for month in service.re_enrich(**arguments)]


@shared_task(ignore_result=True)
def recover_overdue_switches() -> None:
    """Abort cut-overs and rollbacks that no run finished in time."""
    current_stats_dashboard.event_reindexing_service.recover_overdue()


@shared_task(bind=True, acks_late=True, ignore_result=True, max_retries=None)
def capture_community_changes(self: Task) -> None:
    """Write community events of all records whose changes of membership wait.

    If that fails, each message gets a task of its own, which is repeated: a change that
    cannot be captured does not delay others. The same applies to messages that a
    process had taken when it died.

    Args:
        self: the task.
    """
    service = current_stats_dashboard.community_stats_service
    connection = prompt_connection(self.app)
    report = None
    with _change_queue().batch(connection) as batch:
        messages = batch.messages
        if not messages:
            return
        try:
            if not batch.was_delivered:
                report = service.capture(*messages)
        except Exception as error:  # noqa: BLE001 - each is repeated by its own task
            if _is_not_ready(error):
                return
            current_app.logger.warning(
                "%d changes of memberships are captured one by one. %s",
                *(len(messages), describe(error)),
            )
        if report is None:
            for changes in messages:
                _send(capture_changes_of_message, **asdict(changes))
    if report is not None:
        _follow(self, report)
    if batch.is_full:
        _send(self)


@shared_task(bind=True, acks_late=True, ignore_result=True, max_retries=None)
def capture_changes_of_message(
    self: Task,
    parent_ids: Sequence[str] = (),
    community_ids: Sequence[str] = (),
    rows: Iterable[Sequence[Any]] = (),
) -> None:
    """Write community events of records whose membership may have changed.

    If a service does not answer, the task runs again later.

    Args:
        self: the task.
        parent_ids: see
            :class:`~.community_events.membership_changes.MembershipChanges`.
        community_ids: see there.
        rows: see there.
    """
    service = current_stats_dashboard.community_stats_service
    changes = MembershipChanges.of(
        {"parent_ids": parent_ids, "community_ids": community_ids, "rows": rows}
    )
    _capture(self, lambda: service.capture(changes))


@shared_task(bind=True, acks_late=True, ignore_result=True, max_retries=None)
def capture_deferred_changes(self: Task) -> None:
    """Write community events of records whose capture was deferred.

    Args:
        self: the task.
    """
    service = current_stats_dashboard.community_stats_service
    _capture(self, service.capture_deferred_changes)


def _capture(task: Task, work: Callable[[], "CaptureReport"]) -> None:
    """Capture changes; run the task again later if a service does not answer."""
    try:
        report = work()
    except (StatsDashboardError, OpenSearchException) as error:
        if _is_not_ready(error):
            return
        if task.request.is_eager or task.request.retries >= _TRIES:
            raise
        raise task.retry(exc=error, countdown=_pause(task.request.retries)) from error
    _follow(task, report)


def _is_not_ready(error: Exception) -> bool:
    """Return whether to leave a change to the back-fill; the extension is disabled.

    While another extension has the indices, the change is captured later.
    """
    foreign = isinstance(error, ForeignIndexError)
    return isinstance(error, NotReadyError) and not foreign


def _follow(task: Task, report: "CaptureReport") -> None:
    """Log refused documents, and send the task for the next batch."""
    _log_refused(report.written)
    # an eager task would run at once, without the countdown
    if report.next_batch is not None and not task.request.is_eager:
        _send_later(capture_deferred_changes, report.next_batch)


def send_capture(**arguments: Any) -> None:
    """Send changes of memberships, and a task that captures them, to a worker.

    A broker that does not answer delays the caller by a few seconds only. The changes
    are committed already.

    Args:
        arguments: ``parent_ids``, ``community_ids`` and ``rows`` of
            :class:`~.community_events.membership_changes.MembershipChanges`.

    Raises:
        kombu.exceptions.OperationalError: the broker does not answer.
    """
    task = capture_community_changes
    if task.app.conf.task_always_eager:
        _send(capture_changes_of_message, **arguments)
        return
    with prompt_producer(task.app) as producer:
        _change_queue().put(producer, arguments)
        # on the same channel, so that the task does not overtake the change
        task.apply_async(producer=producer, retry_policy=RETRY_POLICY)


def _change_queue() -> ChangeQueue:
    """Return the queue of changes of this site."""
    return ChangeQueue(f"{Names.of(current_app).prefix}stats-community-changes")


def _send(task: Task, **arguments: Any) -> None:
    """Send a task to a worker, without a long wait for the broker."""
    if task.app.conf.task_always_eager:
        task.apply_async(kwargs=arguments)
        return
    with prompt_producer(task.app) as producer:
        task.apply_async(
            kwargs=arguments,
            producer=producer,
            retry_policy=RETRY_POLICY,
        )


def _send_later(task: Task, seconds: float) -> None:
    """Send a task that runs after some seconds.

    If the broker does not answer, the next reconciliation does the work.
    """
    try:
        with prompt_producer(task.app) as producer:
            task.apply_async(countdown=seconds, producer=producer)
    except (KombuError, OSError) as error:
        current_app.logger.warning(
            "The message broker does not answer (%s): the next reconciliation does the "
            "deferred captures.",
            error,
        )


def _pause(retries: int) -> float:
    """Return the seconds before the next try."""
    return min(FIRST_PAUSE * 2**retries, 900)


@shared_task(ignore_result=True)
def reconcile_community_events() -> None:
    """Find changes of memberships that live capture has missed."""
    # A worker that was killed may have left changes without a task. They have dates
    # that the reconciliation does not know.
    if not capture_community_changes.app.conf.task_always_eager:
        _send_later(capture_community_changes, 0)
    _log_refused(current_stats_dashboard.community_stats_service.reconcile_if_due())


def _log_refused(report: "BackfillReport | None") -> None:
    """Log the documents that OpenSearch refuses; an operator must remove the cause."""
    if report is not None and report.refused:
        current_app.logger.error(
            "OpenSearch refuses %d community events or record facts; the first: %s. The "
            "hourly reconciliation tries again. To list all of them, run 'invenio "
            "community-stats community-events reconcile'.",
            len(report.refused),
            report.refused[0],
        )


@shared_task(ignore_result=True)
def fill_usage_events() -> None:
    """Enrich events that were written to enriched months without enrichment."""
    # before the back-fill and the migration there is nothing to fill
    with suppress(NotReadyError):
        done = current_stats_dashboard.event_reindexing_service.fill_usage_events()
        if done.refused:
            current_app.logger.error(
                "OpenSearch refuses the enrichment of %d usage events; the last reason: "
                "%s",
                done.refused,
                done.reason,
            )


@shared_task(ignore_result=True)
def attribute_usage_events_again() -> None:
    """Correct the communities of enriched events after changes of timelines."""
    current_stats_dashboard.event_reindexing_service.attribute_again()


_PASSES = (
    ClusterNotHealthyError,
    ForeignIndexError,
    LockedError,
    LockLostError,
    SearchUnavailableError,
)
"""Temporary failures: logged without a traceback, retried by the next run."""


@shared_task(acks_late=True, throws=_PASSES)
def aggregate_community_stats(**arguments: Any) -> dict[str, Any]:
    """Bring deltas and snapshots up to date; see ``CommunityStatsService.aggregate``.

    Args:
        arguments: keyword arguments of that method, as JSON values.
    """
    service = current_stats_dashboard.community_stats_service
    return service.aggregate(**arguments, call=_send_helpers).as_json()


@shared_task(ignore_result=True)
def help_aggregating(run: str) -> None:
    """Do steps of an aggregation that another worker has begun.

    Args:
        run: id of the run.
    """
    try:
        current_stats_dashboard.community_stats_service.help_aggregating(run)
    except _PASSES as error:
        # the worker that began the run does the remaining steps
        current_app.logger.warning(
            "This worker does not help with the aggregation. %s", error
        )


def _send_helpers(run: str, steps: int) -> None:
    """Ask other workers to help with a run; one that starts too late does nothing.

    If the broker does not answer, the run does all steps alone.
    """
    helpers = current_app.config["COMMUNITY_STATS_AGGREGATION_HELPERS"]
    try:
        for _ in range(min(helpers, steps - 1)):
            _send(help_aggregating, run=run)
    except (KombuError, OSError) as error:
        current_app.logger.warning(
            "The message broker does not answer (%s): the aggregation runs without "
            "helpers.",
            error,
        )


@shared_task(ignore_result=True)
def catch_up_community_stats() -> None:
    """Do a part of the preparation, or aggregate if it is complete.

    Temporary failures are logged; the next run continues.
    """
    try:
        current_stats_dashboard.community_stats_service.catch_up(_send_helpers)
    except _PASSES as error:
        current_app.logger.warning(
            "The aggregation is postponed to the next run. %s", error
        )
    except OpenSearchException as error:
        if not is_transient(error):
            raise
        current_app.logger.warning(
            "The aggregation is postponed to the next run. %s", describe(error)
        )


FIRST_PAUSE = 5.0
"""Seconds before the first retry of a capture; each pause is twice as long."""

_TRIES = 100
"""Retries of a capture, about a day; later the reconciliation finds the change."""


BEAT_SCHEDULE: dict[str, BeatEntry] = {
    "stats-dashboard-catch-up": {
        "task": f"{__name__}.catch_up_community_stats",
        "schedule": timedelta(hours=1),
    },
    "stats-dashboard-reconcile-community-events": {
        "task": f"{__name__}.reconcile_community_events",
        "schedule": timedelta(hours=1),
    },
    "stats-dashboard-recover-overdue-switches": {
        "task": f"{__name__}.recover_overdue_switches",
        "schedule": timedelta(minutes=1),
    },
    "stats-dashboard-attribute-usage-events-again": {
        "task": f"{__name__}.attribute_usage_events_again",
        "schedule": timedelta(minutes=10),
    },
    "stats-dashboard-fill-usage-events": {
        "task": f"{__name__}.fill_usage_events",
        "schedule": timedelta(minutes=10),
    },
}
"""Entries for the site's beat, by name."""

_ALWAYS = "stats-dashboard-recover-overdue-switches"
"""The entry that stays scheduled while the extension is disabled.

If the extension was disabled during a cut-over, the month accepts no events until the
cut-over is aborted.
"""


def extend_beat_schedule(app: Flask) -> None:
    """Add this package's tasks to the beat; entries of the site take precedence.

    A disabled extension adds only the recovery of cut-overs.

    Args:
        app: its schedule is replaced by a copy.
    """
    if app.config["COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED"]:
        enabled = app.config["COMMUNITY_STATS_ENABLED"]
        ours = BEAT_SCHEDULE if enabled else {_ALWAYS: BEAT_SCHEDULE[_ALWAYS]}
        site = app.config.get("CELERY_BEAT_SCHEDULE") or {}
        app.config["CELERY_BEAT_SCHEDULE"] = {**ours, **site}
