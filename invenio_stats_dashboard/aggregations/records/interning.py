# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Numbers for the cells of breakdowns, so that frames hold no text."""

import msgspec
import polars as pl

from .counting import TOTAL

UNKNOWN = "unknown"
"""The cell of what has no value."""


class CellNumbers:
    """Gives each cell, a value of a breakdown or an owner, a number.

    Args:
        keys: the breakdowns of records, in the order of the registry.

    Attributes:
        keys: the same; the place of a breakdown is its index among them.
        owners: the place of owners, behind all breakdowns.
    """

    def __init__(self, keys):
        """Number the breakdowns; cell 0 is that of the totals."""
        self.keys = tuple(keys)
        self.owners = len(self.keys)
        self._numbers = {}
        self._cells = [_TOTALS]
        self._numbers[_TOTALS] = TOTAL

    def __len__(self):
        return len(self._cells)

    def of(self, subcounts, owner=None):
        """Return the numbers of the cells that a record is in, the totals first.

        Args:
            subcounts: breakdown key -> the record's values.
            owner: id of its owner, or None.
        """
        found = [TOTAL]
        for place, key in enumerate(self.keys):
            for value in subcounts.get(key) or (UNKNOWN,):
                found.append(self.number((place, value)))
        if owner is not None:
            found.append(self.number((self.owners, owner)))
        return found

    def number(self, cell):
        """Return the number of a cell, as :meth:`__getitem__` tells it."""
        number = self._numbers.get(cell)
        if number is None:
            number = self._numbers[cell] = len(self._cells)
            self._cells.append(cell)
        return number

    def numbers(self, cells):
        """Return the numbers of many cells as a list."""
        found = list(map(self._numbers.get, cells))
        if None in found:
            found = [self.number(cell) for cell in cells]
        return found

    def __getitem__(self, number):
        """Return the place of a cell's breakdown, and its id; -1 is of the totals."""
        return self._cells[number]

    def places(self):
        """Return a series of the place of each cell, by its number."""
        return pl.Series([place for place, _ in self._cells], dtype=pl.Int32)

    def frame(self, numbers):
        """Return cells of breakdowns.

        Args:
            numbers: of cells; those that are of no breakdown are left out.

        Returns:
            Frame of ``cell``, ``place`` of its breakdown among the keys, ``id``, and
            ``json``, which is the id as JSON.
        """
        rows = [
            (number, place, id, msgspec.json.encode(id).decode())
            for number, (place, id) in ((n, self._cells[n]) for n in numbers)
            if 0 <= place < self.owners
        ]
        return pl.DataFrame(rows, schema=_FRAME, orient="row")


_TOTALS = (-1, "")
_FRAME = {"cell": pl.UInt32, "place": pl.UInt32, "id": pl.String, "json": pl.String}
