# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Counting all communities and all breakdowns of some days' events in one pass.

An event is counted in each of its communities and in ``global``, and there in each
cell whose value it has. So rows multiply; they are cut down to what is distinct first,
and counted in portions of a bounded size. What is distinct is cut by itself (all rows
of a visitor are in the same portion), so that counts of portions add up.
"""

import math
from dataclasses import dataclass

import polars as pl

from .event_columns import KINDS, NOBODY, BreakdownColumn, Lists

PORTION = 400_000
"""Rows that are in memory at a time, after they were multiplied."""

SUMS = ("total_events", "total_volume")
_DISTINCT = {
    "unique_visitors": "vis",
    "unique_records": "rec",
    "unique_parents": "par",
    "unique_files": "file",
}
METRICS = (*_DISTINCT, *SUMS)
_PLACE = ("day", "kind", "community")
"""What a row of results is about, besides a value."""


ROWS = 60_000
"""Events times communities whose cells are in memory at a time."""

PIECE = 200_000
"""Events that are made distinct at a time."""


@dataclass(frozen=True)
class _Many:
    """A column whose numbers each stand for several things.

    Attributes:
        frame: one row for each number and thing.
        sizes: number -> how many things.
    """

    frame: pl.DataFrame
    sizes: pl.Series


class DayCounts:
    """The counts of some days.

    Attributes:
        days: number in the column ``day`` -> ``YYYY-MM-DD``.
        communities: number in the column ``community`` -> UUID or ``global``.
        totals: data frame of day, community, kind and all metrics.

    Args:
        columns: a :class:`~.event_columns.EventColumns`.
    """

    def __init__(self, columns):
        """Count the totals."""
        self.days, self.communities = columns.days, columns.communities.names
        self._breakdowns = columns.breakdowns()
        communities = columns.communities.frame("com", "community")
        placed = _placed(columns.frame(), communities)
        self._events, self._places, self._where = placed
        nothing = Lists()
        for _ in range(columns.objects):
            nothing.append(("",))
        ((_, totals),) = self._counts([BreakdownColumn("", "sub", nothing)]).values()
        self.totals = totals.drop("value")

    def groups(self):
        """Return the communities whose cells are to be counted together.

        Returns:
            list[list[int]]: their numbers, sorted by UUID. Several groups only where
            there is one day.
        """
        sizes = dict(
            self.totals.group_by("community")
            .agg(pl.col("total_events").sum())
            .iter_rows()
        )
        order = sorted(sizes, key=self.communities.__getitem__)
        if self.totals["day"].n_unique() > 1:
            return [order]
        groups, rows = [[]], 0
        for number in order:
            if groups[-1] and rows + sizes[number] > ROWS:
                groups.append([])
                rows = 0
            groups[-1].append(number)
            rows += sizes[number]
        return groups

    def cells(self, communities):
        """Count the cells of some communities.

        Args:
            communities: their numbers.

        Returns:
            dict: breakdown key -> (values by their number, data frame like ``totals``
            with the column ``value``).
        """
        if len(communities) == self.totals["community"].n_unique():
            return self._counts(self._breakdowns)
        places = self._places.with_row_index("place").filter(
            pl.col("community").is_in(communities)
        )
        rows = self._where.frame.join(places.select("place"), on="place")
        return self._counts(
            self._breakdowns, _Many(rows, _sizes(rows, len(self._where.sizes)))
        )

    def _counts(self, breakdowns, where=None):
        """Return what :meth:`cells` does, of some breakdowns.

        What is distinct is held by one column and metric at a time: the column of the
        records decides on most breakdowns, the others on one each.
        """
        events, found = self._events, {}
        if where is None:
            where = self._where
        else:
            events = events.join(where.frame.select("where"), on="where", how="semi")
        for column in dict.fromkeys(breakdown.column for breakdown in breakdowns):
            of_column = [b for b in breakdowns if b.column == column]
            countings = [_Counting(breakdown, where) for breakdown in of_column]
            for metric, frame in _distinct(events, column):
                for counting in countings:
                    counting.add(metric, frame)
            for breakdown, counting in zip(of_column, countings, strict=True):
                cells = counting.counts()
                found[breakdown.key] = self._placed_cells(breakdown, cells)
        return {breakdown.key: found[breakdown.key] for breakdown in breakdowns}

    def _placed_cells(self, breakdown, cells):
        """Return the values of a breakdown, and its cells with day, community and kind."""
        names = breakdown.values.names
        value = (cells["cell"] % len(names)).cast(pl.UInt32).alias("value")
        found = self._places[cells["cell"] // len(names)]
        return names, found.with_columns(value, *cells.drop("cell"))


def seen(columns):
    """Return what was seen in each community and day, as hashes.

    Args:
        columns: a :class:`~.event_columns.EventColumns`.

    Yields:
        tuple: kind of thing (``view_records`` …), and a data frame of day, community
        and a sorted list of 64-bit hashes.
    """
    events = columns.frame().select("day", "com", "kind", *_THINGS)
    communities = columns.communities.frame("com", "community")
    for number, kind in enumerate(KINDS):
        of_kind = events.filter(pl.col("kind") == number)
        for thing, things in _THINGS.items():
            if thing == "file" and kind == "view":
                continue
            found = (
                of_kind.filter(pl.col(thing) != NOBODY)
                .select("day", "com", thing)
                .unique()
                .join(communities, on="com")
                .select("day", "community", thing)
                .unique()
            )
            grouped = found.group_by("day", "community").agg(pl.col(thing).sort())
            yield f"{kind}_{things}", grouped


_THINGS = {"rec": "records", "par": "parents", "file": "files"}

SEEN = ("view_records", "view_parents", *(f"download_{t}" for t in _THINGS.values()))
"""The kinds of things that :func:`seen` tells of."""


def _placed(frame, communities):
    """Return events with the number of the places that each is counted in.

    Args:
        frame: of :meth:`~.event_columns.EventColumns.frame`.
        communities: one row for each number in the column ``com`` and community.

    Returns:
        tuple: the events with the column ``where``, which stands for several places;
        a data frame of places (day, kind, community); and the :class:`_Many` of them.
    """
    lists = frame.select("day", "kind", "com").unique().with_row_index("where")
    rows = lists.join(communities, on="com").select("where", *_PLACE)
    places = rows.select(_PLACE).unique().with_row_index("place")
    rows = rows.join(places, on=_PLACE).select("where", "place")
    sizes = _sizes(rows, len(lists))
    events = frame.join(lists, on=["day", "kind", "com"]).drop("day", "com")
    return events, places.drop("place"), _Many(rows, sizes)


def _distinct(events, column):
    """Yield what is different in the events, by one column that decides on values.

    All rows of a thing are in the same frame, so that counts of frames add up.

    Args:
        events: data frame of events.
        column: name of the column.

    Yields:
        tuple: a metric, and a data frame of ``where``, the column, and a thing; or None
        and one of ``where``, the column, and :data:`SUMS`.
    """
    by = ["where", column]
    for piece in _pieces(events, None):
        yield None, piece.group_by(by).agg(
            pl.len().alias("total_events").cast(pl.Int64),
            pl.col("size").sum().alias("total_volume"),
        )
    for metric, thing in _DISTINCT.items():
        having = pl.col(thing) != NOBODY
        if thing == "file":
            having &= pl.col("kind") == KINDS.index("download")
        for piece in _pieces(events.filter(having).select(*by, thing), thing):
            yield metric, piece.unique()


def _pieces(events, thing):
    """Return events in pieces that stay small, all of a thing in the same one."""
    return _cut(events, thing, math.ceil(len(events) / PIECE), seed=1)


def _cut(frame, thing, portions, seed):
    """Return a frame in so many portions, all of a thing in the same one.

    What is cut twice needs two seeds, else the second cut would leave it whole.
    """
    if portions <= 1:
        return [frame]
    if thing is None:
        step = math.ceil(len(frame) / portions)
        return (frame.slice(i, step) for i in range(0, len(frame), step))
    number = pl.col(thing).hash(seed) % portions
    return (frame.filter(number == p) for p in range(portions))


def _sizes(rows, count):
    """Return how many rows each number in the column ``where`` has."""
    found = rows.group_by("where").len()
    every = pl.DataFrame({"where": pl.int_range(count, dtype=pl.UInt32, eager=True)})
    return every.join(found, on="where", how="left", maintain_order="left")[
        "len"
    ].fill_null(0)


class _Counting:
    """Counts one breakdown; a cell is a number made of a place and a value.

    Args:
        breakdown: the :class:`~.event_columns.BreakdownColumn`.
        where: the :class:`_Many` of places.
    """

    def __init__(self, breakdown, where):
        self._column, self._where = breakdown.column, where
        frame = breakdown.values.frame(breakdown.column, "value")
        self._values = _Many(frame, breakdown.values.sizes)
        self._base = len(breakdown.values.names)
        self._parts = {metric: [] for metric in (None, *_DISTINCT)}

    def add(self, metric, frame):
        """Take in a frame of :func:`_distinct`."""
        thing = _DISTINCT.get(metric)
        if thing is None:
            counts = [pl.col(name).sum() for name in SUMS]
        else:
            counts = [pl.col(thing).n_unique().cast(pl.Int64).alias(metric)]
        sizes = self._where.sizes.gather(frame["where"])
        sizes = sizes * self._values.sizes.gather(frame[self._column])
        portions = math.ceil((sizes.sum() or 0) / PORTION)
        self._parts[metric] += [
            self._multiplied(portion).group_by("cell").agg(counts)
            for portion in _cut(frame, thing, portions, seed=2)
        ]

    def counts(self):
        """Return a data frame of cells with all metrics."""
        result = _together(self._parts[None])
        for metric in _DISTINCT:
            found = _together(self._parts[metric])
            result = result.join(found, on="cell", how="left")
        return result.with_columns(pl.col(*METRICS).fill_null(0))

    def _multiplied(self, frame):
        """Return a frame with a row for each place and value of each of its rows."""
        cell = pl.col("place").cast(pl.UInt64) * self._base + pl.col("value")
        return (
            frame.join(self._where.frame, on="where")
            .join(self._values.frame, on=self._column)
            .with_columns(cell.alias("cell"))
            .drop("where", self._column, "place", "value")
        )


def _together(parts):
    """Return the counts of all portions."""
    if len(parts) == 1:
        return parts[0]
    return pl.concat(parts).group_by("cell").agg(pl.all().sum())
