# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create the runs that compare records with their community events and write these."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any

from flask import Flask
from invenio_db import db

from ..community_events.backfill import BackfillProgress, BackfillReport
from ..community_events.backfill_locks import announced
from ..community_events.backfill_run import BackfillRun
from ..community_events.database_indexes import has_all_indexes
from ..community_events.deferred_captures import DeferredCaptures
from ..community_events.live_capture import DeferredCaptureRun, LiveCapture
from ..community_events.membership import MembershipReader
from ..community_events.membership_changes import MembershipChanges
from ..community_events.recorder import Recorder
from ..community_events.scan_budget import ScanBudget
from ..community_events.selection import Selection
from ..community_events.store import EventStore
from ..errors import NotReadyError, UsageError
from ..queries import argument_parsing
from ..search.client import json_client, text_client
from ..search.foreign_indices import require_own_indices
from ..search.names import Names
from ..search.template_composition import for_site, make_reindexing_index
from ..subcounts import Subcount
from ..usage_events.maintenance.reattribution import noting
from .aggregation import check_enabled

_SCAN_TIMEOUT = "STATS_DASHBOARD_SCAN_TIMEOUT"
_STATEMENT_TIMEOUT = "STATS_DASHBOARD_STATEMENT_TIMEOUT"

_SHORT = 20
"""Seconds that live capture retries requests; after that its task is sent again."""


class CommunityEventRuns:
    """Creates runs and connects them with the database and OpenSearch.

    Args:
        app: the application.
        subcounts: returns the registry of breakdowns.
    """

    def __init__(
        self, app: Flask, subcounts: Callable[[], Mapping[str, Subcount]]
    ) -> None:
        self._app, self._names, self._subcounts = app, Names.of(app), subcounts

    def create(
        self,
        cause: str | None,
        progress: Callable[[BackfillProgress], None] | None = None,
        waiting: Callable[[str], None] | None = None,
        limit: float = 120,
        timeout: str = _SCAN_TIMEOUT,
        **evidence: Any,
    ) -> tuple[BackfillRun, MembershipReader]:
        """Return a run, and the reader that it uses.

        Args:
            cause: why the events are written; see
                :func:`~..community_events.timeline.compare`.
            progress: called several times a second.
            waiting: called with a sentence whenever OpenSearch accepts no requests.
            limit: seconds to retry while OpenSearch accepts no requests.
            timeout: name of the config variable that limits the statements.
            **evidence: ``written`` or ``verified`` of a
                :class:`~..community_events.recorder.Recorder`.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False, or an index of
                community events belongs to another extension.
            OpenSearchException: the cluster does not answer.
        """
        if not self._app.config["COMMUNITY_STATS_ENABLED"]:
            raise NotReadyError(
                "COMMUNITY_STATS_ENABLED is False, so no community events are written. "
                "Set it to True, restart, and run the same command again."
            )
        subcounts = self._subcounts()
        reader = self.reader(timeout, subcounts)
        client = text_client(self._app)
        # This also fails at once if the cluster does not answer.
        require_own_indices(client, self._names, sources_only=True)
        adapt = partial(for_site, self._app)
        store = EventStore(
            client, self._names, limit=limit, waiting=waiting, adapt=adapt
        )
        late = noting(self._app, self._names)
        recorder = Recorder(store, subcounts, reader, late=late, **evidence)
        run = BackfillRun(
            client,
            self._names,
            store,
            reader,
            recorder,
            progress,
            cause=cause,
            refresh=cause is not None,
        )
        return run, reader

    def capture(
        self, changes: MembershipChanges, timeout: str = _STATEMENT_TIMEOUT
    ) -> BackfillReport:
        """Write the events that timelines lack after changes.

        Args:
            changes: the parents and communities to compare.
            timeout: name of the config variable that limits the statements.
        """
        run, reader = self.create(
            cause=None, limit=_SHORT, timeout=timeout, written=changes.written
        )
        # one selection, since without the indexes each one scans tables
        parents = {*changes.parent_ids, *reader.parents_in(changes.community_ids)}
        if not parents:
            return BackfillReport()
        return run.run_some(Selection(parent_ids=tuple(sorted(parents))))

    def live_capture(self) -> LiveCapture:
        """Return an object that captures changes, or defers them.

        Raises:
            NotReadyError: ``COMMUNITY_STATS_ENABLED`` is False.
        """
        check_enabled(self._app)
        client = json_client(self._app)
        return LiveCapture(
            self.capture,
            partial(self.capture, timeout=_SCAN_TIMEOUT),
            lambda: has_all_indexes(db.engine),
            DeferredCaptures(client, self._names),
            ScanBudget.of_site(self._app, client, db.engine),
        )

    def deferred_captures(self) -> DeferredCaptureRun:
        """Return a run that captures what live capture has deferred."""
        client = json_client(self._app)
        return DeferredCaptureRun(
            partial(self.capture, timeout=_SCAN_TIMEOUT),
            lambda: has_all_indexes(db.engine),
            DeferredCaptures(client, self._names),
            ScanBudget.of_site(self._app, client, db.engine),
        )

    @contextmanager
    def announced(self) -> Iterator[None]:
        """Prevent the deletion of community events during the block."""
        client = json_client(self._app)
        adapt = partial(for_site, self._app)
        EventStore(client, self._names, adapt=adapt).ensure_templates()
        make_reindexing_index(client, self._names)
        with announced(client, self._names):
            yield

    def reader(
        self,
        timeout: str = _SCAN_TIMEOUT,
        subcounts: Mapping[str, Subcount] | None = None,
    ) -> MembershipReader:
        """Return a reader of records, whose statements a config variable limits.

        Args:
            timeout: name of the config variable.
            subcounts: the registry of breakdowns; see
                :class:`~..community_events.membership.MembershipReader`.
        """
        return MembershipReader(
            db.engine, subcounts=subcounts, timeout=self._app.config[timeout]
        )


def selection(
    reader: MembershipReader,
    community_ids: Collection[str] | None,
    recids: Collection[str] | None,
    start_date: str | date | None = None,
    end_date: str | date | None = None,
) -> Selection:
    """Return the selected records; all of them without a restriction.

    Args:
        reader: looks up communities and records.
        community_ids: UUIDs or slugs, or None.
        recids: recids of records, or None.
        start_date: records created then or later.
        end_date: records created then or earlier; a date includes its whole day.

    Raises:
        UsageError: an argument is invalid, or a community or record does not exist.
    """
    start = argument_parsing.moment(start_date, "start") if start_date else None
    end = argument_parsing.moment(end_date, "end", whole_day=True) if end_date else None
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
