# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Add up the deltas of one community, and build its snapshots.

The sums of a value in a delta become the value's running sums. The sums of later deltas
are added to them. Running totals only grow. The largest values of a day are therefore
among the largest of the day before and the values that have changed. The sum of the
values that their days do not name is no value, and never among the largest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import msgspec

from ...reserved_ids import OTHER
from ..documents import Document
from .documents import DOWNLOAD, VIEW
from .month_sums import MonthSum, MonthSumColumns, MonthSumState
from .sums import (
    Downloads,
    EventTotals,
    StoredDelta,
    ValueSums,
    Views,
    add_sums,
    cell_of,
    sums_of,
)

_encode = msgspec.json.Encoder().encode


def by_size(cell: ValueSums) -> tuple[bool, int, int, str]:
    """Return the sort key: most views first, then most downloads, then the id.

    The sum of the values that their days do not name is the last.
    """
    view, download = cell.view, cell.download
    return (
        cell.id == OTHER,
        0 if view is None else -view.total_events,
        0 if download is None else -download.total_events,
        cell.id,
    )


# The next two functions are called only for values with views or downloads. Assertions
# would slow down the innermost loop.


def by_views(cell: ValueSums) -> tuple[int, str]:
    """Return the sort key of values that have views: most views first."""
    return -cell.view.total_events, cell.id  # type: ignore[union-attr]


def by_downloads(cell: ValueSums) -> tuple[int, str]:
    """Return the sort key of values that have downloads: most downloads first."""
    return -cell.download.total_events, cell.id  # type: ignore[union-attr]


_Order = Callable[[ValueSums], tuple[int, str]]

_ORDERS: tuple[tuple[str, _Order], ...] = (
    ("view", by_views),
    ("download", by_downloads),
)


class UsageTotalsState(TypedDict):
    """The part of a checkpoint that describes running totals.

    Sums are in the order of :data:`~.sums.SUMS`.
    """

    totals: Sequence[int]
    distinct: dict[str, int]
    cells: dict[str, dict[str, Sequence[int]]]
    month: NotRequired[MonthSumState]


@dataclass(frozen=True)
class ShownBreakdowns:
    """The breakdowns, and the number of their values that a snapshot lists.

    Attributes:
        every: breakdown key -> whether all its values are listed, in order.
        top: number of values that are listed for the other breakdowns.
    """

    every: dict[str, bool]
    top: int


class UsageTotals:
    """Running totals of one community.

    Args:
        shown: the breakdowns.
        state: result of :meth:`state`, to continue from.

    Attributes:
        distinct: kind of thing -> number of things used so far.
        month: sums of the month of the last day that was added.
    """

    def __init__(
        self, shown: ShownBreakdowns, state: UsageTotalsState | None = None
    ) -> None:
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

    def state(self) -> UsageTotalsState:
        """Return the state from which another object can continue, as JSON values."""
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

    def add(self, delta: StoredDelta, new: Mapping[str, int]) -> None:
        """Add a day.

        Args:
            delta: delta of the day; its objects must not be used afterwards.
            new: kind of thing -> number of things used for the first time.
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

    def of_month(self) -> Iterator[tuple[str, MonthSumColumns]]:
        """Yield the sums of the month of the last added day, up to that day.

        Yields:
            The key of a breakdown for which snapshots list only the largest values, and
            the sums of all its values.
        """
        for key in self._largest:
            yield key, self.month.columns(key, self._cells[key])

    def snapshot(self, community: str, day: str) -> Document:
        """Return the snapshot of a day.

        Args:
            community: UUID or ``global``.
            day: the last day that was added, ``YYYY-MM-DD``.
        """
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
            # Encoded now, because later days change the same objects.
            "subcounts": msgspec.Raw(_encode(subcounts)),
        }
        return Document(community, day, body)

    def _subcount(self, key: str) -> list[ValueSums] | dict[str, list[ValueSums]]:
        if self._shown.every[key]:
            return sorted(self._cells[key].values(), key=by_size)
        views, downloads = self._largest[key]
        return {"by_view": views, "by_download": downloads}

    def _choose(self, key: str, changed: Iterable[ValueSums]) -> None:
        """Update the largest values of a breakdown after some have changed."""
        cells = self._cells[key]
        chosen: list[list[ValueSums]] = []
        for largest, (part, order) in zip(self._largest[key], _ORDERS, strict=True):
            more = [cells[found.id] for found in changed if getattr(found, part)]
            if more and 0 < self._shown.top == len(largest):
                last = max(order(cell) for cell in largest)
                more = [cell for cell in more if order(cell) <= last]
            chosen.append(self._first([*largest, *more], order) if more else largest)
        self._largest[key] = chosen

    def _first(self, cells: Iterable[ValueSums], order: _Order) -> list[ValueSums]:
        """Return the largest distinct values, sorted."""
        found = {cell.id: cell for cell in cells if cell.id != OTHER}
        return sorted(found.values(), key=order)[: self._shown.top]
