# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Make documents from frames that are sorted by community, day and breakdown value.

A frame contains the numbers of whole days, and documents are made from one slice at a
time. Most values of a snapshot have the same numbers as on the day before, so their
JSON is cached until the numbers change.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec
import polars as pl

from ..documents import Document
from .counting import METRICS, TOTAL
from .dates import day_text
from .running_totals import stretches
from .value_numbering import CellNumbers

ROWS = 20_000
"""Maximum number of rows in one slice."""

_PAIR = '{"metadata_only":%d,"with_files":%d}'
_FILES = '{"file_count":%d,"data_volume":%d}'
_BOTH = '{"added":%s,"removed":%s}'
_PARTS = '"records":%s,"parents":%s,"files":%s'
_CHANGES = (_BOTH % (_PAIR, _PAIR), _BOTH % (_PAIR, _PAIR), _BOTH % (_FILES, _FILES))
_STATES = (_PAIR, _PAIR, _FILES)

_RECORDS = METRICS[:4]
_ADDED = METRICS[:2]
_DAY = ["community", "day"]


def delta_documents(
    frames: Iterable[pl.DataFrame], communities: Sequence[str], cells: CellNumbers
) -> Iterator[Document]:
    """Yield delta documents, in the order of the frames.

    Args:
        frames: results of :func:`.counting.summed`, in the order of the documents. No
            frame ends within a day.
        communities: number -> UUID or ``global``.
        cells: numbers of breakdown values.
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


def snapshot_documents(
    frames: Iterable[pl.DataFrame],
    communities: Sequence[str],
    cells: CellNumbers,
    limits: Mapping[str, int],
) -> Iterator[Document]:
    """Yield a snapshot document for each day with changes, in the order of the frames.

    Args:
        frames: as for :func:`delta_documents`, from the first day on. The day
            :data:`.running_totals.BEFORE` has no document.
        communities: number -> UUID or ``global``.
        cells: numbers of breakdown values.
        limits: breakdown -> number of its values in a snapshot. Other breakdowns have
            all values.
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


def _pieces(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield slices of bounded size that contain whole days of a sorted frame."""
    sizes = frame.group_by(_DAY, maintain_order=True).len().get_column("len")
    start = size = 0
    for rows in sizes:
        if size and size + rows > ROWS:
            yield frame.slice(start, size)
            start, size = start + size, 0
        size += rows
    if size:
        yield frame.slice(start, size)


def _totals(piece: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    return piece.filter(pl.col("cell") == TOTAL).iter_rows()


def _uploaders(
    piece: pl.DataFrame, places: pl.Series, owners: int
) -> dict[tuple[int, int], int]:
    """Return (community, day) -> number of owners of the added records."""
    of_owners = places.gather(piece.get_column("cell")) == owners
    came = piece.filter(of_owners & (pl.sum_horizontal(_ADDED) > 0))
    return {(c, day): n for c, day, n in came.group_by(_DAY).len().iter_rows()}


def _delta_lists(
    piece: pl.DataFrame, known: pl.DataFrame
) -> dict[tuple[int, int], dict[int, bytes]]:
    """Return (community, day) -> index of a breakdown -> JSON of its values."""
    form = '{"id":%s,' + _PARTS % _CHANGES + "}"
    lines = (
        piece.join(known, on="cell")
        .with_columns(size=pl.sum_horizontal(_RECORDS))
        .sort(*_DAY, "place", -pl.col("size"), "id")
        .with_columns(line=_formatted(form, ("json", *METRICS)))
        .group_by(*_DAY, "place", maintain_order=True)
        .agg(pl.col("line").str.join(","))
    )
    found: dict[tuple[int, int], dict[int, bytes]] = {}
    for community, day, place, line in lines.iter_rows():
        found.setdefault((community, day), {})[place] = f"[{line}]".encode()
    return found


def _formatted(form: str, columns: Iterable[str]) -> pl.Expr:
    """Return an expression that inserts columns for ``%d`` and ``%s`` in a format."""
    first, *rest = re.split("%[ds]", form)
    parts = [pl.lit(first)]
    for column, text in zip(columns, rest, strict=True):
        parts += [pl.col(column), pl.lit(text)]
    return pl.concat_str(parts)


def _community_of(row: tuple[Any, ...]) -> int:
    return row[0]


def _day_of(row: tuple[Any, ...]) -> int:
    return row[1]


# -- JSON -------------------------------------------------------------------


class _CellList:
    """The values of one breakdown with their numbers, the largest first.

    If the list is limited, usually only values that have changed can enter it, and only
    if they are as large as the smallest value in it. If a value in the list has shrunk,
    all values are compared again.
    """

    _FORM = (_PARTS % _STATES).encode()

    def __init__(self, names: CellNumbers, limit: int | None) -> None:
        self._names, self._limit = names, limit
        self._cells: dict[int, tuple[int, ...]] = {}
        self._lines: dict[int, bytes] = {}
        self._best: list[int] = []
        self._touched: set[int] = set()
        self._all = False
        self._kept: frozenset[int] = frozenset()
        self._encoded = b"[]"

    def put(self, cell: int, numbers: tuple[int, ...]) -> None:
        """Set the numbers of a value."""
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

    def encoded(self) -> bytes:
        """Return the list as JSON."""
        if self._touched:
            best = sorted(self._candidates(), key=self._rank)[: self._limit]
            if best != self._best or not self._touched.isdisjoint(self._kept):
                lines = b",".join([self._line(cell) for cell in best])
                self._encoded = b"[%b]" % lines
                self._best, self._kept = best, frozenset(best)
                self._lines = {cell: self._lines[cell] for cell in best}
            self._touched, self._all = set(), False
        return self._encoded

    def _candidates(self) -> Iterable[int]:
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

    def _rank(self, cell: int) -> tuple[int, str]:
        numbers = self._cells[cell]
        return -numbers[0] - numbers[1], self._names[cell][1]

    def _line(self, cell: int) -> bytes:
        line = self._lines.get(cell)
        if line is None:
            id = msgspec.json.encode(self._names[cell][1])
            form = self._FORM % self._cells[cell]
            line = self._lines[cell] = b'{"id":%b,%b}' % (id, form)
        return line


def _fields(
    names: Iterable[str], forms: Iterable[str], numbers: Sequence[int]
) -> dict[str, msgspec.Raw]:
    """Return the fields of a document's totals, as JSON."""
    found, at = {}, 0
    for name, form in zip(names, forms, strict=True):
        width = form.count("%d")
        text = form % (*numbers[at : at + width],)
        found[name] = msgspec.Raw(text.encode())
        at += width
    return found


def _subcounts(keys: Iterable[str], values: Iterable[bytes]) -> msgspec.Raw:
    pairs = zip(keys, values, strict=True)
    return msgspec.Raw(
        b"{%b}" % b",".join([b'"%b":%b' % (k.encode(), v) for k, v in pairs])
    )
