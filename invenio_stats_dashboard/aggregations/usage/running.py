# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Running totals of one community: deltas go in, snapshots come out.

A cell keeps its JSON until it changes. Running totals only grow, so the largest cells
of a day are among the largest of the day before and those that have changed.
"""

import heapq
from dataclasses import dataclass

import msgspec

from ..documents import Document
from .documents import DOWNLOAD, VIEW

SUMMED = (
    ("view", ("total_events", "unique_visitors")),
    ("download", ("total_events", "unique_visitors", "total_volume")),
)
"""What adds up from day to day."""

_VIEWS, _DOWNLOADS = 0, 2
"""Places of the events of either type among the five sums."""


class _Part(msgspec.Struct, gc=False):
    total_events: int = 0
    unique_visitors: int = 0
    total_volume: int = 0


class _Cell(msgspec.Struct, gc=False):
    id: str
    view: _Part | None = None
    download: _Part | None = None


class _Totals(msgspec.Struct):
    view: _Part
    download: _Part


class Delta(msgspec.Struct):
    """What snapshots need of a stored usage delta."""

    community_id: str
    period_start: str
    totals: _Totals
    subcounts: dict[str, list[_Cell]]


decode_delta = msgspec.json.Decoder(Delta).decode


class Cell:
    """Running totals of one value."""

    __slots__ = ("_text", "id", "sums")

    def __init__(self, id, sums=None):
        """Begin with some totals, or with none."""
        self.id, self._text = id, None
        self.sums = sums or [0, 0, 0, 0, 0]

    def add(self, cell):
        """Add a delta's cell or totals."""
        _add(self.sums, cell.view, cell.download)
        self._text = None

    @property
    def text(self):
        """Return the cell as JSON."""
        if self._text is None:
            self._text = _text(self.id, self.sums)
        return self._text


def by_size(cell):
    """Return what cells are sorted by: most views, most downloads, then the id."""
    return -cell.sums[_VIEWS], -cell.sums[_DOWNLOADS], cell.id


def by_views(cell):
    """Return what the largest cells by views are chosen by."""
    return -cell.sums[_VIEWS], cell.id


def by_downloads(cell):
    """Return what the largest cells by downloads are chosen by."""
    return -cell.sums[_DOWNLOADS], cell.id


@dataclass(frozen=True)
class Shown:
    """Which breakdowns there are, and how much of them a snapshot has.

    Attributes:
        every: breakdown key -> whether all its values are shown, in order.
        top: how many of the others.
    """

    every: dict
    top: int


class Running:
    """Running totals of one community.

    Args:
        shown: a :class:`Shown`.
        state: what :meth:`state` returned, to go on from there.
    """

    def __init__(self, shown, state=None):
        """Begin with nothing, or where a state was taken."""
        state = state or {"totals": [0] * 5, "cells": {}, "distinct": {}}
        self._shown = shown
        self._totals = list(state["totals"])
        self.distinct = dict(state["distinct"])
        self._cells = {
            key: {
                id: Cell(id, list(sums))
                for id, sums in state["cells"].get(key, {}).items()
            }
            for key in shown.every
        }
        self._largest = {
            key: [self._chosen(cells.values(), *order) for order in _ORDERS]
            for key, cells in self._cells.items()
            if not shown.every[key]
        }

    def state(self):
        """Return all that is needed to go on, as JSON values."""
        return {
            "totals": list(self._totals),
            "distinct": dict(self.distinct),
            "cells": {
                key: {id: list(cell.sums) for id, cell in cells.items()}
                for key, cells in self._cells.items()
                if cells
            },
        }

    def add(self, delta, new):
        """Add a day.

        Args:
            delta: a :class:`Delta`.
            new: kind of thing -> how many were seen for the first time.
        """
        _add(self._totals, delta.totals.view, delta.totals.download)
        for kind, count in new.items():
            self.distinct[kind] = self.distinct.get(kind, 0) + count
        for key, every in self._shown.every.items():
            cells, changed = self._cells[key], []
            for found in delta.subcounts.get(key, ()):
                cell = cells.get(found.id)
                if cell is None:
                    cell = cells[found.id] = Cell(found.id)
                cell.add(found)
                changed.append(cell)
            if not every and changed:
                self._largest[key] = [
                    self._chosen({*largest, *changed}, *order)
                    for largest, order in zip(self._largest[key], _ORDERS, strict=True)
                ]

    def snapshot(self, community, day):
        """Return the snapshot of a day as a document."""
        sums, of = self._totals, self.distinct.get
        view = (sums[0], sums[1], of("view_records", 0), of("view_parents", 0))
        download = (
            sums[2],
            sums[3],
            of("download_records", 0),
            of("download_parents", 0),
            of("download_files", 0),
            sums[4],
        )
        body = {
            "community_id": community,
            "snapshot_date": day,
            "totals": {
                "view": dict(zip(VIEW, view, strict=True)),
                "download": dict(zip(DOWNLOAD, download, strict=True)),
            },
            "subcounts": {key: self._subcount(key) for key in self._cells},
        }
        return Document(community, day, body)

    def _subcount(self, key):
        if self._shown.every[key]:
            return _list(sorted(self._cells[key].values(), key=by_size))
        views, downloads = self._largest[key]
        return {"by_view": _list(views), "by_download": _list(downloads)}

    def _chosen(self, cells, place, order):
        having = [cell for cell in cells if cell.sums[place]]
        return heapq.nsmallest(self._shown.top, having, key=order)


_ORDERS = ((_VIEWS, by_views), (_DOWNLOADS, by_downloads))


def _add(sums, view, download):
    if view is not None:
        sums[0] += view.total_events
        sums[1] += view.unique_visitors
    if download is not None:
        sums[2] += download.total_events
        sums[3] += download.unique_visitors
        sums[4] += download.total_volume


def _list(cells):
    return msgspec.Raw(("[" + ",".join([cell.text for cell in cells]) + "]").encode())


def _text(id, sums):
    text = '{"id":' + msgspec.json.encode(id).decode()
    if sums[0]:
        text += f',"view":{{"total_events":{sums[0]},"unique_visitors":{sums[1]}}}'
    if sums[2]:
        text += (
            f',"download":{{"total_events":{sums[2]},"unique_visitors":{sums[3]},'
            f'"total_volume":{sums[4]}}}'
        )
    return text + "}"
