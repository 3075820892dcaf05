# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What each parent contributes to the documents of its communities.

All numbers of all documents are sums over parents, and what one contributes depends on
its own events and facts alone. So when it has changed, what it contributes is replaced
as a whole, and what the others do is still true.
"""

from dataclasses import dataclass, field

import polars as pl

from ...search.names import BASES
from . import counting, presence
from .counting import BY_PARENT
from .dates import day_text

# made of types alone: a module that computes would leave Polars, which keeps threads,
# of no use to every worker that is forked after it was imported
_TYPES = {**BY_PARENT.schema, "basis": pl.UInt8}

ROWS = pl.DataFrame(schema=_TYPES)
"""No rows of contributions: those of :data:`.counting.BY_PARENT`, and the place of the
basis among the bases."""

OF_RANGE = pl.DataFrame(schema={n: t for n, t in _TYPES.items() if n != "community"})
"""No rows of what the parents of a range contribute to one community."""

_WHERE = ["community", "parent"]
_ORDER = ["basis", "parent", "day", "cell"]


@dataclass(eq=False)
class Contributions:
    """What the parents of a range contribute to one community.

    Attributes:
        rows: with the columns of :data:`OF_RANGE`; parents and cells are numbers that
            hold for one step only.
        due: parent -> first day after the present one on which it changes by itself.
        missing: parent -> identifiers of its records that have events and no facts.
    """

    rows: pl.DataFrame = field(default_factory=OF_RANGE.clone)
    due: dict[int, str] = field(default_factory=dict)
    missing: dict[int, list[str]] = field(default_factory=dict)

    def only(self, parents):
        """Return what some parents contribute."""
        return self._where(pl.col("parent").is_in(parents), parents.__contains__)

    def without(self, parents):
        """Return what all but some parents contribute."""
        chosen = ~pl.col("parent").is_in(parents)
        return self._where(chosen, lambda parent: parent not in parents)

    def _where(self, rows, test):
        return Contributions(
            self.rows.filter(rows),
            {parent: day for parent, day in self.due.items() if test(parent)},
            {parent: ids for parent, ids in self.missing.items() if test(parent)},
        )

    def __add__(self, other):
        """Return what the parents of both contribute; none is in both."""
        return Contributions(
            pl.concat([self.rows, other.rows]),
            {**self.due, **other.due},
            {**self.missing, **other.missing},
        )

    def equals(self, other):
        """Tell whether the same parents contribute the same."""
        return (
            self.due == other.due
            and self.missing == other.missing
            and self.rows.sort(_ORDER).equals(other.rows.sort(_ORDER))
        )


def of_part(part, today):
    """Return what the parents that were read contribute.

    Args:
        part: the :class:`~.record_reader.RecordBatch`, with all that there is of each
            parent in each of the communities.
        today: the present day.

    Returns:
        dict: community -> (set of the parents with events in it, their
        :class:`Contributions`); all are numbers.
    """
    stays = presence.stays(part.events)
    rows, due = [], []
    for number, basis in enumerate(BASES):
        dated = presence.dated(stays, part.records, basis)
        changes = presence.changes(dated, today)
        of_basis = counting.by_parent(changes, part.records)
        rows.append(of_basis.with_columns(basis=pl.lit(number, pl.UInt8)))
        due.append(presence.due(dated, part.records, today))
    found = {}
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


def _timelines(events):
    return events.select("community", "record").unique().iter_rows()


def _by_community(rows):
    return rows.partition_by("community", as_dict=True).items()


def changed_days(before, after):
    """Return the days whose numbers are other ones.

    Args:
        before: rows of :data:`OF_RANGE`.
        after: the same.

    Returns:
        dict: basis -> set of days, ``YYYY-MM-DD``.
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
    found = {}
    for basis, day in days.iter_rows():
        found.setdefault(BASES[basis], set()).add(day_text(day))
    return found
