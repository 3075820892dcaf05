# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which Celery workers are about, and which of them would lose events in a switch.

The stock indexer takes messages off the queue before it stores their events: what
a write block refuses is lost. A worker that has this package installed announces
itself by the task of this package that it has registered.
"""

from celery import current_app as current_celery
from celery import shared_task
from kombu.exceptions import OperationalError

STOCK_TASK = "invenio_stats.tasks.process_events"
MARKER_TASK = "invenio_stats_dashboard.tasks.announce_safe_indexer_2"
"""Registered by workers whose event indexer waits out a write block."""


def announce():
    """Let the workers of this application say that theirs is the patient indexer."""
    shared_task(name=MARKER_TASK)(_announce)


def _announce():
    """Do nothing: that the task is registered is what counts."""


def stock_workers(timeout=2.0):
    """Return the names of workers that index events and lose what is refused.

    Args:
        timeout: seconds to wait for the workers' answers.

    Returns:
        list[str]: sorted; empty if there is none, or no broker to ask.
    """
    try:
        answer = current_celery.control.inspect(timeout=timeout).registered() or {}
    except (OperationalError, OSError):
        # no broker: then no worker takes events off it either
        return []
    return sorted(
        worker
        for worker, tasks in answer.items()
        if STOCK_TASK in tasks and MARKER_TASK not in tasks
    )
