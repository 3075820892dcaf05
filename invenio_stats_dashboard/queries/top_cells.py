# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Choose the values with the largest numbers in a range, storing only totals."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..reserved_ids import OTHER
from . import read_strategy
from .breakdowns import Breakdowns
from .metrics import DISTINCT, LEVEL, Metric
from .query import Interval, Lines, Row, SeriesQuery, Table

KEPT = 200_000
"""Maximum number of buffered rows. For a larger range, documents are read again."""


class CellTotals:
    """The totals of all values of one breakdown in a range.

    Args:
        query: decides whether numbers are running totals, and whether sums are needed.
        metrics: the metrics of the tables.
        buckets: number of intervals.

    Attributes:
        ids: ids of all values with any activity, without
            :data:`~..reserved_ids.OTHER`.
        unnamed: whether documents have a sum of values that they do not name.
        sums: the sums of all values for each interval, one for each metric; None if it
            is unknown. Empty if the query does not need sums.
    """

    def __init__(
        self, query: SeriesQuery, metrics: Sequence[Metric], buckets: int
    ) -> None:
        self.ids: set[str] = set()
        self.unnamed = False
        self.sums: list[list[int | None]] = []
        self._buckets = buckets
        self._added = [read_strategy.adds_up(metric, query) for metric in metrics]
        self._last = [m.kind == LEVEL or query.cumulative for m in metrics]
        self._adds = [metric.kind != DISTINCT for metric in metrics]
        self._needs_sums = query.other
        self._totals: dict[str, list[int]] = {}

    def add(self, table: Table) -> None:
        """Add the table of the next interval."""
        self.unnamed = self.unnamed or OTHER in table
        self.ids |= table.keys()
        self.ids.discard(OTHER)
        if any(self._added):
            for id, row in table.items():
                self._add(id, row, self._added)
        self._buckets -= 1
        if not self._buckets and any(self._last):
            for id, row in table.items():
                self._add(id, row, self._last)
        if self._needs_sums:
            columns: Iterable[Row] = ()
            if table:
                columns = zip(*table.values(), strict=True)
            sums = [_sum(column) for column in columns]
            self.sums.append(
                [n if can else None for n, can in zip(sums, self._adds, strict=False)]
            )

    def largest(self, number: int | None) -> list[str]:
        """Return ids of values, those with the largest first metric first.

        Between equal numbers, further metrics and then ids decide.

        Args:
            number: number of ids; None for all, with :data:`~..reserved_ids.OTHER` as
                the last one if documents have it.
        """
        nothing = [0] * len(self._added)

        def rank(id: str) -> tuple[list[int], str]:
            return [-total for total in self._totals.get(id, nothing)], id

        if number is None:
            return sorted(self.ids, key=rank) + [OTHER] * self.unnamed
        if number >= len(self.ids):
            return sorted(self.ids, key=rank)
        return heapq.nsmallest(number, self.ids, key=rank)

    def _add(self, id: str, row: Row, which: Sequence[bool]) -> None:
        total = self._totals.get(id)
        if total is None:
            total = self._totals[id] = [0] * len(row)
        for place, number in enumerate(row):
            if number is not None and which[place]:
                total[place] += number


class BufferedTables:
    """Stores the tables of a range if they are small.

    Args:
        limit: maximum number of rows; None without a limit.

    Attributes:
        tables: breakdown -> table, for each interval; None if they became too large.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit, self._size = limit, 0
        self.tables: list[dict[str, Table]] | None = []

    def add(self, tables: Mapping[str, Table]) -> None:
        """Store a copy of the tables of the next interval; drop all if too large."""
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
    """The listed values of a period: the largest, and the sum of the others.

    The constructor reads all values.

    Args:
        cells: reads the numbers.
        query: gives ``top``, ``other`` and ``only``.
        buckets: the intervals.
        chosen: breakdown -> ids to list; None for the largest.
        limit: maximum number of rows to buffer; None without a limit.

    Attributes:
        chosen: breakdown -> ids, those with the largest numbers first.
        metrics: breakdown -> its metrics.
    """

    def __init__(
        self,
        cells: Breakdowns,
        query: SeriesQuery,
        buckets: Sequence[Interval],
        chosen: dict[str, list[str]] | None,
        limit: int | None,
    ) -> None:
        self._cells, self._buckets, self._other = cells, buckets, query.other
        self.metrics = cells.metrics
        self._surveys = {
            key: CellTotals(query, metrics, len(buckets))
            for key, metrics in cells.metrics.items()
        }
        only = None
        if query.only is not None:
            only = {query.only[0]: {query.only[1]}}
        buffered = BufferedTables(limit)
        for tables in cells.tables(buckets, only):
            for key, table in tables.items():
                self._surveys[key].add(table)
            buffered.add(tables)
        self._buffered = buffered.tables
        self.chosen = chosen or {
            key: survey.largest(query.top) for key, survey in self._surveys.items()
        }

    def count(self, breakdown: str) -> int:
        """Return the number of values, listed or not."""
        return len(self._surveys[breakdown].ids)

    def nothing(self, breakdown: str) -> list[int | None]:
        """Return the numbers of a value that has no row."""
        return self._cells.nothing(breakdown)

    def lines(self) -> Iterator[Lines]:
        """Yield the listed values of each interval."""
        tables: Iterable[Mapping[str, Table]] | None = self._buffered
        if tables is None:
            ids = {key: set(ids) for key, ids in self.chosen.items()}
            tables = self._cells.tables(self._buckets, ids)
        others = {key: self._other and self._has_rest(key) for key in self._surveys}
        for place, found in enumerate(tables):
            lines: dict[str, list[tuple[str, Row | None]]] = {}
            for key, table in found.items():
                lines[key] = [(id, table.get(id)) for id in self.chosen[key]]
                if others[key]:
                    rest = self._rest(key, place, lines[key])
                    lines[key].append((OTHER, rest))
            yield lines

    def _has_rest(self, key: str) -> bool:
        """Return whether the range has values of a breakdown that are not listed."""
        survey, listed = self._surveys[key], self.chosen[key]
        if survey.unnamed and OTHER not in listed:
            return True
        return not survey.ids.issubset(listed)

    def _rest(
        self, key: str, place: int, lines: Iterable[tuple[str, Row | None]]
    ) -> list[int | None] | None:
        """Return the sum of the values that are not listed, in one interval."""
        sums = self._surveys[key].sums[place]
        if not sums:
            return None
        left = list(sums)
        for _, row in lines:
            for column, number in enumerate(row or ()):
                so_far = left[column]
                if number is not None and so_far is not None:
                    left[column] = so_far - number
        if self._cells.hides(key):
            # a zero would reveal that nothing was suppressed
            left = [number or None for number in left]
        return left


def all_cells(
    cells: Breakdowns, query: SeriesQuery, buckets: Sequence[Interval]
) -> Iterator[Lines]:
    """Yield all values of each interval, those with the largest numbers first.

    Only one interval is in memory at a time.

    Args:
        cells: reads the numbers.
        query: gives ``only``.
        buckets: the intervals.
    """
    only = None if query.only is None else {query.only[0]: {query.only[1]}}
    for tables in cells.tables(buckets, only):
        lines: dict[str, list[tuple[str, Row]]] = {
            key: sorted(table.items(), key=_by_size) for key, table in tables.items()
        }
        yield lines


def _by_size(item: tuple[str, Row]) -> tuple[bool, list[int], str]:
    id, row = item
    return id == OTHER, [-(number or 0) for number in row], id


def _sum(column: Row) -> int | None:
    known = [number for number in column if number is not None]
    return sum(known) if known else None
