# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find the days on which community events add and remove records.

A record counts on a day if it is present at the end of that day. A stay is therefore
the half-open interval [first day, day of removal) in whole days. A record that is added
and removed on the same day changes nothing.
"""

from typing import Any

import polars as pl

EVENTS: dict[str, Any] = {
    "community": pl.UInt32,
    "record": pl.UInt32,
    "place": pl.Int32,
    "added": pl.Boolean,
    "day": pl.Int32,
}
"""Columns of a frame of community events; communities and records are numbers.

``place`` is the sequence number of an event within the timeline."""

RECORDS: dict[str, Any] = {
    "record": pl.UInt32,
    "parent": pl.UInt32,
    "created": pl.Int32,
    "published": pl.Int32,
    "files": pl.Int64,
    "volume": pl.Int64,
    "cells": pl.List(pl.UInt32),
    "hidden_cells": pl.List(pl.UInt32),
    "own_communities": pl.List(pl.UInt32),
}
"""Columns of a frame of records in their current state.

``cells`` are the numbers of the record's breakdown values. ``hidden_cells`` replace
them where the record must not count under its own values; null if it is public. In
``own_communities``, a hidden record counts under its own values.
"""

_STAY = ["community", "record"]


def stays(events: pl.DataFrame) -> pl.DataFrame:
    """Return the stays of records in communities.

    Args:
        events: frame of :data:`EVENTS` in any order.

    Returns:
        Frame of ``community``, ``record``, ``number`` (from 1), ``added`` and
        ``removed`` (null while the stay lasts), in days.
    """
    return (
        events.sort(*_STAY, "place")
        .with_columns(
            # An event is never dated before the previous one in the timeline.
            pl.col("day").cum_max().over(_STAY),
            inside=pl.col("added").shift(1, fill_value=False).over(_STAY),
        )
        # Ignore an addition of a present record and a removal of an absent one.
        .filter(pl.col("added") != pl.col("inside"))
        .with_columns(removed=pl.col("day").shift(-1).over(_STAY))
        .filter("added")
        .select(
            *_STAY,
            number=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over(_STAY),
            added=pl.col("day"),
            removed=pl.col("removed"),
        )
    )


def dated(stays: pl.DataFrame, records: pl.DataFrame, basis: str) -> pl.DataFrame:
    """Return stays with the dates of a basis.

    Args:
        stays: result of :func:`stays`.
        records: frame of :data:`RECORDS`; stays of other records are left out.
        basis: ``created``, ``published`` or ``added``.

    Returns:
        Frame of ``community``, ``record``, ``start`` and ``end``. Stays that end before
        they start do not count.
    """
    if basis == "added":
        known = stays.join(records.select("record"), on="record", how="semi")
        return known.select(*_STAY, start="added", end="removed")
    known = stays.join(records.select("record", begin=basis), on="record")
    later = pl.max_horizontal("begin", "added")
    return known.select(
        *_STAY,
        start=pl.when(pl.col("number") == 1).then("begin").otherwise(later),
        end="removed",
    )


def changes(dated: pl.DataFrame, today: int) -> pl.DataFrame:
    """Return which records are added and removed on which days.

    Args:
        dated: result of :func:`dated`.
        today: the current day; nothing after it counts.

    Returns:
        Frame of ``community``, ``record``, ``day`` and ``sign``: 1 for a record that is
        present at the end of the day and was not the day before, -1 for the reverse.
    """
    lasting = dated.filter(
        (pl.col("start") <= today)
        & (pl.col("end").is_null() | (pl.col("start") < pl.col("end")))
    )
    begun = lasting.select(*_STAY, day="start", sign=pl.lit(1, pl.Int8))
    ended = lasting.filter(pl.col("end") <= today).select(
        *_STAY, day="end", sign=pl.lit(-1, pl.Int8)
    )
    # A stay that starts on the day on which another ends continues it.
    return (
        pl.concat([begun, ended])
        .group_by(*_STAY, "day")
        .agg(pl.col("sign").sum().cast(pl.Int8))
        .filter(pl.col("sign") != 0)
    )


def due(dated: pl.DataFrame, records: pl.DataFrame, today: int) -> pl.DataFrame:
    """Return the next day after today on which a stay starts or ends, by parent.

    Args:
        dated: result of :func:`dated`.
        records: frame of :data:`RECORDS`.
        today: the current day.

    Returns:
        Frame of ``community``, ``parent`` and ``due``, without parents that have no
        such day.
    """
    lasting = dated.filter(
        pl.col("end").is_null() | (pl.col("start") < pl.col("end")),
    ).join(records.select("record", "parent"), on="record")
    where = ["community", "parent"]
    days = pl.concat([lasting.select(*where, due=side) for side in _SIDES])
    return days.filter(pl.col("due") > today).group_by(where).agg(pl.min("due"))


_SIDES = ("start", "end")
