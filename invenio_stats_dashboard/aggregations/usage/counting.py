# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Counting all communities and all breakdowns of some days' events in one pass.

An event is counted in each of its communities and in ``global``, and there in each
cell whose value it has. So rows multiply; they are cut down to what is distinct first,
and counted in portions of a bounded size. What is distinct is cut by itself (all rows
of a visitor are in the same portion), so that counts of portions add up.
"""

import math
from array import array
from dataclasses import dataclass

import polars as pl

from ...community_events.documents import GLOBAL
from .columns import KINDS, NOBODY, Breakdown

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


@dataclass(frozen=True)
class Counted:
    """The counts of some days.

    Attributes:
        days: number in the column ``day`` -> ``YYYY-MM-DD``.
        communities: number in the column ``community`` -> UUID or ``global``.
        totals: data frame of day, community, kind and all metrics.
        cells: breakdown key -> (values by their number, data frame like ``totals``
            with the column ``value``).
    """

    days: list
    communities: list
    totals: pl.DataFrame
    cells: dict


@dataclass(frozen=True)
class _Many:
    """A column whose numbers each stand for several things.

    Attributes:
        frame: one row for each number and thing.
        sizes: number -> how many things.
    """

    frame: pl.DataFrame
    sizes: pl.Series


@dataclass(frozen=True)
class _Distinct:
    """What is different in the events, by one column that decides on values.

    Attributes:
        sums: data frame of ``where``, the column, and :data:`SUMS`.
        things: metric -> data frame of ``where``, the column, and a thing.
    """

    sums: pl.DataFrame
    things: dict


def count(columns):
    """Count the events of some days.

    Args:
        columns: a :class:`~.columns.Columns`.

    Returns:
        Counted: the counts.
    """
    names, communities = _many("com", "community", _with_global(columns))
    events, places, where = _placed(columns.frame(), communities.frame)
    distinct = {"sub": _distinct(events, "sub")}
    nothing = Breakdown("", "sub", [("",)] * len(columns.objects))
    totals = _counts(distinct["sub"], places, where, nothing)[1].drop("value")
    cells = {}
    for breakdown in columns.breakdowns():
        # that of the records decides on most breakdowns, the others on one each
        of = distinct.get(breakdown.column) or _distinct(events, breakdown.column)
        cells[breakdown.key] = _counts(of, places, where, breakdown)
    return Counted(columns.days.texts, names, totals, cells)


def seen(columns):
    """Return what was seen in each community and day, as hashes.

    Args:
        columns: a :class:`~.columns.Columns`.

    Yields:
        tuple: kind of thing (``view_records`` …), and a data frame of day, community
        and a sorted list of 64-bit hashes.
    """
    events = columns.frame()
    _names, communities = _many("com", "community", _with_global(columns))
    for number, kind in enumerate(KINDS):
        of_kind = events.filter(pl.col("kind") == number)
        for thing, numbered in (
            ("rec", columns.records),
            ("par", columns.parents),
            ("file", columns.files),
        ):
            if thing == "file" and kind == "view":
                continue
            hashes = pl.Series("hash", numbered.hashes(), dtype=pl.UInt64)
            found = (
                of_kind.filter(pl.col(thing) != NOBODY)
                .select("day", "com", thing)
                .unique()
                .join(communities.frame, on="com")
                .select("day", "community", thing)
                .unique()
            )
            found = found.with_columns(hashes.gather(found[thing]).alias("hash"))
            grouped = found.group_by("day", "community").agg(pl.col("hash").sort())
            yield f"{kind}_{_THINGS[thing]}", grouped


_THINGS = {"rec": "records", "par": "parents", "file": "files"}

SEEN = ("view_records", "view_parents", *(f"download_{t}" for t in _THINGS.values()))
"""The kinds of things that :func:`seen` tells of."""


def community_names(columns):
    """Return the communities by the number that :func:`seen` gives them."""
    return _many("com", "community", _with_global(columns))[0]


def _placed(frame, communities):
    """Return events with the number of the places that each is counted in.

    Args:
        frame: of :meth:`~.columns.Columns.frame`.
        communities: one row for each number in the column ``com`` and community.

    Returns:
        tuple: the events with the column ``where``, which stands for several places;
        a data frame of places (day, kind, community); and the :class:`_Many` of them.
    """
    lists = frame.select("day", "kind", "com").unique().with_row_index("where")
    rows = lists.join(communities, on="com").select("where", *_PLACE)
    places = rows.select(_PLACE).unique().with_row_index("place")
    rows = rows.join(places, on=_PLACE).select("where", "place")
    sizes = rows.group_by("where").len().sort("where")["len"]
    events = frame.join(lists, on=["day", "kind", "com"]).drop("day", "com")
    return events, places.drop("place"), _Many(rows, sizes)


def _distinct(events, column):
    """Return the :class:`_Distinct` of events by a column."""
    by = ["where", column]
    sums = events.group_by(by).agg(
        pl.len().alias("total_events").cast(pl.Int64),
        pl.col("size").sum().alias("total_volume"),
    )
    things = {}
    for metric, thing in _DISTINCT.items():
        having = pl.col(thing) != NOBODY
        if thing == "file":
            having &= pl.col("kind") == KINDS.index("download")
        things[metric] = events.filter(having).select(*by, thing).unique()
    return _Distinct(sums, things)


def _counts(distinct, places, where, breakdown):
    """Count one breakdown.

    Args:
        distinct: the :class:`_Distinct` by its column.
        places: the places.
        where: the :class:`_Many` of places.
        breakdown: a :class:`~.columns.Breakdown`.

    Returns:
        tuple: the values by their number, and a data frame of cells with all metrics.
    """
    # few lists of values are different, however many objects hold them
    lists = {}
    numbers = [lists.setdefault(v, len(lists)) for v in breakdown.values]
    names, values = _many("list", "value", list(lists))
    numbers = pl.Series("list", numbers, dtype=pl.UInt32)
    counting = _Counting(breakdown.column, numbers, where, values, len(names))
    cells = counting.counts(distinct)
    value = (cells["cell"] % len(names)).cast(pl.UInt32).alias("value")
    found = places[cells["cell"] // len(names)]
    return names, found.with_columns(value, *cells.drop("cell"))


class _Counting:
    """Counts one breakdown; a cell is a number made of a place and a value."""

    def __init__(self, column, numbers, where, values, base):
        self._column, self._numbers = column, numbers
        self._where, self._values, self._base = where, values, base

    def counts(self, distinct):
        """Return a data frame of cells with all metrics."""
        sums = [pl.col(name).sum() for name in SUMS]
        result = self._summed(distinct.sums, sums, None)
        for metric, frame in distinct.things.items():
            thing = _DISTINCT[metric]
            counts = [pl.col(thing).n_unique().cast(pl.Int64).alias(metric)]
            found = self._summed(frame, counts, thing)
            result = result.join(found, on="cell", how="left")
        return result.with_columns(pl.col(*METRICS).fill_null(0))

    def _summed(self, frame, aggregates, thing):
        """Multiply the rows by places and values, and aggregate by cell."""
        frame = frame.with_columns(self._numbers.gather(frame[self._column]))
        parts = [
            self._multiplied(p).group_by("cell").agg(aggregates)
            for p in self._cut(frame.drop(self._column), thing)
        ]
        if len(parts) == 1:
            return parts[0]
        together = pl.concat(parts)
        return together.group_by("cell").agg(pl.all().sum())

    def _multiplied(self, frame):
        cell = pl.col("place").cast(pl.UInt64) * self._base + pl.col("value")
        return (
            frame.join(self._where.frame, on="where")
            .join(self._values.frame, on="list")
            .with_columns(cell.alias("cell"))
            .drop("where", "list", "place", "value")
        )

    def _cut(self, frame, thing):
        """Cut rows into portions that stay small when they are multiplied."""
        sizes = self._where.sizes.gather(frame["where"]) * self._values.sizes.gather(
            frame["list"]
        )
        portions = math.ceil((sizes.sum() or 0) / PORTION)
        if portions <= 1:
            return [frame]
        if thing is None:
            step = math.ceil(len(frame) / portions)
            return (frame.slice(i, step) for i in range(0, len(frame), step))
        return (frame.filter(pl.col(thing) % portions == p) for p in range(portions))


def _with_global(columns):
    return [(GLOBAL, *found) for found in columns.community_lists()]


def _many(column, things, lists):
    """Return the names of things, and which of them each number stands for.

    Args:
        column: name of the column that holds the numbers.
        things: name of the column of things.
        lists: number -> tuple of names.
    """
    names, numbers, found = {}, array("I"), array("I")
    for number, of_number in enumerate(lists):
        for name in of_number:
            numbers.append(number)
            found.append(names.setdefault(name, len(names)))
    schema = {column: pl.UInt32, things: pl.UInt32}
    frame = pl.DataFrame({column: numbers, things: found}, schema=schema)
    sizes = pl.Series([len(of_number) for of_number in lists], dtype=pl.UInt32)
    return list(names), _Many(frame, sizes)
