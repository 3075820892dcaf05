# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Execute queries: return the whole result, or yield it row by row."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import UsageError
from ..subcounts import Subcount
from . import read_strategy
from .aggregate_search import AggregateSearch
from .breakdowns import Breakdowns
from .freshness import Freshness
from .intervals import buckets, compared_range
from .metrics import METRICS
from .query import (
    COMPARED,
    CURRENT,
    Interval,
    Lines,
    PeriodResult,
    Row,
    Series,
    SeriesQuery,
    SeriesResult,
    SeriesRow,
)
from .suppression import SmallNumbers
from .top_cells import KEPT, TopCells, all_cells
from .totals import read_totals

_Totals = Mapping[str, Sequence[int | None]]
"""Key of a metric -> a number for each interval."""


@dataclass(frozen=True)
class _Range:
    """One period of a query, and the query of its range."""

    name: str
    query: SeriesQuery
    buckets: tuple[Interval, ...]


class SeriesReader:
    """Reads series from the aggregates.

    Args:
        aggregates: sends the searches.
        subcounts: the registry of breakdowns.
        small: the rules for small numbers.
        freshness: reads how fresh the result of a query is.
    """

    def __init__(
        self,
        aggregates: AggregateSearch,
        subcounts: Mapping[str, Subcount],
        small: SmallNumbers,
        freshness: Callable[[SeriesQuery], Freshness],
    ) -> None:
        self._aggregates, self._subcounts = aggregates, subcounts
        self._small, self._freshness = small, freshness

    def read(self, query: SeriesQuery) -> SeriesResult:
        """Return the whole result of a query.

        Raises:
            UsageError: a metric, breakdown, interval or comparison is unknown.
            SearchUnavailableError: OpenSearch was unavailable for too long.
        """
        self._check(query)
        fresh = self._freshness(query)
        periods: list[PeriodResult] = []
        chosen: dict[str, list[str]] | None = None
        for period in _ranges(query):
            totals = self._totals(period)
            cells = self._breakdowns(period.query, query.breakdowns)
            limit = None if query.top is None else KEPT
            top = TopCells(cells, period.query, period.buckets, chosen, limit)
            chosen = top.chosen if query.top is not None else None
            series = [*_totals_series(period, totals), *_cells_series(period, top)]
            counts = {key: top.count(key) for key in query.breakdowns}
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

    def rows(
        self, query: SeriesQuery, proceed: Callable[[], None] = lambda: None
    ) -> Iterator[SeriesRow]:
        """Yield the result of a query row by row, in the order of time.

        The numbers are those of :meth:`read`. A value has no rows for an interval
        without activity. With ``top=None`` only one interval is in memory, and values
        are sorted within it; otherwise they have the order of :meth:`read`.

        Args:
            query: the query.
            proceed: called before the breakdowns of each interval are read, and before
                its rows are yielded; it may raise an exception, which ends the reading.

        Yields:
            For each interval the totals, then the breakdowns.

        Raises:
            UsageError: a metric, breakdown, interval or comparison is unknown.
            SearchUnavailableError: OpenSearch was unavailable for too long.
        """
        self._check(query)
        chosen: dict[str, list[str]] | None = None
        for period in _ranges(query):
            totals = self._totals(period, proceed)
            cells = self._breakdowns(period.query, query.breakdowns, proceed)
            lines: Iterator[Lines]
            if query.top is None:
                lines = all_cells(cells, period.query, period.buckets)
            else:
                top = TopCells(cells, period.query, period.buckets, chosen, KEPT)
                chosen, lines = top.chosen, top.lines()
            for place, tables in enumerate(lines):
                proceed()
                yield from _total_rows(period, totals, place)
                yield from _cell_rows(period, cells, tables, place)

    # -- inside -------------------------------------------------------------

    def _totals(
        self, period: _Range, proceed: Callable[[], None] = lambda: None
    ) -> _Totals:
        """Return the totals of a period, or the numbers of the query's one value."""
        query, metrics = period.query, [METRICS[key] for key in period.query.metrics]
        if query.only is None:
            return read_totals(self._aggregates, query, metrics, period.buckets)
        key, id = query.only
        cells = self._breakdowns(query, [key], proceed)
        found: dict[str, list[int | None]] = {
            metric.key: [None] * len(period.buckets) for metric in metrics
        }
        for place, tables in enumerate(cells.tables(period.buckets, {key: {id}})):
            row = tables[key].get(id) or cells.nothing(key)
            for metric, value in zip(cells.metrics[key], row, strict=True):
                found[metric.key][place] = value
        return found

    def _breakdowns(
        self,
        query: SeriesQuery,
        keys: Iterable[str],
        proceed: Callable[[], None] = lambda: None,
    ) -> Breakdowns:
        subcounts = [self._subcounts[key] for key in keys]
        return Breakdowns(self._aggregates, query, subcounts, self._small, proceed)

    def _check(self, query: SeriesQuery) -> None:
        for key in query.metrics:
            if key not in METRICS:
                raise UsageError(
                    f"There is no metric {key!r}. Available: {', '.join(METRICS)}."
                )
        for key in (*query.breakdowns, *(query.only or ())[:1]):
            if key not in self._subcounts:
                raise UsageError(
                    f"There is no breakdown {key!r}. Available: "
                    f"{', '.join(self._subcounts)}."
                )


def _ranges(query: SeriesQuery) -> list[_Range]:
    """Return the periods of a query."""
    found = [_Range(CURRENT, query, buckets(query.first, query.last, query.interval))]
    if query.compare:
        first, last = compared_range(query.first, query.last, query.compare)
        compared = buckets(first, last, query.interval)
        found.append(_Range(COMPARED, replace(query, first=first, last=last), compared))
    return found


def _totals_series(period: _Range, totals: _Totals) -> Iterator[Series]:
    for key, values in totals.items():
        whole = read_strategy.total(values, METRICS[key], period.query)
        yield Series(key, None, None, tuple(values), whole)


def _cells_series(period: _Range, top: TopCells) -> list[Series]:
    """Return the series of the listed values, those with the largest numbers first."""
    values: dict[tuple[str, str], list[Row]] = {}
    for tables in top.lines():
        for key, table in tables.items():
            for id, row in table:
                values.setdefault((key, id), []).append(row or top.nothing(key))
    return [
        Series(metric.key, key, id, its, read_strategy.total(its, metric, period.query))
        for (key, id), rows in values.items()
        for metric, its in zip(top.metrics[key], zip(*rows, strict=True), strict=True)
    ]


def _total_rows(period: _Range, totals: _Totals, place: int) -> Iterator[SeriesRow]:
    for key, values in totals.items():
        yield SeriesRow(
            period.name, key, None, None, period.buckets[place], values[place]
        )


def _cell_rows(
    period: _Range, cells: Breakdowns, tables: Lines, place: int
) -> Iterator[SeriesRow]:
    for key, table in tables.items():
        for id, row in table:
            if not row or not any(row):
                continue
            for metric, value in zip(cells.metrics[key], row, strict=True):
                yield SeriesRow(
                    period.name, metric.key, key, id, period.buckets[place], value
                )
