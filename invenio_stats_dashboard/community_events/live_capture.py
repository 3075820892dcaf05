# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Capture noticed changes at once, in batches, or leave them to the reconciliation.

With the database indexes, each message is captured when it arrives. Without them, its
look-up would scan tables, so messages are stored and captured together, as often as the
budget of scans allows. If the database cancels the statement of a capture, the capture
is left to the reconciliation, whose statements have a longer time limit.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from opensearchpy.exceptions import OpenSearchException

from ..errors import StatsDashboardError
from .backfill import BackfillReport
from .database import StatementTimeoutError
from .deferred_captures import BATCH, NO_INDEX, TIMEOUT, DeferredBatch, DeferredCaptures
from .membership_changes import MembershipChanges
from .scan_budget import ScanBudget

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaptureReport:
    """The outcome of capturing changes.

    Attributes:
        written: what was written for the captured changes; None if none was captured.
        deferred: whether some changes were deferred.
        next_batch: seconds until the next batch, if the caller must send its task.
    """

    written: BackfillReport | None = None
    deferred: bool = False
    next_batch: float | None = None


class LiveCapture:
    """Captures changes of memberships.

    Args:
        capture: writes the events that timelines lack after changes.
        capture_by_scan: the same, with the time limit of statements that scan tables.
        is_indexed: returns whether the database has the indexes.
        deferred: stores the deferred captures.
        budget: budget of scans.
    """

    def __init__(
        self,
        capture: Callable[[MembershipChanges], BackfillReport],
        capture_by_scan: Callable[[MembershipChanges], BackfillReport],
        is_indexed: Callable[[], bool],
        deferred: DeferredCaptures,
        budget: ScanBudget,
    ) -> None:
        self._capture, self._capture_by_scan = capture, capture_by_scan
        self._is_indexed = is_indexed
        self._deferred, self._budget = deferred, budget

    def capture(self, messages: Sequence[MembershipChanges]) -> CaptureReport:
        """Capture the changes of some messages together, or defer them one by one.

        Raises:
            StatementTimeoutError: the database canceled a statement for several
                messages; a single message is deferred.
        """
        if not self._is_indexed():
            self._deferred.add(messages, NO_INDEX)
            try:
                return self.capture_batch()
            except (StatsDashboardError, OpenSearchException) as error:
                # The changes are stored; a retry of the task would store them twice.
                _logger.warning("The next batch of captures is delayed. %s", error)
                return CaptureReport(deferred=True, next_batch=self._budget.interval)
        try:
            return CaptureReport(self._capture(MembershipChanges.together(messages)))
        except StatementTimeoutError as error:
            if len(messages) > 1:
                raise
            self._deferred.add(messages, TIMEOUT)
            _warn(error)
            return CaptureReport(deferred=True)

    def capture_batch(self) -> CaptureReport:
        """Capture a batch of deferred captures, if the budget allows a scan now."""
        if self._is_indexed():
            return self._next_batch(self._capture)
        if seconds := self._budget.take():
            return self._later(seconds)
        with self._budget.released():
            return self._next_batch(self._capture_by_scan)

    def _next_batch(
        self, capture: Callable[[MembershipChanges], BackfillReport]
    ) -> CaptureReport:
        batch = self._deferred.next_batch()
        if not batch.ids:
            return CaptureReport()
        written = None
        try:
            written = capture(batch.changes)
        except StatementTimeoutError as error:
            self._deferred.leave_to_reconciliation(batch)
            _warn(error)
        else:
            self._deferred.remove(batch)
        if self._deferred.next_batch(most=1).ids:
            return self._later(self._budget.interval, written)
        return CaptureReport(written, deferred=written is None)

    def _later(
        self, seconds: float, written: BackfillReport | None = None
    ) -> CaptureReport:
        is_ours = self._budget.schedule(seconds)
        return CaptureReport(written, True, seconds if is_ours else None)


class DeferredCaptureRun:
    """Captures deferred captures of both kinds, as part of the reconciliation.

    Captures whose statement the database canceled are repeated together. If it cancels
    a statement again, half of them are, and so on, so one message that always takes too
    long does not block others.

    Args:
        capture: writes the events that timelines lack after changes.
        is_indexed: returns whether the database has the indexes.
        deferred: stores the deferred captures.
        budget: budget of scans, for a database without the indexes.
        batches: maximum number of batches; the next run continues.
        seconds: time after which no further batch begins.
        sleep: waits for the given seconds.
    """

    def __init__(
        self,
        capture: Callable[[MembershipChanges], BackfillReport],
        is_indexed: Callable[[], bool],
        deferred: DeferredCaptures,
        budget: ScanBudget,
        batches: int = 100,
        seconds: float = 1800,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._capture, self._is_indexed = capture, is_indexed
        self._deferred, self._budget = deferred, budget
        self._left, self._seconds, self._sleep = batches, seconds, sleep

    def run(self) -> list[BackfillReport]:
        """Capture the changes; return what was written for each batch."""
        # Those that this run has tried in vain have a later date.
        started, end = datetime.now(UTC).isoformat(), time.monotonic() + self._seconds
        return [
            report
            for reason in (NO_INDEX, TIMEOUT)
            for report in self._batches(reason, started, end)
        ]

    def _batches(
        self, reason: str, before: str, end: float
    ) -> Iterator[BackfillReport]:
        most = BATCH
        while self._left and time.monotonic() < end:
            batch = self._deferred.next_batch(reason, most, before)
            if not batch.ids:
                return
            self._left -= 1
            try:
                yield self._captured(batch)
            except StatementTimeoutError as error:
                if reason == TIMEOUT and len(batch.ids) > 1:
                    most = len(batch.ids) // 2
                    continue
                self._deferred.leave_to_reconciliation(batch)
                _warn(error)
            else:
                self._deferred.remove(batch)
                most = min(BATCH, most * 2)

    def _captured(self, batch: DeferredBatch) -> BackfillReport:
        if self._is_indexed():
            return self._capture(batch.changes)
        self._budget.wait(self._sleep)
        with self._budget.released():
            return self._capture(batch.changes)


def _warn(error: StatementTimeoutError) -> None:
    _logger.warning(
        "Changes of memberships are left to the next reconciliation of community "
        "events. %s",
        error,
    )
