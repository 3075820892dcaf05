# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Pieces of work: communities that are small enough to be done together.

What parents contribute to one of them is added up a bounded part at a time.
"""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import polars as pl

from ...search.names import BASES
from ..aggregate_reader import FIRST_DAY, LAST_DAY, DocumentRange
from .dates import day_number
from .documents import delta_documents, snapshot_documents
from .interning import CellNumbers
from .running_totals import BEFORE
from .spill_file import SpillFile


@dataclass(frozen=True)
class CommunityBatch:
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
    found = [CommunityBatch((c,), weights[c]) for c in first if c in weights]
    group, together = [], 0
    for community in sorted(set(weights) - set(first)):
        weight = weights[community]
        if group and together + weight > most:
            found.append(CommunityBatch(tuple(group), together))
            group, together = [], 0
        group.append(community)
        together += weight
    if group:
        found.append(CommunityBatch(tuple(group), together))
    return found


class WantedDocuments:
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
                [DocumentRange(self._first, self._last, community)]
                if days is None
                else [
                    DocumentRange(day, day, community)
                    for day in days
                    if self._first <= day <= self._last
                ]
            )
        ]

    def snapshots(self):
        """Return the parts of the family if it is of snapshots: all from a day on."""
        return [
            DocumentRange(
                max(self._first, (days or [FIRST_DAY])[0]), self._last, community
            )
            for community, days in self._days.items()
            if days is None or days
        ]


class FamilyCounts:
    """What the documents of some communities are made of; a context.

    It ends with its files.

    Args:
        communities: UUIDs, or ``global``; their places are their numbers.
        keys: the breakdowns of records.
        wanted: family -> the :class:`~..aggregate_store.Part` s whose documents are to be made.
        in_memory: whether all of it has room there; if not, there must be one community
            only.
    """

    def __init__(self, communities, keys, wanted, in_memory):
        """Begin with nothing."""
        self.communities, self.cells = tuple(communities), CellNumbers(keys)
        self._parts = wanted
        self._stack = ExitStack()
        self._needs, self._spools = [], {}
        for basis in BASES:
            self._plan(basis, in_memory)

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
        number = self.communities.index(community)
        rows = rows.with_columns(community=pl.lit(number, pl.UInt32))
        by_basis = rows.partition_by("basis", as_dict=True)
        for place, need, spool in self._needs:
            own = by_basis.get((place,))
            if own is not None and community in need:
                spool.add(need[community](own))

    def documents(self, family, limits):
        """Yield documents of a family, by community, then day.

        Args:
            family: name of one of the record families.
            limits: breakdown key -> how many of its cells a snapshot keeps; None
                for all.
        """
        frames, what = self._spools[family].frames(), (self.communities, self.cells)
        if _is_delta(family):
            yield from delta_documents(frames, *what)
            return
        last = {part.community: part.last for part in self._parts[family]}
        for document in snapshot_documents(frames, *what, limits):
            if document.day <= last[document.community]:
                yield document

    def _plan(self, basis, in_memory):
        """Make the spools of a basis.

        One is enough where all days of all communities are needed of all families.
        """
        of_basis = [f for f in self._parts if f.endswith(f"-{basis}")]
        needs = {f: _need(f, self._parts[f]) for f in of_basis}
        if all(self._is_everything(self._parts[f]) for f in of_basis):
            needs = dict.fromkeys(of_basis, dict.fromkeys(self.communities, _all))
        spools = []
        for family, need in needs.items():
            if not spools or need is not spools[-1][1]:
                spool = self._spool(in_memory)
                spools.append((BASES.index(basis), need, spool))
            self._spools[family] = spools[-1][2]
        self._needs += spools

    def _is_everything(self, parts):
        wanted = {part.community for part in parts}
        whole = all(part[:2] == (FIRST_DAY, LAST_DAY) for part in parts)
        return whole and wanted == set(self.communities)

    def _spool(self, in_memory):
        if in_memory:
            return SpillFile()
        folder = tempfile.TemporaryDirectory(prefix="record-aggregates-")
        return SpillFile(self._stack.enter_context(folder))


def _is_delta(family):
    return family.startswith("records-delta")


def _all(rows):
    return rows


def _need(family, parts):
    """Return community -> function that leaves of rows what is needed."""
    spans = {}
    for part in parts:
        days = day_number(part.first), day_number(part.last)
        spans.setdefault(part.community, []).append(days)
    need = _inside if _is_delta(family) else _from
    return {community: partial(need, of_it) for community, of_it in spans.items()}


def _inside(spans, rows):
    """Leave the rows of some days alone."""
    if len(spans) == 1:
        return rows.filter(pl.col("day").is_between(*spans[0]))
    return rows.filter(pl.col("day").is_in([first for first, _ in spans]))


def _from(spans, rows):
    """Have all rows before a day be of a day before all days."""
    ((first, _),) = spans
    early = pl.col("day") < first
    return rows.with_columns(day=pl.when(early).then(BEFORE).otherwise("day"))
