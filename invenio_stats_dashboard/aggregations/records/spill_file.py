# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Deltas of many parts, kept on disk until all of them are there.

A document needs all records of its community; a community can have more than fit in
memory. So what parts contribute is added up some parts at a time, put away, and added up
again some days at a time.
"""

from collections import Counter
from pathlib import Path

import polars as pl

from .counting import EMPTY, summed

ROWS = 150_000
"""Rows that are added up at a time."""


class SpillFile:
    """The deltas of some communities on one basis, as their parts come in.

    Args:
        folder: where to keep them; None to keep them in memory.
    """

    def __init__(self, folder=None):
        """Begin with nothing."""
        self._folder = folder and Path(folder)
        self._waiting, self._height = [], 0
        self._files, self._days = [], Counter()

    def add(self, rows):
        """Take in what one part contributes.

        Args:
            rows: frame with the columns of :data:`.counting.EMPTY`.
        """
        self._waiting.append(rows.select(EMPTY.columns))
        self._height += rows.height
        if self._height >= ROWS:
            self._put_away()

    def frames(self):
        """Yield frames as :func:`.documents.delta_documents` takes them, again and again.

        On disk there must be one community only, since what is yielded is in the
        order of days.
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

    def _put_away(self):
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

    def _ranges(self):
        """Yield ranges of days that have a bounded number of rows together."""
        first = last = None
        rows = 0
        for day in sorted(self._days):
            if first is not None and rows + self._days[day] > ROWS:
                yield first, last
                first, rows = None, 0
            first = day if first is None else first
            last = day
            rows += self._days[day]
        if first is not None:
            yield first, last
