# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Celery tasks: each calls a service."""

from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta

from celery import shared_task
from flask import current_app
from kombu.exceptions import KombuError
from opensearchpy.exceptions import OpenSearchException

from .broker import prompt_producer
from .errors import (
    ClusterNotHealthyError,
    LockedError,
    LockLostError,
    NotReadyError,
    SearchUnavailableError,
    StatsDashboardError,
)
from .proxies import current_stats_dashboard
from .search.client import describe, is_transient


@shared_task
def reindex_usage_events(**arguments):
    """Migrate usage events; see ``EventReindexingService.reindex_events``.

    Args:
        arguments: keyword arguments of that method, as JSON values.

    Returns:
        dict: the report.
    """
    service = current_stats_dashboard.event_reindexing_service
    return service.reindex_events(**arguments).as_json()


@shared_task(acks_late=True)
def re_enrich_usage_events(**arguments):
    """Write one breakdown again; see ``EventReindexingService.re_enrich``.

    Args:
        arguments: keyword arguments of that method, as JSON values.

    Returns:
        list[dict]: what was done with each month.
    """
    service = current_stats_dashboard.event_reindexing_service
    return [asdict(month) for month in service.re_enrich(**arguments)]


@shared_task(ignore_result=True)
def recover_overdue_switches():
    """Take back the switches of months that nobody has finished in time."""
    current_stats_dashboard.event_reindexing_service.recover_overdue()


@shared_task(bind=True, acks_late=True, ignore_result=True, max_retries=None)
def capture_community_changes(self, parent_ids=(), community_ids=(), rows=()):
    """Write community events of records that may have changed; again until it works.

    Args:
        self: the task.
        parent_ids: UUIDs of parents.
        community_ids: UUIDs of communities.
        rows: see ``CommunityStatsService.capture_changes``.
    """
    service = current_stats_dashboard.community_stats_service
    _capture(self, lambda: service.capture_changes(parent_ids, community_ids, rows))


@shared_task(bind=True, acks_late=True, ignore_result=True, max_retries=None)
def capture_deferred_changes(self):
    """Write community events of records whose capture was put off.

    Args:
        self: the task.
    """
    service = current_stats_dashboard.community_stats_service
    _capture(self, service.capture_deferred_changes)


def _capture(task, work):
    """Capture changes; try again later if a service is away.

    Args:
        task: the running task.
        work: returns a :class:`~.community_events.live_capture.CaptureReport`.
    """
    try:
        report = work()
    except NotReadyError:
        return  # it was switched off since
    except (StatsDashboardError, OpenSearchException) as error:
        if task.request.is_eager or task.request.retries >= _TRIES:
            raise
        raise task.retry(exc=error, countdown=_pause(task.request.retries)) from error
    _tell_refused(report.written)
    # an eager task would not wait
    if report.next_batch is not None and not task.request.is_eager:
        _send_later(capture_deferred_changes, report.next_batch)


def send_capture(**arguments):
    """Hand the work of :func:`capture_community_changes` to a worker.

    A broker that does not answer is waited for some seconds; the caller's work is done
    already.

    Args:
        arguments: those of the task.

    Raises:
        kombu.exceptions.OperationalError: the broker does not answer.
    """
    _send(capture_community_changes, **arguments)


def _send(task, **arguments):
    """Hand a task to a worker, without waiting long for the broker."""
    if task.app.conf.task_always_eager:
        task.apply_async(kwargs=arguments)
        return
    with prompt_producer(task.app) as producer:
        task.apply_async(
            kwargs=arguments,
            producer=producer,
            # a connection that was kept may be stale; more than once it is not tried
            retry_policy={"max_retries": 1, "interval_start": 0, "interval_max": 0.2},
        )


def _send_later(task, seconds):
    """Have a task run after some seconds; without a broker the reconciliation does."""
    try:
        with prompt_producer(task.app) as producer:
            task.apply_async(countdown=seconds, producer=producer)
    except (KombuError, OSError) as error:
        current_app.logger.warning(
            "The message broker does not answer (%s): changes of memberships that were "
            "put off are captured by the next reconciliation.",
            error,
        )


def _pause(retries):
    return min(5 * 2**retries, 900)


@shared_task(ignore_result=True)
def reconcile_community_events():
    """Look for changes of memberships that were missed."""
    _tell_refused(current_stats_dashboard.community_stats_service.reconcile_if_due())


def _tell_refused(report):
    """Log what OpenSearch refuses for good: somebody has to mend it."""
    if report is not None and report.refused:
        current_app.logger.error(
            "OpenSearch refuses %d community events or record facts; the first: %s. The "
            "hourly reconciliation tries again. To see all of them: 'invenio "
            "community-stats community-events reconcile'.",
            len(report.refused),
            report.refused[0],
        )


@shared_task(ignore_result=True)
def fill_usage_events():
    """Enrich events that came into enriched months without their enrichment."""
    # where nothing was generated or migrated yet, there is nothing to fill either
    with suppress(NotReadyError):
        done = current_stats_dashboard.event_reindexing_service.fill_usage_events()
        if done.refused:
            current_app.logger.error(
                "%d usage events are refused with their enrichment; the last: %s",
                done.refused,
                done.reason,
            )


@shared_task(ignore_result=True)
def attribute_usage_events_again():
    """Attribute enriched events again whose records are noted for it."""
    current_stats_dashboard.event_reindexing_service.attribute_again()


_PASSES = (
    ClusterNotHealthyError,
    LockedError,
    LockLostError,
    SearchUnavailableError,
)
"""What the next run has no trouble with, maybe; a sentence, not a traceback."""


@shared_task(acks_late=True, throws=_PASSES)
def aggregate_community_stats(**arguments):
    """Bring deltas and snapshots up to date; see ``CommunityStatsService.aggregate``.

    Args:
        arguments: keyword arguments of that method, as JSON values.

    Returns:
        dict: the report.
    """
    service = current_stats_dashboard.community_stats_service
    return service.aggregate(**arguments, call=_send_helpers).as_json()


@shared_task(ignore_result=True)
def help_aggregating(run):
    """Do steps of a run of the aggregation that another worker has begun.

    Args:
        run: id of the run.
    """
    try:
        current_stats_dashboard.community_stats_service.help_aggregating(run)
    except _PASSES as error:
        # the run itself does what is left
        current_app.logger.warning("The aggregation is not helped. %s", error)


def _send_helpers(run, steps):
    """Have other workers help with a run; one that comes too late does nothing.

    Without a broker the run does all by itself.
    """
    helpers = current_app.config["COMMUNITY_STATS_AGGREGATION_HELPERS"]
    try:
        for _ in range(min(helpers, steps - 1)):
            _send(help_aggregating, run=run)
    except (KombuError, OSError) as error:
        current_app.logger.warning(
            "The message broker does not answer (%s): nobody helps with the "
            "aggregation.",
            error,
        )


@shared_task(ignore_result=True)
def catch_up_community_stats():
    """Make a piece of what is missing, or count what has changed.

    What passes by itself is told in the log: the next run goes on.
    """
    try:
        current_stats_dashboard.community_stats_service.catch_up(_send_helpers)
    except _PASSES as error:
        current_app.logger.warning("Statistics are counted later. %s", error)
    except OpenSearchException as error:
        if not is_transient(error):
            raise
        current_app.logger.warning("Statistics are counted later. %s", describe(error))


_TRIES = 100
"""After about a day the reconciliation is left to find it."""


BEAT_SCHEDULE = {
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
"""What is done although the extension is disabled.

A switch that it was disabled in has left a month that takes no events.
"""


def extend_beat_schedule(app):
    """Merge this package's tasks into the site's beat; its own entries win.

    Of a disabled extension it is only the recovery of switches.

    Args:
        app: the Flask application; its schedule is replaced by a copy.
    """
    if app.config["COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED"]:
        enabled = app.config["COMMUNITY_STATS_ENABLED"]
        ours = BEAT_SCHEDULE if enabled else {_ALWAYS: BEAT_SCHEDULE[_ALWAYS]}
        site = app.config.get("CELERY_BEAT_SCHEDULE") or {}
        app.config["CELERY_BEAT_SCHEDULE"] = {**ours, **site}
