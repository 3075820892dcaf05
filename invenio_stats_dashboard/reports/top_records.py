# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find the most used records of some days, with exact numbers from the usage events.

Each shard returns only its own largest counts, which may not include the most used
record. OpenSearch therefore reports an upper bound of the error. From this bound
follows which records can be among the most used, and a second request counts exactly
these. If too many records qualify, for example because all have only a few events, all
records are counted, page by page.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch

from ..search.paging import composite

DEPTHS = (1_000, 20_000)
"""Number of records that each shard returns, in the first and the second attempt."""

PAGE = 10_000
"""Records in one page, if all are counted."""


@dataclass(frozen=True)
class Listing:
    """The merged counts of all shards.

    Attributes:
        counts: (record, events found), most events first.
        error: number of events that a record can have in addition to those found.
        full: other records may exist, with at most as many events as the last one.
    """

    counts: list[tuple[str, int]]
    error: int
    full: bool


@dataclass(frozen=True)
class TopRecordsResult:
    """The most used records.

    Attributes:
        counts: (record, events), most events first, ties sorted by record.
        total: all events, including those without a record.
    """

    counts: list[tuple[str, int]]
    total: int


def candidates(listing: Listing, size: int) -> list[str] | None:
    """Return the records that can be among the most used.

    Args:
        listing: counts with an error.
        size: number of records wanted.

    Returns:
        The records; None if a record that is not listed can be among the most used.
    """
    if len(listing.counts) < size:
        return None
    least = listing.counts[size - 1][1]
    unlisted = listing.error + (listing.counts[-1][1] if listing.full else 0)
    if unlisted >= least:
        return None
    return [
        record for record, count in listing.counts if count + listing.error >= least
    ]


def most(counts: Iterable[tuple[str, int]], size: int) -> list[tuple[str, int]]:
    """Return the largest (record, events), most events first, ties sorted by record."""
    return heapq.nsmallest(size, counts, key=lambda pair: (-pair[1], pair[0]))


class TopRecordsReader:
    """Counts the events of records.

    Args:
        client: sends the requests.
        alias: the read alias of the events.
        query: matches the events to count.
        field: the field that identifies the record: ``recid`` or ``parent_recid``.
    """

    def __init__(
        self, client: OpenSearch, alias: str, query: dict[str, Any], field: str
    ) -> None:
        self._client, self._alias = client, alias
        self._query, self._field = query, field

    def read(self, size: int) -> TopRecordsResult:
        """Return the most used records with exact numbers.

        Args:
            size: maximum number of records.

        Raises:
            OpenSearchException: the cluster does not answer, or not completely.
        """
        for depth in DEPTHS:
            listing, total = self._listing(max(depth, size))
            if not listing.error:  # every number is exact already
                return TopRecordsResult(listing.counts[:size], total)
            found = candidates(listing, size)
            if found is not None:
                exact, total = self._listing(len(found), {"include": found})
                return TopRecordsResult(most(exact.counts, size), total)
        return TopRecordsResult(most(self._all(), size), total)

    def _listing(
        self, depth: int, options: dict[str, Any] | None = None
    ) -> tuple[Listing, int]:
        """Return the counts of the records with the most events, and of all events."""
        terms = {"field": self._field, "size": depth, "shard_size": depth}
        answer = self._search({"terms": {**terms, **(options or {})}})
        found = answer.get("aggregations", {}).get("found", {"buckets": []})
        counts = [(b["key"], b["doc_count"]) for b in found["buckets"]]
        error = found.get("doc_count_error_upper_bound", 0)
        full = len(counts) >= depth
        return Listing(counts, error, full), answer["hits"]["total"]["value"]

    def _all(self) -> Iterator[tuple[str, int]]:
        """Yield all records with their number of events."""

        def search(records: dict[str, Any]) -> dict[str, Any]:
            return self._search(records).get("aggregations", {}).get("found", {})

        for bucket in composite(search, {"record": self._field}, PAGE):
            yield bucket["key"]["record"], bucket["doc_count"]

    def _search(self, aggregation: dict[str, Any]) -> Any:
        return self._client.search(
            index=self._alias,
            body={
                "size": 0,
                "query": self._query,
                "track_total_hits": True,
                "aggs": {"found": aggregation},
            },
            params={
                "ignore_unavailable": "true",
                "allow_partial_search_results": "false",
                # skip the shards of other months
                "pre_filter_shard_size": 1,
            },
        )
