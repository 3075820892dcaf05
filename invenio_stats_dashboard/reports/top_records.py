# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The most used records of some days, counted exactly from the usage events.

Each shard knows its own largest numbers only, and the largest of all can be among none
of them. So what OpenSearch says of its error decides: with what can be among the largest
a second request gets the exact numbers of just these. Where too many records can be, as
when all have a handful of events, all of them are counted, a page at a time.
"""

import heapq
from dataclasses import dataclass

DEPTHS = (1_000, 20_000)
"""How many of its largest each shard is asked for, by turns."""

PAGE = 10_000
"""Records in one answer, where all are counted."""


@dataclass(frozen=True)
class Listing:
    """What the shards say together of their largest.

    Attributes:
        counts: (record, events that were found of it), the most first.
        error: how many events more a record can have than were found of it.
        full: there can be other records, with no more than the last has.
    """

    counts: list
    error: int
    full: bool


@dataclass(frozen=True)
class TopRecordsResult:
    """The most used.

    Attributes:
        counts: (record, events), the most first, ties by record.
        total: events of all records, and of none.
    """

    counts: list
    total: int


def candidates(listing, size):
    """Return the records that can be among the most used.

    Args:
        listing: a :class:`Listing` with an error.
        size: how many are wanted.

    Returns:
        list | None: the records; None if one that is not listed can be among them.
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


def most(counts, size):
    """Return the largest of (record, events), the most first, ties by record."""
    return heapq.nsmallest(size, counts, key=lambda pair: (-pair[1], pair[0]))


class TopRecordsReader:
    """Counts the events of records.

    Args:
        client: an ordinary client.
        alias: the read alias of the events.
        query: for the events to count.
        field: that tells the record: ``recid`` or ``parent_recid``.
    """

    def __init__(self, client, alias, query, field):
        """Keep what is needed; asks nothing yet."""
        self._client, self._alias = client, alias
        self._query, self._field = query, field

    def read(self, size):
        """Return the most used records.

        Args:
            size: how many at most.

        Returns:
            TopRecords: exact numbers.

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

    def _listing(self, depth, options=None):
        terms = {"field": self._field, "size": depth, "shard_size": depth}
        answer = self._search({"terms": {**terms, **(options or {})}})
        found = answer.get("aggregations", {}).get("found", {"buckets": []})
        counts = [(b["key"], b["doc_count"]) for b in found["buckets"]]
        error = found.get("doc_count_error_upper_bound", 0)
        full = len(counts) >= depth
        return Listing(counts, error, full), answer["hits"]["total"]["value"]

    def _all(self):
        """Yield all records with their numbers."""
        source = {"record": {"terms": {"field": self._field}}}
        composite = {"size": PAGE, "sources": [source]}
        while True:
            answer = self._search({"composite": composite})
            found = answer.get("aggregations", {}).get("found", {"buckets": []})
            for bucket in found["buckets"]:
                yield bucket["key"]["record"], bucket["doc_count"]
            if "after_key" not in found:
                return
            composite = {**composite, "after": found["after_key"]}

    def _search(self, aggregation):
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
                # shards of other months are passed over
                "pre_filter_shard_size": 1,
            },
        )
