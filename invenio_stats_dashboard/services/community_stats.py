# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The service for community events and statistics."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_principal import Identity
from invenio_access.permissions import system_process
from invenio_communities.proxies import current_communities
from invenio_db import db
from invenio_pidstore.errors import PIDDeletedError, PIDDoesNotExistError
from invenio_rdm_records.proxies import current_rdm_records_service
from invenio_records_resources.services import Service

from ..aggregations.aggregate_removal import OwnIndex
from ..aggregations.runner import (
    AggregationOptions,
    AggregationProgress,
    AggregationReport,
)
from ..community_events.backfill import BackfillProgress, BackfillReport
from ..community_events.database import database_errors
from ..community_events.database_indexes import DatabaseIndexes, IndexProgress
from ..community_events.facts import registry_mark
from ..community_events.live_capture import CaptureReport
from ..community_events.membership_changes import MembershipChanges
from ..community_events.reconciliation import Reconciliation, reconciliation_state
from ..community_events.selection import Selection
from ..community_events.status import EventsStatus, events_status
from ..errors import (
    GlobalNotReadableError,
    LockedError,
    NotReadableError,
    NotReadyError,
)
from ..permissions import GLOBAL, Subject, guest_identity
from ..queries import argument_parsing
from ..queries.compute_once import ComputeOnce
from ..queries.usage_data_version import version_of
from ..search.client import json_client, text_client
from ..search.foreign_indices import require_own_indices
from ..search.names import Names
from ..search.seqno import positions_of_all
from ..subcounts import Subcount
from .aggregation import (
    aggregate,
    check_enabled,
    clear_bookmarks,
    help_with,
    options_of,
)
from .aggregation_status import AggregationStatusReader
from .community_event_runs import CommunityEventRuns, selection
from .index_removal import destroy_indices
from .preparation import Preparation
from .results import CommunityStatsItem
from .scheduler import ScheduledRunReport, catch_up
from .series_readers import SeriesReaders
from .status import StatsStatus, read_status

if TYPE_CHECKING:
    from invenio_communities.communities.records.api import Community

    from .config import CommunityStatsServiceConfig
    from .event_reindexing import EventReindexingService

_LONGEST_NAME = 256


class CommunityStatsService(Service):
    """Generates community events, and counts, reads and deletes statistics.

    Statistics are read for an identity: :meth:`read`, :meth:`read_community` and
    :meth:`read_global` check its permission. The other methods take no identity: they
    are operations, which only commands and tasks call, or read labels.

    The methods need an application context, for the database. Creating the service
    opens no connection.

    Args:
        config: permission policy and results.
        app: the application.
        reindexing: migrates usage events.
        subcounts: returns the registry of breakdowns.
    """

    def __init__(
        self,
        config: "CommunityStatsServiceConfig",
        app: Flask,
        reindexing: "EventReindexingService",
        subcounts: Callable[[], Mapping[str, Subcount]],
    ) -> None:
        super().__init__(config)
        self.app, self.names = app, Names.of(app)
        self._reindexing, self._subcounts = reindexing, subcounts
        self._event_runs = CommunityEventRuns(app, subcounts)
        self.compute_once = ComputeOnce()

    @property
    def subcounts(self) -> Mapping[str, Subcount]:
        """Return the registry of breakdowns."""
        return self._subcounts()

    # -- reading -------------------------------------------------------------

    def read(self, identity: Identity, id_or_slug: str) -> CommunityStatsItem:
        """Return the statistics of a community or of the instance.

        Args:
            identity: the identity of the caller.
            id_or_slug: UUID or slug of a community, or ``global`` for the instance. A
                community with the slug ``global`` is read by its UUID.

        Raises:
            NotReadableError: see :meth:`read_community`.
            GlobalNotReadableError: the identity may not read the statistics of the
                instance.
            UsageError: the community does not exist, and the identity is the system.
            DatabaseUnavailableError: the database does not answer.
        """
        if id_or_slug == GLOBAL:
            return self.read_global(identity)
        if system_process in identity.provides:
            # operators may know which communities exist, so this error is more precise
            reader = self._event_runs.reader()
            (id_or_slug,) = argument_parsing.communities(reader, [id_or_slug])
        return self.read_community(identity, id_or_slug)

    def read_community(self, identity: Identity, id_or_slug: str) -> CommunityStatsItem:
        """Return the statistics of a community.

        Args:
            identity: the identity of the caller.
            id_or_slug: UUID or slug of the community.

        Raises:
            NotReadableError: the community does not exist, or the identity may not read
                its statistics; the text is the same.
            DatabaseUnavailableError: the database does not answer.
        """
        action = "read_community_stats"
        with database_errors():
            community = _community(id_or_slug)
            if community is None or not self.check_permission(
                identity, action, record=community
            ):
                raise NotReadableError(
                    "There is no community of this name whose statistics you may read."
                )
            subject = Subject(
                id=str(community.id),
                slug=community.slug or str(community.id),
                title=community.metadata.get("title"),
                public=self.check_permission(
                    guest_identity(), action, record=community
                ),
            )
        return self.result_item(self, identity, subject)

    def read_global(self, identity: Identity) -> CommunityStatsItem:
        """Return the statistics of the instance.

        Raises:
            GlobalNotReadableError: the identity may not read them.
            DatabaseUnavailableError: the database does not answer.
        """
        action = "read_global_stats"
        with database_errors():
            if not self.check_permission(identity, action):
                raise GlobalNotReadableError(
                    "You may not read the statistics of the whole instance."
                )
            is_public = self.check_permission(guest_identity(), action)
        subject = Subject(GLOBAL, GLOBAL, title=None, public=is_public)
        return self.result_item(self, identity, subject)

    @cached_property
    def readers(self) -> SeriesReaders:
        """Return the readers of series, which check no permission; created once."""
        return SeriesReaders(self.app, self.subcounts)

    def records_version(self) -> str:
        """Return a text that changes with each change of the index of records.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        alias = current_rdm_records_service.record_cls.index.search_alias
        name, client = f"{self.names.prefix}{alias}", json_client(self.app, timeout=60)
        return version_of(positions_of_all(client, name))

    def labels(
        self,
        breakdown: str,
        ids: Iterable[str],
        language: str | None = None,
        from_caller: bool = False,
    ) -> dict[str, str]:
        """Return the labels of values of a breakdown.

        Args:
            breakdown: key of the registry of breakdowns.
            ids: ids of values; ``unknown`` and ``_other`` are allowed.
            language: code such as ``de``; None for that of the request.
            from_caller: a caller has sent the ids; see ``Labels.of``.

        Returns:
            id -> label. An id that is not in the vocabulary is its own label, and so
            are all ids while the vocabulary cannot be read.
        """
        return self.readers.labels.of(breakdown, ids, language, from_caller)

    def breakdown_labels(
        self, keys: Iterable[str], language: str | None = None
    ) -> dict[str, str]:
        """Return the labels of breakdowns, by key.

        Args:
            keys: keys of the registry of breakdowns.
            language: code such as ``de``; None for that of the request.
        """
        return self.readers.labels.of_breakdowns(keys, language)

    # -- community events ----------------------------------------------------

    def generate_record_community_events(
        self,
        community_ids: Collection[str] | None = None,
        recids: Collection[str] | None = None,
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        dry_run: bool = False,
        progress: Callable[[BackfillProgress], None] | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> BackfillReport:
        """Write the community events and facts of records that lack them.

        Without a restriction it compares all records, continues an interrupted run, and
        stores that the back-fill is complete, which the migration of usage events
        requires. It can be killed and run again, while the site writes or a second run
        is active.

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
            progress: called several times a second.
            waiting: called with a sentence whenever OpenSearch accepts no requests.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False.
            LockedError: the community events are being deleted.
            UsageError: an argument is invalid, or a community or record does not exist.
            DatabaseUnavailableError: the database does not answer.
            SearchUnavailableError: OpenSearch accepted no requests for too long; the
                next run continues.
            OpenSearchException: the cluster does not answer at the start.
        """
        run, reader = self._event_runs.create("backfill", progress, waiting)
        chosen = selection(reader, community_ids, recids, start_date, end_date)
        with nullcontext() if dry_run else self._event_runs.announced():
            if chosen == Selection():
                return run.run_all(dry_run)
            return run.run_some(chosen, dry_run)

    def capture(self, *messages: MembershipChanges) -> CaptureReport:
        """Write the events that timelines lack after changes, or defer the capture.

        Args:
            *messages: parents, all of whose versions are compared, and communities, all
                of whose records are compared.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False.
            StatementTimeoutError: several messages need a statement that the database
                cancels; each may succeed alone.
            DatabaseUnavailableError: the database does not answer.
            SearchUnavailableError: OpenSearch accepted no requests for too long.
            OpenSearchException: the cluster does not answer at the start.
        """
        return self._event_runs.live_capture().capture(messages)

    def capture_deferred_changes(self) -> CaptureReport:
        """Capture the next batch of deferred captures.

        Raises:
            See :meth:`capture`.
        """
        return self._event_runs.live_capture().capture_batch()

    def reconcile_community_events(
        self,
        community_ids: Collection[str] | None = None,
        recids: Collection[str] | None = None,
        changed_only: bool = False,
        dry_run: bool = False,
        progress: Callable[[BackfillProgress], None] | None = None,
        waiting: Callable[[str], None] | None = None,
    ) -> BackfillReport:
        """Compare the community events of records with the database, and repair them.

        Normally live capture leaves nothing to repair. A change that it missed, such as
        one made outside the application or one whose message was lost, is dated by the
        best evidence that exists.

        Args:
            community_ids: only records of these communities; UUIDs or slugs.
            recids: only these records.
            changed_only: only records that changed since the last reconciliation.
            dry_run: count what would be written and write nothing.
            progress: called several times a second.
            waiting: called with a sentence whenever OpenSearch accepts no requests.

        Returns:
            The repairs; normally no events.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False, or the community
                events were never generated.
            LockedError: another reconciliation is running.
            UsageError: a community or record does not exist.
            DatabaseUnavailableError: the database does not answer.
            SearchUnavailableError: OpenSearch accepted no requests for too long.
            OpenSearchException: the cluster does not answer at the start.
        """
        client = json_client(self.app)
        last = reconciliation_state(client, self.names)
        # a timeline with a refused event does not agree with the database yet
        verified = None if last.lacking else last.swept_at
        run, reader = self._event_runs.create(
            "reconciled", progress, waiting, verified=verified
        )
        return Reconciliation(client, self.names, self._registry()).run(
            run,
            selection(reader, community_ids, recids),
            changed_only,
            dry_run,
            self._event_runs.deferred_captures().run,
        )

    def reconcile_if_due(self) -> BackfillReport | None:
        """Do the scheduled reconciliation: of all records if due, else of changed ones.

        Returns:
            The repairs; None if the community events were never generated, or another
            reconciliation is running.
        """
        days = self.app.config["STATS_DASHBOARD_RECONCILIATION_SWEEP_DAYS"]
        work = Reconciliation(json_client(self.app), self.names, self._registry())
        try:
            return self.reconcile_community_events(changed_only=not work.is_due(days))
        except (NotReadyError, LockedError):
            return None

    def _registry(self) -> str:
        return registry_mark(self.subcounts)

    def community_events_status(
        self, community_ids: Collection[str] | None = None
    ) -> EventsStatus:
        """Compare the counts of community events with those of the database.

        Args:
            community_ids: UUIDs or slugs; None for all.

        Raises:
            NotReadyError: an index of community events belongs to another extension.
            UsageError: a community does not exist.
            DatabaseUnavailableError: the database does not answer.
            OpenSearchException: the cluster does not answer.
        """
        client = text_client(self.app)
        require_own_indices(client, self.names, sources_only=True)
        reader = self._event_runs.reader()
        ids = (
            argument_parsing.communities(reader, community_ids)
            if community_ids
            else None
        )
        return events_status(client, self.names, reader, ids)

    def database_indexes(
        self, progress: Callable[[IndexProgress], None] | None = None
    ) -> DatabaseIndexes:
        """Return an object that creates and removes the indexes of live capture.

        Args:
            progress: called about once a second while an index is created.
        """
        return DatabaseIndexes(db.engine, progress)

    # -- aggregation ---------------------------------------------------------

    def aggregate(
        self,
        community_ids: Collection[str] | None = None,
        families: Collection[str] | None = None,
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        rebuild: bool = False,
        dry_run: bool = False,
        progress: Callable[[AggregationProgress], None] | None = None,
        waiting: Callable[[str], None] | None = None,
        call: Callable[[str, int], None] | None = None,
    ) -> AggregationReport:
        """Update deltas and snapshots.

        It counts the days and communities that have changed since the last run, for any
        reason. It can be killed and run again. Only one run is active at a time.

        Args:
            community_ids: only documents of these communities: UUIDs, slugs, or
                ``global``. The backlog of the others does not change.
            families: only these; see :data:`~..search.names.FAMILIES`.
            start_date: only this day and later; a date or ISO 8601 text, UTC.
            end_date: only this day and earlier.
            rebuild: count everything again, not only changes.
            dry_run: count and compare; write nothing.
            progress: called after each step.
            waiting: called with a sentence whenever the run waits.
            call: called with the id of the run and a number of steps if there are
                many. It starts helpers, each of which calls :meth:`help_aggregating`.
                None does all steps in this process.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False.
            UsageError: an argument is invalid, or a community does not exist.
            LockedError: another run is active.
            LockLostError: another run has taken over.
            ClusterNotHealthyError: the cluster is not healthy enough; run again later.
            SearchUnavailableError: OpenSearch accepted no requests for too long.
            StatsDashboardError: OpenSearch permanently refuses a document.
            OpenSearchException: the cluster does not answer at the start.
        """
        options = self._options(
            community_ids, families, start_date, end_date, rebuild, dry_run
        )
        return aggregate(self.app, self.subcounts, options, progress, waiting, call)

    def check_aggregation(
        self,
        community_ids: Collection[str] | None = None,
        families: Collection[str] | None = None,
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        rebuild: bool = False,
        dry_run: bool = False,
    ) -> None:
        """Check that :meth:`aggregate` can be called with these arguments.

        Args:
            community_ids: as for :meth:`aggregate`.
            families: as for :meth:`aggregate`.
            start_date: as for :meth:`aggregate`.
            end_date: as for :meth:`aggregate`.
            rebuild: as for :meth:`aggregate`.
            dry_run: as for :meth:`aggregate`.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False.
            UsageError: an argument is invalid, or a community does not exist.
        """
        check_enabled(self.app)
        self._options(community_ids, families, start_date, end_date, rebuild, dry_run)

    def help_aggregating(self, run: str) -> int:
        """Do steps of an active run of :meth:`aggregate`, until none is left.

        Args:
            run: id of the run.

        Returns:
            The number of steps done; 0 if the run has ended.
        """
        return help_with(self.app, self.subcounts, run)

    def corrections(self, size: int = 100) -> list[dict[str, Any]]:
        """Return which days have changed after they were complete, and why.

        Args:
            size: number of entries, 1 to 10,000, at most.

        Returns:
            The newest first: ``scope`` (usage or records), ``day``, ``why``,
            ``updated_at``, and the ``communities`` whose documents changed
            (``more_communities`` is the number of those that are not named). Usage also
            has the totals of the instance before and after, in ``global``; records have
            the ``last_day`` and the number of ``days``.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        return AggregationStatusReader(json_client(self.app), self.names).corrections(
            size
        )

    def clear_bookmarks(self, dry_run: bool = False) -> dict[str, list[str]]:
        """Delete the bookmarks of all sources, so that the next runs count all again.

        The documents stay. The next runs compare them, in steps like other runs.

        Args:
            dry_run: change nothing.

        Returns:
            ``usage`` and ``records`` -> indices that had bookmarks.

        Raises:
            LockedError: an aggregation is running.
            OpenSearchException: the cluster does not answer.
        """
        return clear_bookmarks(self.app, self.subcounts, dry_run)

    # -- the whole instance --------------------------------------------------

    def check_indices(self) -> None:
        """Check that no index of this package's names belongs to another extension.

        Raises:
            NotReadyError: one does; the text names it.
            OpenSearchException: the cluster does not answer.
        """
        require_own_indices(json_client(self.app), self.names)

    def catch_up(
        self, call: Callable[[str, int], None] | None = None
    ) -> ScheduledRunReport | None:
        """Do the work of the scheduled task: a part of the preparation, or aggregate.

        Args:
            call: starts helpers; see :meth:`aggregate`.

        Returns:
            The result; None if another worker is doing this.

        Raises:
            StatsDashboardError: :meth:`aggregate` failed; the next run continues.
            OpenSearchException: the cluster does not answer.
        """
        try:
            return catch_up(self.app, self, self._reindexing, call)
        except LockedError:
            return None

    def missing(self) -> str | None:
        """Return what is missing before everything can be counted; change nothing.

        Returns:
            One or two sentences that name the command to run; None if nothing is
            missing.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        client = json_client(self.app, timeout=60)
        preparation = Preparation(self.app, client, self, self._reindexing, 0)
        return preparation.missing().waits_for

    def status(
        self, community_ids: Collection[str] | None = None, every: bool = False
    ) -> StatsStatus:
        """Return the state of all parts, and problems that need attention.

        It changes nothing.

        Args:
            community_ids: UUIDs, slugs, or ``global``; None for the instance and the
                largest communities.
            every: all communities.

        Raises:
            UsageError: a community does not exist.
            DatabaseUnavailableError: the database does not answer.
            OpenSearchException: the cluster does not answer.
        """
        return read_status(
            self.app,
            json_client(self.app, timeout=60),
            self._event_runs.reader(),
            self.subcounts,
            self._reindexing,
            argument_parsing.with_global(community_ids),
            every,
        )

    def destroy_indices(
        self, everything: bool = False, dry_run: bool = False
    ) -> list[OwnIndex]:
        """Delete all aggregates with their bookmarks and states permanently.

        Usage events, their backups and dead letters are never deleted.

        Args:
            everything: also community events and record facts. Events of memberships
                that have ended cannot all be generated again.
            dry_run: delete nothing.

        Returns:
            The indices that were deleted, or would be.

        Raises:
            LockedError: an aggregation is running; with ``everything`` also a
                migration, a back-fill or a reconciliation.
            OpenSearchException: the cluster does not answer.
        """
        return destroy_indices(self.app, everything, dry_run)

    # -- inside --------------------------------------------------------------

    def _options(
        self,
        community_ids: Collection[str] | None,
        families: Collection[str] | None,
        start_date: str | date | None,
        end_date: str | date | None,
        rebuild: bool,
        dry_run: bool,
    ) -> AggregationOptions:
        return options_of(
            self.app,
            argument_parsing.with_global(community_ids),
            families,
            argument_parsing.day(start_date, "start"),
            argument_parsing.day(end_date, "end"),
            rebuild,
            dry_run,
        )


def _community(id_or_slug: str) -> "Community | None":
    """Return a community, also a deleted one with a tombstone; None if none exists."""
    if not 0 < len(id_or_slug) <= _LONGEST_NAME or not _is_storable(id_or_slug):
        return None
    try:
        return current_communities.service.record_cls.pid.resolve(id_or_slug)
    except (PIDDoesNotExistError, PIDDeletedError):
        return None


def _is_storable(text: str) -> bool:
    """Return whether the database accepts a text as a parameter of a query."""
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
