# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Metrics of usage deltas that can be added up over days."""

from collections.abc import Sequence

import msgspec

SUMS = (
    "view.total_events",
    "view.unique_visitors",
    "download.total_events",
    "download.unique_visitors",
    "download.total_volume",
)
"""Paths of these metrics, in the order of :func:`sums_of`."""

EventSums = tuple[int, int, int, int, int]
"""Numbers in the order of :data:`SUMS`."""


class Views(msgspec.Struct, gc=False):
    """Sums of views."""

    total_events: int = 0
    unique_visitors: int = 0


class Downloads(msgspec.Struct, gc=False):
    """Sums of downloads; the volume is in bytes."""

    total_events: int = 0
    unique_visitors: int = 0
    total_volume: int = 0


class ValueSums(msgspec.Struct, gc=False, omit_defaults=True):
    """Sums of one value of a breakdown; None for a type without events."""

    id: str
    view: Views | None = None
    download: Downloads | None = None


class EventTotals(msgspec.Struct, gc=False):
    """Sums of all events."""

    view: Views
    download: Downloads


class StoredDelta(msgspec.Struct):
    """The fields of a stored usage delta that snapshots and month sums need."""

    community_id: str
    period_start: str
    totals: EventTotals
    subcounts: dict[str, list[ValueSums]]
    checksum: str = ""


decode_delta = msgspec.json.Decoder(StoredDelta).decode

_NO_VIEWS, _NO_DOWNLOADS = Views(), Downloads()


def cell_of(id: str, sums: Sequence[int]) -> ValueSums:
    """Return the sums of a value from numbers in the order of :data:`SUMS`."""
    return ValueSums(
        id,
        Views(*sums[:2]) if sums[0] else None,
        Downloads(*sums[2:]) if sums[2] else None,
    )


def sums_of(cell: ValueSums | EventTotals) -> EventSums:
    """Return the sums of a value, or of all events, in the order of :data:`SUMS`."""
    view, download = cell.view or _NO_VIEWS, cell.download or _NO_DOWNLOADS
    return (
        view.total_events,
        view.unique_visitors,
        download.total_events,
        download.unique_visitors,
        download.total_volume,
    )


def add_sums(cell: ValueSums | EventTotals, found: ValueSums | EventTotals) -> None:
    """Add sums to others, in place.

    Args:
        cell: the sums to change.
        found: the sums to add. For event types that ``cell`` lacks, it takes over the
            objects of ``found``, so ``found`` must not be used afterwards.
    """
    if (more := found.view) is not None:
        if (view := cell.view) is None:
            cell.view = more
        else:
            view.total_events += more.total_events
            view.unique_visitors += more.unique_visitors
    if (added := found.download) is not None:
        if (download := cell.download) is None:
            cell.download = added
        else:
            download.total_events += added.total_events
            download.unique_visitors += added.unique_visitors
            download.total_volume += added.total_volume
