# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""From the days on which records come and go to numbers by community, day and cell.

The totals are one more cell, which every record is in. All numbers but owners add
up over sets of records that share no parent.
"""

import polars as pl

TOTAL = 0
"""Number of the cell that every record is in."""

METRICS = (
    "records_added_metadata_only",
    "records_added_with_files",
    "records_removed_metadata_only",
    "records_removed_with_files",
    "parents_added_metadata_only",
    "parents_added_with_files",
    "parents_removed_metadata_only",
    "parents_removed_with_files",
    "files_added_file_count",
    "files_added_data_volume",
    "files_removed_file_count",
    "files_removed_data_volume",
)
"""Columns of deltas, in the order of the documents."""

ROWS = 50_000
"""Pairs of a change and a cell that are looked at together."""

_PARENT = ["community", "cell", "parent"]
_CELL = ["community", "day", "cell"]
_WIDE = {name: pl.Int64 for name in METRICS if name.startswith("files")}
_TYPES = {name: _WIDE.get(name, pl.Int32) for name in METRICS}

EMPTY = pl.DataFrame(
    schema={"community": pl.UInt32, "day": pl.Int32, "cell": pl.UInt32, **_TYPES}
)
"""Deltas of nothing."""


def deltas(changes, records):
    """Return what changes in each community, day and cell.

    Args:
        changes: what :func:`.presence.changes` returns.
        records: frame of :data:`.presence.RECORDS`, with all versions of each
            parent that ``changes`` has a record of.

    Returns:
        Frame of ``community``, ``day``, ``cell`` and :data:`METRICS`.
    """
    rows = changes.join(
        records.select("record", "parent", "files", "volume", "cells"), on="record"
    ).drop("record")
    exploded = rows.get_column("cells").list.len().sum()
    slices = -(-exploded // ROWS)
    # a slice at a time: what is between takes many times the memory of what is left
    parts = [
        _with_parents(_by_parent(rows.filter(pl.col("parent") % slices == number)))
        for number in range(slices)
    ]
    return summed(EMPTY, *parts)


def _by_parent(rows):
    """Return what comes and goes of each parent in each cell and day."""
    rows = rows.explode("cells").rename({"cells": "cell"})
    come, filed = pl.col("sign") > 0, pl.col("files") > 0
    return rows.group_by(*_PARENT, "day").agg(
        present=pl.col("sign").cast(pl.Int32).sum(),
        present_filed=(pl.col("sign").cast(pl.Int32) * filed).sum(),
        records_added_metadata_only=(come & ~filed).sum(),
        records_added_with_files=(come & filed).sum(),
        records_removed_metadata_only=(~come & ~filed).sum(),
        records_removed_with_files=(~come & filed).sum(),
        files_added_file_count=(pl.col("files") * come).sum(),
        files_added_data_volume=(pl.col("volume") * come).sum(),
        files_removed_file_count=(pl.col("files") * ~come).sum(),
        files_removed_data_volume=(pl.col("volume") * ~come).sum(),
    )


def summed(*parts):
    """Return the sum of deltas of records that share no parent, sorted by day.

    Args:
        *parts: frames of ``community``, ``day``, ``cell`` and :data:`METRICS`.
    """
    together = pl.concat([part.select(EMPTY.columns).cast(_TYPES) for part in parts])
    return (
        together.group_by(*_CELL)
        .agg(pl.col(METRICS).sum())
        .cast(_TYPES)
        .select(EMPTY.columns)
        .sort(*_CELL)
    )


def _with_parents(by_day):
    """Add how parents come, go, and change their class.

    A parent has files when one of its present versions has.
    """
    ordered = by_day.sort(*_PARENT, "day").with_columns(
        first=pl.struct(_PARENT) != pl.struct(_PARENT).shift(1)
    )
    ordered = ordered.with_columns(pl.col("first").fill_null(True))
    ordered = ordered.with_columns(
        present=_running("present"), present_filed=_running("present_filed")
    )
    here = pl.col("present") > 0
    filed = pl.col("present_filed") > 0
    ordered = ordered.with_columns(filed=here & filed, unfiled=here & ~filed)
    before = {
        name: pl.when("first").then(False).otherwise(pl.col(name).shift(1))
        for name in ("filed", "unfiled")
    }
    return ordered.with_columns(
        parents_added_metadata_only=pl.col("unfiled") & ~before["unfiled"],
        parents_added_with_files=pl.col("filed") & ~before["filed"],
        parents_removed_metadata_only=~pl.col("unfiled") & before["unfiled"],
        parents_removed_with_files=~pl.col("filed") & before["filed"],
    ).with_columns(pl.col("^parents_.*$").cast(pl.Int32))


def _running(name):
    """Return a column's running sum within each parent of a sorted frame.

    One sum over all, less what it was where the parent begins: a window for each of
    a million parents costs many times as much.
    """
    total = pl.col(name).cum_sum()
    return total - pl.when("first").then(total - pl.col(name)).forward_fill()


def owners(changes, records):
    """Return how many records of each owner come and go.

    Args:
        changes: what :func:`.presence.changes` returns.
        records: frame of :data:`.presence.RECORDS`.

    Returns:
        Frame of ``community``, ``day``, ``owner``, ``added`` (whether any record
        came) and ``net`` (how many more there are).
    """
    return _owners_summed(
        changes.join(records.select("record", "owner"), on="record")
        .filter(pl.col("owner") > 0)
        .select(
            "community",
            "day",
            "owner",
            added=pl.col("sign") > 0,
            net=pl.col("sign").cast(pl.Int32),
        )
    )


def _owners_summed(rows):
    return rows.group_by("community", "day", "owner").agg(
        pl.col("added").any(), pl.col("net").sum()
    )


def uploaders(*parts):
    """Return the distinct owners of what came, and how many more or fewer are there.

    Args:
        *parts: what :func:`owners` returns for sets of records.

    Returns:
        Frame of ``community``, ``day``, ``uploaders`` and ``net``, sorted.
    """
    owner = ["community", "owner"]
    rows = _owners_summed(pl.concat(parts)).sort(*owner, "day")
    after = pl.col("net").cum_sum().over(owner)
    rows = rows.with_columns(present=after > 0, before=after - pl.col("net") > 0)
    return (
        rows.group_by("community", "day")
        .agg(
            uploaders=pl.col("added").sum().cast(pl.Int32),
            net=(pl.col("present").cast(pl.Int32) - pl.col("before").cast(pl.Int32))
            .sum()
            .cast(pl.Int32),
        )
        .sort("community", "day")
    )


def with_uploaders(deltas, uploaders):
    """Return deltas as documents are made of them.

    Args:
        deltas: what :func:`summed` returns.
        uploaders: what :func:`uploaders` returns.

    Returns:
        Frame of ``community``, ``day``, ``uploaders``, ``net``, ``cell`` and
        :data:`METRICS`, sorted by the first two and ``cell``.
    """
    both = ["community", "day"]
    return (
        deltas.join(uploaders, on=both, how="left")
        .with_columns(pl.col("uploaders", "net").fill_null(0))
        .select(*both, "uploaders", "net", "cell", *METRICS)
        .sort(*_CELL)
    )
