# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find running Celery workers that would lose events during a cut-over.

The stock indexer acknowledges messages before it stores their events. It loses the
events that a write block refuses. Workers with this package installed have registered
a certain task, by which they are recognised.
"""

import time
from collections.abc import Collection, Iterator
from typing import Self

from celery import current_app as current_celery
from celery import shared_task
from flask import Flask
from kombu.exceptions import OperationalError

from ..errors import ClusterNotHealthyError

TIMEOUT = "STATS_DASHBOARD_REINDEXING_WORKER_TIMEOUT"
"""Config variable: seconds to wait for the answers of workers."""

STOCK_TASK = "invenio_stats.tasks.process_events"
MARKER_TASK = "invenio_stats_dashboard.tasks.announce_safe_indexer_2"
"""Task that workers register if their indexer retries during a write block."""


def announce() -> None:
    """Register the marker task in the workers of this application."""
    shared_task(name=MARKER_TASK)(_announce)


def _announce() -> None:
    """Do nothing; workers only have to register the task."""


class StockWorkers:
    """Finds workers whose indexer would lose refused events.

    A busy worker may not answer in time, so each question is sent twice. A stock worker
    that was found is reported until it answers that it has the patient indexer, or
    until it counts as stopped.

    Args:
        timeout: seconds to wait for answers to each question.
        gone: seconds without an answer after which a worker counts as stopped.
    """

    def __init__(self, timeout: float = 2.0, gone: float = 60.0) -> None:
        self._timeout, self._gone = timeout, gone
        self._seen: dict[str, float] = {}

    @classmethod
    def of(cls, app: Flask) -> Self:
        """Return an instance with the timeout of the application's configuration."""
        return cls(app.config[TIMEOUT])

    def names(self) -> list[str]:
        """Ask all workers, and return the names of stock workers, sorted.

        Workers that have never answered are unknown, and not in the result.

        Raises:
            ClusterNotHealthyError: the message broker does not answer.
        """
        try:
            answers = [answer for _ in range(2) for answer in self._ask()]
        except (OperationalError, OSError) as error:
            raise ClusterNotHealthyError(
                f"The message broker does not answer ({error}), so it is unknown "
                "whether workers run the stock event indexer, which loses the events "
                "that are refused during a cut-over. Check that the broker is running "
                "and that CELERY_BROKER_URL is correct."
            ) from error
        now = time.monotonic()
        # Two workers can have the same name, so each answer counts.
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

    def _ask(self) -> Iterator[tuple[str, Collection[str]]]:
        """Yield the name and the registered tasks of each worker that responds."""
        answers = current_celery.control.broadcast(
            "registered",
            arguments={"taskinfoitems": ()},
            reply=True,
            timeout=self._timeout,
        )
        for answer in answers or ():
            yield from answer.items()

    def problem(self) -> str | None:
        """Ask all workers, and return what blocks a cut-over.

        Returns:
            Sentences for the operator, or None. A broker that does not answer also
            blocks a cut-over.
        """
        try:
            workers = self.names()
        except ClusterNotHealthyError as error:
            return str(error)
        if not workers:
            return None
        return (
            f"The workers {', '.join(workers)} run the stock event indexer, which "
            "loses the events that are refused during a cut-over. Restart them with "
            "this package installed. Until then, months that can still receive events "
            "are not cut over."
        )


def _is_stock(tasks: Collection[str]) -> bool:
    return STOCK_TASK in tasks and MARKER_TASK not in tasks
