# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Finding what live capture has missed: of changed records often, of all now and then."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ..errors import NotReadyError
from ..search.bookmarks import Bookmark
from ..search.lock import ClusterLock
from . import times
from .membership import Selection
from .state import backfill_state

DOCUMENT_ID = "community-events-reconciliation"
"""The document's ``_id`` in the index of bookmarks."""

LOCK = "community-events-reconciliation-lock"
"""Id of the lock's document there."""

_TTL = 60
_OVERLAP = timedelta(minutes=10)


class Reconciliation:
    """Looks at records, one run at a time, and remembers when it did.

    Args:
        client: an ordinary OpenSearch client.
        names: the instance's :class:`~..search.names.Names`.
    """

    def __init__(self, client, names):
        """Keep what is needed."""
        self._client, self._names = client, names

    def is_due(self, days):
        """Tell whether all records should be looked at again.

        Args:
            days: after which they should.

        Raises:
            OpenSearchException: the cluster does not answer.
        """
        swept = self._bookmark().data.get("swept_at")
        return swept is None or _moment(swept) <= _now() - timedelta(days=days)

    def run(self, generation, selection, changed_only=False, dry_run=False):
        """Look at records, and write what their timelines lack.

        Args:
            generation: a :class:`.generation.Generation` that writes.
            selection: a :class:`.membership.Selection`; an empty one is all records.
            changed_only: of these only the ones that were changed since the last time.
            dry_run: count what would be written and write nothing.

        Returns:
            BackfillReport: what was repaired.

        Raises:
            NotReadyError: the community events were never generated.
            LockedError: another reconciliation is running.
        """
        if not backfill_state(self._client, self._names).complete:
            raise NotReadyError(
                "The community events have not been generated yet. Run 'invenio "
                "community-stats generate-community-events' first."
            )
        holder = secrets.token_hex(6)
        lock = ClusterLock(self._client, self._names.reindexing, LOCK, holder, _TTL)
        lock.acquire()
        try:
            return self._run(generation, selection, changed_only, dry_run)
        finally:
            lock.release()

    def _run(self, generation, selection, changed_only, dry_run):
        bookmark, started = self._bookmark(), times.now()
        of_all = selection == Selection()
        since = bookmark.data.get("looked_at") if changed_only else None
        if since is not None:
            selection = replace(selection, changed_since=_moment(since) - _OVERLAP)
        report = generation.run_some(selection, dry_run)
        if of_all and not dry_run and not report.refused:
            swept = bookmark.data.get("swept_at") if since is not None else started
            bookmark.write(
                kind=DOCUMENT_ID,
                looked_at=started,
                swept_at=swept,
                records=report.records,
                events=report.events,
            )
        return report

    def _bookmark(self):
        return Bookmark(self._client, self._names.reindexing, DOCUMENT_ID)


def _moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _now():
    return datetime.now(UTC)
