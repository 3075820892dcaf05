# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write the missing community events and facts of records, page by page.

One thread reads the pages in order. A few others compare and write them, so that
reading, comparing and writing overlap. The number of pages in memory is bounded. The
stored position advances only when a page and all pages before it are stored, so a
killed run loses nothing.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from ..search.garbage_collection import rare_collections
from .record_rows import RecordRow
from .recorder import Recorded, Recorder

WORKERS = 2
"""Number of threads that compare and write."""

ON_THEIR_WAY = 4
"""Maximum number of pages that are read and not yet stored."""

MAX_LACKING = 1000
"""Maximum number of records with a refused document that a report names."""


@dataclass(frozen=True)
class BackfillProgress:
    """The progress of a back-fill.

    Attributes:
        records: number of records processed in this run.
        total: number of records to process in this run.
        events: number of community events written.
        seconds: time since the start of the run.
    """

    records: int
    total: int
    events: int
    seconds: float


@dataclass(frozen=True)
class BackfillReport:
    """The result of a back-fill.

    Attributes:
        records: number of records that were compared in this run.
        events: number of community events that were written.
        facts: number of record facts that were written.
        conflicts: number of events that another process wrote at the same time. Their
            timelines were then read and compared again.
        skipped: number of records for which nothing was missing.
        refused: sentences about documents that OpenSearch refuses permanently.
        seconds: duration of the run.
        dry_run: whether nothing was written. If so, the numbers show what would have
            been written.
        resumed: whether the run continued an interrupted one.
        complete: whether this run completed the back-fill of all records.
        causes: one of :data:`.documents.CAUSES`, as far as the evidence shows it ->
            number of events.
        lacking: recids of records with a refused document.
    """

    records: int = 0
    events: int = 0
    facts: int = 0
    conflicts: int = 0
    skipped: int = 0
    refused: tuple[str, ...] = ()
    seconds: float = 0.0
    dry_run: bool = False
    resumed: bool = False
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
    refused: list[str] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)
    lacking: set[str] = field(default_factory=set)

    def add(self, rows: int, recorded: Recorded) -> None:
        """Add the outcome of a page.

        Args:
            rows: number of records in it.
            recorded: the outcome.
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


def fill(
    pages: Generator[list[RecordRow], None, None],
    recorder: Recorder,
    cause: str | None,
    dry_run: bool = False,
    stored: Callable[[str, int, Recorded], None] | None = None,
    workers: int = WORKERS,
) -> None:
    """Write what the records of pages lack.

    Args:
        pages: none of them empty. The generator is always closed, which ends its
            database transactions.
        recorder: compares and writes.
        cause: why the caller writes; see :meth:`.recorder.Recorder.record`.
        dry_run: count what would be written and write nothing.
        stored: called after each page, in order, with the UUID of its last record, the
            number of its records, and its outcome.
        workers: number of threads that compare and write.
    """
    waiting: deque[tuple[str, int, Future[Recorded]]] = deque()

    def settle() -> None:
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
    """Limits how often an action is performed.

    Args:
        every: seconds between two actions.
        clock: returns seconds.
    """

    def __init__(
        self, every: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every, self._clock = every, clock
        self._last = clock()

    def is_due(self) -> bool:
        """Return whether enough time has passed since the action was last due."""
        if self._clock() - self._last < self._every:
            return False
        self._last = self._clock()
        return True
