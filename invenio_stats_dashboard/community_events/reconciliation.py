# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compare timelines with the database, and write the events that live capture missed.

Changed records are compared often, and all records at longer intervals.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch

from ..errors import NotReadyError
from ..search.client import decoded
from ..search.compare_and_set import Bookmark
from ..search.lock import ClusterLock
from ..search.names import Names
from . import timestamps
from .backfill import BackfillReport
from .backfill_run import BackfillRun
from .backfill_state import backfill_state
from .selection import Selection
from .store import count_outdated_facts

DOCUMENT_ID = "community-events-reconciliation"
"""The document's ``_id`` in the index of bookmarks."""

LOCK = "community-events-reconciliation-lock"
"""Id of the lock's document in the same index."""

_TTL = 60
_OVERLAP = timedelta(minutes=10)


@dataclass(frozen=True)
class ReconciliationState:
    """The result of the last reconciliation of all records, or of all changed records.

    Attributes:
        looked_at: when it started; naive UTC; None if none was ever run.
        swept_at: when the last reconciliation of all records started; naive UTC.
        records: number of records that it compared.
        events: number of missing community events that it wrote.
        facts: number of missing or outdated record facts that it wrote.
        causes: cause of these events -> their number.
        lacking: recids of records with a document that OpenSearch refused. Each
            reconciliation compares them again.
        repaired_at: when the last reconciliation that wrote an event started; naive
            UTC.
        repaired: cause of the events that it wrote -> their number.
        registry: digest of the breakdowns when all records were last compared; see
            :func:`.facts.registry_mark`.
        registry_looked_at: ``looked_at`` of the last reconciliation, if all since that
            comparison were made by versions of this package that store the digest. If
            it differs, another version has made one, and its facts are outdated.
        outdated_facts: number of facts that remained outdated then, for example of
            records that are no longer in the database.
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
    registry: str | None = None
    registry_looked_at: str | None = None
    outdated_facts: int = 0


def reconciliation_state(client: OpenSearch, names: Names) -> ReconciliationState:
    """Return the result of the last reconciliation; empty if none was ever run.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.

    Raises:
        OpenSearchException: the cluster does not respond.
    """
    path = f"/{names.reindexing}/_doc/{DOCUMENT_ID}"
    answer = client.transport.perform_request("GET", path, params={"ignore": 404})
    source = decoded(answer).get("_source") or {}
    known = [f.name for f in fields(ReconciliationState) if f.name in source]
    return ReconciliationState(**{name: source[name] for name in known})


class Reconciliation:
    """Compares records with their timelines, one run at a time, and stores the result.

    Args:
        client: decodes responses.
        names: the instance's index names.
        registry: digest of the current breakdowns; see :func:`.facts.registry_mark`.
    """

    def __init__(self, client: OpenSearch, names: Names, registry: str) -> None:
        self._client, self._names, self._registry = client, names, registry

    def is_due(self, days: float) -> bool:
        """Return whether all records should be compared again.

        They are also compared after a change of the breakdowns or an upgrade of this
        package, which makes their facts outdated, and after an earlier version has
        compared records, all or only changed ones. After a day, they are compared again
        if outdated facts remain: workers with an earlier version may have written them.

        Args:
            days: number of days between two reconciliations of all records.

        Raises:
            OpenSearchException: the cluster does not respond.
        """
        stored = self._bookmark().data
        swept = stored.get("swept_at")
        if swept is None or stored.get("registry") != self._registry:
            return True
        if stored.get("registry_looked_at") != stored.get("looked_at"):
            return True
        age = _now() - _moment(swept)
        if age >= timedelta(days=days):
            return True
        remained = stored.get("outdated_facts", 0)
        return age >= timedelta(days=1) and self._outdated_facts() > remained

    def run(
        self,
        generation: BackfillRun,
        selection: Selection,
        changed_only: bool = False,
        dry_run: bool = False,
        capture_deferred: Callable[[], object] | None = None,
    ) -> BackfillReport:
        """Compare records, and write the events that their timelines lack.

        Args:
            generation: compares and writes.
            selection: the records; an empty selection is all records.
            changed_only: compare only those that changed since the last time.
            dry_run: count what would be written and write nothing.
            capture_deferred: called first if all records are compared; captures the
                deferred captures, whose messages contain the dates of the changes.

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

    def _run(
        self,
        generation: BackfillRun,
        selection: Selection,
        changed_only: bool,
        dry_run: bool,
    ) -> BackfillReport:
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
        # A refused document would be refused next time, too. It is reported, but the
        # next run need not compare all records because of it.
        if of_all and not dry_run:
            sweep: dict[str, Any] = {
                "swept_at": started,
                "registry": self._registry,
                "registry_looked_at": started,
                "outdated_facts": self._outdated_facts(),
            }
            if since is not None:
                sweep = {k: bookmark.data[k] for k in sweep if k in bookmark.data}
                if sweep.get("registry_looked_at") == since:
                    sweep["registry_looked_at"] = started
            repaired = {"repaired_at": started, "repaired": report.causes}
            bookmark.write(
                kind=DOCUMENT_ID,
                looked_at=started,
                **sweep,
                records=report.records,
                events=report.events,
                facts=report.facts,
                causes=report.causes,
                lacking=report.lacking,
                **(repaired if report.events else {}),
            )
        return report

    def _outdated_facts(self) -> int:
        return count_outdated_facts(self._client, self._names, self._registry)

    def _bookmark(self) -> Bookmark:
        return Bookmark(self._client, self._names.reindexing, DOCUMENT_ID)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)
