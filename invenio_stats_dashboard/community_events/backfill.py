# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Writing the events and facts of all records that lack them, in pages.

Pages are read one after the other and written by a few threads, so that reading,
comparing and writing overlap. Only so many pages are on their way at once,
which bounds the memory, and the position moves on only when a page and all
before it are stored, so a run that was killed loses nothing.
"""

import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from ..search.gc_tuning import rare_collections

WORKERS = 2
"""Threads that compare and write."""

ON_THEIR_WAY = 4
"""Pages that are read and not yet stored."""

MAX_LACKING = 1000
"""Records of which something was refused that a report names at most."""


@dataclass(frozen=True)
class BackfillProgress:
    """How far a back-fill is.

    Attributes:
        records: records seen in this run.
        total: records there are to see in this run.
        events: community events written.
        seconds: since the start of the run.
    """

    records: int
    total: int
    events: int
    seconds: float


@dataclass(frozen=True)
class BackfillReport:
    """What a back-fill did.

    Attributes:
        records: records that were looked at in this run.
        events: community events that were written.
        facts: record facts that were written.
        conflicts: events that somebody else wrote in the same moment, which
            were then read and compared again.
        skipped: records that lacked nothing.
        refused: sentences about documents that OpenSearch refuses for good.
        seconds: how long it took.
        dry_run: nothing was written; the numbers are what would have been.
        went_on: an earlier run that was interrupted was continued.
        complete: the back-fill of all records is complete with this run.
        causes: what the events tell of, one of :data:`.documents.CAUSES` as far as
            their evidence tells -> number of events.
        lacking: recids of records of which something was refused.
    """

    records: int = 0
    events: int = 0
    facts: int = 0
    conflicts: int = 0
    skipped: int = 0
    refused: tuple[str, ...] = ()
    seconds: float = 0.0
    dry_run: bool = False
    went_on: bool = False
    complete: bool = False
    causes: dict[str, int] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()


@dataclass
class BackfillTotals:
    """Running totals of a back-fill."""

    records: int = 0
    events: int = 0
    facts: int = 0
    conflicts: int = 0
    skipped: int = 0
    refused: list = field(default_factory=list)
    causes: Counter = field(default_factory=Counter)
    lacking: set = field(default_factory=set)

    def add(self, rows, recorded):
        """Add what was done for a page.

        Args:
            rows: number of records in it.
            recorded: a :class:`.recorder.Recorded`.
        """
        self.records += rows
        self.events += recorded.events
        self.facts += recorded.facts
        self.conflicts += recorded.conflicts
        self.skipped += rows - recorded.changed
        self.refused += recorded.refused
        self.causes.update(recorded.causes)
        if len(self.lacking) < MAX_LACKING:
            self.lacking |= recorded.lacking


def fill(pages, recorder, cause, dry_run=False, stored=None, workers=WORKERS):
    """Bring the records of pages up to date.

    Args:
        pages: generator of lists of :class:`.record_rows.RecordRow`; it is closed in any
            case, which ends its database transactions.
        recorder: a :class:`.recorder.Recorder`.
        cause: what made the caller ask; see :data:`.documents.CAUSES`.
        dry_run: count what would be written and write nothing.
        stored: called after each page, in their order, with the last record's
            UUID and the number of records and the outcome of the page.
        workers: threads that compare and write.
    """
    waiting = deque()

    def settle():
        last, rows, future = waiting.popleft()
        recorded = future.result()
        if stored:
            stored(last, rows, recorded)

    with (
        closing(pages),
        rare_collections(),
        ThreadPoolExecutor(workers, thread_name_prefix="backfill") as pool,
    ):
        try:
            for page in pages:
                if len(waiting) >= ON_THEIR_WAY:
                    settle()
                future = pool.submit(recorder.record, page, cause, dry_run)
                waiting.append((page[-1].record_id, len(page), future))
                del page
            while waiting:
                settle()
        finally:
            for _, _, future in waiting:
                future.cancel()


class Pace:
    """Tells whether it is time again.

    Args:
        every: seconds.
        clock: returns seconds.
    """

    def __init__(self, every, clock=time.monotonic):
        """Start counting."""
        self._every, self._clock = every, clock
        self._last = clock()

    def is_due(self):
        """Tell whether the seconds have passed since it was due last."""
        if self._clock() - self._last < self._every:
            return False
        self._last = self._clock()
        return True
