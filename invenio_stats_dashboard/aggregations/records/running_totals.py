# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Running totals of cells, and which cells a snapshot can show.

A breakdown can have a million cells of which a snapshot shows a few. In some days a cell
that was never as large as the least of those that were always among the largest is not
shown on any of them, so only the others are looked at day by day.
"""

from dataclasses import dataclass

import polars as pl

from .counting import TOTAL

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

_CELL = ["community", "cell"]
_SIZE = STATE[:2]
BEFORE = 0
"""The number of a day before all days."""


@dataclass(frozen=True)
class DayStretch:
    """The states of some days that follow each other.

    Attributes:
        begin: community -> rows of ``cell`` and :data:`STATE` as they are before the
            first of the days, of the cells that can be shown.
        uploaders: community -> owners of the records that are there before.
        rows: iterator of ``community``, ``day``, how many more owners there are,
            ``cell`` and :data:`STATE`, sorted by community, day and cell; the totals
            are the first of a day.
    """

    begin: dict
    uploaders: dict
    rows: object


def stretches(frames, cells, limits):
    """Yield the states that frames of deltas lead to.

    Args:
        frames: iterable of what :func:`.counting.summed` returns, from the first day
            on, none ending within a day; of the day :data:`BEFORE` is what came before
            the first day of which the states are asked for.
        cells: the :class:`~.interning.CellNumbers`.
        limits: breakdown key -> how many of its cells are shown; None for all.

    Yields:
        Stretch: of the days of each frame.
    """
    places = cells.places()
    carried = None
    for frame in frames:
        changes = frame.select(*_CELL, "day", *_nets())
        if carried is not None:
            changes = pl.concat([carried, changes])
        early = pl.col("day") == BEFORE
        begin = _summed(changes.filter(early))
        states = _states(pl.concat([begin, changes.filter(~early)]))
        carried = _last(states)
        states = states.with_columns(place=places.gather(states.get_column("cell")))
        yield _stretch(states, cells, limits)


def _nets():
    return [
        (pl.col(f"{what}_added_{kind}") - pl.col(f"{what}_removed_{kind}"))
        .cast(pl.Int64)
        .alias(f"{what}_{kind}")
        for what, kind in (name.split("_", 1) for name in STATE)
    ]


def _summed(early):
    return (
        early.group_by(_CELL)
        .agg(pl.col("day").first(), pl.col(STATE).sum())
        .select(early.columns)
    )


def _states(changes):
    """Return running totals, sorted by community, cell and day."""
    ordered = changes.sort(*_CELL, "day")
    first = pl.struct(_CELL) != pl.struct(_CELL).shift(1)
    ordered = ordered.with_columns(
        first=first.fill_null(True), came=pl.sum_horizontal(_SIZE)
    )
    totals = {name: pl.col(name).cum_sum() for name in STATE}
    # one sum over all, less what it was where the cell begins
    return ordered.with_columns(
        **{
            name: total - pl.when("first").then(total - pl.col(name)).forward_fill()
            for name, total in totals.items()
        },
    ).with_columns(size=pl.sum_horizontal(_SIZE))


def _last(states):
    """Return what cells are in the end, as changes before all that follow."""
    return (
        states.unique(_CELL, keep="last", maintain_order=True)
        .filter(pl.col("size") > 0)
        .select(*_CELL, pl.lit(BEFORE, pl.Int32).alias("day"), *STATE)
    )


def _stretch(states, cells, limits):
    of_owners = pl.col("place") == cells.owners
    net, uploaders = _owners(states.filter(of_owners))
    shown = states.filter(~of_owners)
    for place, key in enumerate(cells.keys):
        if limits.get(key) is not None:
            shown = _candidates(shown, place, limits[key])
    begin = {}
    early = pl.col("day") == BEFORE
    cells_of_before = shown.filter(early & (pl.col("cell") != TOTAL))
    for community, *row in cells_of_before.select(*_CELL, *STATE).iter_rows():
        begin.setdefault(community, []).append(row)
    rows = (
        shown.filter(~early)
        .join(net, on=["community", "day"], how="left")
        .sort("community", "day", "cell")
        .select("community", "day", pl.col("net").fill_null(0), "cell", *STATE)
    )
    return DayStretch(begin, uploaders, rows.iter_rows())


def _owners(states):
    """Return how many owners come and go by day, and how many there are before."""
    before = pl.col("size") - pl.col("came")
    changes = (pl.col("size") > 0).cast(pl.Int32) - (before > 0).cast(pl.Int32)
    early = pl.col("day") == BEFORE
    net = (
        states.filter(~early)
        .group_by("community", "day")
        .agg(net=changes.sum().cast(pl.Int64))
    )
    there = states.filter(early & (pl.col("size") > 0))
    return net, dict(there.group_by("community").len().iter_rows())


def _candidates(states, place, limit):
    """Leave out the cells of a breakdown that are not shown on any of the days."""
    own = pl.col("place") == place
    sizes = (
        states.filter(own)
        .group_by(_CELL)
        .agg(
            # a cell that begins later is nothing at first
            low=pl.when(pl.col("day").min() == BEFORE)
            .then(pl.col("size").min())
            .otherwise(0),
            high=pl.col("size").max(),
        )
    )
    # the least of those that are always among the largest
    least = sizes.group_by("community").agg(
        least=pl.when(pl.len() < limit)
        .then(0)
        .otherwise(pl.col("low").top_k(limit).min())
    )
    small = (
        sizes.join(least, on="community")
        .filter(pl.col("high") < pl.col("least"))
        .select(_CELL)
    )
    return states.join(small, on=_CELL, how="anti")
