# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Answering questions: totals and cells, held in memory or one line at a time."""

from dataclasses import dataclass, replace

from ..errors import UsageError
from . import read_strategy
from .breakdowns import Breakdowns
from .calendar import buckets, compared_range
from .metrics import METRICS
from .query import COMPARED, CURRENT, PeriodResult, Series, SeriesResult, SeriesRow
from .top_cells import KEPT, TopCells, all_cells
from .totals import read_totals


@dataclass(frozen=True)
class _Range:
    """One period of a question."""

    name: str
    query: object
    buckets: tuple


class SeriesReader:
    """Reads series from the aggregates.

    Args:
        aggregates: the :class:`~.aggregate_search.AggregateSearch`.
        subcounts: the registry of breakdowns.
        small: the :class:`~.suppression.SmallNumbers`.
        freshness: a function of a :class:`~.query.SeriesQuery` that returns its
            :class:`~.freshness.Freshness`.
    """

    def __init__(self, aggregates, subcounts, small, freshness):
        """Keep what is needed; asks nothing yet."""
        self._aggregates, self._subcounts = aggregates, subcounts
        self._small, self._freshness = small, freshness

    def read(self, query):
        """Return the answer to a question, whole.

        Args:
            query: the :class:`~.query.SeriesQuery`.

        Returns:
            SeriesResult: the answer.

        Raises:
            UsageError: the question names what there is not.
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        self._check(query)
        fresh = self._freshness(query)
        periods, chosen = [], None
        for period in _ranges(query):
            totals = self._totals(period)
            cells = self._breakdowns(period.query, query.breakdowns)
            limit = None if query.top is None else KEPT
            told = TopCells(cells, period.query, period.buckets, chosen, limit)
            chosen = told.chosen if query.top is not None else None
            series = [*_totals_series(period, totals), *_cells_series(period, told)]
            counts = {key: told.count(key) for key in query.breakdowns}
            periods.append(
                PeriodResult(period.name, period.buckets, tuple(series), counts)
            )
        return SeriesResult(
            query=query,
            metrics=tuple(METRICS[key] for key in query.metrics),
            periods=tuple(periods),
            first_day=fresh.first_day,
            last_day=fresh.last_day,
            data_as_of=fresh.data_as_of,
            late=fresh.late,
            corrections=fresh.corrections,
        )

    def rows(self, query):
        """Yield the answer to a question line by line, in the order of time.

        The numbers are those of :meth:`read`. A cell has no lines in a bucket in which
        it has nothing. With ``top=None`` no more than a bucket is held, and cells are
        sorted within it; else they have the order of :meth:`read`.

        Args:
            query: the :class:`~.query.SeriesQuery`.

        Yields:
            Row: totals first, then the breakdowns, bucket by bucket.

        Raises:
            UsageError: the question names what there is not.
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        self._check(query)
        chosen = None
        for period in _ranges(query):
            totals = self._totals(period)
            cells = self._breakdowns(period.query, query.breakdowns)
            if query.top is None:
                lines = all_cells(cells, period.query, period.buckets)
            else:
                told = TopCells(cells, period.query, period.buckets, chosen, KEPT)
                chosen, lines = told.chosen, told.lines()
            for place, tables in enumerate(lines):
                yield from _total_rows(period, totals, place)
                yield from _cell_rows(period, cells, tables, place)

    # -- inside -------------------------------------------------------------

    def _totals(self, period):
        """Return the totals of a period: metric -> list of numbers."""
        query, metrics = period.query, [METRICS[key] for key in period.query.metrics]
        if query.only is None:
            return read_totals(self._aggregates, query, metrics, period.buckets)
        key, id = query.only
        cells = self._breakdowns(query, [key])
        found = {metric.key: [None] * len(period.buckets) for metric in metrics}
        for place, tables in enumerate(cells.tables(period.buckets, {key: {id}})):
            row = tables[key].get(id) or cells.nothing(key)
            for metric, value in zip(cells.metrics[key], row, strict=True):
                found[metric.key][place] = value
        return found

    def _breakdowns(self, query, keys):
        subcounts = [self._subcounts[key] for key in keys]
        return Breakdowns(self._aggregates, query, subcounts, self._small)

    def _check(self, query):
        for key in query.metrics:
            if key not in METRICS:
                raise UsageError(
                    f"There is no metric {key!r}; there are {', '.join(METRICS)}."
                )
        for key in (*query.breakdowns, *(query.only or ())[:1]):
            if key not in self._subcounts:
                raise UsageError(
                    f"There is no breakdown {key!r}; there are "
                    f"{', '.join(self._subcounts)}."
                )


def _ranges(query):
    """Return the periods of a question."""
    found = [_Range(CURRENT, query, buckets(query.first, query.last, query.interval))]
    if query.compare:
        first, last = compared_range(query.first, query.last, query.compare)
        compared = buckets(first, last, query.interval)
        found.append(_Range(COMPARED, replace(query, first=first, last=last), compared))
    return found


def _totals_series(period, totals):
    for key, values in totals.items():
        whole = read_strategy.total(values, METRICS[key], period.query)
        yield Series(key, None, None, tuple(values), whole)


def _cells_series(period, told):
    """Return the series of the cells that are told, the largest first."""
    values = {}
    for tables in told.lines():
        for key, table in tables.items():
            for id, row in table:
                values.setdefault((key, id), []).append(row or told.nothing(key))
    return [
        Series(metric.key, key, id, its, read_strategy.total(its, metric, period.query))
        for (key, id), rows in values.items()
        for metric, its in zip(told.metrics[key], zip(*rows, strict=True), strict=True)
    ]


def _total_rows(period, totals, place):
    for key, values in totals.items():
        yield SeriesRow(
            period.name, key, None, None, period.buckets[place], values[place]
        )


def _cell_rows(period, cells, tables, place):
    for key, table in tables.items():
        for id, row in table:
            if not row or not any(row):
                continue
            for metric, value in zip(cells.metrics[key], row, strict=True):
                yield SeriesRow(
                    period.name, metric.key, key, id, period.buckets[place], value
                )
