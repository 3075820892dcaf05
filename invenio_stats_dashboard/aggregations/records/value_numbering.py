# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Assign numbers to the values of breakdowns, so that frames contain no text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import polars as pl

from ...reserved_ids import HIDDEN, ids_of
from .counting import TOTAL

Cell = tuple[int, str]
"""Index of a breakdown among the keys, and one of its values."""


class CellNumbers:
    """Assigns numbers to the values of all breakdowns, and to the owners of records.

    Args:
        keys: the breakdowns of records, in the order of the registry.

    Attributes:
        keys: the breakdowns. A breakdown is identified by its index in this tuple.
        owners: pseudo index of owners, after those of the breakdowns.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = tuple(keys)
        self.owners = len(self.keys)
        self._numbers: dict[Cell, int] = {}
        self._cells = [_TOTALS]
        self._numbers[_TOTALS] = TOTAL

    def __len__(self) -> int:
        return len(self._cells)

    def of(
        self, subcounts: Mapping[str, Sequence[str]], owner: str | None = None
    ) -> list[int]:
        """Return the numbers of all values of a record, the totals first.

        Args:
            subcounts: breakdown -> the record's values.
            owner: id of the record's owner, or None.
        """
        found = [TOTAL]
        for place, key in enumerate(self.keys):
            for value in ids_of(subcounts.get(key)):
                found.append(self.number((place, value)))
        if owner is not None:
            found.append(self.number((self.owners, owner)))
        return found

    def of_hidden(self, owner: str | None = None) -> list[int]:
        """Return the numbers of a record that counts under no value of its own.

        Args:
            owner: id of the record's owner, or None.
        """
        found = [TOTAL]
        found += [self.number((place, HIDDEN)) for place in range(len(self.keys))]
        if owner is not None:
            found.append(self.number((self.owners, owner)))
        return found

    def number(self, cell: Cell) -> int:
        """Return the number of a value; a new value gets a new number."""
        number = self._numbers.get(cell)
        if number is None:
            number = self._numbers[cell] = len(self._cells)
            self._cells.append(cell)
        return number

    def numbers(self, cells: Sequence[Cell]) -> list[int]:
        """Return the numbers of many values."""
        found: list[Any] = list(map(self._numbers.get, cells))
        if None in found:
            found = [self.number(cell) for cell in cells]
        return found

    def __getitem__(self, number: int) -> Cell:
        """Return the value of a number; the totals have the index -1."""
        return self._cells[number]

    def places(self) -> pl.Series:
        """Return the index of each value's breakdown, by the number of the value."""
        return pl.Series([place for place, _ in self._cells], dtype=pl.Int32)

    def frame(self, numbers: Iterable[int]) -> pl.DataFrame:
        """Return a frame of breakdown values.

        Args:
            numbers: numbers of the values. Totals and owners are ignored.

        Returns:
            Frame of ``cell`` (the number), ``place`` (the index of the breakdown),
            ``id`` (the value) and ``json`` (the value as JSON).
        """
        rows = [
            (number, place, id, msgspec.json.encode(id).decode())
            for number, (place, id) in ((n, self._cells[n]) for n in numbers)
            if 0 <= place < self.owners
        ]
        return pl.DataFrame(rows, schema=_FRAME, orient="row")


_TOTALS = (-1, "")
_FRAME: dict[str, Any] = {
    "cell": pl.UInt32,
    "place": pl.UInt32,
    "id": pl.String,
    "json": pl.String,
}
