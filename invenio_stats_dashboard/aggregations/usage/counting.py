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

from ...community_events.documents import GLOBAL
from .columns import KINDS, NOBODY

PORTION = 100_000
"""Rows that are in memory at a time, after they were multiplied."""

SUMS = ("total_events", "total_volume")
_DISTINCT = {
    "unique_visitors": "vis",
    "unique_records": "rec",
    "unique_parents": "par",
    "unique_files": "file",
}
METRICS = (*_DISTINCT, *SUMS)
_CELL = ["day", "community", "value", "kind"]
"""What a row of results is about."""


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


def count(columns):
    """Count the events of some days.

    Args:
        columns: a :class:`~.columns.Columns`.

    Returns:
        Counted: the counts.
    """
    events = columns.frame()
    names, communities = _many("com", "community", _with_global(columns))
    nothing = _many("sub", "value", [()] * len(columns.objects), one=True)[1]
    totals = _Counting(events, communities, "sub", nothing).counts().drop("value")
    cells = {}
    for breakdown in columns.breakdowns():
        # few lists of values are different, however many objects hold them
        lists = {}
        numbers = [lists.setdefault(v, len(lists)) for v in breakdown.values]
        renumbered = events.with_columns(
            pl.Series("list", numbers, dtype=pl.UInt32)
            .gather(events[breakdown.column])
            .alias("list")
        )
        values, many = _many("list", "value", list(lists))
        counting = _Counting(renumbered, communities, "list", many)
        cells[breakdown.key] = (values, counting.counts())
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


class _Counting:
    """Counts one breakdown."""

    def __init__(self, events, communities, column, values):
        self._events, self._communities = events, communities
        self._column, self._values = column, values

    def counts(self):
        """Return a data frame of cells with all metrics."""
        lists = ["day", "kind", "com", self._column]
        sums = self._events.group_by(lists).agg(
            pl.len().alias("total_events").cast(pl.Int64),
            pl.col("size").sum().alias("total_volume"),
        )
        result = self._summed(sums, [pl.col(name).sum() for name in SUMS], None)
        for metric, thing in _DISTINCT.items():
            of_thing = self._events.filter(pl.col(thing) != NOBODY)
            if thing == "file":
                of_thing = of_thing.filter(pl.col("kind") == KINDS.index("download"))
            distinct = of_thing.select(*lists, thing).unique()
            counts = [pl.col(thing).n_unique().cast(pl.Int64).alias(metric)]
            result = result.join(
                self._summed(distinct, counts, thing), on=_CELL, how="left"
            )
        return result.with_columns(pl.col(*METRICS).fill_null(0))

    def _summed(self, frame, aggregates, thing):
        """Multiply the rows by communities and values, and aggregate by cell."""
        parts = [
            self._multiplied(p).group_by(_CELL).agg(aggregates)
            for p in self._cut(frame, thing)
        ]
        if len(parts) == 1:
            return parts[0]
        together = pl.concat(parts)
        return together.group_by(_CELL).agg(pl.all().sum())

    def _multiplied(self, frame):
        return frame.join(self._communities.frame, on="com").join(
            self._values.frame, on=self._column
        )

    def _cut(self, frame, thing):
        """Cut rows into portions that stay small when they are multiplied."""
        sizes = self._communities.sizes.gather(
            frame["com"]
        ) * self._values.sizes.gather(frame[self._column])
        portions = math.ceil((sizes.sum() or 0) / PORTION)
        if portions <= 1:
            return [frame]
        if thing is None:
            step = math.ceil(len(frame) / portions)
            return (frame.slice(i, step) for i in range(0, len(frame), step))
        return (frame.filter(pl.col(thing) % portions == p) for p in range(portions))


def _with_global(columns):
    return [(GLOBAL, *found) for found in columns.community_lists()]


def _many(column, things, lists, one=False):
    """Return the names of things, and which of them each number stands for.

    Args:
        column: name of the column that holds the numbers.
        things: name of the column of things.
        lists: number -> tuple of names.
        one: each number stands for one thing, which needs no name.
    """
    names = {}
    if one:
        numbers, found = list(range(len(lists))), [0] * len(lists)
    else:
        pairs = [
            (number, names.setdefault(name, len(names)))
            for number, of_number in enumerate(lists)
            for name in of_number
        ]
        numbers, found = [p[0] for p in pairs], [p[1] for p in pairs]
    frame = pl.DataFrame(
        {column: numbers, things: found}, schema={column: pl.UInt32, things: pl.UInt32}
    )
    sizes = [1] * len(lists) if one else [len(of_number) for of_number in lists]
    return list(names), _Many(frame, pl.Series(sizes, dtype=pl.UInt32))
