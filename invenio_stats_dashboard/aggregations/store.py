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

import heapq
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from opensearchpy.exceptions import NotFoundError

from ..errors import SearchUnavailableError, StatsDashboardError
from ..search import bulk
from ..search.client import patiently
from .documents import CHECKSUM, day_field, document_id, index_templates

LIMIT = 120.0
"""Seconds to go on trying while OpenSearch takes no requests."""

FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"
"""Bounds of a part that is open on one side."""

PAGE = 5000
"""Stored documents in one answer."""

MAX_ACTIONS, MAX_BYTES = 2000, 4_000_000
"""Documents and bytes in one bulk request."""

MAX_PARTS = 500
"""Parts in one query."""

CREATED, CHANGED, DELETED = "created", "changed", "deleted"


class Part(NamedTuple):
    """A part of a family: days of one community, or of all.

    Attributes:
        first: first day, ``YYYY-MM-DD``.
        last: last day, inclusive.
        community: UUID or ``global``; None for all communities.
    """

    first: str = FIRST_DAY
    last: str = LAST_DAY
    community: str | None = None


class Change(NamedTuple):
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
class Written:
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
        return Written(
            self.created + other.created,
            self.changed + other.changed,
            self.deleted + other.deleted,
            self.equal + other.equal,
        )


class _Stored(msgspec.Struct):
    index: str = msgspec.field(name="_index")
    seq_no: int = msgspec.field(name="_seq_no")
    term: int = msgspec.field(name="_primary_term")
    sort: tuple[int | str, ...]
    fields: dict[str, list[str]] = {}

    @property
    def key(self):
        day = self.fields.get("period_start") or self.fields["snapshot_date"]
        return self.fields["community_id"][0], day[0]

    @property
    def id(self):
        return document_id(*self.key)

    @property
    def checksum(self):
        return self.fields.get(CHECKSUM, [None])[0]


class _Hits(msgspec.Struct):
    hits: list[_Stored]


class _Shards(msgspec.Struct):
    failed: int


class _Page(msgspec.Struct):
    hits: _Hits
    timed_out: bool
    shards: _Shards = msgspec.field(name="_shards")


_decode_page = msgspec.json.Decoder(_Page).decode


class AggregateStore:
    """The documents of one aggregate family.

    Args:
        text_client: a client that does not decode.
        names: the instance's :class:`~..search.names.Names`.
        family: one of :data:`~..search.names.FAMILIES`, or ``usage-seen``.
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
        check=None,
        waiting=None,
        limit=LIMIT,
        sleep=time.sleep,
    ):
        """Keep what is needed."""
        self._client, self._names, self.family = text_client, names, family
        self._check, self._waiting = check, waiting
        self._limit, self._sleep = limit, sleep
        self.alias = names.aggregates(family)

    def replace(self, documents, parts, by_community=False, before=None):
        """Make the documents of some parts what they should be.

        Args:
            documents: iterable of :class:`~.documents.Document`, all that should
                exist in the parts and nothing else; sorted by day, then community.
            parts: the :class:`Part` s.
            by_community: the documents are sorted by community, then day.
            before: called with a list of :class:`Change` before these are written.

        Returns:
            Written: what was done; it is stored, though not refreshed.

        Raises:
            StatsDashboardError: OpenSearch refuses a document for good.
            SearchUnavailableError: OpenSearch took no requests for too long.
            LockLostError: ``check`` says that another run has taken over.
        """
        key = _by_community if by_community else _by_day
        self.refresh()
        stored = heapq.merge(
            *(
                self._stored(parts[i : i + MAX_PARTS], by_community)
                for i in range(0, len(parts), MAX_PARTS)
            ),
            key=lambda hit: key(*hit.key),
        )
        batch = _Batch(self, before)
        for document, hit in _merged(iter(documents), stored, key):
            batch.add(document, hit)
        batch.flush()
        return batch.written

    def dry(self, documents, parts, by_community=False):
        """Return what :meth:`replace` would do, and do nothing."""
        key = _by_community if by_community else _by_day
        written = Written()
        stored = self._stored(parts, by_community)
        for document, hit in _merged(iter(documents), stored, key):
            _count(written, _kind(document, hit))
        return written

    def refresh(self):
        """Make what was written visible."""
        self._send("POST", f"/{self.alias}/_refresh", None)

    def write(self, actions):
        """Send bulk actions, each with its index.

        Args:
            actions: list of bytes.

        Raises:
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
        if refusals:
            raise StatsDashboardError(
                f"{len(refusals)} documents of {self.alias} are refused by OpenSearch; "
                f"the first is {refusals[0]}. Run the same command again when what it "
                "complains about is mended."
            )

    def year_of(self, day):
        """Return the index that holds a day."""
        return self._names.aggregates_year(self.family, day[:4])

    def sources(self, parts, by_community=False, size=500):
        """Yield the stored sources of some parts, whole and in order.

        Args:
            parts: up to :data:`MAX_PARTS` of :class:`Part`.
            by_community: order by community, then day; else by day, then community.
            size: documents in one answer.

        Yields:
            bytes: the JSON of a source.
        """
        for answer in self._pages(parts, by_community, size, {"_source": True}):
            hits = _decode_sources(answer).hits.hits
            yield from (hit.source for hit in hits)

    def _stored(self, parts, by_community):
        only = {
            # the _id lies beside the source, which would be read for nothing
            "stored_fields": "_none_",
            "docvalue_fields": [CHECKSUM, "community_id", day_field(self.family)],
            "seq_no_primary_term": True,
        }
        for answer in self._pages(parts, by_community, PAGE, only):
            yield from _decode_page(answer).hits.hits

    def _pages(self, parts, by_community, size, what):
        day = day_field(self.family)
        order = ["community_id", day] if by_community else [day, "community_id"]
        body = {
            **what,
            "size": size,
            "query": _query(parts, day),
            "sort": [{name: {"order": "asc"}} for name in order],
            "track_total_hits": False,
        }
        while True:
            answer = self._send("POST", f"/{self.alias}/_search", body)
            page = _decode_ends(answer)
            if page.timed_out or page.shards.failed:
                raise SearchUnavailableError(
                    f"{self.alias} did not answer completely. Run the same command "
                    "again when the cluster is better."
                )
            yield answer
            if len(page.hits.hits) < size:
                return
            body["search_after"] = page.hits.hits[-1].sort

    def _send(self, method, path, body):
        params = {"ignore_unavailable": "true", "allow_no_indices": "true"}
        if path.endswith("_search"):
            params["allow_partial_search_results"] = "false"
        return patiently(
            lambda: self._client.transport.perform_request(
                method,
                path,
                params=params,
                body=None if body is None else msgspec.json.encode(body),
            ),
            self._limit,
            self._waiting,
            self._sleep,
        )


class _Source(msgspec.Struct):
    source: msgspec.Raw = msgspec.field(name="_source")


class _SourceHits(msgspec.Struct):
    hits: list[_Source]


class _Sources(msgspec.Struct):
    hits: _SourceHits


class _End(msgspec.Struct):
    sort: list[int | str]


class _EndHits(msgspec.Struct):
    hits: list[_End]


class _Ends(msgspec.Struct):
    hits: _EndHits
    timed_out: bool
    shards: _Shards = msgspec.field(name="_shards")


_decode_sources = msgspec.json.Decoder(_Sources).decode
_decode_ends = msgspec.json.Decoder(_Ends).decode


class _Batch:
    """Collects writes and sends them in requests of a bounded size."""

    def __init__(self, store, before):
        self._store, self._before = store, before
        self._actions, self._changes, self._bytes = [], [], 0
        self.written = Written()
        self._now = datetime.now(UTC).isoformat()

    def add(self, document, hit):
        kind = _kind(document, hit)
        _count(self.written, kind)
        if kind is None:
            return
        action = self._action(document, hit)
        self._actions.append(action)
        self._changes.append(
            Change(*((document.community, document.day) if document else hit.key), kind)
        )
        self._bytes += len(action)
        if len(self._actions) >= MAX_ACTIONS or self._bytes >= MAX_BYTES:
            self.flush()

    def flush(self):
        if self._actions:
            if self._before:
                self._before(self._changes)
            self._store.write(self._actions)
        self._actions, self._changes, self._bytes = [], [], 0

    def _action(self, document, hit):
        version = (
            {"if_seq_no": hit.seq_no, "if_primary_term": hit.term} if hit else None
        )
        if document is None:
            head = {"delete": {"_index": hit.index, "_id": hit.id, **version}}
            return msgspec.json.encode(head) + b"\n"
        if hit is None:
            index = self._store.year_of(document.day)
            head = {"create": {"_index": index, "_id": document.id}}
        else:
            head = {"index": {"_index": hit.index, "_id": hit.id, **version}}
        return msgspec.json.encode(head) + b"\n" + document.source(self._now) + b"\n"


def ensure_templates(client, names):
    """Put the templates of the aggregates that are missing.

    Without them OpenSearch would guess a mapping and set no alias.

    Args:
        client: an ordinary client.
        names: the instance's names.
    """
    wanted = index_templates(names)
    try:
        found = client.indices.get_index_template(name=f"{names.prefix}stats-*")
    except NotFoundError:
        found = {"index_templates": []}
    there = {template["name"] for template in found["index_templates"]}
    for name, body in wanted.items():
        if name not in there:
            client.indices.put_index_template(name=name, body=body)


def _query(parts, day):
    clauses = []
    for part in parts:
        days = {"range": {day: {"gte": part.first, "lte": part.last}}}
        if part.community is None:
            clauses.append(days)
        else:
            term = {"term": {"community_id": part.community}}
            clauses.append({"bool": {"filter": [term, days]}})
    return {"bool": {"filter": [{"bool": {"should": clauses}}]}}


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


def _by_day(community, day):
    return day, community


def _by_community(community, day):
    return community, day


def _kind(document, hit):
    if document is None:
        return DELETED
    if hit is None:
        return CREATED
    return None if hit.checksum == document.checksum else CHANGED


def _count(written, kind):
    name = kind or "equal"
    setattr(written, name, getattr(written, name) + 1)
