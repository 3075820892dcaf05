# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create a migration run from configuration and arguments."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from opensearchpy import OpenSearch

from ..community_events.lookup import RecordLookup
from ..community_events.resolver import DatabaseResolver
from ..errors import ClusterNotHealthyError, UsageError
from ..search.client import text_client
from ..search.garbage_collection import give_large_blocks_back
from ..search.health import HealthGate, HealthLimits
from ..search.lock import ClusterLock
from ..search.names import Names
from ..subcounts import Subcount
from ..usage_events.enrichment import Splicer
from ..usage_events.indices import Month, is_writable
from ..usage_events.maintenance.reattribution import KNOWN_SECONDS, noting
from ..usage_events.stock_workers import StockWorkers
from .copier import Copier
from .months import utc_now
from .plan import running_snapshots
from .report import MonthProgress
from .run_context import MigrationOptions, MigrationRun, StoppedError

_REQUEST_TIMEOUT = 60
_POLL = 2.0
"""Most seconds between two checks of what blocks a cut-over."""


def ignore(*_: object) -> None:
    """Accept any arguments and do nothing."""


@dataclass(frozen=True)
class RunObserver:
    """Callbacks of a run, and the event that stops it.

    Attributes:
        progress: called with the state of a month whenever it changes.
        step: called with the name of each step before it starts.
        stop: when set, the run stops at its next check; it can be resumed.
        note: called with a sentence for the report.
        now: returns the current time, aware.
    """

    progress: Callable[[MonthProgress], None] = ignore
    step: Callable[[str], None] = ignore
    stop: threading.Event | None = None
    note: Callable[[str], None] = ignore
    now: Callable[[], datetime] = utc_now


def options_of(
    config: Mapping[str, Any],
    batch_size: int | None = None,
    max_batches: int | None = None,
    **flags: bool,
) -> MigrationOptions:
    """Return the options of a run.

    Args:
        config: the configuration of the application.
        batch_size: events in a batch, 1 to 10,000; None uses the configured value.
        max_batches: batches per month; None uses the configured value.
        **flags: other fields of :class:`~.run_context.MigrationOptions`.

    Raises:
        UsageError: a value is out of range.
    """
    if batch_size is None:
        batch_size = config["STATS_DASHBOARD_REINDEXING_BATCH_SIZE"]
    if not 1 <= batch_size <= 10_000:
        raise UsageError(
            f"The batch size is {batch_size}; it must be from 1 to 10,000."
        )
    if max_batches is None:
        max_batches = config["STATS_DASHBOARD_REINDEXING_MAX_BATCHES"]
    if max_batches is not None and max_batches < 1:
        raise UsageError(
            f"The maximum number of batches is {max_batches}; it must be at least 1."
        )
    return MigrationOptions(
        batch_size=batch_size,
        max_batches=max_batches,
        switch_seconds=config["STATS_DASHBOARD_REINDEXING_SWITCH_TIMEOUT"],
        **flags,
    )


def limits_of(config: Mapping[str, Any], percent: int | None = None) -> HealthLimits:
    """Return the limits of the health gate.

    Args:
        config: the configuration of the application.
        percent: heap usage at which a run waits, 1 to 100; None uses the configured
            value.

    Raises:
        UsageError: the percentage is out of range.
    """
    if percent is None:
        percent = config["STATS_DASHBOARD_REINDEXING_MAX_MEMORY_PERCENT"]
    if not 1 <= percent <= 100:
        raise UsageError(f"The memory limit is {percent} %; it must be from 1 to 100.")
    return HealthLimits(
        memory_percent=percent,
        patience=config["STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT"],
    )


def make_run(
    app: Flask,
    client: OpenSearch,
    names: Names,
    subcounts: Mapping[str, Subcount],
    lock: ClusterLock,
    options: MigrationOptions,
    limits: HealthLimits,
    watch: RunObserver,
    refresh: Collection[str] = (),
) -> MigrationRun:
    """Create a run.

    Args:
        app: the application.
        client: decodes responses.
        names: the instance's index names.
        subcounts: the registry of breakdowns.
        lock: held by the run; its holder is the id of the run.
        options: the options of the run.
        limits: the limits of the health gate.
        watch: observes and stops the run.
        refresh: breakdown keys to write again in events that have them.
    """
    give_large_blocks_back()
    stop = watch.stop or threading.Event()
    shown: dict[str, MonthProgress] = {}

    def show(update: MonthProgress) -> None:
        shown["last"] = update
        watch.progress(update)

    def waiting(sentence: str) -> None:
        if "last" in shown:
            watch.progress(replace(shown["last"], waiting=sentence))
        app.logger.info("The migration is waiting: %s", sentence)

    def check() -> None:
        if stop.is_set():
            raise StoppedError(
                "Stopped as requested. Completed work is stored; run the same command "
                "again to continue."
            )
        lock.check()

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            check()

    def lookup() -> RecordLookup:
        resolver = DatabaseResolver(
            app,
            client,
            names,
            subcounts,
            noting(app, names),
            wait=lambda budget: budget.wait(sleep, waiting),
        )
        return RecordLookup(
            client, names, subcounts, resolver=resolver, ttl=KNOWN_SECONDS
        )

    gate = HealthGate(client, limits, waiting, sleep)
    copier = Copier(
        client=client,
        text_client=text_client(app, _REQUEST_TIMEOUT),
        splicer=Splicer(lookup(), datetime.now(UTC).isoformat(), refresh),
        gate=gate,
        batch_size=options.batch_size,
        write_limit=limits.patience,
        timeout=_REQUEST_TIMEOUT,
        check=check,
        waiting=waiting,
        sleep=sleep,
    )
    return MigrationRun(
        id=lock.holder,
        client=client,
        names=names,
        copier=copier,
        fresh_lookup=lookup,
        options=options,
        progress=show,
        step=watch.step,
        before_switch=_BeforeSwitch(
            client,
            gate,
            StockWorkers.of(app),
            limits.patience,
            options,
            waiting,
            sleep,
            watch.now,
        ),
        note=watch.note,
        now=watch.now,
    )


class _BeforeSwitch:
    """Waits until nothing blocks the cut-over of a month."""

    def __init__(
        self,
        client: OpenSearch,
        gate: HealthGate,
        workers: StockWorkers,
        patience: float,
        options: MigrationOptions,
        waiting: Callable[[str], None],
        sleep: Callable[[float], None],
        now: Callable[[], datetime],
    ) -> None:
        self._client, self._gate, self._patience = client, gate, patience
        self._ignore = options.ignore_stock_workers
        self._waiting, self._sleep, self._now = waiting, sleep, now
        self._workers = workers

    def __call__(self, month: Month, index: str) -> str | None:
        """Wait; return a sentence about workers if the options ignore them.

        Args:
            month: the month to cut over.
            index: name of the index that serves until then.

        Raises:
            ClusterNotHealthyError: it took too long.
        """
        # an unhealthy cluster may not allocate the clone; writers would wait in vain
        self._gate.wait([index])
        writable = is_writable(month.month, self._now())
        end = time.monotonic() + self._patience
        while True:
            workers = None
            problem = self._snapshot(index)
            # each call waits for the workers' responses
            if problem is None and writable:
                workers = self._workers.problem()
                problem = None if self._ignore else workers
            if problem is None:
                return workers
            if time.monotonic() >= end:
                raise ClusterNotHealthyError(
                    f"{problem} The copy of {month.id} remains; run the same command "
                    "again later."
                )
            self._waiting(problem.rstrip("."))
            self._sleep(min(_POLL, self._patience / 4))

    def _snapshot(self, index: str) -> str | None:
        """Return a sentence about a running snapshot of an index, or None."""
        running = running_snapshots(self._client, {index})
        if not running:
            return None
        return f"The snapshot {running[0]} of {index} is being created."
