# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which documents the cells of breakdowns are read from, and putting them together."""

from . import month_sums_reader, read_strategy
from .breakdown_sources import (
    CellProjection,
    DeltaBuckets,
    RunningDeltas,
    SnapshotDifferences,
    SnapshotLists,
)
from .metrics import DISTINCT, LEVEL, METRICS
from .query import DAY
from .suppression import PARTS, VISITORS


class Breakdowns:
    """The cells of some breakdowns.

    Args:
        aggregates: the :class:`~.aggregate_search.AggregateSearch`.
        query: the :class:`~.query.SeriesQuery`.
        subcounts: list of :class:`~...subcounts.Subcount`.
        small: the :class:`~.suppression.SmallNumbers`.

    Attributes:
        metrics: breakdown -> list of the :class:`~.metrics.Metric` s that it has.
    """

    def __init__(self, aggregates, query, subcounts, small):
        """Keep what is needed; asks nothing yet."""
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

    def tables(self, buckets, only=None):
        """Yield the cells of each bucket, in the order of time.

        Args:
            buckets: tuple of :class:`~.query.Interval`.
            only: breakdown -> ids that are wanted; None for all.

        Yields:
            dict: breakdown -> id -> list of a number for each of :attr:`metrics`, None
            where it is not known or not told; without cells that have nothing. A list
            may change when the next bucket is asked for.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        only = only or {}
        found = self._sources(buckets, only)
        readings = [source.tables() for source, _ in found]
        empty = {key: self._empty(key) for key in self.metrics}
        for _ in buckets:
            tables = {key: {} for key in self.metrics}
            for reading, (_, places) in zip(readings, found, strict=True):
                for key, table in next(reading).items():
                    tables[key] = _joined(tables[key], table, places[key], empty[key])
            yield {
                key: self._told(key, table, only.get(key))
                for key, table in tables.items()
            }

    def hides(self, breakdown):
        """Tell whether small numbers of a breakdown are not told."""
        return self._small.concern(breakdown)

    def nothing(self, breakdown):
        """Return the numbers of a cell that has nothing, or of which nothing is told."""
        empty = self._empty(breakdown)[: len(self.metrics[breakdown])]
        return [None] * len(empty) if self.hides(breakdown) else empty

    def _sources(self, buckets, only):
        """Return sources, each with breakdown -> the places of its columns."""
        # what is told of one cell depends on all, where small numbers are hidden
        only = {key: ids for key, ids in only.items() if not self.hides(key)}
        groups = {}
        for key, columns in self._columns.items():
            of_key = {}
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

    def _of(self, kind, family, metrics, places, buckets, only):
        """Yield the sources of some metrics from one family."""

        def source(kind, family, keys):
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
            whole = source(kind, family, keys)
            if part := whole.part():
                basis = self._query.basis
                deltas = metrics[0].delta_family(basis)
                yield source(_INSTEAD[kind], deltas, part), places
                if keys == part:
                    return
                whole = source(kind, family, keys - part)
            yield whole, places
        else:
            yield source(kind, family, keys), places

    def _what(self, metric, subcount):
        """Return what a metric's cells are read with, and from which family."""
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
            kind = month_sums_reader.MonthlyRunning if of_months else RunningDeltas
            return kind, metric.delta_family(basis)
        in_snapshots = metric.of == "usage" and metric.kind != DISTINCT
        if in_snapshots and subcount.show == "all" and self._query.interval != DAY:
            return SnapshotDifferences, metric.snapshot_family(basis)
        return (
            month_sums_reader.MonthlySums if of_months else DeltaBuckets
        ), metric.delta_family(basis)

    def _empty(self, key):
        """Return the numbers of a cell in which nothing has happened."""
        subcount = self._subcounts[key]
        return [
            None if self._what(metric, subcount) is None else 0
            for metric in self._columns[key]
        ]

    def _visitors(self, key, metrics):
        """Return the metrics that decide what is told of others, where not asked for."""
        if not self.hides(key):
            return []
        needed = [METRICS[name] for name in VISITORS.values()]
        return [metric for metric in needed if metric not in metrics]

    def _told(self, key, table, only):
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
        told = self._small.suppressed_table(table, places, visitors)
        return {
            id: row[: len(metrics)]
            for id, row in told.items()
            if any(row[: len(metrics)]) and (only is None or id in only)
        }


_INSTEAD = {SnapshotLists: RunningDeltas, SnapshotDifferences: DeltaBuckets}
"""What reads the same from deltas."""


def _terms(metric, kind):
    """Return the (path, sign) pairs that add up to a metric in the cells of a source."""
    if metric.kind != LEVEL or kind is SnapshotLists:
        return [(path, 1) for path in metric.cell]
    terms = []
    for path in metric.cell:
        what, name = path.split(".")
        terms += [(f"{what}.added.{name}", 1), (f"{what}.removed.{name}", -1)]
    return terms


def _joined(table, other, places, empty):
    """Return a table with the numbers of another one at some places of its lists."""
    if not table and places == tuple(range(len(empty))):
        return other
    for id, row in other.items():
        into = table.get(id)
        if into is None:
            into = table[id] = list(empty)
        for place, number in zip(places, row, strict=True):
            into[place] = number
    return table
