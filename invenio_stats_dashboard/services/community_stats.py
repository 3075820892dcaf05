# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The service for community events and statistics."""

from contextlib import contextmanager
from functools import cached_property, partial

from invenio_db import db

from ..community_events.backfill import BackfillReport
from ..community_events.backfill_locks import announced
from ..community_events.backfill_run import BackfillRun
from ..community_events.database import Database
from ..community_events.database_indexes import DatabaseIndexes, has_all_indexes
from ..community_events.deferred_captures import DeferredCaptures, MembershipChanges
from ..community_events.live_capture import DeferredCaptureRun, LiveCapture
from ..community_events.membership import MembershipReader
from ..community_events.reconciliation import Reconciliation, reconciliation_state
from ..community_events.recorder import Recorder
from ..community_events.scan_budget import ScanBudget
from ..community_events.selection import Selection
from ..community_events.status import events_status
from ..community_events.store import EventStore
from ..errors import LockedError, NotReadyError, UsageError
from ..queries import argument_parsing
from ..search.client import json_client, text_client
from ..search.names import Names
from ..search.site_templates import shards_and_replicas
from ..usage_events.maintenance.reattribution import noting
from .aggregation import (
    aggregate,
    check_enabled,
    clear_bookmarks,
    help_with,
    options_of,
)
from .aggregation_status import AggregationStatusReader
from .preparation import Preparation
from .reading import read_stats
from .removal import destroy_indices
from .reports import most_used_records
from .scheduler import catch_up
from .series import SeriesService
from .status import read_status

_SHORT = 20
"""Seconds that live capture goes on in one try; its task is sent again later."""


class CommunityStatsService:
    """Everything about communities' statistics, as methods.

    The methods need an application context, for the database.

    Args:
        app: the Flask application.
    """

    def __init__(self, app):
        """Keep the application; opens no connection yet."""
        self.app = app
        self.names = Names.of(app)

    def generate_record_community_events(
        self,
        community_ids=None,
        recids=None,
        start_date=None,
        end_date=None,
        dry_run=False,
        progress=None,
        waiting=None,
    ):
        """Write the community events and facts of records that lack them.

        Without a restriction it sees all records, goes on where an interrupted
        run came to, and marks the back-fill as complete, which the migration
        of usage events asks for. Safe to run again, to kill, and to run while
        the site writes or beside a second run.

        Args:
            community_ids: only records that are in one of these communities, or
                were accepted by one; UUIDs or slugs. All events of these records
                are written, also those of other communities.
            recids: only these records; every version is a record of its own.
            start_date: only records created then or later; a date, a datetime
                or ISO 8601 text; UTC if it has no zone.
            end_date: only records created then or earlier; a date includes its
                whole day.
            dry_run: count what would be written and write nothing.
            progress: called with a :class:`~..community_events.backfill.BackfillProgress`
                now and then.
            waiting: called with a sentence whenever OpenSearch takes no requests
                for now.

        Returns:
            BackfillReport: what was done.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False.
            LockedError: the community events are being deleted right now.
            UsageError: an argument makes no sense, or names what does not exist.
            DatabaseUnavailableError: the database does not answer.
            SearchUnavailableError: OpenSearch took no requests for too long; the
                next run goes on.
            OpenSearchException: the cluster does not answer at the start.
        """
        run, reader = self._generation("backfill", progress, waiting)
        selection = self._selection(reader, community_ids, recids, start_date, end_date)
        with self._announced(dry_run):
            if selection == Selection():
                return run.run_all(dry_run)
            return run.run_some(selection, dry_run)

    @contextmanager
    def _announced(self, dry_run):
        """Keep the community events from being deleted while they are generated."""
        if dry_run:
            yield
            return
        client = json_client(self.app)
        settings = partial(shards_and_replicas, self.app)
        EventStore(client, self.names, settings=settings).ensure_templates()
        with announced(client, self.names):
            yield

    def capture_changes(self, parent_ids=(), community_ids=(), rows=()):
        """Write what the timelines of records that may have changed lack.

        Args:
            parent_ids: UUIDs of parents; all their versions are looked at.
            community_ids: UUIDs of communities; all their records are.
            rows: of memberships whose row was written: UUID of the parent, of the
                community, whether it was inserted or deleted, and the moment.

        Returns:
            CaptureReport: what was written, or that it was put off.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False.
            DatabaseUnavailableError: the database does not answer.
            SearchUnavailableError: OpenSearch took no requests for too long.
            OpenSearchException: the cluster does not answer at the start.
        """
        changes = MembershipChanges(
            tuple(parent_ids), tuple(community_ids), tuple(map(tuple, rows))
        )
        return self._live_capture().capture(changes)

    def capture_deferred_changes(self):
        """Capture the changes that were put off for the next batch.

        Returns:
            CaptureReport: what was written, and when the next batch is due.

        Raises:
            See :meth:`capture_changes`.
        """
        return self._live_capture().capture_batch()

    def _live_capture(self):
        check_enabled(self.app)
        client = json_client(self.app)
        return LiveCapture(
            self._capture,
            lambda: has_all_indexes(db.engine),
            DeferredCaptures(client, self.names),
            self._scan_budget(client),
        )

    def _scan_budget(self, client):
        per_minute = self.app.config["STATS_DASHBOARD_SCANS_PER_MINUTE"]
        return ScanBudget(client, self.names, per_minute, Database(db.engine).now)

    def _capture(self, changes, timeout="STATS_DASHBOARD_STATEMENT_TIMEOUT"):
        """Write what the timelines of records lack that may have changed.

        Args:
            changes: a :class:`~..community_events.deferred_captures.MembershipChanges`.
            timeout: name of the variable that limits the statements.
        """
        run, reader = self._generation(
            cause=None, limit=_SHORT, timeout=timeout, written=changes.written
        )
        # one selection, since without the indexes each one scans tables
        parents = {*changes.parent_ids, *reader.parents_in(changes.community_ids)}
        if not parents:
            return BackfillReport()
        return run.run_some(Selection(parent_ids=tuple(sorted(parents))))

    def reconcile_community_events(
        self,
        community_ids=None,
        recids=None,
        changed_only=False,
        dry_run=False,
        progress=None,
        waiting=None,
    ):
        """Compare the community events of records with the database; repair them.

        Live capture leaves nothing to repair. What it missed, such as a change made
        behind the application's back or one whose message was lost, is dated by the
        best evidence there is.

        Args:
            community_ids: only records of these communities; UUIDs or slugs.
            recids: only these records.
            changed_only: only records that were changed since the last time.
            dry_run: count what would be written and write nothing.
            progress: called with a :class:`~..community_events.backfill.BackfillProgress`
                now and then.
            waiting: called with a sentence whenever OpenSearch takes no requests
                for now.

        Returns:
            BackfillReport: what was repaired; no events is the normal answer.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False, or the community
                events were never generated.
            LockedError: another reconciliation is running.
            UsageError: an argument names what does not exist.
            DatabaseUnavailableError: the database does not answer.
            SearchUnavailableError: OpenSearch took no requests for too long.
            OpenSearchException: the cluster does not answer at the start.
        """
        client = json_client(self.app)
        last = reconciliation_state(client, self.names)
        # what was refused then is not true yet
        verified = None if last.lacking else last.swept_at
        run, reader = self._generation(
            "reconciled", progress, waiting, verified=verified
        )
        selection = self._selection(reader, community_ids, recids, None, None)
        work = Reconciliation(client, self.names)
        capture = partial(self._capture, timeout="STATS_DASHBOARD_SCAN_TIMEOUT")
        return work.run(
            run,
            selection,
            changed_only,
            dry_run,
            DeferredCaptureRun(
                capture,
                lambda: has_all_indexes(db.engine),
                DeferredCaptures(client, self.names),
                self._scan_budget(client),
            ).run,
        )

    def reconcile_if_due(self):
        """Do what the scheduled reconciliation has to do now.

        Returns:
            BackfillReport: what was repaired; None if the community events were
            never generated, or another reconciliation is running.
        """
        days = self.app.config["STATS_DASHBOARD_RECONCILIATION_SWEEP_DAYS"]
        work = Reconciliation(json_client(self.app), self.names)
        try:
            return self.reconcile_community_events(changed_only=not work.is_due(days))
        except (NotReadyError, LockedError):
            return None

    def aggregate(
        self,
        community_ids=None,
        families=None,
        start_date=None,
        end_date=None,
        rebuild=False,
        dry_run=False,
        progress=None,
        waiting=None,
        call=None,
    ):
        """Bring deltas and snapshots up to date.

        It counts what has changed since the last run, whatever has changed it. Safe
        to kill and to run again; one run at a time.

        Args:
            community_ids: only documents of these communities: UUIDs, slugs, or
                ``global``. What is to be counted stays on the list for the others.
            families: only these; see :data:`~..search.names.FAMILIES`.
            start_date: only this day and later; a date or ISO 8601 text, UTC.
            end_date: only this day and earlier.
            rebuild: count all again, not only what has changed.
            dry_run: count and compare; write nothing.
            progress: called with a :class:`~..aggregations.runner.AggregationProgress` after each
                piece of work.
            waiting: called with a sentence whenever the run waits.
            call: called with the id of the run and a number of steps when there is
                much to do; sends for helpers, each of which calls
                :meth:`help_aggregating`. None does all steps here.

        Returns:
            AggregationReport: what was done.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False.
            UsageError: an argument makes no sense, or names what does not exist.
            LockedError: another run is under way.
            LockLostError: another run has taken over.
            ClusterNotHealthyError: the cluster is not fit for more; run again.
            SearchUnavailableError: OpenSearch took no requests for too long.
            StatsDashboardError: OpenSearch refuses a document for good.
            OpenSearchException: the cluster does not answer at the start.
        """
        options = self._options(
            community_ids, families, start_date, end_date, rebuild, dry_run
        )
        return aggregate(self.app, options, progress, waiting, call)

    def check_aggregation(
        self,
        community_ids=None,
        families=None,
        start_date=None,
        end_date=None,
        rebuild=False,
        dry_run=False,
    ):
        """See that :meth:`aggregate` can be called so; counts nothing.

        Args:
            community_ids: see there, as for the others.
            families: see there.
            start_date: see there.
            end_date: see there.
            rebuild: see there.
            dry_run: see there.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False.
            UsageError: an argument makes no sense, or names what does not exist.
        """
        check_enabled(self.app)
        self._options(community_ids, families, start_date, end_date, rebuild, dry_run)

    def _options(self, community_ids, families, start_date, end_date, rebuild, dry_run):
        return options_of(
            self.app,
            argument_parsing.with_global(community_ids),
            families,
            argument_parsing.day(start_date, "start"),
            argument_parsing.day(end_date, "end"),
            rebuild,
            dry_run,
        )

    def missing(self):
        """Say what is missing before everything can be counted; changes nothing.

        Returns:
            str | None: which command makes it, as a sentence or two; None if nothing is.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        reindexing = self.app.extensions[
            "invenio-stats-dashboard"
        ].event_reindexing_service
        client = json_client(self.app, timeout=60)
        return Preparation(self.app, client, self, reindexing, 0).missing().waits_for

    def help_aggregating(self, run):
        """Do steps of a run of :meth:`aggregate` under way, until none is left.

        Args:
            run: id of the run.

        Returns:
            int: how many steps were done; 0 if the run has ended.
        """
        return help_with(self.app, run)

    def catch_up(self, call=None):
        """Do what the scheduled task has to do: a piece of what is missing, or count.

        Args:
            call: sends for helpers; see :meth:`aggregate`.

        Returns:
            CaughtUp: what was done; None if another worker is at it.

        Raises:
            StatsDashboardError: what :meth:`aggregate` raises; the next run goes on.
            OpenSearchException: the cluster does not answer.
        """
        state = self.app.extensions["invenio-stats-dashboard"]
        try:
            return catch_up(self.app, self, state.event_reindexing_service, call)
        except LockedError:
            return None

    def status(self, community_ids=None, every=False):
        """Say how far everything is, and what needs a person; changes nothing.

        Args:
            community_ids: UUIDs, slugs, or ``global``; None for the instance and the
                largest communities.
            every: all communities.

        Returns:
            StatsStatus: see :mod:`.status`.

        Raises:
            UsageError: a community does not exist.
            DatabaseUnavailableError: the database does not answer.
            OpenSearchException: the cluster does not answer.
        """
        return read_status(
            self.app,
            json_client(self.app, timeout=60),
            self._reader(),
            self.app.extensions["invenio-stats-dashboard"].event_reindexing_service,
            argument_parsing.with_global(community_ids),
            every,
        )

    def corrections(self, size=100):
        """Return which days have changed after they were complete, and why.

        Args:
            size: how many entries at most, 1 to 10,000.

        Returns:
            list[dict]: the newest first: ``scope`` (usage or records), ``day``, ``why``,
            ``updated_at``, the ``communities`` whose documents changed
            (``more_communities`` are not named); of usage the totals of the instance
            before and after, in ``global``; of records the ``last_day`` and the number
            of ``days``.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        return AggregationStatusReader(json_client(self.app), self.names).corrections(
            size
        )

    def read_stats(self, community_id, family, start_date=None, end_date=None):
        """Return the documents of one community and family, one for each day.

        On days for which nothing is stored a delta is zero, and a snapshot is the one
        before; their ``updated_timestamp`` is None. Days after today are left out.

        Args:
            community_id: UUID, slug, or ``global``.
            family: of :data:`~..search.names.FAMILIES`.
            start_date: first day; a date or ISO 8601 text, UTC; 29 days before the
                last one by default.
            end_date: last day, inclusive; today by default.

        Returns:
            StatsRead: what is read, and an iterator that fetches the documents.

        Raises:
            UsageError: an argument makes no sense, or the community does not exist.
            DatabaseUnavailableError: the database does not answer.
        """
        return read_stats(self.app, community_id, family, start_date, end_date)

    @cached_property
    def series(self):
        """Return the :class:`~.series.SeriesService`."""
        return SeriesService(self.app)

    def read_series(self, query):
        """Return the answer to a question about a community's numbers.

        Totals come from doc values, breakdowns from snapshots where these are whole,
        else from deltas; the number of requests to OpenSearch is bounded.

        Args:
            query: a :class:`~..queries.query.SeriesQuery`. Its days should not be
                after today: they would be told as if nothing happened in them.

        Returns:
            SeriesResult: see :mod:`~..queries.query`. A community without documents
            has zeros.

        Raises:
            UsageError: the question names a metric, breakdown, interval or comparison
                that there is not, or ends before it begins.
            SearchUnavailableError: OpenSearch took no requests for some seconds.
            OpenSearchException: the cluster refuses a request.
        """
        return self.series.reader.read(query)

    def series_rows(self, query):
        """Return the answer to a question as lines of a table, one after the other.

        The numbers are those of :meth:`read_series`. With ``top=None`` no more than one
        bucket of cells is held in memory, however many lines there are.

        Args:
            query: a :class:`~..queries.query.SeriesQuery`.

        Returns:
            Iterator[Row]: bucket by bucket, totals first; those of the range before
            those that it is compared with. A cell has no line in a bucket in which it
            has nothing.

        Raises:
            UsageError: as :meth:`read_series`; raised with the first line.
            SearchUnavailableError: OpenSearch took no requests for some seconds; it
                may come after some lines.
        """
        return self.series.reader.rows(query)

    def series_version(self, community_id):
        """Return a text that changes whenever the numbers of a community may have.

        Args:
            community_id: UUID or ``global``.

        Returns:
            str: hexadecimal digits.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for some seconds.
        """
        return self.series.freshness.version(community_id)

    def labels(self, breakdown, ids, language=None):
        """Return what the cells of a breakdown are called.

        Args:
            breakdown: key of the registry of breakdowns.
            ids: of cells, ``unknown`` and ``_other`` among them.
            language: code such as ``de``; None for that of the request.

        Returns:
            dict: id -> label. An id that no vocabulary knows is its own label, and all
            are while a vocabulary does not answer.
        """
        return self.series.labels.of(breakdown, ids, language)

    def breakdown_labels(self, keys, language=None):
        """Return what breakdowns are called.

        Args:
            keys: of the registry of breakdowns.
            language: code such as ``de``; None for that of the request.

        Returns:
            dict: key -> label.
        """
        return self.series.labels.of_breakdowns(keys, language)

    def most_used_records(
        self,
        community_id,
        identity=None,
        by="views",
        of="parents",
        start_date=None,
        end_date=None,
        size=10,
        seconds=0,
    ):
        """Return the most viewed or most downloaded records of a community.

        They are counted from the usage events, so nothing has to be aggregated first. A
        record that the caller may not see keeps its place and its number.

        Args:
            community_id: UUID, slug, or ``global``.
            identity: of the caller, who decides which records are named; None for
                somebody who is not logged in.
            by: ``views`` or ``downloads``.
            of: ``parents`` for all versions of a record together, or ``records`` for
                each by itself.
            start_date: first day; a date or ISO 8601 text, UTC; 29 days before the
                last one by default.
            end_date: last day, inclusive; today by default.
            size: how many rows at most, 1 to 100.
            seconds: for which the numbers, not the titles, may be kept in the site's
                cache; 0 to count now.

        Returns:
            MostUsedRecords: see :mod:`.reports`.

        Raises:
            UsageError: an argument makes no sense, or the community does not exist.
            DatabaseUnavailableError: the database does not answer.
            OpenSearchException: the cluster does not answer, or not completely.
        """
        return most_used_records(
            self.app,
            community_id,
            identity,
            by,
            of,
            start_date,
            end_date,
            size,
            seconds,
        )

    def counter_report(
        self,
        community_id,
        month,
        identity=None,
        progress=None,
        waiting=None,
        hidden=False,
        most=None,
    ):
        """Return the COUNTER dataset report of a community and month.

        It has the form of Make Data Count. It is counted from the usage events, a day
        at a time, so nothing has to be aggregated first. docs/counter.md tells what is
        counted otherwise than the standard says; so does its header.

        Args:
            community_id: UUID, slug, or ``global``.
            month: ``YYYY-MM``; the present one is reported up to today.
            identity: of the caller, who decides which records are named; None for those
                that anybody may see.
            progress: called with a
                :class:`~..reports.counter.assembly.ReportProgress` now and then.
            waiting: called with a sentence whenever OpenSearch takes no requests for
                now.
            hidden: the records that the caller may not see are in it, too, by their DOI
                or address, without a title.
            most: events that may be counted; None for any number.

        Returns:
            CounterReport: its header, and an iterator that makes the datasets.

        Raises:
            UsageError: the month is malformed or to come, or has more events, or the
                community does not exist.
            DatabaseUnavailableError: the database does not answer.
            SearchUnavailableError: OpenSearch did not answer, or not completely.
            OpenSearchException: the cluster does not answer at the start.
        """
        from ..reports.counter.assembly import counter_report  # it needs Polars

        return counter_report(
            self.app, community_id, month, identity, progress, waiting, hidden, most
        )

    def clear_bookmarks(self, dry_run=False):
        """Forget how far everything is counted, so that all is looked at again.

        Documents stay, and are compared by the next runs, which do it in pieces as
        any other work.

        Args:
            dry_run: change nothing.

        Returns:
            dict: ``usage`` and ``records`` -> indices whose bookmarks were there.

        Raises:
            LockedError: an aggregation is under way.
            OpenSearchException: the cluster does not answer.
        """
        return clear_bookmarks(self.app, dry_run)

    def destroy_indices(self, everything=False, dry_run=False):
        """Delete all aggregates with their bookmarks and states, for good.

        Usage events, their backups and dead letters are never deleted.

        Args:
            everything: also community events and record facts. What they hold of
                memberships that have ended cannot be made again.
            dry_run: delete nothing.

        Returns:
            list[OwnIndex]: what was deleted, or would be.

        Raises:
            LockedError: an aggregation is under way; with ``everything`` also a
                migration or a reconciliation.
            OpenSearchException: the cluster does not answer.
        """
        return destroy_indices(self.app, everything, dry_run)

    def _generation(
        self,
        cause,
        progress=None,
        waiting=None,
        limit=120,
        timeout="STATS_DASHBOARD_SCAN_TIMEOUT",
        **evidence,
    ):
        """Return a run, and what it reads records with.

        ``evidence`` is what a :class:`~..community_events.recorder.Recorder` takes
        beside the database.
        """
        if not self.app.config["COMMUNITY_STATS_ENABLED"]:
            raise NotReadyError(
                "COMMUNITY_STATS_ENABLED is False, so no community events are written. "
                "Set it to True, restart, and run the same command again."
            )
        subcounts = self.app.extensions["invenio-stats-dashboard"].subcounts
        reader = self._reader(timeout, subcounts)
        client = text_client(self.app)
        client.transport.perform_request("GET", "/")  # one that is away says so now
        settings = partial(shards_and_replicas, self.app)
        store = EventStore(
            client, self.names, limit=limit, waiting=waiting, settings=settings
        )
        late = noting(self.app, self.names)
        recorder = Recorder(store, subcounts, late=late, **evidence)
        run = BackfillRun(
            client,
            self.names,
            store,
            reader,
            recorder,
            progress,
            cause=cause,
            refresh=cause is not None,
        )
        return run, reader

    def database_indexes(self, progress=None):
        """Return what creates, removes and looks for the indexes of live capture.

        Args:
            progress: called with a
                :class:`~..community_events.database_indexes.IndexProgress`.
        """
        return DatabaseIndexes(db.engine, progress)

    def _reader(self, timeout="STATS_DASHBOARD_SCAN_TIMEOUT", subcounts=None):
        """Return a reader of records, whose statements a config variable limits."""
        timeout = self.app.config[timeout]
        return MembershipReader(db.engine, subcounts=subcounts, timeout=timeout)

    def community_events_status(self, community_ids=None):
        """Compare the community events with the database, by counts.

        Args:
            community_ids: UUIDs or slugs; None for all.

        Returns:
            EventsStatus: see :mod:`~..community_events.status`.

        Raises:
            UsageError: a community does not exist.
            DatabaseUnavailableError: the database does not answer.
            OpenSearchException: the cluster does not answer.
        """
        reader = self._reader()
        ids = (
            argument_parsing.communities(reader, community_ids)
            if community_ids
            else None
        )
        return events_status(text_client(self.app), self.names, reader, ids)

    def _selection(self, reader, community_ids, recids, start_date, end_date):
        start = argument_parsing.moment(start_date, "start") if start_date else None
        end = (
            argument_parsing.moment(end_date, "end", whole_day=True)
            if end_date
            else None
        )
        if start and end and start >= end:
            raise UsageError(
                f"The start date {start_date} is after the end date {end_date}."
            )
        return Selection(
            recids=argument_parsing.records(reader, recids) if recids else None,
            community_ids=(
                argument_parsing.communities(reader, community_ids)
                if community_ids
                else None
            ),
            created_from=start,
            created_before=end,
        )
