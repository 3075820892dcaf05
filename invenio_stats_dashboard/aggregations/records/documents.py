# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""From numbers by community, day and cell to documents.

Documents are made day after day, so that only the running state is in memory. The
cells are written as JSON here: a snapshot repeats every cell of the day before, and
only those that changed are made anew.
"""

from itertools import groupby

import msgspec

from ..documents import Document
from .counting import TOTAL
from .dates import day_text

_PAIR = b'{"metadata_only":%d,"with_files":%d}'
_FILES = b'{"file_count":%d,"data_volume":%d}'
_BOTH = b'{"added":%b,"removed":%b}'
_PARTS = b'"records":%b,"parents":%b,"files":%b'
_CHANGE = _PARTS % (
    _BOTH % (_PAIR, _PAIR),
    _BOTH % (_PAIR, _PAIR),
    _BOTH % (_FILES, _FILES),
)
_STATE = _PARTS % (_PAIR, _PAIR, _FILES)


def delta_documents(frames, communities, cells):
    """Yield what changed, by community and day.

    Args:
        frames: iterable of frames as :func:`by_day` takes them.
        communities: number -> UUID or ``global``.
        cells: the :class:`~.cells.Cells`.

    Yields:
        Document: sorted as the frames are.
    """
    for community, day, uploaders, _, rows in by_day(frames):
        lists = [[] for _ in cells.keys]
        for cell, *numbers in rows:
            if cell != TOTAL:
                place, id = cells[cell]
                line = b'{"id":%b,%b}' % (cells.encoded(cell), _CHANGE % (*numbers,))
                lists[place].append((-sum(numbers[:4]), id, line))
        _, *totals = rows[0]
        yield Document(
            communities[community],
            day_text(day),
            {
                "community_id": communities[community],
                "period_start": day_text(day),
                **_raw(_CHANGE_FIELDS, totals),
                "uploaders": uploaders,
                "subcounts": _lists(cells.keys, lists),
            },
        )


def snapshot_documents(frames, communities, cells, limits):
    """Yield the state at the end of each day on which something changed.

    Args:
        frames: iterable of frames as :func:`by_day` takes them.
        communities: number -> UUID or ``global``.
        cells: the :class:`~.cells.Cells`.
        limits: breakdown key -> how many of its cells a snapshot keeps; None for
            all.

    Yields:
        Document: sorted as the frames are.
    """
    days = by_day(frames)
    for community, its in groupby(days, key=lambda day: day[0]):
        state, uploaders = _State(cells, limits), 0
        for _, day, _, net, rows in its:
            uploaders += net
            state.apply(rows)
            yield Document(
                communities[community],
                day_text(day),
                {
                    "community_id": communities[community],
                    "snapshot_date": day_text(day),
                    **_raw(_STATE_FIELDS, state.totals),
                    "total_uploaders": uploaders,
                    "subcounts": state.subcounts(),
                },
            )


def by_day(frames):
    """Yield the rows of a community and day together.

    Args:
        frames: iterable of frames of ``community``, ``day``, ``uploaders``, ``net``,
            ``cell`` and the metrics; each sorted by the first two and ``cell``, none
            ending within a day, one after the other in the order of the documents.

    Yields:
        tuple: community, day, distinct owners of what was added, how many more
        owners there are, and a list of (cell, metrics …) with the totals first.
    """
    for frame in frames:
        for (community, day), rows in groupby(frame.iter_rows(), key=_of_day):
            rows = list(rows)
            yield community, day, rows[0][2], rows[0][3], [row[4:] for row in rows]


def _of_day(row):
    return row[:2]


class _State:
    """What is there of one community at the end of a day."""

    def __init__(self, cells, limits):
        self._cells = cells
        self.totals = [0] * 6
        self._lists = [_CellList(limits.get(key)) for key in cells.keys]

    def apply(self, rows):
        """Take in what changed on a day."""
        for cell, *numbers in rows:
            net = _net(numbers)
            if cell == TOTAL:
                self.totals = [a + b for a, b in zip(self.totals, net, strict=True)]
            else:
                place, id = self._cells[cell]
                self._lists[place].add(cell, id, net, self._cells)

    def subcounts(self):
        return msgspec.Raw(
            _object(
                self._cells.keys, (cell_list.encoded() for cell_list in self._lists)
            )
        )


class _CellList:
    """The cells of one breakdown, the largest first.

    Of a breakdown of which only the largest are kept, a cell that has grown is the
    only one that can newly be among these, unless one of them has shrunk: then all
    are looked at.
    """

    def __init__(self, limit):
        self._limit = limit
        self._numbers, self._lines = {}, {}
        self._best, self._touched, self._all = [], set(), False
        self._encoded = b"[]"

    def add(self, cell, id, net, cells):
        numbers = self._numbers.get(cell, _NOTHING)
        numbers = tuple(a + b for a, b in zip(numbers, net, strict=True))
        if net[0] + net[1] < 0 and cell in self._best:
            self._all = True
        self._touched.add(cell)
        if any(numbers):
            self._numbers[cell] = numbers
            size = numbers[0] + numbers[1]
            line = b'{"id":%b,%b}' % (cells.encoded(cell), _STATE % numbers)
            self._lines[cell] = (-size, id, line)
        else:
            self._numbers.pop(cell, None)
            self._lines.pop(cell, None)

    def encoded(self):
        if self._touched:
            if self._limit is None or self._all:
                candidates = self._lines
            else:
                candidates = self._touched.union(self._best)
            lines = self._lines
            known = (cell for cell in candidates if cell in lines)
            best = sorted(known, key=lines.__getitem__)
            self._best = best[: self._limit]
            self._encoded = _list(lines[cell][2] for cell in self._best)
            self._touched, self._all = set(), False
        return self._encoded


_NOTHING = (0,) * 6
_CHANGE_FIELDS = (
    ("records", _BOTH % (_PAIR, _PAIR), 4),
    ("parents", _BOTH % (_PAIR, _PAIR), 4),
    ("files", _BOTH % (_FILES, _FILES), 4),
)
_STATE_FIELDS = (
    ("total_records", _PAIR, 2),
    ("total_parents", _PAIR, 2),
    ("total_files", _FILES, 2),
)


def _net(numbers):
    """Return additions less removals, in the order of a state."""
    r, p, f = numbers[:4], numbers[4:8], numbers[8:]
    return tuple(x[i] - x[i + 2] for x in (r, p, f) for i in (0, 1))


def _raw(fields, numbers):
    """Return the fields of a document's totals with their JSON."""
    found, at = {}, 0
    for name, form, width in fields:
        found[name] = msgspec.Raw(form % (*numbers[at : at + width],))
        at += width
    return found


def _lists(keys, lists):
    for lines in lists:
        lines.sort()
    return msgspec.Raw(
        _object(keys, (_list(line for _, _, line in part) for part in lists))
    )


def _list(lines):
    return b"[%b]" % b",".join(lines)


def _object(keys, values):
    pairs = zip(keys, values, strict=True)
    return b"{%b}" % b",".join(b'"%b":%b' % (k.encode(), v) for k, v in pairs)
