# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The service that migrates usage events: one method for each thing to do."""

import contextlib
import time
import uuid
from dataclasses import replace

from opensearchpy.exceptions import OpenSearchException

from ..community_events.backfill_state import backfill_state
from ..community_events.lookup import RecordLookup
from ..community_events.resolver import DatabaseResolver
from ..community_events.scan_budget import ScanBudget
from ..errors import (
    LockedError,
    NotReadyError,
    SearchUnavailableError,
    StatsDashboardError,
    UsageError,
)
from ..migration import (
    migration_status,
    plan,
    post_switch,
    re_enrichment,
    recovery,
    rollback,
)
from ..migration.months import check_event_types, parse_months, utc_now
from ..migration.report import MigrationReport
from ..migration.run_context import PAUSES, StoppedError
from ..migration.run_factory import RunObserver, ignore, limits_of, make_run, options_of
from ..migration.runner import MonthMigration
from ..package_templates import put_templates
from ..search.client import describe, json_client, text_client
from ..search.documents import Bookmark
from ..search.gc_tuning import rare_collections
from ..search.lock import ClusterLock, describe_holder, is_held, read_lock
from ..search.names import Names
from ..usage_events.enrichment import Splicer
from ..usage_events.indices import survey
from ..usage_events.maintenance.fill_missing import FillMissing
from ..usage_events.maintenance.reattribution import (
    KNOWN_SECONDS,
    REST,
    RUN_SECONDS,
    Reattribution,
    noting,
)
from ..usage_events.replay import Replay
from ..usage_events.stock_workers import StockWorkers

LOCK = "migration-lock"


class EventReindexingService:
    """Moves legacy usage events to enriched indices, and looks after them.

    Args:
        app: the Flask application.
    """

    def __init__(self, app):
        """Keep the application; opens no connection yet."""
        self.app = app
        self.names = Names.of(app)

    # -- what can be asked of it ------------------------------------------

    def plan(self, event_types=(), months=(), now=utc_now):
        """Say what a migration would do; changes nothing.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            now: returns the present moment, aware.

        Returns:
            Plan: months, blockers, warnings and needs.

        Raises:
            UsageError: an argument makes no sense.
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
        try:
            plan.check_community_events(backfill_state(self._client, self.names))
        except NotReadyError as error:
            return replace(made, blockers=[str(error), *made.blockers])
        return made

    def reindex_events(
        self,
        event_types=(),
        months=(),
        batch_size=None,
        max_batches=None,
        max_memory_percent=None,
        delete_old_indices=False,
        delete_backup=False,
        fresh_start=False,
        ignore_stock_workers=False,
        progress=None,
        step=None,
        stop=None,
        now=utc_now,
    ):
        """Migrate legacy months to enriched indices, from wherever each stands.

        Safe to run again, and to kill: the next run goes on.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            batch_size: events in a batch, 1 to 10,000; None is the config's.
            max_batches: batches a month in this run; None is the config's.
            max_memory_percent: heap above which it waits; None is the config's.
            delete_old_indices: delete the backups of past months when they have
                been compared.
            delete_backup: the same for months that may still get events.
            fresh_start: forget earlier progress and start each month anew.
            ignore_stock_workers: switch months that may still get events although
                workers are about that lose what is refused meanwhile.
            progress: called with a :class:`~..migration.report.MonthProgress`.
            step: called with the name of each step before it is made.
            stop: :class:`threading.Event`; when set the run ends politely.
            now: returns the present moment, aware.

        Returns:
            Report: of all months asked for.

        Raises:
            UsageError: an argument makes no sense.
            NotReadyError: community events are missing, or privileges.
            LockedError: another migration is running.
            StatsDashboardError: disk or shards do not suffice.
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
            report = MigrationReport(problems=list(made.warnings))
            watch = RunObserver(
                progress or ignore, step or ignore, stop, report.problems.append, now
            )
            run = self._run(lock, options, limits, watch)
            with rare_collections():
                self._migrate(run, found, report)
        return report

    def check_arguments(
        self,
        event_types=(),
        months=(),
        batch_size=None,
        max_batches=None,
        max_memory_percent=None,
        now=utc_now,
        **flags,
    ):
        """Refuse now what :meth:`reindex_events` would refuse before it begins.

        For whoever hands the work to somebody else and wants to hear at once.

        Args:
            event_types: as for :meth:`reindex_events`, as all others.
            months: the same.
            batch_size: the same.
            max_batches: the same.
            max_memory_percent: the same.
            now: returns the present moment, aware.
            **flags: switches, of which none can be wrong.

        Raises:
            UsageError: an argument makes no sense.
            NotReadyError: community events are missing, or privileges.
            LockedError: another migration is running.
            StatsDashboardError: disk or shards do not suffice.
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

    def status(self, event_types=(), months=(), now=utc_now):
        """Say how far each month is.

        Returns:
            status.Status: months, the run under way, and whether a person is needed.
        """
        event_types = check_event_types(event_types)
        ranges = parse_months(months, now())
        return migration_status.read_migration_status(
            self._client, self.names, LOCK, event_types, ranges, now()
        )

    def verify(self, event_types=(), months=(), progress=None, now=utc_now):
        """Compare every backup that is still there with the index in service.

        Returns:
            list[status.Check]: one for each month.
        """
        watch = RunObserver(progress=progress or ignore, now=now)
        with self._work(event_types, months, watch) as (run, found):
            return [
                migration_status.verify(run, month) for month in found if month.target
            ]

    def cleanup(
        self,
        event_types=(),
        months=(),
        dry_run=False,
        accept_deletions=False,
        now=utc_now,
    ):
        """Delete backups, each after comparing it with the index in service again.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            dry_run: delete nothing, and compare nothing.
            accept_deletions: what the index in service lacks was deleted from it on
                purpose; only for months that are named.
            now: returns the present moment, aware.

        Returns:
            list[tuple[str, str | None]]: name of each backup, and why it stays.

        Raises:
            UsageError: deletions were accepted, but no months were named.
        """
        if accept_deletions and not months:
            raise UsageError(
                "Say with --months in which months events were deleted on purpose."
            )
        with self._work(event_types, months, RunObserver(now=now)) as (run, found):
            return [
                self._delete_backup(run, month, dry_run, accept_deletions)
                for month in found
                if month.backup is not None
            ]

    def rollback(
        self,
        event_types=(),
        months=(),
        ignore_stock_workers=False,
        progress=None,
        step=None,
        now=utc_now,
    ):
        """Give months back to their legacy indices, with what was written since.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; they must be named.
            ignore_stock_workers: as for :meth:`reindex_events`.
            progress: called with a :class:`~..migration.report.MonthProgress`.
            step: called with the name of each step before it is made.
            now: returns the present moment, aware.

        Returns:
            list[rollback.RolledBack]: one for each month.

        Raises:
            UsageError: no months were named; a rollback is never for all unasked.
        """
        if not months:
            raise UsageError("Say which months to roll back, with --months.")
        watch = RunObserver(progress=progress or ignore, step=step or ignore, now=now)
        flags = {"ignore_stock_workers": ignore_stock_workers}
        with self._work(event_types, months, watch, **flags) as (run, found):
            return [rollback.roll_back(run, month) for month in found]

    def re_enrich(
        self, key, event_types=(), months=(), progress=None, stop=None, now=utc_now
    ):
        """Write one breakdown again in events that are enriched.

        Args:
            key: of the breakdown.

        Returns:
            list[re_enriching.ReEnriched]: one for each month.

        Raises:
            UsageError: there is no such breakdown, or it is of the event itself.
            StatsDashboardError: OpenSearch refuses an event with its new values.
        """
        self._check_key(key)
        self._check_ready()
        watch = RunObserver(progress=progress or ignore, stop=stop, now=now)
        with self._work(event_types, months, watch, (key,)) as (run, found):
            return [re_enrichment.re_enrich(run, month, key) for month in found]

    def check_re_enrichment(self, key, event_types=(), months=(), now=utc_now):
        """Refuse now what :meth:`re_enrich` would refuse before it begins.

        Raises:
            UsageError: there is no such breakdown, or it is of the event itself,
                or another argument makes no sense.
            NotReadyError: community events are missing, or privileges.
            LockedError: another migration is running.
        """
        check_event_types(event_types)
        parse_months(months, now())
        self._check_key(key)
        self._check_ready()
        self._check_unlocked()

    def clear_bookmarks(
        self, event_types=(), months=(), fresh_start=False, now=utc_now
    ):
        """Forget how far months were copied.

        A month that is switched keeps its bookmark, which says where its backup is.

        Args:
            event_types: ``view``, ``download``; none means both.
            months: ``YYYY-MM`` or ``YYYY-MM:YYYY-MM``; none means all.
            fresh_start: delete half-filled targets, too.

        Returns:
            list[str]: ids of the bookmarks that were cleared.
        """
        with self._work(event_types, months, RunObserver(now=now)) as (run, found):
            return [
                month.id for month in found if recovery.clear(run, month, fresh_start)
            ]

    def recover_overdue(self, now=utc_now, step=None):
        """Take back switches whose deadline has passed; for whoever notices.

        Args:
            now: returns the present moment, aware.
            step: called with the name of each step before it is made.

        Returns:
            list[str]: ids of the months that were brought back.
        """
        return recovery.recover(self._client, self.names, now(), step or ignore)

    def replay(self, dry_run=False, step=None, batch=500):
        """Put back what OpenSearch had refused, and have its days counted again.

        Safe to run again, and to kill.

        Args:
            dry_run: change nothing.
            step: called with the name of each step before it is made.
            batch: letters at a time.

        Returns:
            ..replay.Replayed: how many went back, were there, are refused again.

        Raises:
            StatsDashboardError: days cannot be counted or letters not written.
            SearchUnavailableError: OpenSearch does not take anything.
        """
        with _answering():
            return Replay(
                self._client,
                text_client(self.app),
                self.names,
                waiting=self.app.logger.warning,
                step=step,
            ).run(dry_run, batch)

    def fill_usage_events(self, event_types=(), limit=50_000, batch=500):
        """Enrich events that came into enriched indices without their enrichment.

        Takes no lock: no write of the live site or of a migration is overwritten.

        Args:
            event_types: ``view``, ``download``; none means both.
            limit: how many events at most.
            batch: events at a time.

        Returns:
            ..filling.Filled: how many events were enriched, and are refused.

        Raises:
            UsageError: an argument makes no sense.
            NotReadyError: community events are missing.
            SearchUnavailableError: OpenSearch does not answer.
        """
        event_types = check_event_types(event_types)
        with _answering():
            plan.check_community_events(backfill_state(self._client, self.names))
            return FillMissing(
                self._client,
                text_client(self.app),
                self.names,
                self._splicer(),
                self.app.logger.warning,
            ).run(event_types, limit, batch)

    def attribute_again(
        self, limit=50_000, records=1000, batch=500, rest=REST, seconds=RUN_SECONDS
    ):
        """Attribute enriched events again whose records are noted for it.

        Takes no lock: no write of the live site or of a migration is overwritten.

        Args:
            limit: how many events to write at most.
            records: how many records to work on at a time.
            batch: events at a time.
            rest: seconds that a record must have been noted.
            seconds: after which no more records are begun.

        Returns:
            ..attribution.Attributed: how many records are done, events written.

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

    # -- how ---------------------------------------------------------------

    @property
    def _client(self):
        if not hasattr(self, "_json_client"):
            self._json_client = json_client(self.app)
        return self._json_client

    @property
    def _subcounts(self):
        return self.app.extensions["invenio-stats-dashboard"].subcounts

    def _splicer(self):
        """Return what enriches events by what is known now."""
        late = noting(self.app, self.names)
        resolver = DatabaseResolver(
            self.app, self._client, self.names, late, wait=ScanBudget.wait
        )
        lookup = RecordLookup(
            self._client,
            self.names,
            self._subcounts,
            resolver=resolver,
            ttl=KNOWN_SECONDS,
        )
        return Splicer(lookup, utc_now().isoformat())

    def _check_ready(self):
        """See that community events exist and our templates are in the cluster."""
        if not self.app.config["COMMUNITY_STATS_ENABLED"]:
            raise NotReadyError(
                "COMMUNITY_STATS_ENABLED is False, so nothing is migrated. Set it to "
                "True, restart the workers, and run the same command again."
            )
        try:
            plan.check_community_events(backfill_state(self._client, self.names))
            put_templates(self.app, self._client)
        except OpenSearchException as error:
            if getattr(error, "status_code", None) in (401, 403):
                raise NotReadyError(
                    "The user of this application may not write index templates "
                    f"({describe(error)}). Give it the cluster privilege "
                    "'manage_index_templates'."
                ) from error
            raise SearchUnavailableError(
                f"OpenSearch does not answer ({describe(error)}). See that it is up "
                "and that SEARCH_HOSTS is right, and run the same command again."
            ) from error

    def _check_key(self, key):
        subcounts = self._subcounts
        if key not in subcounts:
            raise UsageError(
                f"There is no breakdown {key!r} in COMMUNITY_STATS_SUBCOUNTS; there "
                f"are {', '.join(subcounts)}."
            )
        if not subcounts[key].of_record:
            raise UsageError(
                f"The breakdown {key!r} is read from the event itself; there is "
                "nothing to enrich."
            )

    def _check_unlocked(self):
        document = read_lock(self._client, self.names.reindexing, LOCK)
        if is_held(document):
            raise LockedError(
                f"Another run does this right now ({describe_holder(document)}). "
                "Wait for its end, or follow it with 'invenio community-stats "
                "usage-events status'."
            )

    @contextlib.contextmanager
    def _locked(self):
        run = uuid.uuid4().hex[:12]
        ttl = self.app.config["STATS_DASHBOARD_REINDEXING_LOCK_TTL"]
        lock = ClusterLock(self._client, self.names.reindexing, LOCK, run, ttl)
        try:
            lock.acquire()
        except OpenSearchException as error:
            raise SearchUnavailableError(
                f"OpenSearch does not answer ({describe(error)}). See that it is up "
                "and that SEARCH_HOSTS is right, and run the same command again."
            ) from error
        try:
            yield lock
        finally:
            lock.release()

    @contextlib.contextmanager
    def _work(self, event_types, months, watch, refresh=(), **flags):
        """Yield a run and its months, for what is done to months under the lock."""
        event_types = check_event_types(event_types)
        ranges = parse_months(months, watch.now())
        config = self.app.config
        with self._locked() as lock:
            options, limits = options_of(config, **flags), limits_of(config)
            run = self._run(lock, options, limits, watch, refresh)
            found, _ = survey(self._client, self.names, event_types, ranges)
            yield run, found

    def _run(self, lock, options, limits, watch, refresh=()):
        return make_run(
            self.app, self._client, self.names, lock, options, limits, watch, refresh
        )

    def _migrate(self, run, months, report):
        start = time.monotonic()
        for month in months:
            migration = MonthMigration(run, month)
            report.months.append(migration.report)
            try:
                migration.migrate()
            except (*PAUSES, OpenSearchException) as error:
                if isinstance(error, OpenSearchException):
                    error = SearchUnavailableError(
                        f"OpenSearch did not answer ({describe(error)}). Run the same "
                        "command again when it does."
                    )
                migration.report.errors.append(str(error))
                report.stopped = {"reason": str(error), "resumable": True}
                if isinstance(error, StoppedError) and error.of_month:
                    continue
                break
        report.seconds = time.monotonic() - start

    def _delete_backup(self, run, month, dry_run, accept_deletions):
        bookmark = Bookmark(run.client, self.names.reindexing, month.id)
        try:
            if bookmark.data.get("state") != "done":
                raise StatsDashboardError(
                    "it has not been compared with the index in service; run the "
                    "migration of that month again"
                )
            if not dry_run:
                post_switch.delete_backup(run, month, bookmark, accept_deletions)
        except StatsDashboardError as error:
            return month.backup.name, str(error)
        return month.backup.name, None


@contextlib.contextmanager
def _answering():
    """Turn an error of the client into a sentence."""
    try:
        yield
    except OpenSearchException as error:
        raise SearchUnavailableError(
            f"OpenSearch does not answer ({describe(error)}). See that it is up and "
            "that SEARCH_HOSTS is right, and run the same command again."
        ) from error
