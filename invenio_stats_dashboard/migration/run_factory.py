# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Making a run: its limits, its clients, and what it waits for before a switch."""

import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..community_events.lookup import RecordLookup
from ..community_events.resolver import DatabaseResolver
from ..errors import ClusterNotHealthyError, UsageError
from ..search.client import text_client
from ..search.gc_tuning import give_large_blocks_back
from ..search.health import HealthGate, HealthLimits
from ..usage_events.enrichment import Splicer
from ..usage_events.indices import is_writable
from ..usage_events.maintenance.reattribution import KNOWN_SECONDS, noting
from ..usage_events.stock_workers import StockWorkers
from .copier import Copier
from .months import utc_now
from .plan import running_snapshots
from .run_context import MigrationOptions, MigrationRun, StoppedError

_REQUEST_TIMEOUT = 60


def ignore(*_):
    """Take anything and do nothing: the observer that is none."""


@dataclass(frozen=True)
class RunObserver:
    """Who watches a run, and who ends it.

    Attributes:
        progress: called with a :class:`~.report.MonthProgress`.
        step: called with the name of each step before it is made.
        stop: :class:`threading.Event`; when set the run ends politely.
        note: called with a sentence for the report.
        now: returns the present moment, aware.
    """

    progress: object = ignore
    step: object = ignore
    stop: object = None
    note: object = ignore
    now: object = utc_now


def options_of(config, batch_size=None, max_batches=None, **flags):
    """Return the options of a run.

    Args:
        config: the application's.
        batch_size: events in a batch, 1 to 10,000; None is the config's.
        max_batches: batches a month; None is the config's.
        **flags: others of :class:`~.run_context.MigrationOptions`.

    Returns:
        Options: for one run.

    Raises:
        UsageError: an argument makes no sense.
    """
    if batch_size is None:
        batch_size = config["STATS_DASHBOARD_REINDEXING_BATCH_SIZE"]
    if not 1 <= batch_size <= 10_000:
        raise UsageError(f"The batch size is {batch_size}; it can be 1 to 10,000.")
    if max_batches is None:
        max_batches = config["STATS_DASHBOARD_REINDEXING_MAX_BATCHES"]
    if max_batches is not None and max_batches < 1:
        raise UsageError(f"At most {max_batches} batches is nothing to do.")
    return MigrationOptions(
        batch_size=batch_size,
        max_batches=max_batches,
        switch_seconds=config["STATS_DASHBOARD_REINDEXING_SWITCH_TIMEOUT"],
        **flags,
    )


def limits_of(config, percent=None):
    """Return the limits of the health gate.

    Args:
        config: the application's.
        percent: heap above which a run waits, 1 to 100; None is the config's.

    Returns:
        Limits: for one run.

    Raises:
        UsageError: it makes no sense.
    """
    if percent is None:
        percent = config["STATS_DASHBOARD_REINDEXING_MAX_MEMORY_PERCENT"]
    if not 1 <= percent <= 100:
        raise UsageError(f"The memory limit is {percent} %; it can be 1 to 100.")
    return HealthLimits(
        memory_percent=percent,
        patience=config["STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT"],
    )


def make_run(app, client, names, lock, options, limits, watch, refresh=()):
    """Make a run.

    Args:
        app: the Flask application.
        client: an ordinary client.
        names: the instance's names.
        lock: the :class:`~...search.lock.ClusterLock` that it holds; its holder
            is the id of the run.
        options: the :class:`~.run_context.MigrationOptions`.
        limits: the limits of the health gate.
        watch: the :class:`RunObserver`.
        refresh: breakdown keys to write again in events that have them.

    Returns:
        Run: ready.
    """
    give_large_blocks_back()
    stop = watch.stop or threading.Event()
    shown = {}

    def show(update):
        shown["last"] = update
        watch.progress(update)

    def waiting(sentence):
        if "last" in shown:
            watch.progress(replace(shown["last"], waiting=sentence))
        app.logger.info("Migration waits: %s", sentence)

    def check():
        if stop.is_set():
            raise StoppedError(
                "Stopped as asked. Everything done so far is kept; run the same "
                "command again to go on."
            )
        lock.check()

    def sleep(seconds):
        if stop.wait(seconds):
            check()

    def lookup():
        subcounts = app.extensions["invenio-stats-dashboard"].subcounts
        resolver = DatabaseResolver(
            app,
            client,
            names,
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
    """Waits until nothing stands in the way of a month's switch."""

    def __init__(self, client, gate, workers, patience, options, waiting, sleep, now):
        self._client, self._gate, self._patience = client, gate, patience
        self._ignore = options.ignore_stock_workers
        self._waiting, self._sleep, self._now = waiting, sleep, now
        self._workers = workers

    def __call__(self, month, index):
        """Wait; return a sentence about workers that is ignored, or None.

        Args:
            month: the :class:`~..usage_events.indices.Month`.
            index: name of the index that serves until then.

        Raises:
            ClusterNotHealthyError: it took too long.
        """
        # a clone that finds no place would keep writers waiting for nothing
        self._gate.wait([index])
        writable = is_writable(month.month, self._now())
        end = time.monotonic() + self._patience
        while True:
            workers = None
            problem = self._snapshot(index)
            # each question waits for the workers' answers
            if problem is None and writable:
                workers = self._workers.problem()
                problem = None if self._ignore else workers
            if problem is None:
                return workers
            if time.monotonic() >= end:
                raise ClusterNotHealthyError(
                    f"{problem} The copy of {month.id} is kept; run the same command "
                    "again later."
                )
            self._waiting(problem.rstrip("."))
            self._sleep(2.0)

    def _snapshot(self, index):
        running = running_snapshots(self._client, {index})
        if not running:
            return None
        return f"The snapshot {running[0]} is being made of {index}."
