# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compare two indices event by event, on the days on which they differ."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Any

from opensearchpy import OpenSearch

from ..search.seqno import NOTHING, StoredDocument, page, scan
from ..usage_events.enrichment import native_bytes
from .fingerprints import (
    NO_DAY,
    Fingerprints,
    event_hash,
    fingerprint,
    read_fingerprints,
)

_IN_MEMORY = 100_000
_PAGE = 2000


@dataclass(frozen=True)
class DayDifference:
    """The events of one day that differ, as sets of ``_id``.

    Attributes:
        missing: ids on the left, not on the right.
        extra: ids on the right, not on the left.
        changed: ids on both, with different native fields.
    """

    missing: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Return whether any event differs."""
        return bool(self.missing or self.extra or self.changed)

    def __or__(self, other: "DayDifference") -> "DayDifference":
        """Return the union of two differences."""
        return DayDifference(
            self.missing | other.missing,
            self.extra | other.extra,
            self.changed | other.changed,
        )

    def __str__(self) -> str:
        """Return the numbers, as a clause."""
        return (
            f"{len(self.missing)} missing, {len(self.extra)} extra, "
            f"{len(self.changed)} changed"
        )


@dataclass(frozen=True)
class ComparedIndex:
    """One side of a comparison.

    Attributes:
        index: name of the index.
        upto: shard -> last sequence number that is visible now.
        settled: shard -> last sequence number that the comparison covers. A later
            event is not counted as a difference.
    """

    index: str
    upto: Mapping[int, int]
    settled: Mapping[int, int]


def fingerprints_of_both(
    text_client: OpenSearch,
    left: ComparedIndex,
    right: ComparedIndex,
    size: int = _PAGE,
    pause: Callable[[], None] | None = None,
) -> tuple[Fingerprints, Fingerprints]:
    """Compute the fingerprints of two indices in parallel.

    Args:
        text_client: does not decode responses.
        left: one side.
        right: the other side.
        size: events in a page.
        pause: called between pages, in two threads; may raise to stop.
    """
    results: dict[str, Fingerprints] = {}
    errors: list[BaseException] = []

    def work(side: ComparedIndex) -> None:
        try:
            results[side.index] = read_fingerprints(
                text_client, side.index, side.upto, size=size, pause=pause
            )
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [Thread(target=work, args=(side,), daemon=True) for side in (left, right)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results[left.index], results[right.index]


def compare_day(
    text_client: OpenSearch,
    left: ComparedIndex,
    right: ComparedIndex,
    day: str,
    count: int,
    pause: Callable[[], None] | None = None,
) -> DayDifference:
    """Compare the events of one day one by one, in bounded memory.

    Args:
        text_client: does not decode responses.
        left: the reference.
        right: the side that is checked.
        day: ``YYYY-MM-DD``, or ``no date``.
        count: approximate number of events on that day; decides into how many
            portions the day is split.
        pause: called between pages; may raise to stop.

    Returns:
        The difference; empty if both sides hold the same events of that day.
    """
    parts = max(1, -(-count // _IN_MEMORY))
    found = DayDifference()
    for part in range(parts):
        mine = _hashes(text_client, left, day, part, parts, pause)
        theirs = _hashes(text_client, right, day, part, parts, pause)
        found |= _difference(mine, theirs)
    return found


def _difference(
    mine: dict[str, tuple[int, bool]], theirs: dict[str, tuple[int, bool]]
) -> DayDifference:
    """Compare two results of :func:`_hashes`; empties ``theirs``."""
    missing, changed = set(), set()
    for id, (hash, newer) in mine.items():
        other = theirs.pop(id, None)
        if other is None:
            if not newer:
                missing.add(id)
        elif other[0] != hash and not newer and not other[1]:
            changed.add(id)
    extra = {id for id, (_, newer) in theirs.items() if not newer}
    return DayDifference(frozenset(missing), frozenset(extra), frozenset(changed))


def _hashes(
    text_client: OpenSearch,
    side: ComparedIndex,
    day: str,
    part: int,
    parts: int,
    pause: Callable[[], None] | None,
) -> dict[str, tuple[int, bool]]:
    """Map each id in a portion of a day to its hash and whether it is newer.

    An event is newer if it was written after the position up to which is compared.
    """
    only: dict[str, Any] | None = None
    if day != NO_DAY:
        # wide enough for timestamps with an offset; the exact day is checked below
        window = {"gte": f"{day}||-1d", "lt": f"{day}||+2d"}
        only = {"range": {"timestamp": {**window, "format": "strict_date"}}}
    result: dict[str, tuple[int, bool]] = {}
    for shard, upto in side.upto.items():

        def fetch(start: int, end: int, shard: int = shard) -> list[StoredDocument]:
            return page(text_client, side.index, shard, start, end, _PAGE, only=only)

        for _, hits in scan(fetch, NOTHING, upto, _PAGE):
            for hit in hits:
                its_day, hash = fingerprint(hit.id, native_bytes(hit.source))
                if its_day != day:
                    continue
                # the id decides the portion, so both sides put the event in the same
                if parts > 1 and event_hash(hit.id, b"") % parts != part:
                    continue
                newer = hit.seq_no > side.settled.get(shard, upto)
                result[hit.id] = (hash, newer)
            if pause:
                pause()
    return result


def counts_per_day(
    client: OpenSearch, index: str, settled: Mapping[int, int] | None = None
) -> tuple[int, dict[str, int]]:
    """Count an index's events by day in the cluster.

    Args:
        client: decodes responses.
        index: name of the index.
        settled: shard -> sequence number to count up to, one request for each shard;
            None counts everything in one request.

    Returns:
        The total, and day -> number of events.
    """
    body: dict[str, Any] = {
        "size": 0,
        "track_total_hits": True,
        "aggs": {
            "days": {
                "date_histogram": {
                    "field": "timestamp",
                    "calendar_interval": "day",
                    "format": "yyyy-MM-dd",
                    "min_doc_count": 1,
                }
            }
        },
    }
    total = 0
    days: dict[str, int] = {}
    shards: Iterable[tuple[int | None, int | None]]
    shards = settled.items() if settled else [(None, None)]
    for shard, upto in shards:
        params: dict[str, Any] = {"request_timeout": 120, "request_cache": "false"}
        query: dict[str, Any] = {"match_all": {}}
        if shard is not None:
            params["preference"] = f"_shards:{shard}|_primary"
            query = {"range": {"_seq_no": {"lte": upto}}}
        answer = client.search(
            index=index, body={**body, "query": query}, params=params
        )
        total += answer["hits"]["total"]["value"]
        for bucket in answer["aggregations"]["days"]["buckets"]:
            key = bucket["key_as_string"]
            days[key] = days.get(key, 0) + bucket["doc_count"]
    return total, days
