# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Deltas of many parts, kept on disk until all of them are there.

A document needs all records of its community; a community can have more than fit in
memory. So each part's deltas are put away, and added up some days at a time.
"""

from collections import Counter
from pathlib import Path

import polars as pl

from .counting import EMPTY, summed, uploaders, with_uploaders

ROWS = 100_000
"""Rows of deltas that are added up at a time."""


class Spool:
    """The deltas of some communities on one basis, as their parts come in.

    Args:
        folder: where to keep them; None to keep them in memory.
    """

    def __init__(self, folder=None):
        """Begin with nothing."""
        self._folder = folder and Path(folder)
        self._parts, self._owners, self._days = [], [], Counter()

    def add(self, deltas, owners):
        """Take in the deltas of one part.

        Args:
            deltas: what :func:`.counting.deltas` returns.
            owners: what :func:`.counting.owners` returns.
        """
        self._owners.append(owners)
        if self._folder is None:
            self._parts.append(deltas)
            return
        self._days.update(dict(deltas.group_by("day").len().iter_rows()))
        path = self._folder / f"{len(self._parts)}.parquet"
        deltas.sort("day").write_parquet(
            path, compression="zstd", row_group_size=20_000
        )
        self._parts.append(path)

    def frames(self):
        """Yield frames as :func:`.documents.by_day` takes them; can be called again.

        On disk there must be one community only, since what is yielded is in the
        order of days.
        """
        owners = uploaders(*self._owners) if self._owners else None
        for deltas in self._summed():
            if deltas.height:
                yield with_uploaders(deltas, owners)

    def _summed(self):
        if self._folder is None:
            if len(self._parts) == 1:
                yield self._parts[0]
            else:
                yield summed(EMPTY, *self._parts)
            return
        for first, last in self._ranges():
            chosen = pl.col("day").is_between(first, last)
            parts = [
                pl.scan_parquet(path).filter(chosen).collect() for path in self._parts
            ]
            yield summed(*parts)

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
