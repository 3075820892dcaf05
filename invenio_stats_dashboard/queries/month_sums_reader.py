# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Cells that are added up from the sums of months, where they are those of the deltas.

A month whose sums carry the mark of its deltas is read at once. Of any other the deltas
are read: of one that is counted right now, that has few days, or of which the range has
a part.
"""

from datetime import date
from itertools import groupby
from operator import add, attrgetter

import msgspec

from ..aggregations.documents import CHECKSUM
from ..aggregations.usage.month_sums import mark
from ..search.names import USAGE_MONTH
from .aggregate_search import SearchRequest, days, ordinal
from .breakdown_sources import DeltaBuckets, RunningDeltas, numbers
from .query import MONTH, QUARTER, YEAR

INTERVALS = frozenset({MONTH, QUARTER, YEAR})
"""Those whose ends no month lies across."""

CHECKED = 10_000
"""Checksums in one answer."""

FIRST_PAGE = 13
"""Months in the first answer: a year from any day on."""


class _Delta(msgspec.Struct):
    sort: list[int]
    fields: dict[str, list[str]] = {}

    @property
    def checksum(self):
        return self.fields.get(CHECKSUM, [""])[0]


class _Deltas(msgspec.Struct, frozen=True):
    hits: list[_Delta] = []


class _Checked(msgspec.Struct, frozen=True):
    hits: _Deltas = _Deltas()


_decode_checked = msgspec.json.Decoder(_Checked).decode


class _Lists:
    """Numbers of cells as they are stored for a month: a list for each column.

    Args:
        columns: the :class:`~.breakdown_sources.CellProjection`; each is one number of a cell.
    """

    def __init__(self, columns):
        paths = [path for ((path, _),) in columns.paths]
        self._columns = [attrgetter(path) for path in paths]
        lists = numbers(
            [path.split(".") for path in paths],
            [("ids", list[str])],
            leaf=(list[int], []),
        )
        source = msgspec.defstruct("Source", [("deltas", str), ("cells", lists)])
        hit = msgspec.defstruct(
            "Hit",
            [
                ("sort", tuple[int, str]),
                ("source", source, msgspec.field(name="_source")),
            ],
        )
        hits = msgspec.defstruct("Hits", [("hits", list[hit], [])], frozen=True)
        page = msgspec.defstruct("Page", [("hits", hits, hits())])
        self.decode = msgspec.json.Decoder(page).decode
        wanted = dict.fromkeys(("deltas", *(f"cells.{p}" for p in ("ids", *paths))))
        of_hits = ("sort", *(f"_source.{path}" for path in wanted))
        self.told = tuple(f"hits.hits.{path}" for path in of_hits)

    def add(self, table, cells, only):
        """Add cells to a table of them, in place.

        The rows become tuples, which the garbage collector does not have to look at:
        looking at all of a process takes longer than the whole question.
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


class _Monthly:
    """Has the sums of a month stand for its deltas."""

    def __init__(self, *args):
        super().__init__(*args)
        self._lists = _Lists(self._columns)

    def _documents(self, **bounds):
        """Yield days, as ordinals, with the source of a delta, or the sums of a month.

        The day of a month is that of its last delta.
        """

        def sums(body):
            return self._search_of_months(body, bounds)

        def checksums(body):
            return self._search_of_checksums(body, bounds)

        size = FIRST_PAGE * len(self._breakdowns)
        checked, first = self._aggregates.ask(
            [checksums({"size": CHECKED}), sums({"size": size})]
        )
        deltas = self._paged(checksums, _decode_checked, CHECKED, checked)
        found = self._paged(sums, self._lists.decode, size, first)
        yield from self._in_order(deltas, found, super()._documents)

    def _in_order(self, deltas, found, read):
        """Yield what :meth:`_documents` does.

        Args:
            deltas: days and checksums of the deltas.
            found: sums of months.
            read: yields days and sources of deltas, given the first and the last day.
        """
        sums = groupby(found, key=_month)
        month, of_month, first, last = None, {}, None, None
        for wanted, its in groupby(deltas, key=_month):
            its = list(its)
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

    def _are_sums(self, of_month, of_deltas):
        return all(
            key in of_month and of_month[key].deltas == of_deltas
            for key in self._breakdowns
        )

    def _add(self, tables, source):
        if isinstance(source, dict):
            for key, cells in source.items():
                self._lists.add(tables[key], cells, self._only.get(key))
            return
        for table in tables.values():
            for id, row in table.items():
                if isinstance(row, tuple):
                    table[id] = list(row)
        super()._add(tables, source)

    def _search_of_months(self, body, bounds):
        if "gte" in bounds:
            bounds = {**bounds, "gte": bounds["gte"].replace(day=1)}
        query = days("period_start", self._community, bounds)
        query["bool"]["filter"].append({"terms": {"breakdown": self._breakdowns}})
        order = [{"period_start": "asc"}, {"breakdown": "asc"}]
        body = {**body, "query": query, "sort": order, "track_total_hits": False}
        alias = self._aggregates.names.aggregates(USAGE_MONTH)
        return SearchRequest(alias, body, self._lists.told)

    def _search_of_checksums(self, body, bounds):
        body = {
            **body,
            "_source": False,
            "stored_fields": "_none_",
            "docvalue_fields": [CHECKSUM],
            "sort": self._sort("asc"),
        }
        told = ("hits.hits.sort", "hits.hits.fields")
        return self._search(body, told, **bounds)


class MonthlySums(_Monthly, DeltaBuckets):
    """What the deltas of each bucket add up to, from sums of months where possible."""


class MonthlyRunning(_Monthly, RunningDeltas):
    """What all deltas up to each bucket's end add up to, in the same way."""


def _month(hit):
    found = date.fromordinal(ordinal(hit.sort[0]))
    return found.year, found.month


def _days(first, last):
    return {"gte": date.fromordinal(first), "lte": date.fromordinal(last)}
