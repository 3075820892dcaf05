# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the numbers of breakdowns from a community's documents, interval by interval.

If snapshots hold all values of a breakdown, the difference of two snapshots is what
happened between them: 13 documents are enough for a year by month. If they hold only
the largest values, the deltas are added up. One interval and one page of documents are
in memory at a time.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import Any, cast

import msgspec

from ..aggregations.documents import day_field
from .aggregate_search import AggregateSearch, SearchRequest, ordinal
from .query import Interval

TOGETHER = 64
"""Intervals whose last snapshots are fetched in one request."""

FIRST_PAGE, LARGEST_PAGE = 40, 1000
"""Deltas in one response."""

PAGE_BYTES = 8_000_000
"""Target size of a response. It determines the number of deltas in the next one."""

SumRow = list[int] | tuple[int, ...]
"""The numbers of a value, one for each column."""

SumTable = dict[str, SumRow]
"""Id of a value -> its numbers."""

Tables = dict[str, SumTable]
"""Breakdown -> table, of one interval."""

_ValueLists = dict[str, list[Any] | None]
"""Breakdown -> values of a document; None if the document has only the largest."""


class _Hit(msgspec.Struct):
    sort: list[int]
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))


class _Hits(msgspec.Struct, frozen=True):
    hits: list[_Hit] = []


class _Page(msgspec.Struct, frozen=True):
    hits: _Hits = _Hits()


class _Bucket(msgspec.Struct):
    last: _Page = _Page()


class _Buckets(msgspec.Struct):
    buckets: list[_Bucket]


class _Aggregations(msgspec.Struct):
    ends: _Buckets


class _Ends(msgspec.Struct):
    aggregations: _Aggregations | None = None


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_ends = msgspec.json.Decoder(_Ends).decode


class CellProjection:
    """Decodes some numbers of the values in documents, as columns.

    Args:
        paths: the (path, sign) pairs that add up to each column.

    Attributes:
        paths: the same, as tuples.
        shrink: whether sums can return to zero.
    """

    def __init__(self, paths: Iterable[Iterable[tuple[str, int]]]) -> None:
        self.paths = [tuple(its) for its in paths]
        leaves = list(dict.fromkeys(path for its in self.paths for path, _ in its))
        self._get = attrgetter(*leaves)
        self._single = len(leaves) == 1
        self.shrink = any(sign < 0 for its in self.paths for _, sign in its)
        self._plain = [((leaf, 1),) for leaf in leaves] == self.paths
        places = {leaf: place for place, leaf in enumerate(leaves)}
        self._terms = [[(places[path], sign) for path, sign in i] for i in self.paths]
        # types that are created from the paths
        cell: Any = numbers([leaf.split(".") for leaf in leaves], [("id", str)])
        top: Any = msgspec.defstruct(
            "Top", [("by_view", list[msgspec.Raw], []), ("by_download", list, [])]
        )
        document: Any = msgspec.defstruct(
            "Document", [("subcounts", dict[str, list[cell] | top], {})], gc=False
        )
        self._decode = msgspec.json.Decoder(document).decode

    def lists(self, source: msgspec.Raw) -> _ValueLists:
        """Return breakdown -> values; None if the document has only the largest."""
        return {
            key: cells if isinstance(cells, list) else None
            for key, cells in self._decode(source).subcounts.items()
        }

    def row(self, cell: Any) -> list[int]:
        """Return the numbers of a value."""
        found = self._get(cell)
        if self._single:
            found = (found,)
        if self._plain:
            return list(found)
        return [sum(sign * found[p] for p, sign in terms) for terms in self._terms]

    def table(
        self, cells: Iterable[Any], only: Collection[str] | None = None
    ) -> SumTable:
        """Return id -> numbers, without values that are zero in all columns."""
        rows = {
            cell.id: self.row(cell) for cell in cells if only is None or cell.id in only
        }
        return {id: row for id, row in rows.items() if any(row)}

    def add(
        self,
        table: SumTable,
        cells: Iterable[Any],
        only: Collection[str] | None = None,
    ) -> None:
        """Add values to a table, in place; its rows must be lists."""
        row_of, get = self.row, cast("dict[str, list[int]]", table).get
        for cell in cells:
            if only is not None and cell.id not in only:
                continue
            row, so_far = row_of(cell), get(cell.id)
            if so_far is None:
                if any(row):  # else the value has only other numbers
                    table[cell.id] = row
                continue
            for place, number in enumerate(row):
                so_far[place] += number


def numbers(
    paths: Iterable[list[str]],
    fields: Iterable[tuple[str, Any]] = (),
    leaf: tuple[Any, Any] = (int, 0),
) -> type[msgspec.Struct]:
    """Return a struct type with numbers at some paths.

    Args:
        paths: the paths of the numbers, each split into names.
        fields: further fields, for :func:`msgspec.defstruct`.
        leaf: type of the numbers, and their default.
    """
    every: list[tuple[str, Any] | tuple[str, Any, Any]] = list(fields)
    for name, its in groupby(sorted(paths), key=lambda path: path[0]):
        rest = [path[1:] for path in its]
        if rest == [[]]:
            every.append((name, *leaf))
        else:
            inner = numbers(rest, leaf=leaf)
            every.append((name, inner, inner()))
    return msgspec.defstruct("Numbers", every, frozen=True, gc=False)


class BreakdownSource:
    """Numbers of some breakdowns from one family.

    Args:
        aggregates: sends the searches.
        community: UUID or ``global``.
        family: one of :data:`~..search.names.FAMILIES`.
        columns: the numbers to read.
        breakdowns: keys.
        buckets: the intervals, at least one.
        only: breakdown -> ids to read; a breakdown that is missing is read whole.
    """

    def __init__(
        self,
        aggregates: AggregateSearch,
        community: str,
        family: str,
        columns: CellProjection,
        breakdowns: Sequence[str],
        buckets: Sequence[Interval],
        only: Mapping[str, Collection[str]],
    ) -> None:
        self._aggregates, self._family = aggregates, family
        self._community, self._columns = community, columns
        self._breakdowns, self._buckets, self._only = breakdowns, buckets, only
        self._ends = [bucket.end.toordinal() for bucket in buckets]
        of_hits = ("sort", *(f"_source.subcounts.{key}" for key in breakdowns))
        self._paths = tuple(f"hits.hits.{path}" for path in of_hits)

    def tables(self) -> Iterator[Tables]:
        """Yield the tables of each interval.

        The next step of the iterator may change tables that it yielded before.
        """
        raise NotImplementedError

    def _search(
        self, body: dict[str, Any], paths: tuple[str, ...], **bounds: date
    ) -> SearchRequest:
        return self._aggregates.search(
            self._family,
            self._community,
            {"track_total_hits": False, **body},
            paths,
            **bounds,
        )

    def _sort(self, order: str) -> list[dict[str, str]]:
        return [{day_field(self._family): order}]

    def _documents(self, **bounds: date) -> Iterator[tuple[int, Any]]:
        """Yield days, as ordinals, and sources of documents, read page by page."""

        def search(body: dict[str, Any]) -> SearchRequest:
            return self._search(
                {**body, "sort": self._sort("asc")}, self._paths, **bounds
            )

        for hit in self._paged(search, _decode_page, FIRST_PAGE):
            yield ordinal(hit.sort[0]), hit.source

    def _paged(
        self,
        search: Callable[[dict[str, Any]], SearchRequest],
        decode: Callable[[msgspec.Raw], Any],
        size: int,
        answer: msgspec.Raw | None = None,
    ) -> Iterator[Any]:
        """Yield the hits of all pages.

        Unlike :func:`~..search.paging.pages`, it adapts the number of hits in a page to
        their size, and can start with a page that was read together with others.

        Args:
            search: makes the request, from the keys of the body that select a page.
            decode: decodes a response.
            size: hits in the first page.
            answer: the first page, if it was read already.
        """
        after: dict[str, Any] = {}
        while True:
            if answer is None:
                answer = self._aggregates.ask([search({"size": size, **after})])[0]
            hits = decode(answer).hits.hits
            yield from hits
            if len(hits) < size:
                return
            after = {"search_after": hits[-1].sort}
            each = len(memoryview(answer)) // size + 1
            size = min(max(PAGE_BYTES // each, 1), LARGEST_PAGE)
            answer = None


class DeltaBuckets(BreakdownSource):
    """Sums of the deltas in each interval."""

    def tables(self) -> Iterator[Tables]:
        """Yield the tables of each interval."""
        first, last = self._buckets[0].start, self._buckets[-1].end
        yield from self._by_bucket(self._documents(gte=first, lte=last))

    def _by_bucket(
        self, documents: Iterable[tuple[int, Any]], place: int = 0
    ) -> Iterator[Tables]:
        tables = self._empty()
        for day, source in documents:
            while day > self._ends[place]:
                yield self._whole(tables)
                tables, place = self._next(tables), place + 1
            self._add(tables, source)
        for _ in self._ends[place:]:
            yield self._whole(tables)
            tables = self._next(tables)

    def _add(self, tables: Tables, source: Any) -> None:
        lists = self._columns.lists(source)
        for key, table in tables.items():
            cells = lists.get(key)
            if cells:
                self._columns.add(table, cells, self._only.get(key))

    def _whole(self, tables: Tables) -> Tables:
        """Return what to yield at the end of an interval."""
        return tables

    def _next(self, tables: Tables) -> Tables:
        """Return what the next interval starts from."""
        return self._empty()

    def _empty(self) -> Tables:
        return {key: {} for key in self._breakdowns}


class RunningDeltas(DeltaBuckets):
    """Sums of all deltas up to the end of each interval."""

    def tables(self) -> Iterator[Tables]:
        """Yield the tables of each interval."""
        yield from self._by_bucket(self._documents(lte=self._buckets[-1].end))

    def _whole(self, tables: Tables) -> Tables:
        if self._columns.shrink:
            for table in tables.values():
                for id in [id for id, row in table.items() if not any(row)]:
                    del table[id]
        return tables

    def _next(self, tables: Tables) -> Tables:
        return tables


class SnapshotLists(BreakdownSource):
    """The last snapshot at the end of each interval.

    The constructor reads the first snapshots, which :meth:`part` needs.

    Args:
        *args: those of :class:`BreakdownSource`.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        starts = range(0, len(self._buckets), TOGETHER)
        self._groups = [self._buckets[start : start + TOGETHER] for start in starts]
        before = {"size": 1, "sort": self._sort("desc")}
        searches = [
            self._search(before, self._paths, lt=self._buckets[0].start),
            self._last_of(self._groups[0]),
        ]
        first, ends = self._aggregates.ask(searches)
        self._first: list[_ValueLists | None] = [
            self._of(_decode_page(first)),
            *self._at_ends(ends, self._groups[0]),
        ]

    def part(self) -> set[str]:
        """Return the breakdowns that are truncated in some document.

        They cannot be read from snapshots. After a change of the configuration, until
        all documents are counted again, some have all values and some do not.
        """
        lists = [found for found in self._first if found is not None]
        return {
            key
            for key in self._breakdowns
            if any(found.get(key) is None for found in lists)
        }

    def tables(self) -> Iterator[Tables]:
        """Yield the tables of each interval."""
        states = self._states()
        next(states)
        yield from states

    def _states(self) -> Iterator[Tables]:
        """Yield the tables before the range, then those of each interval."""
        tables = self._tables({})
        for lists in self._lists():
            if lists is not None:
                tables = self._tables(lists)
            yield tables

    def _lists(self) -> Iterator[_ValueLists | None]:
        """Yield the values before the range, then those of each interval.

        None stands for an interval without a snapshot.
        """
        yield from self._first
        for group in self._groups[1:]:
            answer = self._aggregates.ask([self._last_of(group)])[0]
            yield from self._at_ends(answer, group)

    def _tables(self, lists: _ValueLists) -> Tables:
        return {
            key: self._columns.table(lists.get(key) or (), self._only.get(key))
            for key in self._breakdowns
        }

    def _at_ends(
        self, answer: msgspec.Raw, buckets: Sequence[Interval]
    ) -> list[_ValueLists | None]:
        found = _decode_ends(answer).aggregations
        if found is None:  # the index does not exist
            return [None] * len(buckets)
        return [self._of(top.last) for top in found.ends.buckets]

    def _of(self, page: _Page) -> _ValueLists | None:
        hits = page.hits.hits
        return self._columns.lists(hits[0].source) if hits else None

    def _last_of(self, buckets: Sequence[Interval]) -> SearchRequest:
        """Return the search for the last snapshot in each of some intervals."""
        day = day_field(self._family)
        last = {"size": 1, "sort": self._sort("desc")}
        ranges = [
            {"from": bucket.start.isoformat(), "to": f"{bucket.end.isoformat()}||+1d"}
            for bucket in buckets
        ]
        ends = {"field": day, "format": "strict_date", "ranges": ranges}
        body = {
            "size": 0,
            "aggs": {
                "ends": {
                    "date_range": ends,
                    "aggs": {"last": {"top_hits": last}},
                }
            },
        }
        paths = (
            # without this path, the list would omit an interval without a snapshot
            "aggregations.ends.buckets.key",
            *(f"aggregations.ends.buckets.last.{path}" for path in self._paths),
        )
        return self._search(body, paths, gte=buckets[0].start, lte=buckets[-1].end)


class SnapshotDifferences(SnapshotLists):
    """Differences of the snapshots at the ends of successive intervals."""

    def tables(self) -> Iterator[Tables]:
        """Yield the tables of each interval."""
        states = self._states()
        before = next(states)
        for now in states:
            yield {key: _difference(now[key], before[key]) for key in now}
            before = now


def _difference(now: SumTable, before: SumTable) -> SumTable:
    if now is before:
        return {}
    found: SumTable = {}
    for id, row in now.items():
        old = before.get(id)
        if old is None:
            found[id] = row
        elif old != row:
            found[id] = [new - its for new, its in zip(row, old, strict=True)]
    return found
