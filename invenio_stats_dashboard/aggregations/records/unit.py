# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Pieces of work: communities that are small enough to be done together.

What parents contribute to one of them is added up a bounded part at a time.
"""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass

import polars as pl

from ...search.names import BASES
from ..store import FIRST_DAY, LAST_DAY, Part
from .cells import Cells
from .dates import day_number
from .documents import delta_documents, snapshot_documents
from .spool import Spool


@dataclass(frozen=True)
class Unit:
    """Communities that are done together.

    Attributes:
        communities: sorted UUIDs, or ``global``.
        weight: how much work they are.
    """

    communities: tuple[str, ...]
    weight: int


def units(weights, most, first=()):
    """Return the units of communities.

    Args:
        weights: community -> how much work it is.
        most: weight of a unit that is not of one community alone.
        first: communities that are units of their own, before the others.

    Returns:
        list[Unit]: the same for the same weights.
    """
    found = [Unit((c,), weights[c]) for c in first if c in weights]
    group, together = [], 0
    for community in sorted(set(weights) - set(first)):
        weight = weights[community]
        if group and together + weight > most:
            found.append(Unit(tuple(group), together))
            group, together = [], 0
        group.append(community)
        together += weight
    if group:
        found.append(Unit(tuple(group), together))
    return found


class Wanted:
    """Which documents of one family are to be made.

    Args:
        days: community -> its days, sorted; None for all.
        first: first day of all, or None.
        last: last day of all, or None.
    """

    def __init__(self, days, first=None, last=None):
        """Keep what is needed."""
        self._days = days
        self._first, self._last = first or FIRST_DAY, last or LAST_DAY

    def deltas(self):
        """Return the parts of the family if it is of deltas: the days alone."""
        return [
            part
            for community, days in self._days.items()
            for part in (
                [Part(self._first, self._last, community)]
                if days is None
                else [
                    Part(day, day, community)
                    for day in days
                    if self._first <= day <= self._last
                ]
            )
        ]

    def snapshots(self):
        """Return the parts of the family if it is of snapshots: all from a day on."""
        return [
            Part(max(self._first, (days or [FIRST_DAY])[0]), self._last, community)
            for community, days in self._days.items()
            if days is None or days
        ]


class Counts:
    """What the documents of some communities are made of; a context.

    It ends with its files.

    Args:
        communities: UUIDs, or ``global``; their places are their numbers.
        keys: the breakdowns of records.
        bases: those to count on.
        in_memory: whether all of it has room there; if not, there must be one community
            only.
    """

    def __init__(self, communities, keys, bases, in_memory):
        """Begin with nothing."""
        self.communities, self.cells = tuple(communities), Cells(keys)
        self._stack = ExitStack()
        self._spools = {basis: self._spool(in_memory) for basis in bases}

    def __enter__(self):
        """Return it."""
        return self

    def __exit__(self, *details):
        """Remove the files."""
        self._stack.close()

    def add(self, community, rows):
        """Take in what parents contribute.

        Args:
            community: one of the communities.
            rows: frame of :data:`.contributions.OF_RANGE`, or without the parents.
        """
        number = pl.lit(self.communities.index(community), pl.UInt32)
        rows = rows.with_columns(community=number)
        for place, basis in enumerate(BASES):
            if basis in self._spools:
                self._spools[basis].add(rows.filter(pl.col("basis") == place))

    def documents(self, family, parts, limits):
        """Yield documents of a family, by community, then day.

        Args:
            family: name of one of the record families.
            parts: the :class:`~..store.Part` s that they are of.
            limits: breakdown key -> how many of its cells a snapshot keeps; None
                for all.
        """
        _, kind, basis = family.split("-")
        frames, what = self._spools[basis].frames(), (self.communities, self.cells)
        if kind == "delta":
            yield from delta_documents(self._within(frames, parts), *what)
            return
        numbers = {c: number for number, c in enumerate(self.communities)}
        since = {numbers[part.community]: day_number(part.first) for part in parts}
        upto = {part.community: part.last for part in parts}
        for document in snapshot_documents(frames, *what, limits, since):
            if document.day <= upto[document.community]:
                yield document

    def _within(self, frames, parts):
        """Yield frames without the days that are in no part."""
        numbers = {c: number for number, c in enumerate(self.communities)}
        spans = pl.DataFrame(
            [
                (numbers[part.community], day_number(part.first), day_number(part.last))
                for part in parts
            ],
            schema=_SPANS,
            orient="row",
        ).sort("first")
        days = ["community", "day"]
        for frame in frames:
            inside = (
                frame.select(days)
                .unique()
                .sort("day")
                .join_asof(
                    spans,
                    left_on="day",
                    right_on="first",
                    by="community",
                    check_sortedness=False,
                )
                .filter(pl.col("day") <= pl.col("last"))
            )
            chosen = frame.join(inside, on=days, how="semi", maintain_order="left")
            if chosen.height:
                yield chosen

    def _spool(self, in_memory):
        if in_memory:
            return Spool()
        folder = tempfile.TemporaryDirectory(prefix="record-aggregates-")
        return Spool(self._stack.enter_context(folder))


_SPANS = {"community": pl.UInt32, "first": pl.Int32, "last": pl.Int32}
