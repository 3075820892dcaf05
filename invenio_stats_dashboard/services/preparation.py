# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What must be there before anything is counted, made piece by piece, unattended.

On a site where the package was only just installed, the community events are missing
and the months of usage events are legacy. The scheduled task does a bounded piece of
that at a time, by the same services as the commands, with all their checks, until there
is nothing left to do. It deletes nothing: the backups stay for a person to remove.
"""

import threading
import time
from dataclasses import asdict, dataclass

from ..aggregations.runner import PREPARATION
from ..community_events.backfill_state import backfill_state
from ..errors import LockedError, StatsDashboardError
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
from ..search.documents import Bookmark
from ..search.names import Names

EVENTS, MIGRATION, READY = "community events", "migration", "ready"
"""What is being prepared, in this order."""

_STORED = "bookmark written"
_FINISHED = (DONE, SWITCHED, ENRICHED, EMPTY)


@dataclass(frozen=True)
class PreparationReport:
    """How far the preparation is after a piece of it.

    Attributes:
        step: ``community events``, ``migration`` or ``ready``.
        records: records that the back-fill has seen in this piece.
        events: usage events that were copied in this piece.
        months_left: months that are still legacy.
        waits_for: a sentence about what keeps it from going on, and what to do; None
            if the next piece goes on by itself.
    """

    step: str
    records: int = 0
    events: int = 0
    months_left: int = 0
    waits_for: str | None = None

    @property
    def is_ready(self):
        """Tell whether everything can be counted."""
        return self.step == READY


class Preparation:
    """Makes what is missing, a piece at a time.

    Args:
        app: the Flask application.
        client: an ordinary client.
        statistics: the ``CommunityStatsService``.
        reindexing: the ``EventReindexingService``.
        seconds: after which a piece ends; a batch and a month's switch are not cut off.
    """

    def __init__(self, app, client, statistics, reindexing, seconds):
        """Keep what is needed."""
        self._client, self._names = client, Names.of(app)
        self._statistics, self._reindexing = statistics, reindexing
        self._seconds = seconds

    def advance(self):
        """Do one piece and write down how far it is.

        Returns:
            Prepared: how far it is; what hinders it is told there, not raised.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        return self._noted(self._advance())

    def look(self):
        """Write down how far it is without doing anything else.

        Returns:
            Prepared: what is missing is told as something to do by a command.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        return self._noted(self.missing())

    def _noted(self, found):
        """Write down how far it is, for status."""
        bookmark = Bookmark(self._client, self._names.bookmarks, PREPARATION)
        bookmark.write(kind=PREPARATION, **asdict(found))
        return found

    def missing(self):
        """Return how far it is; see :meth:`look`."""
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
                waits_for=f"{len(left)} months of usage events are not migrated yet. "
                "Run 'invenio community-stats migrate-events'.",
            )
        return PreparationReport(READY)

    def _advance(self):
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

    def _generate(self, end):
        """Back-fill until the time is over; return records seen and whether it ended."""
        seen = [0]

        def progress(now):
            seen[0] = now.records
            # a piece that finds nothing more to read ends, however short its time is
            if now.total and time.monotonic() > end:
                raise _TimeOverError

        try:
            report = self._statistics.generate_record_community_events(
                progress=progress
            )
        except _TimeOverError:
            return seen[0], False
        return report.records, True

    def _migrate(self, records, end):
        """Migrate month after month until the time is over."""
        left, hindrances, events = self._left(), [], 0
        if not left:
            return PreparationReport(READY, records)
        for month in left:
            if month.state == FAILED:
                # it is a person's: each attempt would copy it anew
                hindrances.append(_failed(month, month.error))
                continue
            if month.state in (ROLLED_BACK, ROLLING_BACK):
                hindrances.append(_rolled_back(month))
                continue
            copied, hindrance = self._migrate_one(month, end)
            events += copied
            if hindrance:
                hindrances.append(hindrance)
            if time.monotonic() > end:
                break
        left = self._left()
        if not left:
            return PreparationReport(READY, records, events)
        hindrance = hindrances[0] if hindrances else None
        return PreparationReport(MIGRATION, records, events, len(left), hindrance)

    def _left(self):
        """Return the status of the months that are legacy."""
        months = self._reindexing.status().months
        return [month for month in months if month.state not in _FINISHED]

    def _migrate_one(self, month, end):
        """Return the number of events copied, and why it cannot go on, or None."""
        stop = threading.Event()

        def step(name):
            # so that each piece stores a batch, however short its time is
            if name == _STORED and time.monotonic() > end:
                stop.set()

        try:
            report = self._reindexing.reindex_events(
                (month.event_type,), (month.month,), stop=stop, step=step
            )
        except LockedError:
            return 0, "Another run migrates usage events right now; it is let finish."
        except StatsDashboardError as error:
            return 0, str(error)
        copied = sum(m.copied for m in report.months)
        if report.failed:
            return copied, _failed(month, report.failed[0].errors[-1])
        if report.stopped and not stop.is_set():
            return copied, report.stopped["reason"]
        return copied, None


def _failed(month, error):
    command = retry_command(month.event_type, month.month)
    return f"{month.event_type} {month.month}: {error} Try again with: {command}"


def _rolled_back(month):
    """Say that somebody has decided against a month's migration."""
    command = retry_command(month.event_type, month.month)
    return (
        f"{month.event_type} {month.month} was rolled back, so it is not migrated by "
        f"itself, and nothing is counted by itself before it is. Migrate it with: "
        f"{command}"
    )


class _TimeOverError(Exception):
    """The piece of work has had its time."""


def read_preparation(client, names):
    """Return how far the preparation was when it was last looked at.

    Args:
        client: an ordinary client.
        names: the instance's names.

    Returns:
        dict | None: the fields of :class:`PreparationReport` and ``updated_at``; None if the
        scheduled task has never run.
    """
    data = Bookmark(client, names.bookmarks, PREPARATION).data
    return {k: v for k, v in data.items() if k != "kind"} or None
