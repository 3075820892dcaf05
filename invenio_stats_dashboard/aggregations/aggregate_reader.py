# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading what is stored of an aggregate family, in order and page by page."""

import heapq
import time
from typing import NamedTuple

import msgspec

from ..errors import SearchUnavailableError
from ..search.client import patiently
from ..search.paging import page_decoder
from ..search.pipelining import ahead
from .documents import CHECKSUM, day_field, document_id

LIMIT = 120.0
"""Seconds to go on trying while OpenSearch takes no requests."""

FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"
"""Bounds of a part that is open on one side."""

PAGE = 5000
"""Stored documents in one answer, where only their ids and checksums are asked for."""

MAX_PARTS = 500
"""Parts in one query."""


class DocumentRange(NamedTuple):
    """A part of a family: days of one community, or of all.

    Attributes:
        first: first day, ``YYYY-MM-DD``.
        last: last day, inclusive.
        community: UUID or ``global``; None for all communities.
    """

    first: str = FIRST_DAY
    last: str = LAST_DAY
    community: str | None = None


class StoredHead(msgspec.Struct):
    """What a store needs of a stored document.

    Attributes:
        index: that holds it.
        seq_no: of its last write.
        term: of the primary that did it.
    """

    index: str = msgspec.field(name="_index")
    seq_no: int = msgspec.field(name="_seq_no")
    term: int = msgspec.field(name="_primary_term")
    sort: list[int | str]
    fields: dict[str, list[str]] = {}

    @property
    def key(self):
        """Return its community and day."""
        day = self.fields.get("period_start") or self.fields["snapshot_date"]
        return self.fields["community_id"][0], day[0]

    @property
    def id(self):
        """Return its ``_id``."""
        return document_id(*self.key)

    @property
    def checksum(self):
        """Return what tells its content from every other one, or None."""
        return self.fields.get(CHECKSUM, [None])[0]


class _Source(msgspec.Struct):
    source: msgspec.Raw = msgspec.field(name="_source")
    sort: list[int | str]


_decode_stored = page_decoder(StoredHead)
_decode_sources = page_decoder(_Source)


class AggregateReader:
    """The stored documents of one aggregate family.

    Args:
        text_client: a client that does not decode.
        names: the instance's :class:`~..search.names.Names`.
        family: of :data:`~..search.names.FAMILIES` or ``INTERNAL``.
        waiting: called with a sentence before each pause.
        limit: seconds to go on trying while OpenSearch takes no requests.
        sleep: waits for the given seconds; may raise to end the waiting.
    """

    def __init__(
        self, text_client, names, family, waiting=None, limit=LIMIT, sleep=time.sleep
    ):
        """Keep what is needed."""
        self.family, self.alias = family, names.aggregates(family)
        self._client, self._names = text_client, names
        self._waiting, self._limit, self._sleep = waiting, limit, sleep

    def sources(self, parts, by_community=False, size=500):
        """Yield the stored sources of some parts, whole and in order.

        Args:
            parts: up to :data:`MAX_PARTS` of :class:`DocumentRange`.
            by_community: order by community, then day; else by day, then community.
            size: documents in one answer.

        Yields:
            bytes: the JSON of a source.
        """
        what = {"_source": True}
        pages = self._pages(parts, by_community, size, what, _decode_sources)
        for hits in ahead(pages):
            yield from (hit.source for hit in hits)

    def stored(self, parts, by_community=False):
        """Yield what a store needs of the documents of some parts, in order.

        Args:
            parts: list of :class:`DocumentRange`, as many as there may be.
            by_community: order by community, then day; else by day, then community.

        Yields:
            Stored: of each document.
        """
        key = order(by_community)
        return heapq.merge(
            *(
                self._stored(parts[i : i + MAX_PARTS], by_community)
                for i in range(0, len(parts), MAX_PARTS)
            ),
            key=lambda hit: key(*hit.key),
        )

    def _stored(self, parts, by_community):
        what = {
            # the _id lies beside the source, which would be read for nothing
            "stored_fields": "_none_",
            "docvalue_fields": [CHECKSUM, "community_id", day_field(self.family)],
            "seq_no_primary_term": True,
        }
        for hits in self._pages(parts, by_community, PAGE, what, _decode_stored):
            yield from hits

    def refresh(self):
        """Make what was written visible."""
        self._send("POST", f"/{self.alias}/_refresh", None)

    def _pages(self, parts, by_community, size, what, decode):
        """Yield the hits of each page."""
        day = day_field(self.family)
        order = ["community_id", day] if by_community else [day, "community_id"]
        body = {
            **what,
            "size": size,
            "query": query_of(parts, day),
            "sort": [{name: {"order": "asc"}} for name in order],
            "track_total_hits": False,
        }
        while True:
            page = decode(self._send("POST", f"/{self.alias}/_search", body))
            if not page.is_complete:
                raise SearchUnavailableError(
                    f"{self.alias} did not answer completely. Run the same command "
                    "again when the cluster is better."
                )
            yield page.hits
            if len(page.hits) < size:
                return
            body["search_after"] = page.hits[-1].sort

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


def order(by_community):
    """Return a function of community and day that documents are sorted by."""
    return _by_community if by_community else _by_day


def _by_day(community, day):
    return day, community


def _by_community(community, day):
    return community, day


def query_of(parts, day):
    """Return the query of the documents of some parts.

    Args:
        parts: list of :class:`DocumentRange`.
        day: name of the field that holds the day.
    """
    clauses = []
    for part in parts:
        days = {"range": {day: {"gte": part.first, "lte": part.last}}}
        if part.community is None:
            clauses.append(days)
        else:
            term = {"term": {"community_id": part.community}}
            clauses.append({"bool": {"filter": [term, days]}})
    return {"bool": {"filter": [{"bool": {"should": clauses}}]}}
