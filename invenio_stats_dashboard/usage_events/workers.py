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

from ..errors import ClusterNotHealthyError

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
        list[str]: sorted; empty if no worker answers, asked twice.

    Raises:
        ClusterNotHealthyError: the message broker does not answer, so that nobody
            knows.
    """
    inspect = current_celery.control.inspect
    try:
        # one that is busy may need longer
        answer = (
            inspect(timeout=timeout).registered()
            or inspect(timeout=2 * timeout).registered()
            or {}
        )
    except (OperationalError, OSError) as error:
        raise ClusterNotHealthyError(
            "The message broker does not answer, so nobody can tell whether workers "
            "with the stock event indexer are about, which lose the events that are "
            f"refused while a month is switched ({error}). See that it is up and that "
            "CELERY_BROKER_URL is right."
        ) from error
    return sorted(
        worker
        for worker, tasks in answer.items()
        if STOCK_TASK in tasks and MARKER_TASK not in tasks
    )


def worker_problem():
    """Return a sentence about workers that would lose events, or None.

    One that cannot be asked counts as one that would.
    """
    try:
        workers = stock_workers()
    except ClusterNotHealthyError as error:
        return str(error)
    if not workers:
        return None
    return (
        f"The workers {', '.join(workers)} run the stock event indexer, which loses "
        "the events that are refused while a month is switched. Restart them with "
        "this package installed; until then months that may still get events are "
        "not switched."
    )
