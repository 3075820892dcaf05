# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Comparing two indices event by event, on the days on which they differ."""

from dataclasses import dataclass
from threading import Thread

from ..search.seqno import NOTHING, page, scan
from ..usage_events.enrichment import native_bytes
from .fingerprints import NO_DAY, event_hash, fingerprint, read_fingerprints

_IN_MEMORY = 100_000
_PAGE = 2000


@dataclass(frozen=True)
class DayDifference:
    """What one day's events differ in, as sets of ``_id``.

    Attributes:
        missing: on the left, not on the right.
        extra: on the right, not on the left.
        changed: on both, with other native fields.
    """

    missing: frozenset = frozenset()
    extra: frozenset = frozenset()
    changed: frozenset = frozenset()

    def __bool__(self):
        """Tell whether there is any difference."""
        return bool(self.missing or self.extra or self.changed)

    def __or__(self, other):
        """Return both differences together."""
        return DayDifference(
            self.missing | other.missing,
            self.extra | other.extra,
            self.changed | other.changed,
        )

    def __str__(self):
        """Return the numbers, as a clause."""
        return (
            f"{len(self.missing)} missing, {len(self.extra)} too many, "
            f"{len(self.changed)} different"
        )


@dataclass(frozen=True)
class ComparedIndex:
    """One side of a comparison.

    Attributes:
        index: name of the index.
        upto: shard -> last sequence number that is visible now.
        settled: shard -> sequence number above which an event is newer than the
            comparison is about; such an event is no difference.
    """

    index: str
    upto: dict
    settled: dict


def fingerprints_of_both(text_client, left, right, size=_PAGE, pause=None):
    """Fingerprint two indices at the same time.

    Args:
        text_client: a client that does not decode.
        left: a :class:`ComparedIndex`.
        right: a :class:`ComparedIndex`.
        size: events in a page.
        pause: called between pages; may raise to stop.

    Returns:
        tuple: two :class:`~.fingerprints.Fingerprints`.
    """
    results, errors = {}, []

    def work(side):
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


def compare_day(text_client, left, right, day, count, pause=None):
    """Compare the events of one day one by one, in bounded memory.

    Args:
        text_client: a client that does not decode.
        left: the :class:`ComparedIndex` that is right by definition.
        right: the :class:`ComparedIndex` that is checked.
        day: ``YYYY-MM-DD``.
        count: about how many events the day has.
        pause: called between pages; may raise to stop.

    Returns:
        Difference: empty if the day is the same on both sides.
    """
    parts = max(1, -(-count // _IN_MEMORY))
    found = DayDifference()
    for part in range(parts):
        mine = _hashes(text_client, left, day, part, parts, pause)
        theirs = _hashes(text_client, right, day, part, parts, pause)
        found |= _difference(mine, theirs)
    return found


def _difference(mine, theirs):
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


def _hashes(text_client, side, day, part, parts, pause):
    """Return id -> (hash, is newer than the comparison) of one part of a day."""
    only = None
    if day != NO_DAY:
        # wide enough for timestamps with an offset; the exact day is checked below
        window = {"gte": f"{day}||-1d", "lt": f"{day}||+2d"}
        only = {"range": {"timestamp": {**window, "format": "strict_date"}}}
    result = {}
    for shard, upto in side.upto.items():

        def fetch(start, end, shard=shard):
            return page(text_client, side.index, shard, start, end, _PAGE, only=only)

        for _, hits in scan(fetch, NOTHING, upto, _PAGE):
            for hit in hits:
                its_day, hash = fingerprint(hit.id, native_bytes(hit.source))
                if its_day != day:
                    continue
                # the id decides the part, so that both sides have it in the same
                if parts > 1 and event_hash(hit.id, b"") % parts != part:
                    continue
                newer = hit.seq_no > side.settled.get(shard, upto)
                result[hit.id] = (hash, newer)
            if pause:
                pause()
    return result


def counts_per_day(client, index, settled=None):
    """Count an index's events by day in the cluster.

    Args:
        client: an ordinary client.
        index: name of the index.
        settled: shard -> position to count up to, or None for everything; it is
            applied as one limit if the shards agree.

    Returns:
        tuple: total, and day -> count.
    """
    body = {
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
    total, days = 0, {}
    for shard, upto in (settled or {None: None}).items():
        params = {"request_timeout": 120, "request_cache": "false"}
        query = {"match_all": {}}
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
