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

ROWS = 20_000
"""Rows of which documents are made at a time."""

_PAIR = '{"metadata_only":%d,"with_files":%d}'
_FILES = '{"file_count":%d,"data_volume":%d}'
_BOTH = '{"added":%s,"removed":%s}'
_PARTS = '"records":%s,"parents":%s,"files":%s'
_CHANGES = (_BOTH % (_PAIR, _PAIR), _BOTH % (_PAIR, _PAIR), _BOTH % (_FILES, _FILES))
_STATES = (_PAIR, _PAIR, _FILES)

STATE = tuple(
    f"{what}_{kind}"
    for what, kinds in (
        ("records", ("metadata_only", "with_files")),
        ("parents", ("metadata_only", "with_files")),
        ("files", ("file_count", "data_volume")),
    )
    for kind in kinds
)
"""Columns of a running state, in the order of the documents."""

_RECORDS = METRICS[:4]
_DAY = ["community", "day"]


def delta_documents(frames, communities, cells):
    """Yield what changed, by community and day.

    Args:
        frames: iterable of what :func:`.counting.with_uploaders` returns, none
            ending within a day, in the order of the documents.
        communities: number -> UUID or ``global``.
        cells: the :class:`~.cells.Cells`.

    Yields:
        Document: sorted as the frames are.
    """
    known = cells.frame()
    for frame in frames:
        for piece in _pieces(frame):
            lists = _delta_lists(piece, known)
            for community, day, uploaders, _, _, *numbers in _totals(piece):
                found = lists.get((community, day), {})
                body = {
                    "community_id": communities[community],
                    "period_start": day_text(day),
                    **_fields(("records", "parents", "files"), _CHANGES, numbers),
                    "uploaders": uploaders,
                    "subcounts": _subcounts(
                        cells.keys,
                        [found.get(p, b"[]") for p in range(len(cells.keys))],
                    ),
                }
                yield Document(communities[community], day_text(day), body)


def snapshot_documents(frames, communities, cells, limits):
    """Yield the state at the end of each day on which something changed.

    Args:
        frames: iterable of frames, as for :func:`delta_documents`.
        communities: number -> UUID or ``global``.
        cells: the :class:`~.cells.Cells`.
        limits: breakdown key -> how many of its cells a snapshot keeps; None for
            all.

    Yields:
        Document: sorted as the frames are.
    """
    known = cells.frame()
    rows = _state_rows(frames, known)
    for community, its in groupby(rows, key=lambda row: row[0]):
        lists = [_CellList(limits.get(key)) for key in cells.keys]
        uploaders = 0
        for day, today in groupby(its, key=lambda row: row[1]):
            (_, _, net, _, _, _, _, *totals), *changed = today
            uploaders += net
            for _, _, _, cell, place, id, json, *numbers in changed:
                lists[place].put(cell, id, json, numbers)
            body = {
                "community_id": communities[community],
                "snapshot_date": day_text(day),
                **_fields(
                    ("total_records", "total_parents", "total_files"), _STATES, totals
                ),
                "total_uploaders": uploaders,
                "subcounts": _subcounts(
                    cells.keys, (cell_list.encoded() for cell_list in lists)
                ),
            }
            yield Document(communities[community], day_text(day), body)


# -- frames -----------------------------------------------------------------


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


def _delta_lists(piece, known):
    """Return (community, day) -> place of a breakdown -> JSON of its cells."""
    form = '{"id":%s,' + _PARTS % _CHANGES + "}"
    lines = (
        piece.filter(pl.col("cell") != TOTAL)
        .join(known, on="cell")
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


def _state_rows(frames, known):
    """Yield rows of community, day, net owners, cell, place, id, JSON, and the state.

    The totals are the first row of a day.
    """
    carried = None
    for frame in frames:
        state = frame.select(*_DAY, "cell", "net", *_nets())
        if carried is not None:
            state = pl.concat([carried, state])
        key = ["community", "cell"]
        state = state.with_columns(pl.col(STATE).cum_sum().over(key))
        if carried is not None:
            state = state.slice(carried.height)
        last = state.group_by(key, maintain_order=True).last().select(state.columns)
        rest = [] if carried is None else [carried.join(last, on=key, how="anti")]
        carried = pl.concat([*rest, last])
        for piece in _pieces(state):
            rows = piece.join(known, on="cell", how="left", maintain_order="left")
            yield from rows.select(
                *_DAY, "net", "cell", "place", "id", "json", *STATE
            ).iter_rows()


def _nets():
    return [
        (pl.col(f"{what}_added_{kind}") - pl.col(f"{what}_removed_{kind}"))
        .cast(pl.Int64)
        .alias(f"{what}_{kind}")
        for what, kind in (name.split("_", 1) for name in STATE)
    ]


# -- JSON -------------------------------------------------------------------


class _CellList:
    """The cells of one breakdown, the largest first.

    Of a breakdown of which only the largest are kept, a cell that has grown is the
    only one that can newly be among these, unless one of them has shrunk: then all
    are looked at.
    """

    _FORM = (_PARTS % _STATES).encode()

    def __init__(self, limit):
        self._limit = limit
        self._cells, self._lines = {}, {}
        self._best, self._touched, self._all = [], set(), False
        self._encoded = b"[]"

    def put(self, cell, id, json, numbers):
        """Take in what a cell is now."""
        size = numbers[0] + numbers[1]
        before = self._cells.get(cell)
        if before and before[0] < -size and cell in self._best:
            self._all = True
        if size:
            self._cells[cell] = (-size, id, json, numbers)
        else:
            self._cells.pop(cell, None)
        self._lines.pop(cell, None)
        self._touched.add(cell)

    def encoded(self):
        """Return the JSON of the list."""
        if not self._touched:
            return self._encoded
        cells, best = self._cells, self._best
        if self._limit is None or self._all:
            self._best = sorted(cells, key=cells.__getitem__)[: self._limit]
        else:
            candidates = [c for c in self._touched.union(best) if c in cells]
            candidates.sort(key=cells.__getitem__)
            self._best = candidates[: self._limit]
        if self._best != best or not self._touched.isdisjoint(best):
            lines = b",".join([self._line(cell) for cell in self._best])
            self._encoded = b"[%b]" % lines
        self._touched, self._all = set(), False
        return self._encoded

    def _line(self, cell):
        line = self._lines.get(cell)
        if line is None:
            _, _, json, numbers = self._cells[cell]
            form = self._FORM % (*numbers,)
            line = self._lines[cell] = b'{"id":%b,%b}' % (json.encode(), form)
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
