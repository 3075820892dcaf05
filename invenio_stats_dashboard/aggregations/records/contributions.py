# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute what each parent contributes to the documents of its communities.

All numbers of all documents are sums over parents. The contributions of a parent depend
only on its own events and facts. When a parent has changed, its contributions are
therefore replaced as a whole, and those of all others stay valid.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from ...search.names import BASES
from . import counting, presence
from .counting import BY_PARENT
from .dates import day_text
from .record_reader import RecordBatch

# Empty frames, made from types alone. A computation at import would start the threads
# of Polars, and Polars would not work in a worker that is forked after the import.
_TYPES: dict[str, Any] = {**BY_PARENT.schema, "basis": pl.UInt8}

ROWS = pl.DataFrame(schema=_TYPES)
"""Schema of contributions: columns of :data:`.counting.BY_PARENT`, and the index of the
basis in ``BASES``."""

OF_RANGE = pl.DataFrame(schema={n: t for n, t in _TYPES.items() if n != "community"})
"""Schema of the contributions of a range of parents to one community."""

_WHERE = ["community", "parent"]
_ORDER = ["basis", "parent", "day", "cell"]


@dataclass(eq=False)
class Contributions:
    """The contributions of a range of parents to one community.

    Attributes:
        rows: frame with the columns of :data:`OF_RANGE`. Parents and breakdown values
            are numbers that are valid within one step only.
        due: parent -> first day after today on which its contributions change although
            no event or fact changes, ``YYYY-MM-DD``.
        missing: parent -> identifiers of its records that have events but no facts.
    """

    rows: pl.DataFrame = field(default_factory=OF_RANGE.clone)
    due: dict[int, str] = field(default_factory=dict)
    missing: dict[int, list[str]] = field(default_factory=dict)

    def only(self, parents: Collection[int]) -> "Contributions":
        """Return the contributions of some parents."""
        return self._where(pl.col("parent").is_in(parents), parents.__contains__)

    def without(self, parents: Collection[int]) -> "Contributions":
        """Return the contributions of all other parents."""
        chosen = ~pl.col("parent").is_in(parents)
        return self._where(chosen, lambda parent: parent not in parents)

    def _where(self, rows: pl.Expr, test: Callable[[int], bool]) -> "Contributions":
        return Contributions(
            self.rows.filter(rows),
            {parent: day for parent, day in self.due.items() if test(parent)},
            {parent: ids for parent, ids in self.missing.items() if test(parent)},
        )

    def __add__(self, other: "Contributions") -> "Contributions":
        """Return the contributions of both; no parent may be in both."""
        return Contributions(
            pl.concat([self.rows, other.rows]),
            {**self.due, **other.due},
            {**self.missing, **other.missing},
        )

    def equals(self, other: "Contributions") -> bool:
        """Return whether the same parents make the same contributions."""
        return (
            self.due == other.due
            and self.missing == other.missing
            and self.rows.sort(_ORDER).equals(other.rows.sort(_ORDER))
        )


def of_part(part: RecordBatch, today: int) -> dict[int, tuple[set[int], Contributions]]:
    """Compute the contributions of the parents that were read.

    Args:
        part: all events and facts of each parent, in each of the communities.
        today: the current day.

    Returns:
        Community -> (parents with events in it, their contributions). Communities and
        parents are numbers.
    """
    stays = presence.stays(part.events)
    rows, due = [], []
    for number, basis in enumerate(BASES):
        dated = presence.dated(stays, part.records, basis)
        changes = presence.changes(dated, today)
        of_basis = counting.by_parent(changes, part.records)
        rows.append(of_basis.with_columns(basis=pl.lit(number, pl.UInt8)))
        due.append(presence.due(dated, part.records, today))
    found: dict[int, tuple[set[int], Contributions]] = {}
    known = set(part.records.get_column("record"))
    for community, record in _timelines(part.events):
        parents, contributions = found.setdefault(community, (set(), Contributions()))
        parent = part.parents[record]
        parents.add(parent)
        if record not in known:
            ids = contributions.missing.setdefault(parent, [])
            ids.append(part.recids[record])
            ids.sort()
    soonest = pl.concat(due).group_by(_WHERE).agg(pl.min("due"))
    for community, parent, day in soonest.iter_rows():
        found[community][1].due[parent] = day_text(day)
    for (community,), own in _by_community(pl.concat(rows)):
        found[community][1].rows = own.select(OF_RANGE.columns)
    return found


def _timelines(events: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    return events.select("community", "record").unique().iter_rows()


def _by_community(
    rows: pl.DataFrame,
) -> Iterable[tuple[tuple[Any, ...], pl.DataFrame]]:
    return rows.partition_by("community", as_dict=True).items()


def changed_days(before: pl.DataFrame, after: pl.DataFrame) -> dict[str, set[str]]:
    """Return the days whose numbers differ.

    Args:
        before: rows of :data:`OF_RANGE`.
        after: rows of :data:`OF_RANGE`.

    Returns:
        Basis -> days, ``YYYY-MM-DD``.
    """
    metrics = counting.METRICS
    both = pl.concat(
        [
            before.with_columns(-pl.col(metrics)),
            after.with_columns(pl.col(metrics)),
        ]
    )
    differs = pl.any_horizontal(pl.col(metrics) != 0)
    days = (
        both.group_by("basis", "day", "cell")
        .agg(pl.col(metrics).sum())
        .filter(differs)
        .select("basis", "day")
        .unique()
    )
    found: dict[str, set[str]] = {}
    for basis, day in days.iter_rows():
        found.setdefault(BASES[basis], set()).add(day_text(day))
    return found
