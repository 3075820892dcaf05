# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""From community events to the days on which records come and go.

A record is present at the end of a day. So a stay is [first day, day of leaving)
in whole days, and what comes and goes on one day changes nothing.
"""

import polars as pl

EVENTS = {
    "community": pl.UInt32,
    "record": pl.UInt32,
    "place": pl.Int32,
    "added": pl.Boolean,
    "day": pl.Int32,
}
"""Columns of a frame of community events; communities and records are numbers."""

RECORDS = {
    "record": pl.UInt32,
    "parent": pl.UInt32,
    "created": pl.Int32,
    "published": pl.Int32,
    "files": pl.Int64,
    "volume": pl.Int64,
    "cells": pl.List(pl.UInt32),
}
"""Columns of a frame of records as they are now; ``cells`` are the numbers of the cells
that the record is in."""

_STAY = ["community", "record"]


def stays(events):
    """Return the stays of records in communities.

    Args:
        events: frame of :data:`EVENTS` in any order.

    Returns:
        Frame of ``community``, ``record``, ``number`` (from 1), ``added`` and
        ``removed`` (null while it lasts), in days.
    """
    return (
        events.sort(*_STAY, "place")
        .with_columns(
            # time does not run backwards along the places
            pl.col("day").cum_max().over(_STAY),
            inside=pl.col("added").shift(1, fill_value=False).over(_STAY),
        )
        # a second addition, or a removal of what is not there, says nothing
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


def dated(stays, records, basis):
    """Return stays as a basis dates them.

    Args:
        stays: what :func:`stays` returns.
        records: frame of :data:`RECORDS`; a record that is not there is left out.
        basis: ``created``, ``published`` or ``added``.

    Returns:
        Frame of ``community``, ``record``, ``start`` and ``end``; some may end
        before they start, and count nothing.
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


def changes(dated, today):
    """Return which records come and go on which days.

    Args:
        dated: what :func:`dated` returns.
        today: the present day; nothing is counted after it.

    Returns:
        Frame of ``community``, ``record``, ``day`` and ``sign``: 1 for a record
        that is there at the end of the day and was not the day before, -1 for the
        reverse.
    """
    lasting = dated.filter(
        (pl.col("start") <= today)
        & (pl.col("end").is_null() | (pl.col("start") < pl.col("end")))
    )
    begun = lasting.select(*_STAY, day="start", sign=pl.lit(1, pl.Int8))
    ended = lasting.filter(pl.col("end") <= today).select(
        *_STAY, day="end", sign=pl.lit(-1, pl.Int8)
    )
    # a stay that begins on the day on which another ends goes on
    return (
        pl.concat([begun, ended])
        .group_by(*_STAY, "day")
        .agg(pl.col("sign").sum().cast(pl.Int8))
        .filter(pl.col("sign") != 0)
    )


def due(dated, records, today):
    """Return when a record of each parent will come to a community or leave it.

    Args:
        dated: what :func:`dated` returns.
        records: frame of :data:`RECORDS`.
        today: the present day.

    Returns:
        Frame of ``community``, ``parent`` and ``due``: the first such day after today;
        only of those that have one.
    """
    lasting = dated.filter(
        pl.col("end").is_null() | (pl.col("start") < pl.col("end")),
    ).join(records.select("record", "parent"), on="record")
    where = ["community", "parent"]
    days = pl.concat([lasting.select(*where, due=side) for side in _SIDES])
    return days.filter(pl.col("due") > today).group_by(where).agg(pl.min("due"))


_SIDES = ("start", "end")
