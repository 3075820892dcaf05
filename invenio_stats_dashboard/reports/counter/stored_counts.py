# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store the counts of a month in the site's cache, for reports of all callers.

They have no title and depend on no caller: what a caller may see is looked up for each
report.
"""

import zlib
from collections.abc import Iterator

import msgspec

from .usage import RecordCounts, UseCounts

_LEVEL = 1
_Cell = tuple[str, str | None, tuple[int, ...]]
"""Access method, country and counts."""


class StoredCounts(msgspec.Struct, array_like=True):
    """The counts of a month.

    Attributes:
        events: number of events.
        unattributed: number of events of the instance that are not enriched.
        cells: (recid, its counts), in the order of the recids.
    """

    events: int
    unattributed: int
    cells: list[tuple[str, list[_Cell]]]

    def __len__(self) -> int:
        """Return the number of records that were used."""
        return len(self.cells)

    def records(self) -> Iterator[tuple[str, list[RecordCounts]]]:
        """Yield the records; see :meth:`.usage.UseCounts.records`."""
        for recid, cells in self.cells:
            yield recid, [RecordCounts(*cell) for cell in cells]


_decode = msgspec.msgpack.Decoder(StoredCounts).decode


def packed(counts: UseCounts, events: int, unattributed: int) -> bytes:
    """Return the counts of a month as bytes.

    Args:
        counts: the counts of all records.
        events: number of events.
        unattributed: number of events of the instance that are not enriched.
    """
    cells = [
        (recid, [(cell.method, cell.country, cell.counts) for cell in its])
        for recid, its in counts.records()
    ]
    stored = StoredCounts(events, unattributed, cells)
    return zlib.compress(msgspec.msgpack.encode(stored), _LEVEL)


def unpacked(data: bytes) -> StoredCounts:
    """Return the counts of a month; see :func:`packed`."""
    return _decode(zlib.decompress(data))
