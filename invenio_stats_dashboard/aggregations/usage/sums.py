# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What adds up of usage deltas: their totals and their cells."""

import msgspec

SUMS = (
    "view.total_events",
    "view.unique_visitors",
    "download.total_events",
    "download.unique_visitors",
    "download.total_volume",
)
"""Paths of what adds up from day to day, in the order of :func:`sums_of`."""


class Views(msgspec.Struct, gc=False):
    """Sums of views."""

    total_events: int = 0
    unique_visitors: int = 0


class Downloads(msgspec.Struct, gc=False):
    """Sums of downloads."""

    total_events: int = 0
    unique_visitors: int = 0
    total_volume: int = 0


class ValueSums(msgspec.Struct, gc=False, omit_defaults=True):
    """Sums of one value; None where it has no events of a type."""

    id: str
    view: Views | None = None
    download: Downloads | None = None


class EventTotals(msgspec.Struct, gc=False):
    """Sums of all events."""

    view: Views
    download: Downloads


class StoredDelta(msgspec.Struct):
    """What snapshots and months need of a stored usage delta."""

    community_id: str
    period_start: str
    totals: EventTotals
    subcounts: dict[str, list[ValueSums]]
    checksum: str = ""


decode_delta = msgspec.json.Decoder(StoredDelta).decode

_NO_VIEWS, _NO_DOWNLOADS = Views(), Downloads()


def cell_of(id, sums):
    """Return the cell of a value with these sums."""
    return ValueSums(
        id,
        Views(*sums[:2]) if sums[0] else None,
        Downloads(*sums[2:]) if sums[2] else None,
    )


def sums_of(cell):
    """Return the sums of a cell, or of totals, as a tuple in the order of :data:`SUMS`."""
    view, download = cell.view or _NO_VIEWS, cell.download or _NO_DOWNLOADS
    return (
        view.total_events,
        view.unique_visitors,
        download.total_events,
        download.unique_visitors,
        download.total_volume,
    )


def add_sums(cell, found):
    """Add the sums of one cell to another; what this has none of becomes the other's."""
    if (more := found.view) is not None:
        if (view := cell.view) is None:
            cell.view = more
        else:
            view.total_events += more.total_events
            view.unique_visitors += more.unique_visitors
    if (more := found.download) is not None:
        if (download := cell.download) is None:
            cell.download = more
        else:
            download.total_events += more.total_events
            download.unique_visitors += more.unique_visitors
            download.total_volume += more.total_volume
