# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Celery tasks: each calls a service."""

from dataclasses import asdict
from datetime import timedelta

from celery import shared_task

from .proxies import current_stats_dashboard


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


BEAT_SCHEDULE = {
    "stats-dashboard-recover-overdue-switches": {
        "task": f"{__name__}.recover_overdue_switches",
        "schedule": timedelta(minutes=1),
    },
}
"""Entries for the site's beat, by name."""


def extend_beat_schedule(app):
    """Merge this package's tasks into the site's beat; its own entries win.

    Args:
        app: the Flask application; its schedule is replaced by a copy.
    """
    if app.config["COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED"]:
        site = app.config.get("CELERY_BEAT_SCHEDULE") or {}
        app.config["CELERY_BEAT_SCHEDULE"] = {**BEAT_SCHEDULE, **site}
