# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The cells of a community's documents in each bucket, in the order of time.

Where a breakdown is whole in snapshots, two of these tell what lies between them: 13
documents tell of a year by month. A breakdown of which snapshots hold the largest cells
only is added up from the deltas. Held is one bucket, and one page of documents.
"""

from itertools import groupby
from operator import attrgetter

import msgspec

from ..aggregations.documents import day_field
from .aggregate_search import ordinal

TOGETHER = 64
"""Buckets of which the last snapshots are asked for in one request."""

FIRST_PAGE, LARGEST_PAGE = 40, 1000
"""Deltas in one answer."""

PAGE_BYTES = 8_000_000
"""What an answer should have: the number of deltas in the next one follows from it."""


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
    """Numbers of cells, as columns.

    Args:
        paths: for each column the (path, sign) pairs that add up to it.

    Attributes:
        paths: the same, as tuples.
        shrink: sums can come back to zero.
    """

    def __init__(self, paths):
        """Make what decodes only these numbers of documents."""
        self.paths = [tuple(its) for its in paths]
        leaves = list(dict.fromkeys(path for its in self.paths for path, _ in its))
        self._get = attrgetter(*leaves)
        self._single = len(leaves) == 1
        self.shrink = any(sign < 0 for its in self.paths for _, sign in its)
        self._plain = [((leaf, 1),) for leaf in leaves] == self.paths
        places = {leaf: place for place, leaf in enumerate(leaves)}
        self._terms = [[(places[path], sign) for path, sign in i] for i in self.paths]
        cell = numbers([leaf.split(".") for leaf in leaves], [("id", str)])
        top = msgspec.defstruct(
            "Top", [("by_view", list[msgspec.Raw], []), ("by_download", list, [])]
        )
        document = msgspec.defstruct(
            "Document", [("subcounts", dict[str, list[cell] | top], {})], gc=False
        )
        self._decode = msgspec.json.Decoder(document).decode

    def lists(self, source):
        """Return breakdown -> cells of a document; None where they are not whole."""
        return {
            key: cells if isinstance(cells, list) else None
            for key, cells in self._decode(source).subcounts.items()
        }

    def row(self, cell):
        """Return the numbers of a cell."""
        found = self._get(cell)
        if self._single:
            found = (found,)
        if self._plain:
            return list(found)
        return [sum(sign * found[p] for p, sign in terms) for terms in self._terms]

    def table(self, cells, only=None):
        """Return id -> numbers of cells, without those that are all zero."""
        rows = {
            cell.id: self.row(cell) for cell in cells if only is None or cell.id in only
        }
        return {id: row for id, row in rows.items() if any(row)}

    def add(self, table, cells, only=None):
        """Add cells to a table of them, in place."""
        row_of, get = self.row, table.get
        for cell in cells:
            if only is not None and cell.id not in only:
                continue
            row, so_far = row_of(cell), get(cell.id)
            if so_far is None:
                if any(row):  # else it is a cell of something else
                    table[cell.id] = row
                continue
            for place, number in enumerate(row):
                so_far[place] += number


def numbers(paths, fields=(), leaf=(int, 0)):
    """Return a struct that has numbers in its parts.

    Args:
        paths: of the numbers, as lists of names.
        fields: that it has besides, for :func:`msgspec.defstruct`.
        leaf: type of the numbers, and what stands for those that are missing.
    """
    fields = list(fields)
    for name, its in groupby(sorted(paths), key=lambda path: path[0]):
        rest = [path[1:] for path in its]
        if rest == [[]]:
            fields.append((name, *leaf))
        else:
            inner = numbers(rest, leaf=leaf)
            fields.append((name, inner, inner()))
    return msgspec.defstruct("Numbers", fields, frozen=True, gc=False)


class BreakdownSource:
    """Cells of some breakdowns from one family.

    Args:
        aggregates: the :class:`~.aggregate_search.AggregateSearch`.
        community: UUID or ``global``.
        family: of :data:`~..search.names.FAMILIES`.
        columns: the :class:`CellProjection`.
        breakdowns: keys.
        buckets: tuple of :class:`~.query.Interval`.
        only: breakdown -> set of the ids that are wanted; all of others.
    """

    def __init__(
        self, aggregates, community, family, columns, breakdowns, buckets, only
    ):
        """Keep what is needed; asks nothing yet."""
        self._aggregates, self._family = aggregates, family
        self._community, self._columns = community, columns
        self._breakdowns, self._buckets, self._only = breakdowns, buckets, only
        self._ends = [bucket.end.toordinal() for bucket in buckets]
        of_hits = ("sort", *(f"_source.subcounts.{key}" for key in breakdowns))
        self._told = tuple(f"hits.hits.{path}" for path in of_hits)

    def tables(self):
        """Yield for each bucket breakdown -> id -> list of numbers.

        What is yielded may change when the next bucket is asked for.
        """
        raise NotImplementedError

    def _search(self, body, told, **bounds):
        return self._aggregates.search(
            self._family,
            self._community,
            {"track_total_hits": False, **body},
            told,
            **bounds,
        )

    def _sort(self, order):
        return [{day_field(self._family): order}]

    def _documents(self, **bounds):
        """Yield the days, as ordinals, and sources of documents, a page at a time."""

        def search(body):
            return self._search(
                {**body, "sort": self._sort("asc")}, self._told, **bounds
            )

        for hit in self._paged(search, _decode_page, FIRST_PAGE):
            yield ordinal(hit.sort[0]), hit.source

    def _paged(self, search, decode, size, answer=None):
        """Yield the hits of all pages.

        Args:
            search: a function of the part of a body that tells pages apart.
            decode: an answer.
            size: of the first page.
            answer: that page, where it is there already.
        """
        after = {}
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
    """What the deltas of each bucket add up to."""

    def tables(self):
        """Yield for each bucket breakdown -> id -> list of numbers."""
        first, last = self._buckets[0].start, self._buckets[-1].end
        yield from self._by_bucket(self._documents(gte=first, lte=last))

    def _by_bucket(self, documents, place=0):
        tables = self._empty()
        for day, source in documents:
            while day > self._ends[place]:
                yield self._whole(tables)
                tables, place = self._next(tables), place + 1
            self._add(tables, source)
        for _ in self._ends[place:]:
            yield self._whole(tables)
            tables = self._next(tables)

    def _add(self, tables, source):
        lists = self._columns.lists(source)
        for key, table in tables.items():
            cells = lists.get(key)
            if cells:
                self._columns.add(table, cells, self._only.get(key))

    def _whole(self, tables):
        return tables

    def _next(self, tables):
        return self._empty()

    def _empty(self):
        return {key: {} for key in self._breakdowns}


class RunningDeltas(DeltaBuckets):
    """What all deltas up to the end of each bucket add up to."""

    def tables(self):
        """Yield for each bucket breakdown -> id -> list of numbers."""
        yield from self._by_bucket(self._documents(lte=self._buckets[-1].end))

    def _whole(self, tables):
        if self._columns.shrink:
            for table in tables.values():
                for id in [id for id, row in table.items() if not any(row)]:
                    del table[id]
        return tables

    def _next(self, tables):
        return tables


class SnapshotLists(BreakdownSource):
    """The last snapshot at the end of each bucket."""

    def __init__(self, *args):
        """Ask for the first of them."""
        super().__init__(*args)
        starts = range(0, len(self._buckets), TOGETHER)
        self._groups = [self._buckets[start : start + TOGETHER] for start in starts]
        before = {"size": 1, "sort": self._sort("desc")}
        searches = [
            self._search(before, self._told, lt=self._buckets[0].start),
            self._last_of(self._groups[0]),
        ]
        first, ends = self._aggregates.ask(searches)
        self._first = [
            self._of(_decode_page(first)),
            *self._at_ends(ends, self._groups[0]),
        ]

    def part(self):
        """Return the breakdowns that not all of the documents hold as a whole.

        The others can be read here. While documents are counted again because the
        configuration has changed, they are of two kinds.
        """
        lists = [found for found in self._first if found is not None]
        return {
            key
            for key in self._breakdowns
            if any(found.get(key) is None for found in lists)
        }

    def tables(self):
        """Yield for each bucket breakdown -> id -> list of numbers."""
        states = self._states()
        next(states)
        yield from states

    def _states(self):
        """Yield the tables before the range, then those of each bucket."""
        tables = self._tables({})
        for lists in self._lists():
            if lists is not None:
                tables = self._tables(lists)
            yield tables

    def _lists(self):
        """Yield the cells before the range and at the ends; None where nothing came."""
        yield from self._first
        for group in self._groups[1:]:
            answer = self._aggregates.ask([self._last_of(group)])[0]
            yield from self._at_ends(answer, group)

    def _tables(self, lists):
        return {
            key: self._columns.table(lists.get(key) or (), self._only.get(key))
            for key in self._breakdowns
        }

    def _at_ends(self, answer, buckets):
        found = _decode_ends(answer).aggregations
        if found is None:  # there is no index
            return [None] * len(buckets)
        return [self._of(top.last) for top in found.ends.buckets]

    def _of(self, page):
        hits = page.hits.hits
        return self._columns.lists(hits[0].source) if hits else None

    def _last_of(self, buckets):
        """Return the search of the last snapshot in each of some buckets."""
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
        told = (
            # so that those without a snapshot keep their places
            "aggregations.ends.buckets.key",
            *(f"aggregations.ends.buckets.last.{path}" for path in self._told),
        )
        return self._search(body, told, gte=buckets[0].start, lte=buckets[-1].end)


class SnapshotDifferences(SnapshotLists):
    """What lies between the snapshots at the ends of the buckets."""

    def tables(self):
        """Yield for each bucket breakdown -> id -> list of numbers."""
        states = self._states()
        before = next(states)
        for now in states:
            yield {key: _difference(now[key], before[key]) for key in now}
            before = now


def _difference(now, before):
    if now is before:
        return {}
    found = {}
    for id, row in now.items():
        old = before.get(id)
        if old is None:
            found[id] = row
        elif old != row:
            found[id] = [new - its for new, its in zip(row, old, strict=True)]
    return found
