# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Choose the documents that breakdowns are read from, and join their numbers."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar, cast

from ..subcounts import Subcount
from . import month_sums_reader, read_strategy
from .aggregate_search import AggregateSearch
from .breakdown_sources import (
    BreakdownSource,
    CellProjection,
    DeltaBuckets,
    RunningDeltas,
    SnapshotDifferences,
    SnapshotLists,
    SumTable,
)
from .metrics import DISTINCT, LEVEL, METRICS, Metric
from .query import DAY, Interval, SeriesQuery, Table
from .suppression import PARTS, VISITORS, SmallNumbers

_Source = TypeVar("_Source", bound=BreakdownSource)

_Positions = dict[str, tuple[int, ...]]
"""Breakdown -> positions of a source's columns in the rows of its table."""

_Only = Mapping[str, Collection[str]]
"""Breakdown -> ids to read."""


class Breakdowns:
    """Reads the numbers of some breakdowns.

    Args:
        aggregates: sends the searches.
        query: its range is not used.
        subcounts: the breakdowns.
        small: the rules for small numbers.
        proceed: called before each interval is read; it may raise an exception.

    Attributes:
        metrics: breakdown -> those of the query's metrics that it has.
    """

    def __init__(
        self,
        aggregates: AggregateSearch,
        query: SeriesQuery,
        subcounts: Sequence[Subcount],
        small: SmallNumbers,
        proceed: Callable[[], None] = lambda: None,
    ) -> None:
        self._proceed = proceed
        self._aggregates, self._query, self._small = aggregates, query, small
        self._subcounts = {subcount.key: subcount for subcount in subcounts}
        wanted = [METRICS[key] for key in query.metrics]
        self.metrics = {
            subcount.key: [m for m in wanted if read_strategy.has_cells(m, subcount)]
            for subcount in subcounts
        }
        self._columns = {
            key: [*metrics, *self._visitors(key, metrics)]
            for key, metrics in self.metrics.items()
        }

    def tables(
        self, buckets: Sequence[Interval], only: _Only | None = None
    ) -> Iterator[dict[str, Table]]:
        """Yield the numbers of each interval, in the order of time.

        Args:
            buckets: the intervals.
            only: breakdown -> ids to read; None for all.

        Yields:
            breakdown -> id -> a number for each of :attr:`metrics`; None if it is
            unknown or suppressed. Values without numbers are omitted. The next step of
            the iterator may change a row.

        Raises:
            SearchUnavailableError: OpenSearch was unavailable for too long.
        """
        only = only or {}
        found = self._sources(buckets, only)
        readings = [source.tables() for source, _ in found]
        empty = {key: self._empty(key) for key in self.metrics}
        for _ in buckets:
            self._proceed()
            tables: dict[str, Table] = {key: {} for key in self.metrics}
            for reading, (_, places) in zip(readings, found, strict=True):
                for key, table in next(reading).items():
                    tables[key] = _joined(tables[key], table, places[key], empty[key])
            yield {
                key: self._public(key, table, only.get(key))
                for key, table in tables.items()
            }

    def hides(self, breakdown: str) -> bool:
        """Return whether small numbers of a breakdown are suppressed."""
        return self._small.concern(breakdown)

    def nothing(self, breakdown: str) -> list[int | None]:
        """Return the numbers of a value that is in no table.

        They are None if the breakdown has small numbers to suppress, since zero would
        differ from a suppressed number.
        """
        empty = self._empty(breakdown)[: len(self.metrics[breakdown])]
        return [None] * len(empty) if self.hides(breakdown) else empty

    def _sources(
        self, buckets: Sequence[Interval], only: _Only
    ) -> list[tuple[BreakdownSource, _Positions]]:
        """Return the sources, each with the positions of its columns."""
        # whether a number is suppressed depends on all values of the breakdown
        only = {key: ids for key, ids in only.items() if not self.hides(key)}
        groups: dict[
            tuple[type[BreakdownSource], str, tuple[Metric, ...]], _Positions
        ] = {}
        for key, columns in self._columns.items():
            of_key: dict[
                tuple[type[BreakdownSource], str], list[tuple[int, Metric]]
            ] = {}
            for place, metric in enumerate(columns):
                what = self._what(metric, self._subcounts[key])
                if what is not None:
                    of_key.setdefault(what, []).append((place, metric))
            for what, its in of_key.items():
                places, metrics = zip(*its, strict=True)
                groups.setdefault((*what, metrics), {})[key] = places
        return [
            found
            for (kind, family, metrics), places in groups.items()
            for found in self._of(kind, family, metrics, places, buckets, only)
        ]

    def _of(
        self,
        kind: type[BreakdownSource],
        family: str,
        metrics: tuple[Metric, ...],
        places: _Positions,
        buckets: Sequence[Interval],
        only: _Only,
    ) -> Iterator[tuple[BreakdownSource, _Positions]]:
        """Yield the sources of some metrics, from one family if possible."""

        def source(kind: type[_Source], family: str, keys: set[str]) -> _Source:
            return kind(
                self._aggregates,
                self._query.community_id,
                family,
                CellProjection([_terms(metric, kind) for metric in metrics]),
                sorted(keys),
                buckets,
                only,
            )

        keys = set(places)
        if kind in _INSTEAD:
            snapshots = cast("type[SnapshotLists]", kind)
            whole = source(snapshots, family, keys)
            if part := whole.part():
                basis = self._query.basis
                deltas = metrics[0].delta_family(basis)
                yield source(_INSTEAD[kind], deltas, part), places
                if keys == part:
                    return
                whole = source(snapshots, family, keys - part)
            yield whole, places
        else:
            yield source(kind, family, keys), places

    def _what(
        self, metric: Metric, subcount: Subcount
    ) -> tuple[type[BreakdownSource], str] | None:
        """Return the kind of source for a metric, and its family; None if unknown."""
        basis = self._query.basis
        way = read_strategy.of_cells(metric, self._query, subcount)
        if way == read_strategy.UNKNOWN:
            return None
        if way == read_strategy.LAST:
            return SnapshotLists, metric.snapshot_family(basis)
        of_months = (
            metric.of == "usage"
            and subcount.show == "top"
            and self._query.interval in month_sums_reader.INTERVALS
        )
        if way == read_strategy.RUNNING:
            running = month_sums_reader.MonthlyRunning if of_months else RunningDeltas
            return running, metric.delta_family(basis)
        in_snapshots = metric.of == "usage" and metric.kind != DISTINCT
        if in_snapshots and subcount.show == "all" and self._query.interval != DAY:
            return SnapshotDifferences, metric.snapshot_family(basis)
        return (
            month_sums_reader.MonthlySums if of_months else DeltaBuckets
        ), metric.delta_family(basis)

    def _empty(self, key: str) -> list[int | None]:
        """Return a row of zeros, with None for metrics that are unknown."""
        subcount = self._subcounts[key]
        return [
            None if self._what(metric, subcount) is None else 0
            for metric in self._columns[key]
        ]

    def _visitors(self, key: str, metrics: Sequence[Metric]) -> list[Metric]:
        """Return the metrics that suppression needs and the query does not have."""
        if not self.hides(key):
            return []
        needed = [METRICS[name] for name in VISITORS.values()]
        return [metric for metric in needed if metric not in metrics]

    def _public(self, key: str, table: Table, only: Collection[str] | None) -> Table:
        """Return a table without suppressed numbers and without the added metrics."""
        metrics, columns = self.metrics[key], self._columns[key]
        if not self.hides(key):
            return table
        places = {
            part: [p for p, m in enumerate(metrics) if m.cell[0].startswith(part)]
            for part in PARTS
        }
        visitors = {
            part: columns.index(METRICS[name]) for part, name in VISITORS.items()
        }
        shown = self._small.suppressed_table(table, places, visitors)
        return {
            id: row[: len(metrics)]
            for id, row in shown.items()
            if any(row[: len(metrics)]) and (only is None or id in only)
        }


_INSTEAD: dict[type[BreakdownSource], type[BreakdownSource]] = {
    SnapshotLists: RunningDeltas,
    SnapshotDifferences: DeltaBuckets,
}
"""A source of snapshots -> the source that computes the same from deltas."""


def _terms(metric: Metric, kind: type[BreakdownSource]) -> list[tuple[str, int]]:
    """Return the (path, sign) pairs that add up to a metric in a source."""
    if metric.kind != LEVEL or kind is SnapshotLists:
        return [(path, 1) for path in metric.cell]
    terms: list[tuple[str, int]] = []
    for path in metric.cell:
        what, name = path.split(".")
        terms += [(f"{what}.added.{name}", 1), (f"{what}.removed.{name}", -1)]
    return terms


def _joined(
    table: Table, other: SumTable, places: tuple[int, ...], empty: Sequence[int | None]
) -> Table:
    """Return a table with the numbers of another one at some positions of its rows.

    The first table is changed, and must have been empty or have lists as rows.
    """
    if not table and places == tuple(range(len(empty))):
        return other
    joined = cast("dict[str, list[int | None]]", table)
    for id, row in other.items():
        into = joined.get(id)
        if into is None:
            into = joined[id] = list(empty)
        for place, number in zip(places, row, strict=True):
            into[place] = number
    return table
