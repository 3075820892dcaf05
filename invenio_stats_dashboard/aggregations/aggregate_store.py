# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Writing the documents that a part of an aggregate family should have.

What is stored is compared with what should be: what is equal is left alone, what
differs is written, what should not exist is deleted. So a run can be killed and
repeated at any point, and whatever the parts are that the work is cut into, the
same documents come out.

Both sides are read in the same order and merged, so that memory holds one page of
ids and checksums however large the part is. Each write names the version that it
replaces: a run that was frozen and wakes later cannot put an old document over a
newer one.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from ..errors import LockLostError, StatsDashboardError
from ..search import bulk
from ..search.index_templates import put_missing_templates
from ..search.pipelining import stored_in_order
from .aggregate_reader import LIMIT, AggregateReader, order
from .documents import index_templates

MAX_ACTIONS, MAX_BYTES = 2000, 4_000_000
"""Documents and bytes in one bulk request."""

_NO_INDEX = "index_not_found_exception"

CREATED, CHANGED, DELETED = "created", "changed", "deleted"


class DocumentChange(NamedTuple):
    """One document that is about to be written or deleted.

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
    """What was done with the documents of some parts.

    Attributes:
        created: that were not there.
        changed: that were there with another content.
        deleted: that should not exist any more.
        equal: that were left alone.
    """

    created: int = 0
    changed: int = 0
    deleted: int = 0
    equal: int = 0

    def __add__(self, other):
        """Return both together."""
        return WriteCounts(
            self.created + other.created,
            self.changed + other.changed,
            self.deleted + other.deleted,
            self.equal + other.equal,
        )


class AggregateStore(AggregateReader):
    """Reads and writes the documents of one aggregate family.

    Args:
        text_client: a client that does not decode.
        names: the instance's :class:`~..search.names.Names`.
        family: of :data:`~..search.names.FAMILIES` or ``INTERNAL``.
        indices: the :class:`~.aggregate_indices.AggregateIndices`; None for a store
            that only reads.
        check: called without arguments before each write; raises when this run
            must not write any more, as :meth:`~..search.lock.ClusterLock.check`.
        waiting: called with a sentence before each pause.
        limit: seconds to go on trying while OpenSearch takes no requests.
        sleep: waits for the given seconds; may raise to end the waiting.
    """

    def __init__(
        self,
        text_client,
        names,
        family,
        indices=None,
        check=None,
        waiting=None,
        limit=LIMIT,
        sleep=time.sleep,
    ):
        """Keep what is needed."""
        super().__init__(text_client, names, family, waiting, limit, sleep)
        self._indices, self._check = indices, check

    def replace(self, documents, parts, by_community=False, before=None):
        """Make the documents of some parts what they should be.

        The next documents are made while the last ones are written, in a thread.

        Args:
            documents: iterable of :class:`~.documents.Document`, all that should
                exist in the parts and nothing else; sorted by day, then community.
            parts: the :class:`~.aggregate_reader.DocumentRange` s.
            by_community: the documents are sorted by community, then day.
            before: called with a list of :class:`DocumentChange` before these are written,
                in that thread.

        Returns:
            Written: what was done; it is stored, though not refreshed.

        Raises:
            StatsDashboardError: OpenSearch refuses a document for good.
            SearchUnavailableError: OpenSearch took no requests for too long.
            LockLostError: ``check`` says that another run has taken over.
        """

        def write(batch):
            if before:
                before(batch.changes)
            self.write(batch.actions)

        self.refresh()
        written = WriteCounts()
        pairs = self._pairs(documents, parts, by_community)
        for _ in stored_in_order(self._batches(pairs, written), write, writers=1):
            pass
        return written

    def dry(self, documents, parts, by_community=False):
        """Return what :meth:`replace` would do, and do nothing."""
        written = WriteCounts()
        for document, hit in self._pairs(documents, parts, by_community):
            _count(written, _kind(document, hit))
        return written

    def write(self, actions):
        """Send bulk actions, each with its index.

        Args:
            actions: list of bytes.

        Raises:
            LockLostError: ``check`` says so, or an index was deleted since the run began.
            StatsDashboardError: OpenSearch refuses one for good.
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
        if any(refusal.type == _NO_INDEX for refusal in refusals):
            raise LockLostError(
                f"An index of {self.alias} was deleted since this run began, so nothing "
                "more is written. Run the same command again."
            )
        if refusals:
            raise StatsDashboardError(
                f"{len(refusals)} documents of {self.alias} are refused by OpenSearch; "
                f"the first is {refusals[0]}. Run the same command again when what it "
                "complains about is mended."
            )

    def write_alias(self, day: str) -> str:
        """Return the alias through which a new document of a day is written."""
        return self._indices.write_alias(self.family, day)

    def _pairs(self, documents, parts, by_community):
        stored = self.stored(parts, by_community)
        return _merged(iter(documents), stored, order(by_community))

    def _batches(self, pairs, written):
        """Yield batches of a bounded size, and count what is in them."""
        now = datetime.now(UTC).isoformat()
        batch = _Batch()
        for document, hit in pairs:
            kind = _kind(document, hit)
            _count(written, kind)
            if kind is None:
                continue
            key = (document.community, document.day) if document else hit.key
            batch.add(DocumentChange(*key, kind), self._action(document, hit, now))
            if batch.is_full:
                yield batch
                batch = _Batch()
        if batch.actions:
            yield batch

    def _action(self, document, hit, now):
        if hit is None:
            where = {"_index": self.write_alias(document.day), "_id": document.id}
            head = {"create": {**where, "require_alias": True}}
            return msgspec.json.encode(head) + b"\n" + document.source(now) + b"\n"
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
    """Bulk actions that are collected and sent together.

    Args:
        write: stores a list of them.
    """

    def __init__(self, write):
        """Begin with none."""
        self._write, self._waiting, self._bytes = write, [], 0

    def add(self, action):
        """Take in one, as bytes; those that wait are sent when they are many."""
        self._waiting.append(action)
        self._bytes += len(action)
        if self._bytes >= MAX_BYTES or len(self._waiting) >= MAX_ACTIONS:
            self.flush()

    def index(self, index, id, source, is_alias=False):
        """Take in that a document is to be stored, given as a dict.

        Args:
            index: name of the index.
            id: of the document.
            source: the document.
            is_alias: the name must be that of an alias, else nothing is stored.
        """
        head = {"index": {"_index": index, "_id": id, "require_alias": is_alias}}
        lines = (msgspec.json.encode(head), msgspec.json.encode(source), b"")
        self.add(b"\n".join(lines))

    def flush(self):
        """Send those that wait."""
        if self._waiting:
            self._write(self._waiting)
        self._waiting, self._bytes = [], 0


class _Batch:
    """Writes that are sent in one request."""

    def __init__(self):
        self.actions, self.changes, self._bytes = [], [], 0

    def add(self, change, action):
        self.actions.append(action)
        self.changes.append(change)
        self._bytes += len(action)

    @property
    def is_full(self):
        return len(self.actions) >= MAX_ACTIONS or self._bytes >= MAX_BYTES


def ensure_templates(client, names, settings=None):
    """Put the templates of the aggregates that are missing.

    Without them OpenSearch would guess mappings, and the site's shards and replicas
    would be unknown.

    Args:
        client: an ordinary client.
        names: the instance's names.
        settings: returns the site's shards and replicas; called without arguments when
            a template is missing.
    """

    def send(method, path, body=None, params=None):
        return client.transport.perform_request(
            method, path, params=params or {}, body=body
        )

    pattern = f"{names.prefix}stats-*"
    put_missing_templates(send, pattern, index_templates(names), settings)


def _merged(documents, stored, key):
    """Yield (document, stored) pairs; None stands for what is missing."""
    document, hit = next(documents, None), next(stored, None)
    last = None
    while document is not None or hit is not None:
        wanted = key(document.community, document.day) if document else None
        there = key(*hit.key) if hit else None
        if wanted is not None and wanted == last:
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


def _kind(document, hit):
    if document is None:
        return DELETED
    if hit is None:
        return CREATED
    return None if hit.checksum == document.checksum else CHANGED


def _count(written, kind):
    name = kind or "equal"
    setattr(written, name, getattr(written, name) + 1)
