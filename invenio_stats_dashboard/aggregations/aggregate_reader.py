# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the stored documents of an aggregate family, in order and page by page."""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from opensearchpy import OpenSearch

from ..search.client import patiently
from ..search.concurrent_batches import ahead
from ..search.names import Names
from ..search.paging import SearchPage, page_decoder, pages, search_page
from .documents import CHECKSUM, day_field, document_id

LIMIT = 120.0
"""Seconds to retry while OpenSearch accepts no requests."""

FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"
"""Bounds for a :class:`DocumentRange` that is open on one side."""

PAGE = 5000
"""Number of documents in one response that contains only ids and checksums."""

MAX_PARTS = 500
"""Maximum number of ranges in one query."""


class DocumentRange(NamedTuple):
    """The documents of some days, of one or all communities.

    Attributes:
        first: first day, ``YYYY-MM-DD``.
        last: last day, inclusive.
        community: UUID or ``global``; None for all communities.
    """

    first: str = FIRST_DAY
    last: str = LAST_DAY
    community: str | None = None


class StoredHead(msgspec.Struct):
    """A stored document without its source: identity, version and checksum.

    Attributes:
        index: name of the index that contains the document.
        seq_no: sequence number of the last write.
        term: primary term of the shard that wrote it.
        sort: sort values of the hit.
        fields: community, day and checksum.
    """

    index: str = msgspec.field(name="_index")
    seq_no: int = msgspec.field(name="_seq_no")
    term: int = msgspec.field(name="_primary_term")
    sort: list[int | str]
    fields: dict[str, list[str]] = {}

    @property
    def key(self) -> tuple[str, str]:
        """Return community and day."""
        day = self.fields.get("period_start") or self.fields["snapshot_date"]
        return self.fields["community_id"][0], day[0]

    @property
    def id(self) -> str:
        """Return the ``_id``."""
        return document_id(*self.key)

    @property
    def checksum(self) -> str | None:
        """Return the checksum of the content, or None if none is stored."""
        return self.fields.get(CHECKSUM, [None])[0]


class _Source(msgspec.Struct):
    source: msgspec.Raw = msgspec.field(name="_source")
    sort: list[int | str]


_PARAMS = {"ignore_unavailable": "true", "allow_no_indices": "true"}

_Answer = TypeVar("_Answer")

_decode_stored = page_decoder(StoredHead)
_decode_sources = page_decoder(_Source)


class AggregateReader:
    """Reads the stored documents of one aggregate family.

    Args:
        text_client: does not decode responses.
        names: the instance's index names.
        family: one of :data:`~..search.names.FAMILIES` or ``INTERNAL``.
        waiting: called with a sentence before each pause.
        limit: seconds to retry while OpenSearch accepts no requests.
        sleep: waits for the given seconds; may raise to stop waiting.
    """

    def __init__(
        self,
        text_client: OpenSearch,
        names: Names,
        family: str,
        waiting: Callable[[str], None] | None = None,
        limit: float = LIMIT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.family, self.alias = family, names.aggregates(family)
        self._client, self._names = text_client, names
        self._waiting, self._limit, self._sleep = waiting, limit, sleep

    def sources(
        self,
        parts: Sequence[DocumentRange],
        by_community: bool = False,
        size: int = 500,
    ) -> Iterator[msgspec.Raw]:
        """Yield the complete sources of the documents in some ranges, as JSON.

        Args:
            parts: up to :data:`MAX_PARTS` ranges.
            by_community: sort by community, then day; otherwise by day, then community.
            size: number of documents in one response.
        """
        what = {"_source": True}
        found = self._pages(parts, by_community, size, what, _decode_sources)
        for hits in ahead(found):
            yield from (hit.source for hit in hits)

    def stored(
        self, parts: Sequence[DocumentRange], by_community: bool = False
    ) -> Iterator[StoredHead]:
        """Yield the documents in some ranges, without their sources.

        Args:
            parts: any number of ranges.
            by_community: sort by community, then day; otherwise by day, then community.
        """
        key = order(by_community)
        return heapq.merge(
            *(
                self._stored(parts[i : i + MAX_PARTS], by_community)
                for i in range(0, len(parts), MAX_PARTS)
            ),
            key=lambda hit: key(*hit.key),
        )

    def _stored(
        self, parts: Sequence[DocumentRange], by_community: bool
    ) -> Iterator[StoredHead]:
        what = {
            # Do not request the _id: it is stored beside the source, and OpenSearch
            # would read both.
            "stored_fields": "_none_",
            "docvalue_fields": [CHECKSUM, "community_id", day_field(self.family)],
            "seq_no_primary_term": True,
        }
        for hits in self._pages(parts, by_community, PAGE, what, _decode_stored):
            yield from hits

    def refresh(self) -> None:
        """Make all written documents visible to searches."""
        self._patiently(
            lambda: self._client.transport.perform_request(
                "POST", f"/{self.alias}/_refresh", params=_PARAMS
            )
        )

    def _pages(
        self,
        parts: Sequence[DocumentRange],
        by_community: bool,
        size: int,
        what: dict[str, Any],
        decode: Callable[[str | bytes], SearchPage[Any]],
    ) -> Iterator[Sequence[Any]]:
        """Yield the hits of each page."""
        day = day_field(self.family)
        order = ["community_id", day] if by_community else [day, "community_id"]
        body: dict[str, Any] = {
            **what,
            "size": size,
            "query": query_of(parts, day),
            "sort": [{name: {"order": "asc"}} for name in order],
            "track_total_hits": False,
        }
        return pages(
            lambda page: self._patiently(
                lambda: search_page(self._client, self.alias, page, decode, _PARAMS)
            ),
            body,
        )

    def _patiently(self, request: Callable[[], _Answer]) -> _Answer:
        return patiently(request, self._limit, self._waiting, self._sleep)


def order(by_community: bool) -> Callable[[str, str], tuple[str, str]]:
    """Return the sort key of documents as a function of community and day."""
    return _by_community if by_community else _by_day


def _by_day(community: str, day: str) -> tuple[str, str]:
    return day, community


def _by_community(community: str, day: str) -> tuple[str, str]:
    return community, day


def query_of(parts: Iterable[DocumentRange], day: str) -> dict[str, Any]:
    """Return the query for the documents in some ranges.

    Args:
        parts: the ranges.
        day: name of the field that contains the day.
    """
    clauses: list[dict[str, Any]] = []
    for part in parts:
        days = {"range": {day: {"gte": part.first, "lte": part.last}}}
        if part.community is None:
            clauses.append(days)
        else:
            term = {"term": {"community_id": part.community}}
            clauses.append({"bool": {"filter": [term, days]}})
    return {"bool": {"filter": [{"bool": {"should": clauses}}]}}
