# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Add up breakdowns from stored month sums instead of deltas, if both are equal.

A month sum stores a hash of the deltas from which it was computed. It is used only if
the deltas still have that hash. Otherwise the deltas are read: for a month that is
being counted, that has few deltas, or that is only partly in the range.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby
from operator import add, attrgetter
from typing import Any

import msgspec

from ..aggregations.documents import CHECKSUM
from ..aggregations.usage.month_sums import mark
from ..search.names import USAGE_MONTH
from .aggregate_search import SearchRequest, days, ordinal
from .breakdown_sources import (
    CellProjection,
    DeltaBuckets,
    RunningDeltas,
    SumTable,
    Tables,
    numbers,
)
from .query import MONTH, QUARTER, YEAR

INTERVALS = frozenset({MONTH, QUARTER, YEAR})
"""The intervals that consist of whole months."""

CHECKED = 10_000
"""Checksums in one response."""

FIRST_PAGE = 13
"""Months in the first response, for each breakdown; a year can touch 13 months."""


class _Delta(msgspec.Struct):
    sort: list[int]
    fields: dict[str, list[str]] = {}

    @property
    def checksum(self) -> str:
        return self.fields.get(CHECKSUM, [""])[0]


class _Deltas(msgspec.Struct, frozen=True):
    hits: list[_Delta] = []


class _Checked(msgspec.Struct, frozen=True):
    hits: _Deltas = _Deltas()


_decode_checked = msgspec.json.Decoder(_Checked).decode


class _Lists:
    """Decodes month sums, which store a list of numbers for each column.

    Args:
        columns: each must be a single stored number.
    """

    def __init__(self, columns: CellProjection) -> None:
        paths = [path for ((path, _),) in columns.paths]
        self._columns = [attrgetter(path) for path in paths]
        # types that are created from the paths
        lists: Any = numbers(
            [path.split(".") for path in paths],
            [("ids", list[str])],
            leaf=(list[int], []),
        )
        source: Any = msgspec.defstruct("Source", [("deltas", str), ("cells", lists)])
        hit: Any = msgspec.defstruct(
            "Hit",
            [
                ("sort", tuple[int, str]),
                ("source", source, msgspec.field(name="_source")),
            ],
        )
        hits: Any = msgspec.defstruct("Hits", [("hits", list[hit], [])], frozen=True)
        page: Any = msgspec.defstruct("Page", [("hits", hits, hits())])
        self.decode = msgspec.json.Decoder(page).decode
        wanted = dict.fromkeys(("deltas", *(f"cells.{p}" for p in ("ids", *paths))))
        of_hits = ("sort", *(f"_source.{path}" for path in wanted))
        self.paths = tuple(f"hits.hits.{path}" for path in of_hits)

    def add(self, table: SumTable, cells: Any, only: Collection[str] | None) -> None:
        """Add values to a table, in place.

        The rows become tuples of integers, which the garbage collector does not track.
        A collection of all tracked objects would take longer than the whole query.
        """
        rows = zip(*(column(cells) for column in self._columns), strict=True)
        get = table.get
        for id, row in zip(cells.ids, rows, strict=True):
            if only is not None and id not in only:
                continue
            if (so_far := get(id)) is not None:
                table[id] = tuple(map(add, so_far, row))
            elif any(row):
                table[id] = row


class _Monthly(DeltaBuckets):
    """Mixin that reads month sums instead of deltas where both agree.

    Args:
        *args: those of :class:`~.breakdown_sources.BreakdownSource`.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._lists = _Lists(self._columns)

    def _documents(self, **bounds: date) -> Iterator[tuple[int, Any]]:
        """Yield days, as ordinals, and the source of a delta or the sums of a month.

        The sums are breakdown -> columns. Their day is that of the month's last delta.
        """

        def sums(body: dict[str, Any]) -> SearchRequest:
            return self._search_of_months(body, bounds)

        def checksums(body: dict[str, Any]) -> SearchRequest:
            return self._search_of_checksums(body, bounds)

        size = FIRST_PAGE * len(self._breakdowns)
        checked, first = self._aggregates.ask(
            [checksums({"size": CHECKED}), sums({"size": size})]
        )
        deltas = self._paged(checksums, _decode_checked, CHECKED, checked)
        found = self._paged(sums, self._lists.decode, size, first)
        yield from self._in_order(deltas, found, super()._documents)

    def _in_order(
        self,
        deltas: Iterable[_Delta],
        found: Iterable[Any],
        read: Callable[..., Iterator[tuple[int, Any]]],
    ) -> Iterator[tuple[int, Any]]:
        """Yield the items of :meth:`_documents`.

        Args:
            deltas: days and checksums of the deltas.
            found: month sums.
            read: yields days and sources of deltas, given the bounds of the days.
        """
        sums = groupby(found, key=_month)
        month: tuple[int, int] | None = None
        of_month: dict[str, Any] = {}
        # the range of deltas that have to be read
        first: int | None = None
        last = 0
        for wanted, of_wanted in groupby(deltas, key=_month):
            its = list(of_wanted)
            while month is None or month < wanted:
                month, hits = next(sums, ((9999, 12), ()))
                of_month = {hit.sort[1]: hit.source for hit in hits}
            start, end = ordinal(its[0].sort[0]), ordinal(its[-1].sort[0])
            of_deltas = mark(hit.checksum for hit in its)
            if month == wanted and self._are_sums(of_month, of_deltas):
                if first is not None:
                    yield from read(**_days(first, last))
                    first = None
                yield end, {key: source.cells for key, source in of_month.items()}
            else:
                first, last = start if first is None else first, end
        if first is not None:
            yield from read(**_days(first, last))

    def _are_sums(self, of_month: Mapping[str, Any], of_deltas: str) -> bool:
        """Return whether each breakdown has month sums of just these deltas."""
        return all(
            key in of_month and of_month[key].deltas == of_deltas
            for key in self._breakdowns
        )

    def _add(self, tables: Tables, source: Any) -> None:
        if isinstance(source, dict):
            for key, cells in source.items():
                self._lists.add(tables[key], cells, self._only.get(key))
            return
        for table in tables.values():
            for id, row in table.items():
                if isinstance(row, tuple):
                    table[id] = list(row)
        super()._add(tables, source)

    def _search_of_months(
        self, body: dict[str, Any], bounds: Mapping[str, date]
    ) -> SearchRequest:
        if "gte" in bounds:
            bounds = {**bounds, "gte": bounds["gte"].replace(day=1)}
        query = days("period_start", self._community, bounds)
        query["bool"]["filter"].append({"terms": {"breakdown": self._breakdowns}})
        order = [{"period_start": "asc"}, {"breakdown": "asc"}]
        body = {**body, "query": query, "sort": order, "track_total_hits": False}
        alias = self._aggregates.names.aggregates(USAGE_MONTH)
        return SearchRequest(alias, body, self._lists.paths)

    def _search_of_checksums(
        self, body: dict[str, Any], bounds: Mapping[str, date]
    ) -> SearchRequest:
        body = {
            **body,
            "_source": False,
            "stored_fields": "_none_",
            "docvalue_fields": [CHECKSUM],
            "sort": self._sort("asc"),
        }
        paths = ("hits.hits.sort", "hits.hits.fields")
        return self._search(body, paths, **bounds)


class MonthlySums(_Monthly, DeltaBuckets):
    """Sums of the deltas in each interval, from month sums where possible."""


class MonthlyRunning(_Monthly, RunningDeltas):
    """Sums of all deltas up to the end of each interval, in the same way."""


def _month(hit: Any) -> tuple[int, int]:
    """Return year and month of a hit, which is sorted by its day."""
    found = date.fromordinal(ordinal(hit.sort[0]))
    return found.year, found.month


def _days(first: int, last: int) -> dict[str, date]:
    return {"gte": date.fromordinal(first), "lte": date.fromordinal(last)}
