# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Order-independent checksums of events, by day.

The fingerprint of an event is a hash of its ``_id`` and of the exact bytes that
the site wrote; that of a day is their number and their sum. Two indices hold the
same events of a day exactly if the fingerprints are equal, in whatever order
they were read.
"""

import re
from collections import defaultdict

from xxhash import xxh3_64_intdigest

from ..search.seqno import NOTHING, page, scan
from ..usage_events.enrichment import native_bytes

_MODULUS = 2**64
_PAGE = 2000
HASH = "xxh3-64"
"""Name of the hash, kept beside stored sums, which say nothing to another one."""
NO_DAY = "no date"
"""The day of an event whose timestamp is not of the usual form."""


class Fingerprints:
    """Number and sum of hashes of events, by day."""

    def __init__(self, stored=None):
        """Start empty, or with what :meth:`stored` returned."""
        self._count = defaultdict(int)
        self._sum = defaultdict(int)
        for day, (count, total) in (stored or {}).items():
            self._count[day], self._sum[day] = count, int(total, 16)

    def add(self, day, hash):
        """Count one event.

        Args:
            day: ``YYYY-MM-DD``.
            hash: of the event, see :func:`event_hash`.
        """
        self._count[day] += 1
        self._sum[day] = (self._sum[day] + hash) % _MODULUS

    def stored(self):
        """Return a JSON object that the constructor takes."""
        return {
            day: [count, f"{self._sum[day]:x}"] for day, count in self._count.items()
        }

    def counts(self):
        """Return day -> number of events."""
        return dict(self._count)

    def differing(self, other):
        """Return the days on which two sets of events differ, in order."""
        days = set(self._count) | set(other._count)
        return sorted(
            day
            for day in days
            if self._count.get(day, 0) != other._count.get(day, 0)
            or self._sum.get(day, 0) != other._sum.get(day, 0)
        )

    @property
    def total(self):
        """Return the number of events."""
        return sum(self._count.values())


def fingerprint(id, native):
    """Return the day of one event and the 64-bit hash of its id and native bytes.

    The hash (XXH3) tells copies from originals, not from forgeries.

    Args:
        id: its ``_id``.
        native: what the site wrote, see :func:`~..usage_events.enrichment.native_bytes`.

    Returns:
        tuple: ``YYYY-MM-DD``, or ``no date`` where no timestamp stands in the usual
        form, and the hash. Both sides of a comparison hold the same bytes, so they
        agree.
    """
    return _day(native), event_hash(id, native)


def event_hash(id, native):
    """Return the 64-bit hash of one event's id and native bytes."""
    return xxh3_64_intdigest(id.encode() + b"\0" + native.rstrip())


_TIMESTAMP = re.compile(rb'"timestamp"\s*:\s*"(\d{4}-\d{2}-\d{2})')


def _day(native):
    found = _TIMESTAMP.search(native)
    return found.group(1).decode() if found else NO_DAY


def read_fingerprints(
    text_client, index, positions, after=None, size=_PAGE, prints=None, pause=None
):
    """Fingerprint what an index holds, by its own sequence numbers.

    Args:
        text_client: a client that does not decode.
        index: name of one index.
        positions: shard -> sequence number to read up to.
        after: shard -> sequence number read before; changed in place.
        size: events in a page.
        prints: :class:`Fingerprints` to add to.
        pause: called between pages; may raise to stop.

    Returns:
        Fingerprints: with everything read added.
    """
    prints = prints or Fingerprints()
    after = {} if after is None else after
    for shard, upto in positions.items():

        def fetch(start, end, shard=shard):
            return page(text_client, index, shard, start, end, size)

        for position, hits in scan(fetch, after.get(shard, NOTHING), upto, size):
            for hit in hits:
                prints.add(*fingerprint(hit.id, native_bytes(hit.source)))
            after[shard] = position
            if pause:
                pause()
    return prints
