# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Running totals of one community: deltas go in, snapshots come out.

A cell of a delta becomes the running cell of its value, and the others of that value are
added to it. Running totals only grow, so the largest cells of a day are among the
largest of the day before and those that have changed.
"""

from dataclasses import dataclass

import msgspec

from ..documents import Document
from .documents import DOWNLOAD, VIEW
from .month_sums import MonthSum
from .sums import Downloads, EventTotals, Views, add_sums, cell_of, sums_of

_encode = msgspec.json.Encoder().encode


def by_size(cell):
    """Return what cells are sorted by: most views, most downloads, then the id."""
    view, download = cell.view, cell.download
    return (
        0 if view is None else -view.total_events,
        0 if download is None else -download.total_events,
        cell.id,
    )


def by_views(cell):
    """Return what the largest cells by views are chosen by; they have some."""
    return -cell.view.total_events, cell.id


def by_downloads(cell):
    """Return what the largest cells by downloads are chosen by; they have some."""
    return -cell.download.total_events, cell.id


_ORDERS = (("view", by_views), ("download", by_downloads))


@dataclass(frozen=True)
class ShownBreakdowns:
    """Which breakdowns there are, and how much of them a snapshot has.

    Attributes:
        every: breakdown key -> whether all its values are shown, in order.
        top: how many of the others.
    """

    every: dict
    top: int


class UsageTotals:
    """Running totals of one community.

    Args:
        shown: a :class:`ShownBreakdowns`.
        state: what :meth:`state` returned, to go on from there.

    Attributes:
        month: the :class:`~.month_sums.MonthSum` of the last day that was added.
    """

    def __init__(self, shown, state=None):
        """Begin with nothing, or where a state was taken."""
        state = state or {"totals": [0] * 5, "cells": {}, "distinct": {}}
        self._shown = shown
        totals = state["totals"]
        self._totals = EventTotals(Views(*totals[:2]), Downloads(*totals[2:]))
        self.distinct = dict(state["distinct"])
        self._cells = {
            key: {
                id: cell_of(id, sums)
                for id, sums in state["cells"].get(key, {}).items()
            }
            for key in shown.every
        }
        self._largest = {
            key: [
                self._first([c for c in cells.values() if getattr(c, part)], order)
                for part, order in _ORDERS
            ]
            for key, cells in self._cells.items()
            if not shown.every[key]
        }
        self.month = MonthSum(self._largest, state.get("month"))

    def state(self):
        """Return all that is needed to go on, as JSON values."""
        return {
            "totals": sums_of(self._totals),
            "distinct": dict(self.distinct),
            "cells": {
                key: {id: sums_of(cell) for id, cell in cells.items()}
                for key, cells in self._cells.items()
                if cells
            },
            "month": self.month.state(),
        }

    def add(self, delta, new):
        """Add a day.

        Args:
            delta: a :class:`Delta`; its cells must not be used any more.
            new: kind of thing -> how many were seen for the first time.
        """
        add_sums(self._totals, delta.totals)
        self.month.begin(delta)
        for kind, count in new.items():
            self.distinct[kind] = self.distinct.get(kind, 0) + count
        for key, every in self._shown.every.items():
            cells, changed = self._cells[key], delta.subcounts.get(key, ())
            if not every:
                self.month.note(key, cells, changed)
            for found in changed:
                cell = cells.setdefault(found.id, found)
                if cell is not found:
                    add_sums(cell, found)
            if not every and changed:
                self._choose(key, changed)

    def of_month(self):
        """Yield what the cells of the month of the last day add up to so far.

        Yields:
            tuple: key of a breakdown of which snapshots have the largest cells, and its
            cells as :meth:`~.month_sums.MonthSum.columns` has them.
        """
        for key in self._largest:
            yield key, self.month.columns(key, self._cells[key])

    def snapshot(self, community, day):
        """Return the snapshot of a day as a document."""
        totals, of = self._totals, self.distinct.get
        view = (
            totals.view.total_events,
            totals.view.unique_visitors,
            of("view_records", 0),
            of("view_parents", 0),
        )
        download = (
            totals.download.total_events,
            totals.download.unique_visitors,
            of("download_records", 0),
            of("download_parents", 0),
            of("download_files", 0),
            totals.download.total_volume,
        )
        subcounts = {key: self._subcount(key) for key in self._cells}
        body = {
            "community_id": community,
            "snapshot_date": day,
            "totals": {
                "view": dict(zip(VIEW, view, strict=True)),
                "download": dict(zip(DOWNLOAD, download, strict=True)),
            },
            # as it is now: the cells go on growing
            "subcounts": msgspec.Raw(_encode(subcounts)),
        }
        return Document(community, day, body)

    def _subcount(self, key):
        if self._shown.every[key]:
            return sorted(self._cells[key].values(), key=by_size)
        views, downloads = self._largest[key]
        return {"by_view": views, "by_download": downloads}

    def _choose(self, key, changed):
        """Choose the largest cells again, of which those of a delta have changed."""
        cells, chosen = self._cells[key], []
        for largest, (part, order) in zip(self._largest[key], _ORDERS, strict=True):
            more = [cells[found.id] for found in changed if getattr(found, part)]
            if more and 0 < self._shown.top == len(largest):
                last = max(order(cell) for cell in largest)
                more = [cell for cell in more if order(cell) <= last]
            chosen.append(self._first([*largest, *more], order) if more else largest)
        self._largest[key] = chosen

    def _first(self, cells, order):
        """Return the first cells in an order, each once."""
        found = {cell.id: cell for cell in cells}
        return sorted(found.values(), key=order)[: self._shown.top]
