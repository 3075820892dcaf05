# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which Celery workers are about, and which of them would lose events in a switch.

The stock indexer takes messages off the queue before it stores their events: what
a write block refuses is lost. A worker that has this package installed announces
itself by the task of this package that it has registered.
"""

import time

from celery import current_app as current_celery
from celery import shared_task
from kombu.exceptions import OperationalError

from ..errors import ClusterNotHealthyError

TIMEOUT = "STATS_DASHBOARD_REINDEXING_WORKER_TIMEOUT"
"""The config variable for the seconds that workers have to answer."""

STOCK_TASK = "invenio_stats.tasks.process_events"
MARKER_TASK = "invenio_stats_dashboard.tasks.announce_safe_indexer_2"
"""Registered by workers whose event indexer waits out a write block."""


def announce():
    """Let the workers of this application say that theirs is the patient indexer."""
    shared_task(name=MARKER_TASK)(_announce)


def _announce():
    """Do nothing: that the task is registered is what counts."""


class StockWorkers:
    """Watches for workers that index events and lose what is refused.

    A busy worker may not answer in time, so each question is asked twice, and a
    worker that was found once counts until it answers that it is safe, or until it
    has not answered for a minute, as one that was stopped.

    Args:
        timeout: seconds to wait for the workers' answers each time.
        gone: seconds without an answer after which a worker counts as stopped.
    """

    def __init__(self, timeout=2.0, gone=60.0):
        """Know of no worker yet."""
        self._timeout, self._gone = timeout, gone
        self._seen = {}

    @classmethod
    def of(cls, app):
        """Return one that waits as the application's configuration says."""
        return cls(app.config[TIMEOUT])

    def names(self):
        """Ask all workers.

        Returns:
            list[str]: sorted names of stock workers. Workers that never answered
            are not known, and not among them.

        Raises:
            ClusterNotHealthyError: the message broker does not answer, so that
                nobody knows.
        """
        try:
            answers = [answer for _ in range(2) for answer in self._ask()]
        except (OperationalError, OSError) as error:
            raise ClusterNotHealthyError(
                "The message broker does not answer, so nobody can tell whether "
                "workers with the stock event indexer are about, which lose the "
                f"events that are refused while a month is switched ({error}). See "
                "that it is up and that CELERY_BROKER_URL is right."
            ) from error
        now = time.monotonic()
        # two workers may have one name: each answer counts
        stock = {name for name, tasks in answers if _is_stock(tasks)}
        answered = {name for name, _ in answers}
        self._seen = {
            **{
                name: seen
                for name, seen in self._seen.items()
                if name not in answered and now - seen < self._gone
            },
            **dict.fromkeys(stock, now),
        }
        return sorted(self._seen)

    def _ask(self):
        """Yield the name of each worker that answers, and its tasks."""
        answers = current_celery.control.broadcast(
            "registered",
            arguments={"taskinfoitems": ()},
            reply=True,
            timeout=self._timeout,
        )
        for answer in answers or ():
            yield from answer.items()

    def problem(self):
        """Ask all workers, and say what stands in the way of a switch.

        Returns:
            str: a sentence, or None. A broker that does not answer is one, too.
        """
        try:
            workers = self.names()
        except ClusterNotHealthyError as error:
            return str(error)
        if not workers:
            return None
        return (
            f"The workers {', '.join(workers)} run the stock event indexer, which "
            "loses the events that are refused while a month is switched. Restart "
            "them with this package installed; months that may still get events wait "
            "for that."
        )


def _is_stock(tasks):
    return STOCK_TASK in tasks and MARKER_TASK not in tasks
