# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store deferred captures: changes of memberships that live capture has put off.

A change is deferred if its look-up would scan tables and the budget of scans is used
up, or if the database canceled its statement. The next batch captures all changes of
the first kind together. The reconciliation captures changes of both kinds.
"""

import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from ..errors import StatsDashboardError
from ..search import bulk
from ..search.names import Names
from ..search.template_composition import make_reindexing_index
from .membership_changes import MembershipChanges

KIND = "deferred-capture"
"""The ``kind`` of these documents in the index of bookmarks."""

NO_INDEX, TIMEOUT = "no-index", "timeout"
"""Why a change was deferred; stored in the field ``state`` of its document."""

BATCH = 500
"""Maximum number of documents in a batch; each document is one message."""

PARENTS = 2000
"""Number of parents and communities that fill a batch; one scan serves all of them."""

_LIMIT = 20.0
"""Seconds to retry while OpenSearch accepts no changes."""


@dataclass(frozen=True)
class DeferredBatch:
    """Changes that are captured together.

    Attributes:
        ids: ``_id`` of their documents.
        changes: all changes, combined.
        since: when the oldest of them was deferred, ISO 8601; None for an empty batch.
    """

    ids: list[str] = field(default_factory=list)
    changes: MembershipChanges = field(default_factory=MembershipChanges)
    since: str | None = None


@dataclass(frozen=True)
class DeferredState:
    """The number of deferred captures.

    Attributes:
        waiting: number of messages that wait for the next batch.
        timed_out: number of messages that wait for the reconciliation, because the
            database canceled their statement.
        since: when the oldest of them was deferred, ISO 8601; None if none wait.
    """

    waiting: int = 0
    timed_out: int = 0
    since: str | None = None


class DeferredCaptures:
    """Stores and reads deferred captures.

    Args:
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, client: OpenSearch, names: Names) -> None:
        self._client, self._names = client, names
        self._index = names.reindexing

    def add(self, messages: Iterable[MembershipChanges], reason: str) -> None:
        """Store changes, in one document for each message.

        Args:
            messages: the changes that live capture has noticed.
            reason: why they are deferred: :data:`NO_INDEX` or :data:`TIMEOUT`.

        Raises:
            StatsDashboardError: OpenSearch refuses them.
        """
        refused = self._write(
            _line({"index": {"_id": f"{KIND}-{secrets.token_hex(8)}"}})
            + _line(
                {
                    "kind": KIND,
                    "state": reason,
                    "updated_at": datetime.now(UTC).isoformat(),
                    **asdict(changes),
                }
            )
            for changes in messages
        )
        if refused:
            raise StatsDashboardError(
                f"Changes of memberships could not be deferred ({refused[0]}). Check "
                f"the index {self._index}."
            )

    def next_batch(
        self, reason: str = NO_INDEX, most: int = BATCH, before: str | None = None
    ) -> DeferredBatch:
        """Return the oldest changes, in the order in which they were deferred.

        Args:
            reason: return only changes that were deferred for this reason.
            most: maximum number of documents. A batch that reaches :data:`PARENTS` has
                fewer.
            before: return only changes that were deferred before, ISO 8601.
        """
        filters: list[dict[str, Any]] = [{"term": {"state": reason}}]
        if before is not None:
            filters.append({"range": {"updated_at": {"lt": before}}})
        self._client.indices.refresh(index=self._index, ignore_unavailable=True)
        hits = self._search(
            {
                "size": most,
                "query": _query(*filters),
                "sort": ["updated_at"],
            }
        )["hits"]["hits"]
        ids: list[str] = []
        found: list[MembershipChanges] = []
        size = 0
        for hit in hits:
            if ids and size >= PARENTS:
                break
            changes = MembershipChanges.of(hit["_source"])
            size += len(changes.parent_ids) + len(changes.community_ids)
            ids.append(hit["_id"])
            found.append(changes)
        since = hits[0]["_source"]["updated_at"] if hits else None
        return DeferredBatch(ids, MembershipChanges.together(found), since)

    def remove(self, batch: DeferredBatch) -> None:
        """Remove changes that were captured."""
        self._write(_line({"delete": {"_id": id_}}) for id_ in batch.ids)

    def leave_to_reconciliation(self, batch: DeferredBatch) -> None:
        """Leave changes to the reconciliation, after the database canceled a statement.

        They are placed after all others that wait for the reconciliation.
        """
        left = {"state": TIMEOUT, "updated_at": datetime.now(UTC).isoformat()}
        self._write(
            _line({"update": {"_id": id_}}) + _line({"doc": left}) for id_ in batch.ids
        )

    def _write(self, actions: Iterable[bytes]) -> list[bulk.Refusal]:
        """Send changes; a document that another process has removed needs none."""
        lines = list(actions)
        refusals = bulk.write(self._client, self._index, lines, _LIMIT)
        if any(refusal.misses_index for refusal in refusals):
            # the cluster creates no indices for writes; the actions can be repeated
            make_reindexing_index(self._client, self._names)
            refusals = bulk.write(self._client, self._index, lines, _LIMIT)
        return refusals

    def state(self) -> DeferredState:
        """Return the number of deferred captures, in one request."""
        found = self._search(
            {
                "size": 0,
                "query": _query(),
                "aggs": {
                    "states": {"terms": {"field": "state"}},
                    "since": {"min": {"field": "updated_at"}},
                },
            }
        ).get("aggregations")
        if not found:
            return DeferredState()
        counts = {b["key"]: b["doc_count"] for b in found["states"]["buckets"]}
        return DeferredState(
            waiting=counts.get(NO_INDEX, 0),
            timed_out=counts.get(TIMEOUT, 0),
            since=found["since"].get("value_as_string"),
        )

    def _search(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._client.search(
            index=self._index,
            body=body,
            params={"ignore_unavailable": "true"},
        )


def _line(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(content) + b"\n"


def _query(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"filter": [{"term": {"kind": KIND}}, *filters]}}
