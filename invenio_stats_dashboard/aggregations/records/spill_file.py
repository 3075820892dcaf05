# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Collect deltas, on disk or in memory, until all deltas of a community are complete.

A document needs all records of its community, and a community can have more records
than fit in memory. Contributions are therefore summed some parents at a time, written
to files, and read and summed again some days at a time.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from .counting import EMPTY, summed

ROWS = 150_000
"""Number of rows that are summed at a time."""


class SpillFile:
    """The deltas of some communities on one basis.

    Args:
        folder: folder for the files; None to store all rows in memory.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._waiting: list[pl.DataFrame] = []
        self._height = 0
        self._files: list[Path] = []
        self._days: Counter[int] = Counter()

    def add(self, rows: pl.DataFrame) -> None:
        """Add contributions.

        Args:
            rows: frame with the columns of :data:`.counting.EMPTY`.
        """
        self._waiting.append(rows.select(EMPTY.columns))
        self._height += rows.height
        if self._height >= ROWS:
            self._put_away()

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield frames for :func:`.documents.delta_documents`.

        Can be called repeatedly. With a folder, all rows must belong to one community,
        because frames are sorted by day.
        """
        if self._folder is None or not self._files:
            yield summed(EMPTY, *self._waiting)
            return
        if self._height:
            self._put_away()
        for first, last in self._ranges():
            chosen = pl.col("day").is_between(first, last)
            parts = [
                pl.scan_parquet(path).filter(chosen).collect() for path in self._files
            ]
            yield summed(*parts)

    def _put_away(self) -> None:
        together = summed(EMPTY, *self._waiting)
        if self._folder is None:
            self._waiting, self._height = [together], 0
            return
        self._waiting, self._height = [], 0
        self._days.update(dict(together.group_by("day").len().iter_rows()))
        path = self._folder / f"{len(self._files)}.parquet"
        together.sort("day").write_parquet(
            path, compression="zstd", row_group_size=20_000
        )
        self._files.append(path)

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of days that have a bounded number of rows together."""
        first: int | None = None
        last = rows = 0
        for day in sorted(self._days):
            if first is not None and rows + self._days[day] > ROWS:
                yield first, last
                first, rows = None, 0
            first = day if first is None else first
            last = day
            rows += self._days[day]
        if first is not None:
            yield first, last
