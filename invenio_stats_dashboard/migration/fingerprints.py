# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute checksums of events by day, independent of their order.

The fingerprint of an event is a hash of its ``_id`` and of the exact bytes that
the site wrote. The fingerprint of a day is the number of its events and the sum of
their hashes. Two indices hold the same events of a day if and only if these agree;
the order of reading does not matter.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from opensearchpy import OpenSearch
from xxhash import xxh3_64_intdigest

from ..search.seqno import NOTHING, StoredDocument, page, scan
from ..usage_events.enrichment import native_bytes

_MODULUS = 2**64
_PAGE = 2000
HASH = "xxh3-64"
"""Name of the hash. It is stored with the sums; those of another hash are discarded."""
NO_DAY = "no date"
"""The day of an event whose timestamp does not have the usual form."""


class Fingerprints:
    """Number of events and sum of their hashes, by day.

    Args:
        stored: an earlier result of :meth:`stored` to continue from, or None.
    """

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        self._count: dict[str, int] = defaultdict(int)
        self._sum: dict[str, int] = defaultdict(int)
        for day, (count, total) in (stored or {}).items():
            self._count[day], self._sum[day] = count, int(total, 16)

    def add(self, day: str, hash: int) -> None:
        """Add one event.

        Args:
            day: ``YYYY-MM-DD``, or :data:`NO_DAY`.
            hash: the hash of the event, see :func:`event_hash`.
        """
        self._count[day] += 1
        self._sum[day] = (self._sum[day] + hash) % _MODULUS

    def stored(self) -> dict[str, list[int | str]]:
        """Return a JSON object that the constructor accepts."""
        return {
            day: [count, f"{self._sum[day]:x}"] for day, count in self._count.items()
        }

    def counts(self) -> dict[str, int]:
        """Return day -> number of events."""
        return dict(self._count)

    def differing(self, other: "Fingerprints") -> list[str]:
        """Return the days on which two sets of events differ, in order."""
        days = set(self._count) | set(other._count)
        return sorted(
            day
            for day in days
            if self._count.get(day, 0) != other._count.get(day, 0)
            or self._sum.get(day, 0) != other._sum.get(day, 0)
        )

    @property
    def total(self) -> int:
        """Return the number of events."""
        return sum(self._count.values())


def fingerprint(id: str, native: bytes) -> tuple[str, int]:
    """Return the day of one event and the 64-bit hash of its id and native bytes.

    The hash (XXH3) detects accidental differences. It is not cryptographic.

    Args:
        id: its ``_id``.
        native: the bytes that the site wrote, see
            :func:`~..usage_events.enrichment.native_bytes`.

    Returns:
        The day, ``YYYY-MM-DD`` or :data:`NO_DAY`, and the hash. The day is read from
        the same bytes on both sides of a comparison, so both sides agree on it.
    """
    return _day(native), event_hash(id, native)


def event_hash(id: str, native: bytes) -> int:
    """Return the 64-bit hash of one event's id and native bytes."""
    return xxh3_64_intdigest(id.encode() + b"\0" + native.rstrip())


_TIMESTAMP = re.compile(rb'"timestamp"\s*:\s*"(\d{4}-\d{2}-\d{2})')


def _day(native: bytes) -> str:
    found = _TIMESTAMP.search(native)
    return found.group(1).decode() if found else NO_DAY


def read_fingerprints(
    text_client: OpenSearch,
    index: str,
    positions: Mapping[int, int],
    after: dict[int, int] | None = None,
    size: int = _PAGE,
    prints: Fingerprints | None = None,
    pause: Callable[[], None] | None = None,
) -> Fingerprints:
    """Compute the fingerprints of the events in an index.

    Args:
        text_client: does not decode responses.
        index: name of one index.
        positions: shard -> sequence number to read up to.
        after: shard -> last sequence number that was read before; changed in place.
        size: events in a page.
        prints: fingerprints to add to; None starts with empty ones.
        pause: called between pages; may raise to stop.

    Returns:
        The fingerprints, with all events added that were read.
    """
    prints = prints or Fingerprints()
    after = {} if after is None else after
    for shard, upto in positions.items():

        def fetch(start: int, end: int, shard: int = shard) -> list[StoredDocument]:
            return page(text_client, index, shard, start, end, size)

        for position, hits in scan(fetch, after.get(shard, NOTHING), upto, size):
            for hit in hits:
                prints.add(*fingerprint(hit.id, native_bytes(hit.source)))
            after[shard] = position
            if pause:
                pause()
    return prints
