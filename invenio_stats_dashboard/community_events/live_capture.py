# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Capture noticed changes at once, in batches, or leave them to the reconciliation.

With the database indexes, each message is captured when it arrives. Without them its
look-up would scan tables, so that messages are stored and captured together, at most as
often as the budget of scans allows. A capture whose statement the database cancels is
left to the reconciliation, whose statements may take longer.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from .backfill import BackfillReport
from .database import StatementTimeoutError
from .deferred_captures import NO_INDEX, TIMEOUT, DeferredCaptures, MembershipChanges
from .scan_budget import ScanBudget

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaptureReport:
    """What became of noticed changes.

    Attributes:
        written: what was written for those that were captured; None if none was.
        deferred: whether some were put off.
        next_batch: seconds until the next batch, if the caller has to send for it.
    """

    written: BackfillReport | None = None
    deferred: bool = False
    next_batch: float | None = None


class LiveCapture:
    """Captures changes of memberships.

    Args:
        capture: writes what the timelines of records lack that may have changed.
        is_indexed: whether the database has the indexes.
        deferred: the changes that were put off.
        budget: of scans.
    """

    def __init__(
        self,
        capture: Callable[[MembershipChanges], BackfillReport],
        is_indexed: Callable[[], bool],
        deferred: DeferredCaptures,
        budget: ScanBudget,
    ) -> None:
        self._capture, self._is_indexed = capture, is_indexed
        self._deferred, self._budget = deferred, budget

    def capture(self, changes: MembershipChanges) -> CaptureReport:
        """Capture changes, or put them off."""
        if not self._is_indexed():
            self._deferred.add(changes, NO_INDEX)
            return self.capture_batch()
        try:
            return CaptureReport(self._capture(changes))
        except StatementTimeoutError as error:
            self._deferred.add(changes, TIMEOUT)
            _warn(error)
            return CaptureReport(deferred=True)

    def capture_batch(self) -> CaptureReport:
        """Capture what was put off, if the budget allows a scan now."""
        seconds = 0.0 if self._is_indexed() else self._budget.take()
        if seconds:
            return self._later(seconds)
        batch = self._deferred.next_batch()
        if not batch.ids:
            return CaptureReport()
        try:
            written = self._capture(batch.changes)
        except StatementTimeoutError as error:
            self._deferred.leave_to_reconciliation(batch)
            _warn(error)
            return CaptureReport(deferred=True)
        self._deferred.remove(batch)
        if self._deferred.next_batch().ids:
            return self._later(self._budget.interval, written)
        return CaptureReport(written)

    def _later(
        self, seconds: float, written: BackfillReport | None = None
    ) -> CaptureReport:
        is_ours = self._budget.schedule(seconds)
        return CaptureReport(written, True, seconds if is_ours else None)


def capture_all_deferred(
    deferred: DeferredCaptures, capture: Callable[[MembershipChanges], BackfillReport]
) -> list[BackfillReport]:
    """Capture everything that was put off, for whatever reason.

    Args:
        deferred: the changes that were put off.
        capture: writes what timelines lack.

    Returns:
        What was written for each batch.
    """
    reports = []
    while (batch := deferred.next_batch((NO_INDEX, TIMEOUT))).ids:
        try:
            reports.append(capture(batch.changes))
        except StatementTimeoutError as error:
            _warn(error)
            break
        deferred.remove(batch)
    return reports


def _warn(error: StatementTimeoutError) -> None:
    _logger.warning(
        "Changes of memberships are left to the next reconciliation of community "
        "events. %s",
        error,
    )
