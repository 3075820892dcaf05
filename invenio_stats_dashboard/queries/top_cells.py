# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Choosing the largest cells of a range, without holding what all cells did in it."""

import heapq

from . import read_strategy
from .metrics import DISTINCT, LEVEL
from .query import OTHER

KEPT = 200_000
"""Lists of numbers that are kept, so that documents need not be read again."""


class CellTotals:
    """What the cells of one breakdown did in a range.

    Args:
        query: the :class:`~.query.SeriesQuery`.
        metrics: list of the :class:`~.metrics.Metric` s of the tables.
        buckets: how many there are.

    Attributes:
        ids: of all cells in which there was anything.
        sums: for each bucket a list of what all cells together have, for each metric.
    """

    def __init__(self, query, metrics, buckets):
        """Begin with nothing."""
        self.ids, self.sums = set(), []
        self._buckets = buckets
        self._added = [read_strategy.adds_up(metric, query) for metric in metrics]
        self._last = [m.kind == LEVEL or query.cumulative for m in metrics]
        self._adds = [metric.kind != DISTINCT for metric in metrics]
        self._needs_sums = query.other
        self._totals = {}

    def add(self, table):
        """Take in the next bucket.

        Args:
            table: id -> list of numbers.
        """
        self.ids |= table.keys()
        if any(self._added):
            for id, row in table.items():
                self._add(id, row, self._added)
        self._buckets -= 1
        if not self._buckets and any(self._last):
            for id, row in table.items():
                self._add(id, row, self._last)
        if self._needs_sums:
            columns = zip(*table.values(), strict=True) if table else ()
            sums = [_sum(column) for column in columns]
            self.sums.append(
                [n if can else None for n, can in zip(sums, self._adds, strict=False)]
            )

    def largest(self, number):
        """Return ids of cells, those with the most of the first metric first.

        Args:
            number: how many; None for all.
        """
        nothing = [0] * len(self._added)

        def rank(id):
            return [-total for total in self._totals.get(id, nothing)], id

        if number is None or number >= len(self.ids):
            return sorted(self.ids, key=rank)
        return heapq.nsmallest(number, self.ids, key=rank)

    def _add(self, id, row, which):
        total = self._totals.get(id)
        if total is None:
            total = self._totals[id] = [0] * len(row)
        for place, number in enumerate(row):
            if number is not None and which[place]:
                total[place] += number


class BufferedTables:
    """The tables of a range, as long as they are small.

    Args:
        limit: lists that are kept at most; None for no limit.

    Attributes:
        tables: one for each bucket; None if they became too large.
    """

    def __init__(self, limit):
        """Begin with nothing."""
        self._limit, self._size = limit, 0
        self.tables = []

    def add(self, tables):
        """Keep a copy of the tables of the next bucket, or give up.

        Args:
            tables: breakdown -> id -> list of numbers.
        """
        if self.tables is None:
            return
        self._size += sum(map(len, tables.values()))
        if self._limit is not None and self._size > self._limit:
            self.tables = None
            return
        self.tables.append(
            {
                key: {id: tuple(row) for id, row in table.items()}
                for key, table in tables.items()
            }
        )


class TopCells:
    """The cells of a period that are told: the largest, and the others together.

    Args:
        cells: the :class:`~.breakdowns.Breakdowns`.
        query: the :class:`~.query.SeriesQuery`.
        buckets: tuple of :class:`~.query.Interval`.
        chosen: breakdown -> ids that are told; None for the largest.
        limit: lists of numbers that are kept at most; None for no limit.

    Attributes:
        chosen: breakdown -> ids, the largest first.
        metrics: breakdown -> its metrics.
    """

    def __init__(self, cells, query, buckets, chosen, limit):
        """Look at all cells once."""
        self._cells, self._buckets, self._other = cells, buckets, query.other
        self.metrics = cells.metrics
        self._surveys = {
            key: CellTotals(query, metrics, len(buckets))
            for key, metrics in cells.metrics.items()
        }
        only = None
        if query.only is not None:
            only = {query.only[0]: {query.only[1]}}
        kept = BufferedTables(limit)
        for tables in cells.tables(buckets, only):
            for key, table in tables.items():
                self._surveys[key].add(table)
            kept.add(tables)
        self._kept = kept.tables
        self.chosen = chosen or {
            key: survey.largest(query.top) for key, survey in self._surveys.items()
        }

    def count(self, breakdown):
        """Return how many cells there are, told or not."""
        return len(self._surveys[breakdown].ids)

    def nothing(self, breakdown):
        """Return the numbers of a cell that has nothing."""
        return self._cells.nothing(breakdown)

    def lines(self):
        """Yield for each bucket breakdown -> pairs of an id and its numbers, or None."""
        tables = self._kept
        if tables is None:
            ids = {key: set(ids) for key, ids in self.chosen.items()}
            tables = self._cells.tables(self._buckets, ids)
        others = {
            key: self._other and not survey.ids.issubset(self.chosen[key])
            for key, survey in self._surveys.items()
        }
        for place, found in enumerate(tables):
            lines = {}
            for key, table in found.items():
                lines[key] = [(id, table.get(id)) for id in self.chosen[key]]
                if others[key]:
                    rest = self._rest(key, place, lines[key])
                    lines[key].append((OTHER, rest))
            yield lines

    def _rest(self, key, place, lines):
        """Return what the cells together have that are not told."""
        sums = self._surveys[key].sums[place]
        if not sums:
            return None
        left = list(sums)
        for _, row in lines:
            for column, number in enumerate(row or ()):
                if number is not None and left[column] is not None:
                    left[column] -= number
        if self._cells.hides(key):
            # with nothing to tell it may be that something is not told
            left = [number or None for number in left]
        return left


def all_cells(cells, query, buckets):
    """Yield for each bucket breakdown -> pairs of an id and its numbers.

    Nothing but a bucket is held. The largest of the bucket come first.

    Args:
        cells: the :class:`~.breakdowns.Breakdowns`.
        query: the :class:`~.query.SeriesQuery`.
        buckets: tuple of :class:`~.query.Interval`.
    """
    only = None if query.only is None else {query.only[0]: {query.only[1]}}
    for tables in cells.tables(buckets, only):
        yield {
            key: sorted(table.items(), key=_by_size) for key, table in tables.items()
        }


def _by_size(item):
    id, row = item
    return [-(number or 0) for number in row], id


def _sum(column):
    told = [number for number in column if number is not None]
    return sum(told) if told else None
