# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The service for community events and statistics."""

from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from invenio_db import db

from ..community_events.documents import GLOBAL
from ..community_events.generation import Generation
from ..community_events.membership import MembershipReader, Selection
from ..community_events.reconciliation import Reconciliation
from ..community_events.recorder import Recorder
from ..community_events.status import events_status
from ..community_events.store import EventStore
from ..errors import LockedError, NotReadyError, UsageError
from ..search.client import json_client, text_client
from ..search.names import Names
from ..usage_events.attribution import note
from .aggregation import aggregate, help_with, options_of

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
            progress: called with a :class:`~..community_events.backfill.Progress`
                now and then.
            waiting: called with a sentence whenever OpenSearch takes no requests
                for now.

        Returns:
            BackfillReport: what was done.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False.
            UsageError: an argument makes no sense, or names what does not exist.
            DatabaseUnavailableError: the database does not answer.
            SearchUnavailableError: OpenSearch took no requests for too long; the
                next run goes on.
            OpenSearchException: the cluster does not answer at the start.
        """
        run, reader = self._generation("backfill", progress, waiting)
        selection = self._selection(reader, community_ids, recids, start_date, end_date)
        if selection == Selection():
            return run.run_all(dry_run)
        return run.run_some(selection, dry_run)

    def capture_changes(self, parent_ids=(), community_ids=()):
        """Write what the timelines of records that may have changed lack.

        Args:
            parent_ids: UUIDs of parents; all their versions are looked at.
            community_ids: UUIDs of communities; all their records are.

        Returns:
            BackfillReport: what was done.

        Raises:
            DatabaseUnavailableError: the database does not answer.
            SearchUnavailableError: OpenSearch took no requests for too long.
            OpenSearchException: the cluster does not answer at the start.
        """
        run, _ = self._generation(cause=None, limit=_SHORT)
        if parent_ids:
            return run.run_some(Selection(parent_ids=tuple(parent_ids)))
        return run.run_some(Selection(community_ids=tuple(community_ids)))

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
            progress: called with a :class:`~..community_events.backfill.Progress`
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
        run, reader = self._generation("reconciled", progress, waiting)
        selection = self._selection(reader, community_ids, recids, None, None)
        work = Reconciliation(json_client(self.app), self.names)
        return work.run(run, selection, changed_only, dry_run)

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
            progress: called with a :class:`~..aggregations.run.Progress` after each
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
        options = options_of(
            self.app,
            _with_global(community_ids),
            families,
            _day(start_date, "start"),
            _day(end_date, "end"),
            rebuild,
            dry_run,
        )
        return aggregate(self.app, options, progress, waiting, call)

    def help_aggregating(self, run):
        """Do steps of a run of :meth:`aggregate` under way, until none is left.

        Args:
            run: id of the run.

        Returns:
            int: how many steps were done; 0 if the run has ended.
        """
        return help_with(self.app, run)

    def _generation(self, cause, progress=None, waiting=None, limit=120):
        """Return a run, and what it reads records with."""
        if not self.app.config["COMMUNITY_STATS_ENABLED"]:
            raise NotReadyError(
                "COMMUNITY_STATS_ENABLED is False, so no community events are written. "
                "Set it to True, restart, and run the same command again."
            )
        subcounts = self.app.extensions["invenio-stats-dashboard"].subcounts
        reader = MembershipReader(db.engine, subcounts=subcounts)
        client = text_client(self.app)
        client.transport.perform_request("GET", "/")  # one that is away says so now
        store = EventStore(client, self.names, limit=limit, waiting=waiting)
        recorder = Recorder(store, subcounts, late=partial(note, client, self.names))
        run = Generation(
            client, self.names, store, reader, recorder, progress, cause=cause
        )
        return run, reader

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
        reader = MembershipReader(db.engine)
        ids = _communities(reader, community_ids) if community_ids else None
        return events_status(text_client(self.app), self.names, reader, ids)

    def _selection(self, reader, community_ids, recids, start_date, end_date):
        start = _moment(start_date, "start") if start_date else None
        end = _moment(end_date, "end", whole_day=True) if end_date else None
        if start and end and start >= end:
            raise UsageError(
                f"The start date {start_date} is after the end date {end_date}."
            )
        return Selection(
            recids=_records(reader, recids) if recids else None,
            community_ids=(
                _communities(reader, community_ids) if community_ids else None
            ),
            created_from=start,
            created_before=end,
        )


def _with_global(names):
    """Return the UUIDs of communities, and ``global`` if it is asked for."""
    if not names:
        return None
    names = [str(name) for name in names]
    # ``global`` may be the slug of a community, too; its UUID names that one
    real = [name for name in names if name != GLOBAL]
    found = _communities(MembershipReader(db.engine), real) if real else ()
    return tuple(sorted({*found, *(n for n in names if n == GLOBAL)}))


def _day(value, which):
    """Return a date as text, or None."""
    return _moment(value, which).date().isoformat() if value else None


def _communities(reader, names):
    """Return the UUIDs of communities; all must exist."""
    names = tuple(dict.fromkeys(str(name) for name in names))
    found = reader.communities(names)
    for name in names:
        if name not in found:
            raise UsageError(
                f"There is no community {name!r}: give the UUID or the slug of one."
            )
    return tuple(sorted(set(found.values())))


def _records(reader, recids):
    """Return the identifiers of records; all must exist."""
    recids = tuple(sorted({str(recid) for recid in recids}))
    found = reader.known(recids)
    for recid in recids:
        if recid not in found:
            raise UsageError(f"There is no published record {recid!r}.")
    return recids


def _moment(value, which, whole_day=False):
    """Return a date or moment as an aware datetime.

    Args:
        value: date, datetime, or ISO 8601 text.
        which: ``start`` or ``end``, for the sentence.
        whole_day: return the end of the day of a date, or the second after a
            moment, so that the moment itself is before what is returned.
    """
    if isinstance(value, str):
        try:
            value = (
                date.fromisoformat(value)
                if len(value) <= 10
                else datetime.fromisoformat(value)
            )
        except ValueError:
            raise UsageError(
                f"The {which} date {value!r} is no date; write it as YYYY-MM-DD."
            ) from None
    if not isinstance(value, datetime):
        moment = datetime.combine(value, time(), UTC)
        return moment + timedelta(days=1) if whole_day else moment
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    return moment + timedelta(seconds=1) if whole_day else moment
