# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write the documents of an aggregate family, as differences from the stored ones.

:meth:`AggregateStore.replace` compares the stored documents with the wanted ones. It
leaves equal documents unchanged, writes those that differ, and deletes those that
should not exist. A run can therefore be killed and repeated at any point, and the
result does not depend on how the work is divided into ranges.

Both sides are read in the same order and merged. Memory contains one page of ids and
checksums, no matter how large a range is. Each write names the version that it
replaces, so a run that was frozen cannot overwrite a newer document when it wakes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from opensearchpy import OpenSearch

from ..errors import LockLostError, StatsDashboardError
from ..search import bulk
from ..search.concurrent_batches import stored_in_order
from ..search.index_templates import Adapt, put_missing_templates
from ..search.names import Names
from .aggregate_reader import LIMIT, AggregateReader, DocumentRange, StoredHead, order
from .documents import Document, index_templates

if TYPE_CHECKING:
    from .aggregate_indices import AggregateIndices
MAX_ACTIONS, MAX_BYTES = 2000, 4_000_000
"""Maximum number of documents and of bytes in one bulk request."""

CREATED, CHANGED, DELETED = "created", "changed", "deleted"

_Pair = tuple[Document | None, StoredHead | None]
"""A wanted document and the stored one of the same community and day."""


class DocumentChange(NamedTuple):
    """A document that is about to be written or deleted.

    Attributes:
        community: UUID or ``global``.
        day: ``YYYY-MM-DD``.
        kind: created, changed or deleted.
    """

    community: str
    day: str
    kind: str


@dataclass
class WriteCounts:
    """Numbers of documents that were created, changed, deleted or left unchanged.

    Attributes:
        created: documents that did not exist before.
        changed: documents that existed with different content.
        deleted: documents that should no longer exist.
        equal: documents that were left unchanged.
    """

    created: int = 0
    changed: int = 0
    deleted: int = 0
    equal: int = 0

    def __add__(self, other: "WriteCounts") -> "WriteCounts":
        """Return the sum of both."""
        return WriteCounts(
            self.created + other.created,
            self.changed + other.changed,
            self.deleted + other.deleted,
            self.equal + other.equal,
        )


class AggregateStore(AggregateReader):
    """Reads and writes the documents of one aggregate family.

    Args:
        text_client: does not decode responses.
        names: the instance's index names.
        family: one of :data:`~..search.names.FAMILIES` or ``INTERNAL``.
        indices: finds the indices to write to; None for a store that only reads.
        check: called before each write; raises when this run must not write any more,
            as :meth:`~..search.lock.ClusterLock.check` does.
        waiting: called with a sentence before each pause.
        limit: seconds to retry while OpenSearch accepts no requests.
        sleep: waits for the given seconds; may raise to stop waiting.
    """

    def __init__(
        self,
        text_client: OpenSearch,
        names: Names,
        family: str,
        indices: "AggregateIndices | None" = None,
        check: Callable[[], None] | None = None,
        waiting: Callable[[str], None] | None = None,
        limit: float = LIMIT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(text_client, names, family, waiting, limit, sleep)
        self._indices, self._check = indices, check

    def replace(
        self,
        documents: Iterable[Document],
        parts: Sequence[DocumentRange],
        by_community: bool = False,
        before: Callable[[list[DocumentChange]], None] | None = None,
    ) -> WriteCounts:
        """Make the stored documents of some ranges equal to the given ones.

        A thread writes one batch while the next documents are computed.

        Args:
            documents: exactly those that should exist in the ranges, sorted by day,
                then community.
            parts: the ranges.
            by_community: the documents are sorted by community, then day.
            before: called in the writing thread, before the changes are written.

        Returns:
            The numbers of documents. The documents are stored but not yet refreshed.

        Raises:
            StatsDashboardError: OpenSearch refuses a document.
            SearchUnavailableError: OpenSearch accepted no requests for too long.
            LockLostError: ``check`` reports that another run has taken over.
        """

        def write(batch: _Batch) -> None:
            if before:
                before(batch.changes)
            self.write(batch.actions)

        self.refresh()
        written = WriteCounts()
        pairs = self._pairs(documents, parts, by_community)
        for _ in stored_in_order(self._batches(pairs, written), write, writers=1):
            pass
        return written

    def dry(
        self,
        documents: Iterable[Document],
        parts: Sequence[DocumentRange],
        by_community: bool = False,
    ) -> WriteCounts:
        """Return what :meth:`replace` would write, without writing it."""
        written = WriteCounts()
        for document, hit in self._pairs(documents, parts, by_community):
            _count(written, _kind(document, hit))
        return written

    def write(self, actions: Sequence[bytes]) -> None:
        """Send bulk actions, each of which names its index.

        Raises:
            LockLostError: ``check`` reports that another run has taken over, or an
                index was deleted since the run started.
            StatsDashboardError: OpenSearch refuses an action.
        """
        if self._check:
            self._check()
        refusals = bulk.write(
            self._client,
            None,
            actions,
            self._limit,
            waiting=self._waiting,
            sleep=self._sleep,
        )
        if any(refusal.misses_index for refusal in refusals):
            raise LockLostError(
                f"An index of {self.alias} was deleted since this run started, so the "
                "run has stopped. Run the same command again."
            )
        if refusals:
            raise StatsDashboardError(
                f"OpenSearch refuses {len(refusals)} documents of {self.alias}; the "
                f"first: {refusals[0]}. Fix the cause, then run the same command "
                "again."
            )

    def write_alias(self, day: str) -> str:
        """Return the alias through which a new document of a day is written."""
        assert self._indices is not None  # Only a store that reads has none.
        return self._indices.write_alias(self.family, day)

    def _pairs(
        self,
        documents: Iterable[Document],
        parts: Sequence[DocumentRange],
        by_community: bool,
    ) -> Iterator[_Pair]:
        stored = self.stored(parts, by_community)
        return _merged(iter(documents), stored, order(by_community))

    def _batches(
        self, pairs: Iterable[_Pair], written: WriteCounts
    ) -> Iterator["_Batch"]:
        """Yield batches of bounded size, and count their documents."""
        now = datetime.now(UTC).isoformat()
        batch = _Batch()
        for document, hit in pairs:
            kind = _kind(document, hit)
            _count(written, kind)
            if kind is None:
                continue
            if document:
                key = document.community, document.day
            else:
                assert hit is not None
                key = hit.key
            batch.add(DocumentChange(*key, kind), self._action(document, hit, now))
            if batch.is_full:
                yield batch
                batch = _Batch()
        if batch.actions:
            yield batch

    def _action(
        self, document: Document | None, hit: StoredHead | None, now: str
    ) -> bytes:
        where: dict[str, Any]
        if hit is None:
            assert document is not None
            where = {"_index": self.write_alias(document.day), "_id": document.id}
            head = {"create": {**where, "require_alias": True}}
            return msgspec.json.encode(head) + b"\n" + document.source(now) + b"\n"
        assert self._indices is not None  # Only a store that reads has none.
        where = {
            "_index": self._indices.write_alias_of(hit.index),
            "_id": hit.id,
            "if_seq_no": hit.seq_no,
            "if_primary_term": hit.term,
        }
        if document is None:
            return msgspec.json.encode({"delete": where}) + b"\n"
        where["require_alias"] = where["_index"] != hit.index
        head = {"index": where}
        return msgspec.json.encode(head) + b"\n" + document.source(now) + b"\n"


class Actions:
    """Collects bulk actions and sends them together.

    Args:
        write: stores some actions.
    """

    def __init__(self, write: Callable[[list[bytes]], None]) -> None:
        self._write = write
        self._waiting: list[bytes] = []
        self._bytes = 0

    def add(self, action: bytes) -> None:
        """Add an action; send all collected actions if they fill a request."""
        self._waiting.append(action)
        self._bytes += len(action)
        if self._bytes >= MAX_BYTES or len(self._waiting) >= MAX_ACTIONS:
            self.flush()

    def index(
        self, index: str, id: str, source: Mapping[str, Any], is_alias: bool = False
    ) -> None:
        """Add the action that stores a document.

        Args:
            index: name of the index.
            id: ``_id`` of the document.
            source: the document.
            is_alias: store the document only if ``index`` is the name of an alias.
        """
        head = {"index": {"_index": index, "_id": id, "require_alias": is_alias}}
        lines = (msgspec.json.encode(head), msgspec.json.encode(source), b"")
        self.add(b"\n".join(lines))

    def flush(self) -> None:
        """Send the collected actions."""
        if self._waiting:
            self._write(self._waiting)
        self._waiting, self._bytes = [], 0


class _Batch:
    """Writes that are sent in one request."""

    def __init__(self) -> None:
        self.actions: list[bytes] = []
        self.changes: list[DocumentChange] = []
        self._bytes = 0

    def add(self, change: DocumentChange, action: bytes) -> None:
        self.actions.append(action)
        self.changes.append(change)
        self._bytes += len(action)

    @property
    def is_full(self) -> bool:
        return len(self.actions) >= MAX_ACTIONS or self._bytes >= MAX_BYTES


def ensure_templates(
    client: OpenSearch,
    names: Names,
    adapt: Adapt | None = None,
) -> None:
    """Put the templates of the aggregates that are missing.

    Without them, OpenSearch would guess mappings and would not know the site's number
    of shards and replicas.

    Args:
        client: sends the requests.
        names: the instance's index names.
        adapt: adds the site's settings and priority; called when a template is
            missing.
    """

    def send(
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        return client.transport.perform_request(
            method, path, params=params or {}, body=body
        )

    pattern = f"{names.prefix}stats-*"
    put_missing_templates(send, pattern, index_templates(names), adapt)


def _merged(
    documents: Iterator[Document],
    stored: Iterator[StoredHead],
    key: Callable[[str, str], tuple[str, str]],
) -> Iterator[_Pair]:
    """Yield (wanted, stored) pairs; None stands for a missing document."""
    document, hit = next(documents, None), next(stored, None)
    last = None
    while document is not None or hit is not None:
        wanted = key(document.community, document.day) if document else None
        there = key(*hit.key) if hit else None
        if document is not None and wanted == last:
            raise ValueError(f"two documents for {document.id}")
        if there is None or (wanted is not None and wanted < there):
            yield document, None
            document, last = next(documents, None), wanted
        elif wanted is None or there < wanted:
            yield None, hit
            hit = next(stored, None)
        else:
            yield document, hit
            document, hit, last = next(documents, None), next(stored, None), wanted


def _kind(document: Document | None, hit: StoredHead | None) -> str | None:
    if document is None:
        return DELETED
    if hit is None:
        return CREATED
    return None if hit.checksum == document.checksum else CHANGED


def _count(written: WriteCounts, kind: str | None) -> None:
    name = kind or "equal"
    setattr(written, name, getattr(written, name) + 1)
