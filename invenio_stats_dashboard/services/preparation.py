# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Prepare an instance for counting, part by part, in the scheduled task.

On a site where the package was just installed, the community events are missing and the
months of usage events are legacy. Each run of the scheduled task does one bounded part
of the preparation. It uses the services of the commands, with all their checks. It
deletes nothing: an operator removes the backups.
"""

import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask
from opensearchpy import OpenSearch

from ..aggregations.runner import PREPARATION
from ..community_events.backfill import BackfillProgress
from ..community_events.backfill_state import backfill_state
from ..errors import LockedError, StatsDashboardError
from ..migration.migration_status import MonthStatus
from ..migration.report import (
    DONE,
    EMPTY,
    ENRICHED,
    FAILED,
    ROLLED_BACK,
    ROLLING_BACK,
    SWITCHED,
    retry_command,
)
from ..search.compare_and_set import Bookmark
from ..search.names import Names

if TYPE_CHECKING:
    from .community_stats import CommunityStatsService
    from .event_reindexing import EventReindexingService

EVENTS, MIGRATION, READY = "community events", "migration", "ready"
"""The steps of the preparation, in this order."""

_STORED = "bookmark written"
_FINISHED = (DONE, SWITCHED, ENRICHED, EMPTY)


@dataclass(frozen=True)
class PreparationReport:
    """The progress of the preparation after a part.

    Attributes:
        step: ``community events``, ``migration`` or ``ready``.
        records: records that the back-fill has compared in this part.
        events: usage events that were copied in this part.
        months_left: number of months that are still legacy.
        waits_for: a sentence about what blocks the preparation, and what to do; None if
            the next part can continue.
    """

    step: str
    records: int = 0
    events: int = 0
    months_left: int = 0
    waits_for: str | None = None

    @property
    def is_ready(self) -> bool:
        """Return whether everything can be counted."""
        return self.step == READY


class Preparation:
    """Prepares an instance, one part at a time.

    Args:
        app: the application.
        client: decodes responses.
        statistics: generates community events.
        reindexing: migrates usage events.
        seconds: time after which a part ends; a batch and a cut-over are completed.
    """

    def __init__(
        self,
        app: Flask,
        client: OpenSearch,
        statistics: "CommunityStatsService",
        reindexing: "EventReindexingService",
        seconds: float,
    ) -> None:
        self._client, self._names = client, Names.of(app)
        self._statistics, self._reindexing = statistics, reindexing
        self._seconds = seconds

    def advance(self) -> PreparationReport:
        """Do one part and store the progress.

        Returns:
            The progress. An obstacle is reported in it and not raised.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        return self._store(self._advance())

    def look(self) -> PreparationReport:
        """Store the progress without doing a part.

        Returns:
            The progress; ``waits_for`` names the command that does the next step.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        return self._store(self.missing())

    def _store(self, found: PreparationReport) -> PreparationReport:
        """Store the progress for the status, and return it."""
        bookmark = Bookmark(self._client, self._names.bookmarks, PREPARATION)
        bookmark.write(kind=PREPARATION, **asdict(found))
        return found

    def missing(self) -> PreparationReport:
        """Return the progress; see :meth:`look`."""
        if not backfill_state(self._client, self._names).complete:
            return PreparationReport(
                EVENTS,
                waits_for="The community events have not been generated yet. Run "
                "'invenio community-stats generate-community-events'.",
            )
        if left := self._left():
            return PreparationReport(
                MIGRATION,
                months_left=len(left),
                waits_for=f"{len(left)} monthly indices of usage events are not "
                "migrated yet. Run 'invenio community-stats migrate-events'.",
            )
        return PreparationReport(READY)

    def _advance(self) -> PreparationReport:
        end = time.monotonic() + self._seconds
        records = 0
        try:
            if not backfill_state(self._client, self._names).complete:
                records, is_complete = self._generate(end)
                if not is_complete:
                    return PreparationReport(EVENTS, records)
        except StatsDashboardError as error:
            return PreparationReport(EVENTS, waits_for=str(error))
        return self._migrate(records, end)

    def _generate(self, end: float) -> tuple[int, bool]:
        """Back-fill until the time is over.

        Returns:
            The number of records seen, and whether the back-fill is complete.
        """
        seen = [0]

        def progress(now: BackfillProgress) -> None:
            seen[0] = now.records
            # a part without records left to read completes, even if its time is over
            if now.total and time.monotonic() > end:
                raise _TimeOverError

        try:
            report = self._statistics.generate_record_community_events(
                progress=progress
            )
        except _TimeOverError:
            return seen[0], False
        return report.records, True

    def _migrate(self, records: int, end: float) -> PreparationReport:
        """Migrate month after month until the time is over."""
        left, events = self._left(), 0
        obstacles: list[str] = []
        if not left:
            return PreparationReport(READY, records)
        for month in left:
            if month.state == FAILED:
                # an operator has to act: each attempt would copy the month again
                obstacles.append(_failed(month, month.error))
                continue
            if month.state in (ROLLED_BACK, ROLLING_BACK):
                obstacles.append(_rolled_back(month))
                continue
            copied, obstacle = self._migrate_one(month, end)
            events += copied
            if obstacle:
                obstacles.append(obstacle)
            if time.monotonic() > end:
                break
        left = self._left()
        if not left:
            return PreparationReport(READY, records, events)
        obstacle = obstacles[0] if obstacles else None
        return PreparationReport(MIGRATION, records, events, len(left), obstacle)

    def _left(self) -> list[MonthStatus]:
        """Return the status of the months that are still legacy."""
        months = self._reindexing.status().months
        return [month for month in months if month.state not in _FINISHED]

    def _migrate_one(self, month: MonthStatus, end: float) -> tuple[int, str | None]:
        """Migrate one month until the time is over.

        Returns:
            The number of events copied, and what blocks the migration, or None.
        """
        stop = threading.Event()

        def step(name: str) -> None:
            # stop after a batch, so that each part stores at least one
            if name == _STORED and time.monotonic() > end:
                stop.set()

        try:
            report = self._reindexing.reindex_events(
                (month.event_type,), (month.month,), stop=stop, step=step
            )
        except LockedError:
            return 0, (
                "Another run is migrating usage events; the preparation continues when "
                "it has ended."
            )
        except StatsDashboardError as error:
            return 0, str(error)
        copied = sum(m.copied for m in report.months)
        if report.failed:
            return copied, _failed(month, report.failed[0].errors[-1])
        if report.stopped and not stop.is_set():
            return copied, report.stopped["reason"]
        return copied, None


def _failed(month: MonthStatus, error: str | None) -> str:
    command = retry_command(month.event_type, month.month)
    return f"{month.event_type} {month.month}: {error} Try again with: {command}"


def _rolled_back(month: MonthStatus) -> str:
    """Return a sentence about a month that an operator has rolled back."""
    command = retry_command(month.event_type, month.month)
    return (
        f"{month.event_type} {month.month} was rolled back, so the scheduled task does "
        "not migrate it again, and does not aggregate until it is migrated. Migrate it "
        f"with: {command}"
    )


class _TimeOverError(Exception):
    """The time of the part is over."""


def read_preparation(client: OpenSearch, names: Names) -> dict[str, Any] | None:
    """Return the stored progress of the preparation.

    Args:
        client: decodes responses.
        names: the instance's index names.

    Returns:
        The fields of :class:`PreparationReport` and ``updated_at``; None if the
        scheduled task has never run.
    """
    data = Bookmark(client, names.bookmarks, PREPARATION).data
    return {k: v for k, v in data.items() if k != "kind"} or None
