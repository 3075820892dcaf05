# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute running totals of breakdown values, and leave out those never shown.

A breakdown can have a million values, of which a snapshot shows a few. Within a stretch
of days, a value is left out if it is always smaller than the smallest of the values
that are always among the largest. No snapshot of these days can show it. Only the
other values are processed day by day.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from .counting import TOTAL
from .value_numbering import CellNumbers

STATE = tuple(
    f"{what}_{kind}"
    for what, kinds in (
        ("records", ("metadata_only", "with_files")),
        ("parents", ("metadata_only", "with_files")),
        ("files", ("file_count", "data_volume")),
    )
    for kind in kinds
)
"""Columns of running totals, in the order of documents."""

_CELL = ["community", "cell"]
_SIZE = STATE[:2]
BEFORE = 0
"""A day before all days; the first real day is 1."""


@dataclass(frozen=True)
class DayStretch:
    """The running totals of consecutive days.

    Attributes:
        begin: community -> rows of ``cell`` and :data:`STATE` before the first of the
            days, for the values that can be shown.
        uploaders: community -> number of owners before the first of the days.
        rows: ``community``, ``day``, change of the number of owners, ``cell`` and
            :data:`STATE`, sorted by community, day and value. The totals are the first
            row of a day.
    """

    begin: dict[int, list[list[int]]]
    uploaders: dict[int, int]
    rows: Iterator[tuple[Any, ...]]


def stretches(
    frames: Iterable[pl.DataFrame], cells: CellNumbers, limits: Mapping[str, int]
) -> Iterator[DayStretch]:
    """Yield the running totals of the days of each frame.

    Args:
        frames: results of :func:`.counting.summed`, from the first day on. A day
            is never split between frames. Rows of the day :data:`BEFORE` contain all
            changes before the first day that is needed.
        cells: numbers of breakdown values.
        limits: breakdown -> number of its values that are shown. All values of other
            breakdowns are shown.
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


def _nets() -> list[pl.Expr]:
    return [
        (pl.col(f"{what}_added_{kind}") - pl.col(f"{what}_removed_{kind}"))
        .cast(pl.Int64)
        .alias(f"{what}_{kind}")
        for what, kind in (name.split("_", 1) for name in STATE)
    ]


def _summed(early: pl.DataFrame) -> pl.DataFrame:
    return (
        early.group_by(_CELL)
        .agg(pl.col("day").first(), pl.col(STATE).sum())
        .select(early.columns)
    )


def _states(changes: pl.DataFrame) -> pl.DataFrame:
    """Return running totals, sorted by community, value and day."""
    ordered = changes.sort(*_CELL, "day")
    first = pl.struct(_CELL) != pl.struct(_CELL).shift(1)
    ordered = ordered.with_columns(
        first=first.fill_null(True), came=pl.sum_horizontal(_SIZE)
    )
    totals = {name: pl.col(name).cum_sum() for name in STATE}
    # One sum over all rows, minus the sum before the first row of the value.
    return ordered.with_columns(
        **{
            name: total - pl.when("first").then(total - pl.col(name)).forward_fill()
            for name, total in totals.items()
        },
    ).with_columns(size=pl.sum_horizontal(_SIZE))


def _last(states: pl.DataFrame) -> pl.DataFrame:
    """Return the last totals of each value, as changes before all following days."""
    return (
        states.unique(_CELL, keep="last", maintain_order=True)
        .filter(pl.col("size") > 0)
        .select(*_CELL, pl.lit(BEFORE, pl.Int32).alias("day"), *STATE)
    )


def _stretch(
    states: pl.DataFrame, cells: CellNumbers, limits: Mapping[str, int]
) -> DayStretch:
    of_owners = pl.col("place") == cells.owners
    net, uploaders = _owners(states.filter(of_owners))
    shown = states.filter(~of_owners)
    for place, key in enumerate(cells.keys):
        if limits.get(key) is not None:
            shown = _candidates(shown, place, limits[key])
    begin: dict[int, list[list[int]]] = {}
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


def _owners(states: pl.DataFrame) -> tuple[pl.DataFrame, dict[int, int]]:
    """Return the change of the number of owners by day, and the number before."""
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


def _candidates(states: pl.DataFrame, place: int, limit: int) -> pl.DataFrame:
    """Leave out the values of a breakdown that are shown on none of the days."""
    own = pl.col("place") == place
    sizes = (
        states.filter(own)
        .group_by(_CELL)
        .agg(
            # A value whose first row is on a later day is zero before that day.
            low=pl.when(pl.col("day").min() == BEFORE)
            .then(pl.col("size").min())
            .otherwise(0),
            high=pl.col("size").max(),
        )
    )
    # Lower bound: the limit-th largest minimum.
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
