# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Numbers for the cells of breakdowns, so that frames hold no text."""

import msgspec
import polars as pl

from .counting import TOTAL

UNKNOWN = "unknown"
"""The cell of what has no value."""


class Cells:
    """Gives each cell, a value of a breakdown, a number.

    Args:
        keys: the breakdowns of records, in the order of the registry.
    """

    def __init__(self, keys):
        """Number the breakdowns; cell 0 is that of the totals."""
        self.keys = tuple(keys)
        self._numbers = [{} for _ in self.keys]
        self._cells = [None]

    def __len__(self):
        return len(self._cells)

    def of(self, subcounts):
        """Return the numbers of the cells that a record is in, the totals first.

        Args:
            subcounts: breakdown key -> the record's values.
        """
        found = [TOTAL]
        for place, key in enumerate(self.keys):
            numbers = self._numbers[place]
            for value in subcounts.get(key) or (UNKNOWN,):
                number = numbers.get(value)
                if number is None:
                    number = numbers[value] = len(self._cells)
                    self._cells.append((place, value))
                found.append(number)
        return found

    def __getitem__(self, number):
        """Return the place of a cell's breakdown among the keys, and its id."""
        return self._cells[number]

    def frame(self):
        """Return all cells.

        Returns:
            Frame of ``cell``, ``place`` of its breakdown among the keys, ``id``, and
            ``json``, which is the id as JSON.
        """
        rows = [
            (number, place, id, msgspec.json.encode(id).decode())
            for number, (place, id) in enumerate(self._cells[1:], start=1)
        ]
        return pl.DataFrame(rows, schema=_FRAME, orient="row")


_FRAME = {"cell": pl.UInt32, "place": pl.UInt32, "id": pl.String, "json": pl.String}
