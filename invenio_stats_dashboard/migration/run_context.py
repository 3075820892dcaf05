# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What all months of a run share, and what ends a run without being a failure."""

from dataclasses import dataclass

from ..errors import (
    ClusterNotHealthyError,
    LockLostError,
    SearchUnavailableError,
    StatsDashboardError,
)


class StoppedError(StatsDashboardError):
    """The run was asked to stop, or has done its share; it can be resumed.

    Args:
        text: the sentence.
        of_month: only this month has had its share; the next one is tried.
    """

    exit_code = 3

    def __init__(self, text, of_month=False):
        """Keep whether the run goes on with the next month."""
        super().__init__(text)
        self.of_month = of_month


PAUSES = (ClusterNotHealthyError, SearchUnavailableError, LockLostError, StoppedError)
"""What ends a run without being a month's failure."""


@dataclass(frozen=True)
class MigrationOptions:
    """What a run was asked for.

    Attributes:
        batch_size: events in a batch.
        max_batches: batches a month, or None.
        switch_seconds: how long writing may be blocked.
        fit_seconds: how long to wait for the target's replicas.
        delete_past: delete the backups of past months.
        delete_current: delete the backups of months that can still be written.
        fresh_start: forget earlier progress.
        ignore_stock_workers: switch months that may still get events although
            workers are about that lose what is refused meanwhile.
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
    """What all months of a run share.

    Attributes:
        id: unique id of the run.
        client: an ordinary client.
        names: the instance's names.
        copier: the :class:`~.copier.Copier`.
        fresh_lookup: makes a record look-up that has cached nothing.
        options: the :class:`MigrationOptions`.
        progress: called with a :class:`~.report.MonthProgress`.
        step: called with the name of each step before it is made.
        before_switch: called with a month and the name of the index that serves before
            it is switched; waits for
            workers and snapshots, or raises. Returns a sentence about workers that
            was ignored as asked, or None.
        note: called with a sentence for the report.
        now: returns the present moment.
    """

    id: str
    client: object
    names: object
    copier: object
    fresh_lookup: object
    options: MigrationOptions
    progress: object
    step: object
    before_switch: object
    note: object
    now: object
