# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The service that migrates and maintains usage events."""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

from flask import Flask
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..community_events.backfill_state import backfill_state
from ..community_events.lookup import RecordLookup
from ..community_events.resolver import DatabaseResolver
from ..community_events.scan_budget import ScanBudget
from ..errors import (
    LockedError,
    NotReadyError,
    StatsDashboardError,
    UsageError,
)
from ..migration import (
    backups,
    migration_status,
    plan,
    re_enrichment,
    recovery,
    rollback,
)
from ..migration.migration_status import BackupCheck, MigrationStatus
from ..migration.months import check_event_types, parse_months, utc_now
from ..migration.plan import MigrationPlan
from ..migration.re_enrichment import ReEnrichmentResult
from ..migration.report import MigrationReport, MonthProgress
from ..migration.rollback import RollbackResult
from ..migration.run_context import PAUSES, MigrationOptions, MigrationRun, StoppedError
from ..migration.run_factory import RunObserver, ignore, limits_of, make_run, options_of
from ..migration.runner import MonthMigration
from ..package_templates import cluster_problems, put_templates
from ..search.client import is_transient, json_client, text_client
from ..search.compare_and_set import Bookmark
from ..search.failures import as_error, explain, is_refused
from ..search.foreign_indices import require_own_indices
from ..search.garbage_collection import rare_collections
from ..search.health import HealthLimits
from ..search.lock import ClusterLock, describe_holder, is_held, read_lock
from ..search.names import Names
from ..search.template_composition import make_reindexing_index
from ..subcounts import Subcount
from ..usage_events.enrichment import Splicer
from ..usage_events.indices import EventsIndex, Month, survey
from ..usage_events.maintenance.fill_missing import FillMissing, FillReport
from ..usage_events.maintenance.reattribution import (
    KNOWN_SECONDS,
    REST,
    RUN_SECONDS,
    Reattribution,
    ReattributionReport,
    noting,
)
from ..usage_events.odd_events import OddMonth, read_odd_events
from ..usage_events.replay import Replay, ReplayReport
from ..usage_events.stock_workers import StockWorkers

LOCK = "migration-lock"
"""Id of the lock's document in the index of the migration's bookmarks."""


class EventReindexingService:
    """Migrates legacy usage events to enriched indices, and maintains these.

    Creating the service opens no connection.

    Args:
        app: the application.
        subcounts: returns the registry of breakdowns.
    """

    def __init__(
        self, app: Flask, subcounts: Callable[[], Mapping[str, Subcount]]
    ) -> None:
        self.app, self.names = app, Names.of(app)
        self._subcounts = subcounts

    # -- operations -------------------------------------------------------

    def plan(
        self,
        event_types: Collection[str] = (),
        months: Collection[str] = (),
        now: Callable[[], datetime] = utc_now,
    ) -> MigrationPlan:
        """Return what a migration would do; change nothing.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            now: returns the current time, aware.

        Raises:
            UsageError: an argument is invalid.
            SearchUnavailableError: OpenSearch does not answer.
        """
        event_types = check_event_types(event_types)
        ranges = parse_months(months, now())
        made, _ = plan.make_plan(
            self._client,
            self.names,
            event_types,
            ranges,
            now(),
            StockWorkers.of(self.app).problem,
        )
        warnings = [*made.warnings, *self._cluster_problems()]
        try:
            self._check_sources()
        except NotReadyError as error:
            warnings = [warning for warning in warnings if warning != str(error)]
            made = replace(made, blockers=[str(error), *made.blockers])
        return replace(made, warnings=warnings)

    def reindex_events(
        self,
        event_types: Collection[str] = (),
        months: Collection[str] = (),
        batch_size: int | None = None,
        max_batches: int | None = None,
        max_memory_percent: int | None = None,
        delete_old_indices: bool = False,
        delete_backup: bool = False,
        fresh_start: bool = False,
        ignore_stock_workers: bool = False,
        progress: Callable[[MonthProgress], None] | None = None,
        step: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> MigrationReport:
        """Migrate legacy months to enriched indices, each from its current state.

        It can be killed and run again: the next run continues.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            batch_size: events in a batch, 1 to 10,000; None uses the configuration.
            max_batches: batches of a month in this run; None uses the configuration.
            max_memory_percent: heap usage at which it waits; None uses the
                configuration.
            delete_old_indices: delete the backups of months that can no longer receive
                events, each after comparing it.
            delete_backup: the same for months that can still receive events.
            fresh_start: discard earlier progress and start each month again.
            ignore_stock_workers: cut over months that can still receive events, even
                if running workers would lose the events that are refused meanwhile.
            progress: called when the state of a month changes.
            step: called with the name of each step before it starts.
            stop: when set, the run ends at its next check and can be resumed.
            now: returns the current time, aware.

        Returns:
            The report on all requested months.

        Raises:
            UsageError: an argument is invalid.
            NotReadyError: community events or privileges are missing.
            LockedError: another migration is running.
            StatsDashboardError: disk space or the number of shards does not suffice.
            SearchUnavailableError: OpenSearch does not answer.
        """
        event_types = check_event_types(event_types)
        ranges = parse_months(months, now())
        options = options_of(
            self.app.config,
            batch_size,
            max_batches,
            delete_past=delete_old_indices,
            delete_current=delete_backup,
            fresh_start=fresh_start,
            ignore_stock_workers=ignore_stock_workers,
        )
        limits = limits_of(self.app.config, max_memory_percent)
        self._check_ready()
        with self._locked() as lock:
            made, found = plan.make_plan(
                self._client, self.names, event_types, ranges, now()
            )
            plan.require_no_blockers(made)
            problems = [*made.warnings, *self._cluster_problems()]
            report = MigrationReport(problems=problems)
            watch = RunObserver(
                progress or ignore, step or ignore, stop, report.problems.append, now
            )
            run = self._run(lock, options, limits, watch)
            with rare_collections():
                self._migrate(run, found, report)
        return report

    def check_arguments(
        self,
        event_types: Collection[str] = (),
        months: Collection[str] = (),
        batch_size: int | None = None,
        max_batches: int | None = None,
        max_memory_percent: int | None = None,
        now: Callable[[], datetime] = utc_now,
        **flags: bool,
    ) -> None:
        """Check that :meth:`reindex_events` can be called with these arguments.

        So a command that sends the migration to a worker can report errors at once.

        Args:
            event_types: as for :meth:`reindex_events`.
            months: as for :meth:`reindex_events`.
            batch_size: as for :meth:`reindex_events`.
            max_batches: as for :meth:`reindex_events`.
            max_memory_percent: as for :meth:`reindex_events`.
            now: returns the current time, aware.
            **flags: other arguments of :meth:`reindex_events`; any value is valid.

        Raises:
            UsageError: an argument is invalid.
            NotReadyError: community events or privileges are missing.
            LockedError: another migration is running.
            StatsDashboardError: disk space or the number of shards does not suffice.
            SearchUnavailableError: OpenSearch does not answer.
        """
        event_types = check_event_types(event_types)
        ranges = parse_months(months, now())
        options_of(self.app.config, batch_size, max_batches)
        limits_of(self.app.config, max_memory_percent)
        self._check_ready()
        self._check_unlocked()
        made, _ = plan.make_plan(self._client, self.names, event_types, ranges, now())
        plan.require_no_blockers(made)

    def status(
        self,
        event_types: Collection[str] = (),
        months: Collection[str] = (),
        now: Callable[[], datetime] = utc_now,
    ) -> MigrationStatus:
        """Return the status of each month, and the run that is active.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            now: returns the current time, aware.
        """
        event_types = check_event_types(event_types)
        ranges = parse_months(months, now())
        found = migration_status.read_migration_status(
            self._client, self.names, LOCK, event_types, ranges, now()
        )
        return replace(found, problems=[*found.problems, *self._cluster_problems()])

    def verify(
        self,
        event_types: Collection[str] = (),
        months: Collection[str] = (),
        progress: Callable[[MonthProgress], None] | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> list[BackupCheck]:
        """Compare every existing backup with the target index of its month.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            progress: called when the state of a month changes.
            now: returns the current time, aware.

        Returns:
            One result for each month with a target index.
        """
        watch = RunObserver(progress=progress or ignore, now=now)
        with self._work(event_types, months, watch) as (run, found):
            return [
                migration_status.verify(run, month) for month in found if month.target
            ]

    def cleanup(
        self,
        event_types: Collection[str] = (),
        months: Collection[str] = (),
        dry_run: bool = False,
        accept_deletions: bool = False,
        now: Callable[[], datetime] = utc_now,
    ) -> list[tuple[str, str | None]]:
        """Delete backups, each after comparing it with its target index again.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            dry_run: delete nothing, and compare nothing.
            accept_deletions: events that the target index lacks were deleted from it on
                purpose; requires ``months``.
            now: returns the current time, aware.

        Returns:
            (name of the backup, why it was not deleted, or None) for each.

        Raises:
            UsageError: deletions were accepted, but no months were named.
        """
        if accept_deletions and not months:
            raise UsageError(
                "--accept-deletions requires --months: name the months from which "
                "events were deleted on purpose."
            )
        with self._work(event_types, months, RunObserver(now=now)) as (run, found):
            return [
                self._delete_backup(run, month, dry_run, accept_deletions)
                for month in found
                if month.backup is not None
            ]

    def rollback(
        self,
        event_types: Collection[str] = (),
        months: Collection[str] = (),
        ignore_stock_workers: bool = False,
        progress: Callable[[MonthProgress], None] | None = None,
        step: Callable[[str], None] | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> list[RollbackResult]:
        """Roll months back to their backup indices, with the events written since.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; they must be named.
            ignore_stock_workers: as for :meth:`reindex_events`.
            progress: called when the state of a month changes.
            step: called with the name of each step before it starts.
            now: returns the current time, aware.

        Returns:
            One result for each month.

        Raises:
            UsageError: no months were named; a rollback never applies to all months by
                default.
        """
        if not months:
            raise UsageError(
                "A rollback requires --months: name the months to roll back."
            )
        watch = RunObserver(progress=progress or ignore, step=step or ignore, now=now)
        work = self._work(
            event_types, months, watch, ignore_stock_workers=ignore_stock_workers
        )
        with work as (run, found):
            return [rollback.roll_back(run, month) for month in found]

    def re_enrich(
        self,
        key: str,
        event_types: Collection[str] = (),
        months: Collection[str] = (),
        progress: Callable[[MonthProgress], None] | None = None,
        stop: threading.Event | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> list[ReEnrichmentResult]:
        """Write one breakdown again in events that are enriched.

        Args:
            key: key of the breakdown.
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            progress: called when the state of a month changes.
            stop: when set, the run ends at its next check and can be resumed.
            now: returns the current time, aware.

        Returns:
            One result for each month.

        Raises:
            UsageError: the breakdown does not exist, or is one of the event itself.
            StatsDashboardError: OpenSearch refuses an event with its new values.
        """
        self._check_key(key)
        self._check_ready()
        watch = RunObserver(progress=progress or ignore, stop=stop, now=now)
        with self._work(event_types, months, watch, (key,)) as (run, found):
            return [re_enrichment.re_enrich(run, month, key) for month in found]

    def check_re_enrichment(
        self,
        key: str,
        event_types: Collection[str] = (),
        months: Collection[str] = (),
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Check that :meth:`re_enrich` can be called with these arguments.

        Args:
            key: key of the breakdown.
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            now: returns the current time, aware.

        Raises:
            UsageError: the breakdown does not exist, or is one of the event itself, or
                another argument is invalid.
            NotReadyError: community events or privileges are missing.
            LockedError: another migration is running.
        """
        check_event_types(event_types)
        parse_months(months, now())
        self._check_key(key)
        self._check_ready()
        self._check_unlocked()

    def clear_bookmarks(
        self,
        event_types: Collection[str] = (),
        months: Collection[str] = (),
        fresh_start: bool = False,
        now: Callable[[], datetime] = utc_now,
    ) -> list[str]:
        """Delete the bookmarks of months, so that they are copied from the beginning.

        The bookmark of a month after its cut-over stays: it names the backup index.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            fresh_start: also delete incomplete target indices.
            now: returns the current time, aware.

        Returns:
            Ids of the bookmarks that were cleared.
        """
        with self._work(event_types, months, RunObserver(now=now)) as (run, found):
            return [
                month.id for month in found if recovery.clear(run, month, fresh_start)
            ]

    def recover_overdue(
        self,
        now: Callable[[], datetime] = utc_now,
        step: Callable[[str], None] | None = None,
    ) -> list[str]:
        """Abort unfinished cut-overs and rollbacks whose deadline has passed.

        Args:
            now: returns the current time, aware.
            step: called with the name of each step before it starts.

        Returns:
            Ids of the months whose cut-over or rollback was aborted.
        """
        return recovery.recover(self._client, self.names, now(), step or ignore)

    def odd_events(self, acknowledge: bool = False) -> list[OddMonth]:
        """Return the events with fields that cannot be read as expected.

        Migration and counting find them.

        Args:
            acknowledge: record that the operator knows these events.

        Raises:
            StatsDashboardError: OpenSearch refuses a request or does not answer.
        """
        with _answering():
            return list(read_odd_events(self._client, self.names, acknowledge))

    def replay(
        self,
        dry_run: bool = False,
        step: Callable[[str], None] | None = None,
        batch: int = 500,
    ) -> ReplayReport:
        """Index dead letters again, and count their days again.

        It can be killed and run again.

        Args:
            dry_run: change nothing.
            step: called with the name of each step before it starts.
            batch: dead letters at a time.

        Raises:
            StatsDashboardError: days cannot be counted, or dead letters not written.
            SearchUnavailableError: OpenSearch accepts no requests.
        """
        with _answering():
            return Replay(
                self._client,
                text_client(self.app),
                self.names,
                waiting=self.app.logger.warning,
                step=step,
            ).run(dry_run, batch)

    def fill_usage_events(
        self,
        event_types: Collection[str] = (),
        limit: int = 50_000,
        batch: int = 500,
    ) -> FillReport:
        """Enrich events of enriched indices that are not enriched.

        It needs no lock, because it overwrites no write of the live site or of a
        migration.

        Args:
            event_types: ``view``, ``download``; none means both.
            limit: number of events, at most.
            batch: events at a time.

        Raises:
            UsageError: an argument is invalid.
            NotReadyError: community events are missing.
            SearchUnavailableError: OpenSearch does not answer.
        """
        event_types = check_event_types(event_types)
        with _answering():
            self._check_sources()
            return FillMissing(
                self._client,
                text_client(self.app),
                self.names,
                self._splicer(),
                self.app.logger.warning,
            ).run(event_types, limit, batch)

    def attribute_again(
        self,
        limit: int = 50_000,
        records: int = 1000,
        batch: int = 500,
        rest: float = REST,
        seconds: float = RUN_SECONDS,
    ) -> ReattributionReport:
        """Re-attribute enriched events of the records on the re-attribution list.

        It needs no lock, because it overwrites no write of the live site or of a
        migration.

        Args:
            limit: number of events to write, at most.
            records: records at a time.
            batch: events at a time.
            rest: seconds that a record must have been on the list.
            seconds: time after which no more records are started.

        Raises:
            StatsDashboardError: OpenSearch refuses events; all others are done.
            SearchUnavailableError: OpenSearch does not answer.
        """
        with _answering():
            return Reattribution(
                self._client,
                text_client(self.app),
                self.names,
                self._splicer(),
                self.app.logger.warning,
            ).run(limit, records, batch, rest, seconds)

    # -- inside ------------------------------------------------------------

    @property
    def _client(self) -> OpenSearch:
        return json_client(self.app)

    def _splicer(self) -> Splicer:
        """Return a splicer that uses the current facts and timelines."""
        late, subcounts = noting(self.app, self.names), self._subcounts()
        resolver = DatabaseResolver(
            self.app, self._client, self.names, subcounts, late, wait=ScanBudget.wait
        )
        lookup = RecordLookup(
            self._client, self.names, subcounts, resolver=resolver, ttl=KNOWN_SECONDS
        )
        return Splicer(lookup, utc_now().isoformat())

    def _check_ready(self) -> None:
        """Check that community events exist, and put the index templates."""
        if not self.app.config["COMMUNITY_STATS_ENABLED"]:
            raise NotReadyError(
                "COMMUNITY_STATS_ENABLED is False, so nothing is migrated. Set it to "
                "True, restart the workers, and run the same command again."
            )
        with _answering():
            self._check_sources()
            done = put_templates(self.app, self._client)
        for error in done.refused.values():
            if is_refused(error):  # a right that is missing, not one odd template
                raise as_error(error) from error

    def _check_sources(self) -> None:
        """Check that community events exist, and that their indices are ours.

        Raises:
            NotReadyError: the text names the command that is to be run first.
            OpenSearchException: the cluster does not answer.
        """
        require_own_indices(self._client, self.names, sources_only=True)
        plan.check_community_events(backfill_state(self._client, self.names))

    def _cluster_problems(self) -> list[str]:
        if not self.app.config["COMMUNITY_STATS_ENABLED"]:
            return []
        return cluster_problems(self.app, self._client)

    def _check_key(self, key: str) -> None:
        subcounts = self._subcounts()
        if key not in subcounts:
            raise UsageError(
                f"COMMUNITY_STATS_SUBCOUNTS has no breakdown {key!r}. Available "
                f"breakdowns: {', '.join(subcounts)}."
            )
        if not subcounts[key].of_record:
            raise UsageError(
                f"The breakdown {key!r} is read from the event itself, so there is "
                "nothing to enrich."
            )

    def _check_unlocked(self) -> None:
        document = read_lock(self._client, self.names.reindexing, LOCK)
        if document is not None and is_held(document):
            raise LockedError(
                f"Another run is active ({describe_holder(document)}). Wait until it "
                "ends, or follow it with 'invenio community-stats usage-events status'."
            )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[ClusterLock]:
        run = uuid.uuid4().hex[:12]
        ttl = self.app.config["STATS_DASHBOARD_REINDEXING_LOCK_TTL"]
        lock = ClusterLock(self._client, self.names.reindexing, LOCK, run, ttl)
        with _answering():
            make_reindexing_index(self._client, self.names)
            lock.acquire()
        try:
            yield lock
        finally:
            lock.release()

    @contextlib.contextmanager
    def _work(
        self,
        event_types: Collection[str],
        months: Collection[str],
        watch: RunObserver,
        refresh: Collection[str] = (),
        **flags: bool,
    ) -> Iterator[tuple[MigrationRun, list[Month]]]:
        """Hold the lock during the block, and yield a run and its months."""
        event_types = check_event_types(event_types)
        ranges = parse_months(months, watch.now())
        config = self.app.config
        with self._locked() as lock:
            options, limits = options_of(config, **flags), limits_of(config)
            run = self._run(lock, options, limits, watch, refresh)
            found, _ = survey(self._client, self.names, event_types, ranges)
            yield run, found

    def _run(
        self,
        lock: ClusterLock,
        options: MigrationOptions,
        limits: HealthLimits,
        watch: RunObserver,
        refresh: Collection[str] = (),
    ) -> MigrationRun:
        return make_run(
            self.app,
            self._client,
            self.names,
            self._subcounts(),
            lock,
            options,
            limits,
            watch,
            refresh,
        )

    def _migrate(
        self, run: MigrationRun, months: Collection[Month], report: MigrationReport
    ) -> None:
        start = time.monotonic()
        for month in months:
            migration = MonthMigration(run, month)
            report.months.append(migration.report)
            try:
                migration.migrate()
            except OpenSearchException as error:
                if not is_transient(error):
                    migration.report.fail(explain(error))
                    continue
                _stop(report, as_error(error))
                break
            except PAUSES as error:
                _stop(report, error)
                if isinstance(error, StoppedError) and error.of_month:
                    continue
                break
        report.seconds = time.monotonic() - start

    def _delete_backup(
        self, run: MigrationRun, month: Month, dry_run: bool, accept_deletions: bool
    ) -> tuple[str, str | None]:
        backup = cast(EventsIndex, month.backup)  # the caller passes no other month
        bookmark = Bookmark(run.client, self.names.reindexing, month.id)
        try:
            if bookmark.data.get("state") != "done":
                raise StatsDashboardError(
                    "it has not been compared with the index in service; run the "
                    "migration of that month again"
                )
            if not dry_run:
                backups.delete_backup(run, month, bookmark, accept_deletions)
        except StatsDashboardError as error:
            return backup.name, str(error)
        return backup.name, None


def _stop(report: MigrationReport, error: Exception) -> None:
    """Store why a run ended early, in the report and in that of its last month."""
    report.months[-1].errors.append(str(error))
    report.stopped = {"reason": str(error), "resumable": True}


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Raise errors of the client in the block as errors of this package."""
    try:
        yield
    except OpenSearchException as error:
        raise as_error(error) from error
