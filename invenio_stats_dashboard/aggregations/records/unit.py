# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""One piece of work: all documents of some communities.

It holds as many communities as have a bounded number of events together, or one that
has more, which is read a range of its parents at a time.
"""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field

from ...search.names import BASES
from . import counting, presence
from .cells import Cells
from .dates import day_text
from .documents import delta_documents, snapshot_documents
from .reading import Parents, Reader
from .spool import Spool

EVENTS = 8_000
"""Community events that are read at a time."""


@dataclass(frozen=True)
class Unit:
    """Communities that are counted together.

    Attributes:
        communities: sorted UUIDs, or ``global``.
        events: how many community events they have.
    """

    communities: tuple[str, ...]
    events: int

    @property
    def parts(self):
        """Return the ranges of parents that are read one after the other."""
        number = 1
        if len(self.communities) == 1:
            number = min(-(-self.events // EVENTS) or 1, 65_536)
        return Parents.split(number)


def units(sizes, first=()):
    """Return the units of communities.

    Args:
        sizes: community -> number of its events.
        first: communities that are units of their own, before the others.

    Returns:
        list[Unit]: the same for the same sizes.
    """
    found = [Unit((c,), sizes[c]) for c in first if c in sizes]
    group, events = [], 0
    for community in sorted(set(sizes) - set(first)):
        size = sizes[community]
        if group and events + size > EVENTS:
            found.append(Unit(tuple(group), events))
            group, events = [], 0
        group.append(community)
        events += size
    if group:
        found.append(Unit(tuple(group), events))
    return found


@dataclass
class Counts:
    """What was counted of a unit.

    Attributes:
        communities: sorted UUIDs, or ``global``; their places are their numbers.
        cells: the cells that numbers stand for.
        spools: basis -> :class:`.spool.Spool`.
        due: community -> first day after today on which it changes by itself.
        missing: identifiers of records that have events and no facts.
    """

    communities: tuple[str, ...]
    cells: Cells
    spools: dict[str, Spool]
    due: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def documents(self, family, limits):
        """Yield the documents of a family, by community, then day.

        Args:
            family: name of one of the record families.
            limits: breakdown key -> how many of its cells a snapshot keeps; None
                for all.
        """
        _, kind, basis = family.split("-")
        what = self.spools[basis].frames(), self.communities, self.cells
        if kind == "delta":
            return delta_documents(*what)
        return snapshot_documents(*what, limits)


class Counting:
    """Counts a unit; a context, which ends with its files.

    Args:
        text_client: a client that does not decode.
        names: the instance's :class:`~...search.names.Names`.
        keys: the breakdowns of records.
        today: the present day.
        bases: the bases to count on.
        before: called before each part is read; may raise to end the work.
        waiting: called with a sentence while OpenSearch takes no requests.
    """

    def __init__(
        self, text_client, names, keys, today, bases=BASES, before=None, waiting=None
    ):
        """Keep what is needed; reads nothing yet."""
        self._client, self._names, self._keys = text_client, names, keys
        self._today, self._bases = today.toordinal(), bases
        self._before, self._waiting = before, waiting
        self._stack = ExitStack()

    def __enter__(self):
        """Return it; there are no files yet."""
        return self

    def __exit__(self, *details):
        """Remove the files."""
        self._stack.close()

    def count(self, unit):
        """Return what a unit's documents are made of.

        Args:
            unit: the :class:`Unit`.

        Returns:
            Counts: to be used within the context only.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        parts = unit.parts
        cells = Cells(self._keys)
        spools = {basis: self._spool(len(parts)) for basis in self._bases}
        counts = Counts(unit.communities, cells, spools)
        reader = Reader(
            self._client, self._names, unit.communities, cells, waiting=self._waiting
        )
        due = {}
        for parents in parts:
            if self._before:
                self._before()
            self._count_part(reader.read(parents), counts, due)
        counts.due = {unit.communities[c]: day_text(day) for c, day in due.items()}
        return counts

    def _spool(self, parts):
        if parts == 1:
            return Spool()
        folder = tempfile.TemporaryDirectory(prefix="record-aggregates-")
        return Spool(self._stack.enter_context(folder))

    def _count_part(self, part, counts, due):
        counts.missing.update(part.missing)
        stays = presence.stays(part.events)
        for basis in BASES:
            dated = presence.dated(stays, part.records, basis)
            for community, day in presence.due(dated, self._today).items():
                due[community] = min(day, due.get(community, day))
            if basis in counts.spools:
                changes = presence.changes(dated, self._today)
                counts.spools[basis].add(
                    counting.deltas(changes, part.records),
                    counting.owners(changes, part.records),
                )
