# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Divide communities into batches, and build the documents of one batch.

Contributions are added to a batch in any order. They are stored in memory, or on disk
for a community that does not fit in memory.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import polars as pl

from ...search.names import BASES
from ..aggregate_reader import FIRST_DAY, LAST_DAY, DocumentRange
from ..documents import Document
from .dates import day_number
from .documents import delta_documents, snapshot_documents
from .running_totals import BEFORE
from .spill_file import SpillFile
from .value_numbering import CellNumbers

_Days = Sequence[str] | None
_Need = dict[str, Callable[[pl.DataFrame], pl.DataFrame]]
"""Community -> function that returns the rows that its documents need."""
_Spans = list[tuple[int, int]]
"""First and last day of each range."""


@dataclass(frozen=True)
class CommunityBatch:
    """Communities whose documents are made together.

    Attributes:
        communities: sorted UUIDs, or ``global``.
        weight: amount of work.
    """

    communities: tuple[str, ...]
    weight: int


def units(
    weights: Mapping[str, int], most: int, first: Sequence[str] = ()
) -> list[CommunityBatch]:
    """Divide communities into batches, always the same for the same weights.

    Args:
        weights: community -> amount of work.
        most: maximum weight of a batch, unless it has a single community.
        first: communities that get their own batch, before all others.
    """
    found = [CommunityBatch((c,), weights[c]) for c in first if c in weights]
    group: list[str] = []
    together = 0
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
    """Selects the documents of one family to make.

    Args:
        days: community -> its sorted days; None for all days.
        first: first day of all communities, or None.
        last: last day of all communities, or None.
    """

    def __init__(
        self,
        days: Mapping[str, _Days],
        first: str | None = None,
        last: str | None = None,
    ) -> None:
        self._days = days
        self._first, self._last = first or FIRST_DAY, last or LAST_DAY

    def deltas(self) -> list[DocumentRange]:
        """Return the ranges for a family of deltas: only the days."""
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

    def snapshots(self) -> list[DocumentRange]:
        """Return the ranges for a family of snapshots: the first day and all after."""
        return [
            DocumentRange(
                max(self._first, (days or [FIRST_DAY])[0]), self._last, community
            )
            for community, days in self._days.items()
            if days is None or days
        ]


class FamilyCounts:
    """Sums contributions to some communities, and makes their documents.

    It is a context manager that deletes its files at the end.

    Args:
        communities: UUIDs, or ``global``. Their indexes serve as their numbers.
        keys: the breakdowns of records.
        wanted: family -> ranges whose documents are made.
        in_memory: store all rows in memory. If False, there must be one community.
    """

    def __init__(
        self,
        communities: Sequence[str],
        keys: Iterable[str],
        wanted: Mapping[str, Sequence[DocumentRange]],
        in_memory: bool,
    ) -> None:
        self.communities, self.cells = tuple(communities), CellNumbers(keys)
        self._parts = wanted
        self._stack = ExitStack()
        self._needs: list[tuple[int, _Need, SpillFile]] = []
        self._spools: dict[str, SpillFile] = {}
        for basis in BASES:
            self._plan(basis, in_memory)

    def __enter__(self) -> "FamilyCounts":
        """Return this object."""
        return self

    def __exit__(self, *details: object) -> None:
        """Delete the files."""
        self._stack.close()

    def add(self, community: str, rows: pl.DataFrame) -> None:
        """Add contributions of parents.

        Args:
            community: one of the communities.
            rows: frame of :data:`.contributions.OF_RANGE`, with or without parents.
        """
        number = self.communities.index(community)
        rows = rows.with_columns(community=pl.lit(number, pl.UInt32))
        by_basis = rows.partition_by("basis", as_dict=True)
        for place, need, spool in self._needs:
            own = by_basis.get((place,))
            if own is not None and community in need:
                spool.add(need[community](own))

    def documents(self, family: str, limits: Mapping[str, int]) -> Iterator[Document]:
        """Yield documents of a family, by community, then day.

        Args:
            family: name of one of the record families.
            limits: breakdown -> number of its values in a snapshot. Other breakdowns
                have all values.
        """
        frames, what = self._spools[family].frames(), (self.communities, self.cells)
        if _is_delta(family):
            yield from delta_documents(frames, *what)
            return
        last = {part.community: part.last for part in self._parts[family]}
        for document in snapshot_documents(frames, *what, limits):
            if document.day <= last[document.community]:
                yield document

    def _plan(self, basis: str, in_memory: bool) -> None:
        """Create the files for a basis.

        Families share a file if all days of all communities are needed.
        """
        of_basis = [f for f in self._parts if f.endswith(f"-{basis}")]
        needs = {f: _need(f, self._parts[f]) for f in of_basis}
        if all(self._is_everything(self._parts[f]) for f in of_basis):
            needs = dict.fromkeys(of_basis, dict.fromkeys(self.communities, _all))
        spools: list[tuple[int, _Need, SpillFile]] = []
        for family, need in needs.items():
            if not spools or need is not spools[-1][1]:
                spool = self._spool(in_memory)
                spools.append((BASES.index(basis), need, spool))
            self._spools[family] = spools[-1][2]
        self._needs += spools

    def _is_everything(self, parts: Sequence[DocumentRange]) -> bool:
        wanted = {part.community for part in parts}
        whole = all(part[:2] == (FIRST_DAY, LAST_DAY) for part in parts)
        return whole and wanted == set(self.communities)

    def _spool(self, in_memory: bool) -> SpillFile:
        if in_memory:
            return SpillFile()
        folder = tempfile.TemporaryDirectory(prefix="record-aggregates-")
        return SpillFile(self._stack.enter_context(folder))


def _is_delta(family: str) -> bool:
    return family.startswith("records-delta")


def _all(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def _need(family: str, parts: Iterable[DocumentRange]) -> _Need:
    """Return functions that select the rows which the documents of ranges need."""
    spans: dict[str, _Spans] = {}
    for part in parts:
        assert part.community is not None
        days = day_number(part.first), day_number(part.last)
        spans.setdefault(part.community, []).append(days)
    need = _inside if _is_delta(family) else _from
    return {community: partial(need, of_it) for community, of_it in spans.items()}


def _inside(spans: _Spans, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of some days."""
    if len(spans) == 1:
        return rows.filter(pl.col("day").is_between(*spans[0]))
    return rows.filter(pl.col("day").is_in([first for first, _ in spans]))


def _from(spans: _Spans, rows: pl.DataFrame) -> pl.DataFrame:
    """Return all rows, with :data:`BEFORE` as the day of those before the first day."""
    ((first, _),) = spans
    early = pl.col("day") < first
    return rows.with_columns(day=pl.when(early).then(BEFORE).otherwise("day"))
