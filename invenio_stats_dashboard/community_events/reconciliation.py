# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Finding what live capture has missed: of changed records often, of all now and then."""

import secrets
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta

from ..errors import NotReadyError
from ..search.documents import Bookmark
from ..search.lock import ClusterLock
from . import timestamps
from .backfill_state import backfill_state
from .responses import decoded
from .selection import Selection

DOCUMENT_ID = "community-events-reconciliation"
"""The document's ``_id`` in the index of bookmarks."""

LOCK = "community-events-reconciliation-lock"
"""Id of the lock's document there."""

_TTL = 60
_OVERLAP = timedelta(minutes=10)


@dataclass(frozen=True)
class ReconciliationState:
    """What the last reconciliation of all records, or of all changed ones, has found.

    Attributes:
        looked_at: when it began; naive UTC; None if there was none.
        swept_at: when the last one of all records began.
        records: records that it looked at.
        events: community events that were missing, which it wrote.
        facts: record facts that were missing or outdated, which it wrote.
        causes: what these events tell of -> their number.
        lacking: recids of records of which OpenSearch has refused something; each
            reconciliation looks at them again.
        repaired_at: when the last one that wrote an event began.
        repaired: what the events of that one tell of -> their number.
    """

    looked_at: str | None = None
    swept_at: str | None = None
    records: int = 0
    events: int = 0
    facts: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    repaired_at: str | None = None
    repaired: dict[str, int] = field(default_factory=dict)


def reconciliation_state(client, names):
    """Return what the last reconciliation has found.

    Args:
        client: an OpenSearch client, whether it decodes its answers or not.
        names: the instance's :class:`~..search.names.Names`.

    Returns:
        ReconciliationState: also when there was none yet.

    Raises:
        OpenSearchException: the cluster does not answer.
    """
    path = f"/{names.reindexing}/_doc/{DOCUMENT_ID}"
    answer = client.transport.perform_request("GET", path, params={"ignore": 404})
    source = decoded(answer).get("_source") or {}
    known = [f.name for f in fields(ReconciliationState) if f.name in source]
    return ReconciliationState(**{name: source[name] for name in known})


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

    def run(
        self,
        generation,
        selection,
        changed_only=False,
        dry_run=False,
        capture_deferred=None,
    ):
        """Look at records, and write what their timelines lack.

        Args:
            generation: a :class:`.backfill_run.BackfillRun` that writes.
            selection: a :class:`.membership.Selection`; an empty one is all records.
            changed_only: of these only the ones that were changed since the last time.
            dry_run: count what would be written and write nothing.
            capture_deferred: called first if all records are looked at; captures
                what live capture has put off, with what it knows of these changes.

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
            if capture_deferred and selection == Selection() and not dry_run:
                capture_deferred()
            return self._run(generation, selection, changed_only, dry_run)
        finally:
            lock.release()

    def _run(self, generation, selection, changed_only, dry_run):
        bookmark, started = self._bookmark(), timestamps.now()
        of_all = selection == Selection()
        since = bookmark.data.get("looked_at") if changed_only else None
        if since is not None:
            selection = replace(selection, changed_since=_moment(since) - _OVERLAP)
        report = generation.run_some(selection, dry_run)
        if of_all and since is not None:
            refused = set(bookmark.data.get("lacking", ())) - set(report.lacking)
            if refused:
                again = Selection(recids=tuple(sorted(refused)))
                report = generation.run_some(again, dry_run)
        # what is refused would be so the next time, too: it is told, and it is not
        # a reason to look at everything every time
        if of_all and not dry_run:
            swept = bookmark.data.get("swept_at") if since is not None else started
            repaired = {"repaired_at": started, "repaired": report.causes}
            bookmark.write(
                kind=DOCUMENT_ID,
                looked_at=started,
                swept_at=swept,
                records=report.records,
                events=report.events,
                facts=report.facts,
                causes=report.causes,
                lacking=report.lacking,
                **(repaired if report.events else {}),
            )
        return report

    def _bookmark(self):
        return Bookmark(self._client, self._names.reindexing, DOCUMENT_ID)


def _moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _now():
    return datetime.now(UTC)
