# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute deltas by community, day and breakdown value from added and removed records.

The totals are treated as one more value, which every record has, and so is each owner.
All numbers can therefore be summed over sets of records that share no parent.

A value is represented by a number in the column ``cell``; see :mod:`.value_numbering`.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

TOTAL = 0
"""Number of the value that every record has."""

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
"""Columns of deltas, in the order of documents."""

ROWS = 50_000
"""Number of pairs of a change and a value that are processed at once."""

_PARENT = ["community", "cell", "parent"]
_CELL = ["community", "day", "cell"]
_Types = Mapping[Any, Any]
"""Column -> type; Polars accepts no narrower type for the keys."""
_WIDE: _Types = {name: pl.Int64 for name in METRICS if name.startswith("files")}
_TYPES: _Types = {name: _WIDE.get(name, pl.Int32) for name in METRICS}

_KEY: _Types = {"day": pl.Int32, "cell": pl.UInt32}

BY_PARENT = pl.DataFrame(
    schema={"community": pl.UInt32, "parent": pl.UInt32, **_KEY, **_TYPES}
)
"""Schema of the contributions of parents."""

EMPTY = pl.DataFrame(schema={"community": pl.UInt32, **_KEY, **_TYPES})
"""Schema of deltas."""


def by_parent(changes: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Compute what each parent contributes to each community, day and value.

    Args:
        changes: result of :func:`.presence.changes`.
        records: frame of :data:`.presence.RECORDS`, with all versions of each parent
            that has a record in ``changes``.

    Returns:
        Frame with the columns of :data:`BY_PARENT`, unsorted.
    """
    inside = pl.col("own_communities").list.contains(pl.col("community"))
    own = pl.col("hidden_cells").is_null() | inside
    rows = changes.join(records, on="record").select(
        *("community", "day", "sign", "parent", "files", "volume"),
        cells=pl.when(own).then("cells").otherwise("hidden_cells"),
    )
    exploded = int(rows.get_column("cells").list.len().sum())
    slices = -(-exploded // ROWS)
    # One slice at a time: intermediate frames need many times the memory of the result.
    parts = [
        _with_parents(_by_parent(rows.filter(pl.col("parent") % slices == number)))
        .select(BY_PARENT.columns)
        .cast(_TYPES)
        for number in range(slices)
    ]
    return pl.concat([BY_PARENT, *parts])


def _by_parent(rows: pl.DataFrame) -> pl.DataFrame:
    """Count added and removed records and files by parent, value and day."""
    rows = rows.explode("cells", empty_as_null=True).rename({"cells": "cell"})
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


def summed(*parts: pl.DataFrame) -> pl.DataFrame:
    """Sum contributions of parents, sorted by community, day and value.

    Args:
        *parts: frames with at least the columns of :data:`EMPTY`.

    Returns:
        Frame with the columns of :data:`EMPTY`.
    """
    together = pl.concat([part.select(EMPTY.columns).cast(_TYPES) for part in parts])
    return (
        together.group_by(*_CELL)
        .agg(pl.col(METRICS).sum())
        .cast(_TYPES)
        .select(EMPTY.columns)
        .sort(*_CELL)
    )


def _with_parents(by_day: pl.DataFrame) -> pl.DataFrame:
    """Add the columns of parents: added, removed, or changed between the two classes.

    A parent has files if one of its current versions has files.
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


def _running(name: str) -> pl.Expr:
    """Return a column's running sum within each parent of a sorted frame.

    It is one sum over all rows, minus the sum before the parent's first row. A window
    for each of a million parents would cost many times as much.
    """
    total = pl.col(name).cum_sum()
    return total - pl.when("first").then(total - pl.col(name)).forward_fill()
