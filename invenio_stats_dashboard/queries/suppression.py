# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Suppress small numbers, from which visitors could be identified. Pure rules.

Only breakdowns of usage events describe visitors: where they come from, and what they
use. A value with fewer visitors than the minimum is suppressed. A value without
visitors is omitted as well, so that a missing value does not prove that it had a
visitor.

The sum of the suppressed values is the total minus all others. So the smallest
remaining value is also suppressed if only one value was suppressed, or if the
suppressed values together have fewer visitors than the minimum.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..subcounts import Subcount
from .query import Table

VARIABLE = "STATS_DASHBOARD_MIN_VISITORS"

VIEW, DOWNLOAD = PARTS = ("view", "download")
"""The kinds of usage in a value of a breakdown; each has its own visitors."""

VISITORS = {VIEW: "view_visitors", DOWNLOAD: "download_visitors"}
"""Kind of usage -> the metric that counts its visitors."""

_BOTH = {f"by_{part}": part for part in PARTS}

_Value = dict[str, Any]
"""A value of a breakdown as it is stored: its id, and numbers by kind of usage."""


@dataclass(frozen=True)
class SmallNumbers:
    """The rules of one instance.

    Attributes:
        minimum: number of visitors that a value must have to be shown; None to
            suppress nothing.
        breakdowns: keys of the breakdowns to which the rules apply.
    """

    minimum: int | None = None
    breakdowns: frozenset[str] = frozenset()

    def concern(self, breakdown: str) -> bool:
        """Return whether values of a breakdown can be suppressed."""
        return self.minimum is not None and breakdown in self.breakdowns

    def hidden(self, visitors: Mapping[str, int]) -> set[str]:
        """Return the ids of the values to suppress.

        Args:
            visitors: id -> number of visitors, of the values with any activity.
        """
        minimum = self.minimum
        assert minimum is not None, "see concern()"
        few = {id for id, number in visitors.items() if number < minimum}
        others = sorted((n, id) for id, n in visitors.items() if id not in few)
        together = sum(visitors[id] for id in few)
        # one more is enough, because it has at least the minimum
        if few and others and (len(few) == 1 or together < minimum):
            few.add(others[0][1])
        return few

    def suppressed_table(
        self,
        table: Table,
        places: Mapping[str, Collection[int]],
        visitors: Mapping[str, int],
    ) -> dict[str, list[int | None]]:
        """Return a copy of a table in which suppressed numbers are None.

        Values without any other number are omitted.

        Args:
            table: id -> numbers; those of visitors must be known.
            places: kind of usage -> positions of its numbers in the rows.
            visitors: kind of usage -> position of its visitors.
        """
        shown = {id: list(row) for id, row in table.items()}
        for part, its in places.items():
            place = visitors[part]
            there: dict[str, Any] = {
                id: row[place]
                for id, row in table.items()
                if row[place] or any(row[p] for p in its)
            }
            few = self.hidden(there)
            for id, row in shown.items():
                if id in few or id not in there:
                    for p in its:
                        row[p] = None
        return {id: row for id, row in shown.items() if any(row)}

    def suppressed(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a usage document without suppressed values.

        Args:
            document: a delta or snapshot of usage as it is stored.

        Returns:
            The document, or a copy with other ``subcounts``. A value that is suppressed
            for one kind of usage has only the other one.
        """
        subcounts = document.get("subcounts") or {}
        concerned = [key for key in subcounts if self.concern(key)]
        if not concerned:
            return document
        shown = {key: self._cells(subcounts[key]) for key in concerned}
        return {**document, "subcounts": {**subcounts, **shown}}

    def _cells(
        self, cells: list[_Value] | dict[str, list[_Value]]
    ) -> list[_Value] | dict[str, list[_Value]]:
        """Return the values of a breakdown without suppressed ones.

        Args:
            cells: all values; or two lists of the largest, by views and by downloads.
        """
        if not isinstance(cells, dict):
            return _shown(cells, self._few(cells), PARTS)
        # a value that is suppressed in one list is suppressed in the other
        every = {cell["id"]: cell for its in cells.values() for cell in its}
        few = self._few(every.values())
        return {name: _shown(its, few, (_BOTH[name],)) for name, its in cells.items()}

    def _few(self, cells: Collection[_Value]) -> dict[str, set[str]]:
        """Return kind of usage -> ids of the values to suppress."""
        return {
            part: self.hidden(
                {c["id"]: c[part]["unique_visitors"] for c in cells if part in c}
            )
            for part in PARTS
        }


def _shown(
    cells: Iterable[_Value], few: Mapping[str, set[str]], parts: Collection[str]
) -> list[_Value]:
    """Return values without suppressed kinds of usage, and only those with any left.

    Args:
        cells: the values.
        few: kind of usage -> ids of the values to suppress.
        parts: kinds of usage of which a value must have at least one.
    """
    shown = [
        {
            name: value
            for name, value in cell.items()
            if name not in few or cell["id"] not in few[name]
        }
        for cell in cells
    ]
    return [cell for cell in shown if any(part in cell for part in parts)]


def small_numbers(
    config: Mapping[str, Any], subcounts: Mapping[str, Subcount]
) -> SmallNumbers:
    """Return the rules of an instance.

    Args:
        config: the application's configuration.
        subcounts: the registry of breakdowns.
    """
    of_events = frozenset(s.key for s in subcounts.values() if not s.of_record)
    return SmallNumbers(config[VARIABLE], of_events)
