# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""From numbers by community, day and cell to documents.

The frames hold the numbers of whole days, sorted by community, day and cell; the
documents are made of a slice of them at a time. Most cells of a snapshot are those of
the day before, so their JSON is kept until they change.
"""

import re
from itertools import groupby

import msgspec
import polars as pl

from ..documents import Document
from .counting import METRICS, TOTAL
from .dates import day_text
from .running_totals import stretches

ROWS = 20_000
"""Rows of which documents are made at a time."""

_PAIR = '{"metadata_only":%d,"with_files":%d}'
_FILES = '{"file_count":%d,"data_volume":%d}'
_BOTH = '{"added":%s,"removed":%s}'
_PARTS = '"records":%s,"parents":%s,"files":%s'
_CHANGES = (_BOTH % (_PAIR, _PAIR), _BOTH % (_PAIR, _PAIR), _BOTH % (_FILES, _FILES))
_STATES = (_PAIR, _PAIR, _FILES)

_RECORDS = METRICS[:4]
_ADDED = METRICS[:2]
_DAY = ["community", "day"]


def delta_documents(frames, communities, cells):
    """Yield what changed, by community and day.

    Args:
        frames: iterable of what :func:`.counting.summed` returns, none ending within
            a day, in the order of the documents.
        communities: number -> UUID or ``global``.
        cells: the :class:`~.interning.CellNumbers`.

    Yields:
        Document: sorted as the frames are.
    """
    places = cells.places()
    for frame in frames:
        known = cells.frame(frame.get_column("cell").unique())
        for piece in _pieces(frame):
            lists = _delta_lists(piece, known)
            uploaders = _uploaders(piece, places, cells.owners)
            for community, day, _, *numbers in _totals(piece):
                found = lists.get((community, day), {})
                body = {
                    "community_id": communities[community],
                    "period_start": day_text(day),
                    **_fields(("records", "parents", "files"), _CHANGES, numbers),
                    "uploaders": uploaders.get((community, day), 0),
                    "subcounts": _subcounts(
                        cells.keys,
                        [found.get(p, b"[]") for p in range(len(cells.keys))],
                    ),
                }
                yield Document(communities[community], day_text(day), body)


def snapshot_documents(frames, communities, cells, limits):
    """Yield the state at the end of each day on which something changed.

    Args:
        frames: iterable of frames, as for :func:`delta_documents`, from the first day;
            what is of the day :data:`.running_totals.BEFORE` has no document.
        communities: number -> UUID or ``global``.
        cells: the :class:`~.interning.CellNumbers`.
        limits: breakdown key -> how many of its cells a snapshot keeps; None for
            all.

    Yields:
        Document: sorted as the frames are.
    """
    for stretch in stretches(frames, cells, limits):
        for community, its in groupby(stretch.rows, key=_community_of):
            lists = [_CellList(cells, limits.get(key)) for key in cells.keys]
            for cell, *numbers in stretch.begin.get(community, ()):
                lists[cells[cell][0]].put(cell, tuple(numbers))
            uploaders = stretch.uploaders.get(community, 0)
            for day, today in groupby(its, key=_day_of):
                (_, _, net, _, *totals), *changed = today
                uploaders += net
                for row in changed:
                    cell = row[3]
                    lists[cells[cell][0]].put(cell, row[4:])
                body = {
                    "community_id": communities[community],
                    "snapshot_date": day_text(day),
                    **_fields(
                        ("total_records", "total_parents", "total_files"),
                        _STATES,
                        totals,
                    ),
                    "total_uploaders": uploaders,
                    "subcounts": _subcounts(
                        cells.keys, (cell_list.encoded() for cell_list in lists)
                    ),
                }
                yield Document(communities[community], day_text(day), body)


# -- frames of deltas -------------------------------------------------------


def _pieces(frame):
    """Yield a sorted frame in pieces of bounded size that hold whole days."""
    sizes = frame.group_by(_DAY, maintain_order=True).len().get_column("len")
    start = size = 0
    for rows in sizes:
        if size and size + rows > ROWS:
            yield frame.slice(start, size)
            start, size = start + size, 0
        size += rows
    if size:
        yield frame.slice(start, size)


def _totals(piece):
    return piece.filter(pl.col("cell") == TOTAL).iter_rows()


def _uploaders(piece, places, owners):
    """Return (community, day) -> different owners of the records that came."""
    of_owners = places.gather(piece.get_column("cell")) == owners
    came = piece.filter(of_owners & (pl.sum_horizontal(_ADDED) > 0))
    return {(c, day): n for c, day, n in came.group_by(_DAY).len().iter_rows()}


def _delta_lists(piece, known):
    """Return (community, day) -> place of a breakdown -> JSON of its cells."""
    form = '{"id":%s,' + _PARTS % _CHANGES + "}"
    lines = (
        piece.join(known, on="cell")
        .with_columns(size=pl.sum_horizontal(_RECORDS))
        .sort(*_DAY, "place", -pl.col("size"), "id")
        .with_columns(line=_formatted(form, ("json", *METRICS)))
        .group_by(*_DAY, "place", maintain_order=True)
        .agg(pl.col("line").str.join(","))
    )
    found = {}
    for community, day, place, line in lines.iter_rows():
        found.setdefault((community, day), {})[place] = f"[{line}]".encode()
    return found


def _formatted(form, columns):
    """Return an expression that puts columns into the ``%`` places of a form."""
    first, *rest = re.split("%[ds]", form)
    parts = [pl.lit(first)]
    for column, text in zip(columns, rest, strict=True):
        parts += [pl.col(column), pl.lit(text)]
    return pl.concat_str(parts)


def _community_of(row):
    return row[0]


def _day_of(row):
    return row[1]


# -- JSON -------------------------------------------------------------------


class _CellList:
    """The cells of one breakdown, the largest first.

    Of a breakdown of which only the largest are kept, a cell that has grown is the
    only one that can newly be among these, and only if it is as large as the least of
    them; unless one of them has shrunk: then all are looked at.
    """

    _FORM = (_PARTS % _STATES).encode()

    def __init__(self, names, limit):
        self._names, self._limit = names, limit
        self._cells, self._lines = {}, {}
        self._best, self._touched, self._all = [], set(), False
        self._kept = frozenset()
        self._encoded = b"[]"

    def put(self, cell, numbers):
        """Take in what a cell is now."""
        self._touched.add(cell)
        if cell in self._kept:
            self._lines.pop(cell, None)
            before = self._cells[cell]
            if numbers[0] + numbers[1] < before[0] + before[1]:
                self._all = True
        if numbers[0] or numbers[1]:
            self._cells[cell] = numbers
        else:
            self._cells.pop(cell, None)

    def encoded(self):
        """Return the JSON of the list."""
        if self._touched:
            best = sorted(self._candidates(), key=self._rank)[: self._limit]
            if best != self._best or not self._touched.isdisjoint(self._kept):
                lines = b",".join([self._line(cell) for cell in best])
                self._encoded = b"[%b]" % lines
                self._best, self._kept = best, frozenset(best)
                self._lines = {cell: self._lines[cell] for cell in best}
            self._touched, self._all = set(), False
        return self._encoded

    def _candidates(self):
        cells, best = self._cells, self._best
        if self._all or self._limit is None:
            return cells
        least = 0
        if len(best) == self._limit:
            least = min(sum(cells[cell][:2]) for cell in best)
        grown = {
            cell
            for cell in self._touched
            if cell in cells and cells[cell][0] + cells[cell][1] >= least
        }
        return grown.union(best)

    def _rank(self, cell):
        numbers = self._cells[cell]
        return -numbers[0] - numbers[1], self._names[cell][1]

    def _line(self, cell):
        line = self._lines.get(cell)
        if line is None:
            id = msgspec.json.encode(self._names[cell][1])
            form = self._FORM % self._cells[cell]
            line = self._lines[cell] = b'{"id":%b,%b}' % (id, form)
        return line


def _fields(names, forms, numbers):
    """Return the fields of a document's totals with their JSON."""
    found, at = {}, 0
    for name, form in zip(names, forms, strict=True):
        width = form.count("%d")
        text = form % (*numbers[at : at + width],)
        found[name] = msgspec.Raw(text.encode())
        at += width
    return found


def _subcounts(keys, values):
    pairs = zip(keys, values, strict=True)
    return msgspec.Raw(
        b"{%b}" % b",".join([b'"%b":%b' % (k.encode(), v) for k, v in pairs])
    )
