# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Define what all months of a run share, and the errors that pause it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from opensearchpy import OpenSearch

from ..community_events.lookup import RecordLookup
from ..errors import (
    BlockedError,
    ClusterNotHealthyError,
    LockLostError,
    SearchUnavailableError,
    StatsDashboardError,
)
from ..search.names import Names
from ..usage_events.indices import Month
from .copier import Copier
from .report import MonthProgress


class StoppedError(StatsDashboardError):
    """The run was asked to stop, or has reached its limit; it can be resumed.

    Args:
        text: the sentence.
        of_month: only this month has reached its limit; the run continues with the
            next month.
    """

    exit_code = 3

    def __init__(self, text: str, of_month: bool = False) -> None:
        super().__init__(text)
        self.of_month = of_month


PAUSES = (
    BlockedError,
    ClusterNotHealthyError,
    LockLostError,
    SearchUnavailableError,
    StoppedError,
)
"""Errors that end a run without making its month a failed one."""


@dataclass(frozen=True)
class MigrationOptions:
    """The options of a run.

    Attributes:
        batch_size: events in a batch.
        max_batches: batches per month, or None for no limit.
        switch_seconds: longest time for which writes may be refused.
        fit_seconds: longest time to wait for the target's replicas.
        delete_past: delete the backups of months that can no longer receive events.
        delete_current: delete the backups of months that can still receive events.
        fresh_start: discard earlier progress.
        ignore_stock_workers: cut over months that can still receive events, even if
            running workers lose the events that are refused meanwhile.
    """

    batch_size: int = 5000
    max_batches: int | None = None
    switch_seconds: float = 30.0
    fit_seconds: float = 600.0
    delete_past: bool = False
    delete_current: bool = False
    fresh_start: bool = False
    ignore_stock_workers: bool = False


@dataclass(frozen=True)
class MigrationRun:
    """Data and collaborators that all months of a run share.

    Attributes:
        id: unique id of the run.
        client: decodes responses.
        names: the instance's index names.
        copier: reads, enriches and writes events.
        fresh_lookup: returns a record look-up with an empty cache.
        options: the options of the run.
        progress: called with the state of a month whenever it changes.
        step: called with the name of each step before it starts.
        before_switch: called before a cut-over with the month and the name of the
            index that serves until then. It waits for workers and snapshots, or
            raises. Returns a sentence about workers if the options ignore them.
        note: called with a sentence for the report.
        now: returns the current time, aware.
    """

    id: str
    client: OpenSearch
    names: Names
    copier: Copier
    fresh_lookup: Callable[[], RecordLookup]
    options: MigrationOptions
    progress: Callable[[MonthProgress], None]
    step: Callable[[str], None]
    before_switch: Callable[[Month, str], str | None]
    note: Callable[[str], None]
    now: Callable[[], datetime]
