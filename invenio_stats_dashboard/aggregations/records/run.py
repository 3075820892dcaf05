# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The aggregation of records: what to count again, unit after unit, until none is left.

Every step can be repeated. What is to be counted again is noted before the positions
in the sources move on; a community is closed when its documents are stored, and stays
open if its sources have changed meanwhile.
"""

import hashlib
import json
import time
from dataclasses import dataclass, field

from ...community_events.documents import GLOBAL
from ...search.names import BASES, RECORD_FAMILIES
from ...subcounts import for_records
from ..store import FIRST_DAY, LAST_DAY, AggregateStore, Part, Written
from .changes import Look
from .distinct import distinct
from .pending import Open, Pending
from .unit import Counting, units

_REVISION = 1
"""Raised when the same events and facts would give other documents."""

_FEW = 1000
_MOST_MISSING = 10_000
_TOLD = 10


@dataclass
class RecordReport:
    """What a run did.

    Attributes:
        communities: that were counted.
        written: family -> :class:`~..store.Written`.
        reasons: sentences that say why there was something to do.
        missing: records that have community events and no facts; they are left out.
        examples: identifiers of some of these.
        left: communities that are still open.
        seconds: how long it took.
        dry_run: nothing was written.
    """

    communities: int = 0
    written: dict[str, Written] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    missing: int = 0
    examples: tuple[str, ...] = ()
    left: int = 0
    seconds: float = 0.0
    dry_run: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        communities: that were counted.
        all_communities: that are to be counted.
        events: community events of those.
        all_events: community events of these.
    """

    communities: int
    all_communities: int
    events: int
    all_events: int


@dataclass(frozen=True)
class Wanted:
    """What a run is asked to do.

    Attributes:
        families: names of record families.
        communities: UUIDs or ``global``; None for all.
        first: first day to write.
        last: last day to write.
        rebuild: count all of these again, whether anything has changed or not.
        dry_run: say what would be written, and write nothing.
    """

    families: tuple[str, ...] = RECORD_FAMILIES
    communities: frozenset[str] | None = None
    first: str = FIRST_DAY
    last: str = LAST_DAY
    rebuild: bool = False
    dry_run: bool = False

    @property
    def bases(self):
        """Return the bases of the families."""
        told = {family.rpartition("-")[2] for family in self.families}
        return tuple(basis for basis in BASES if basis in told)

    @property
    def is_whole(self):
        """Tell whether all days are to be written."""
        return (self.first, self.last) == (FIRST_DAY, LAST_DAY)

    def chosen(self, found):
        """Return those of some :class:`.pending.Open` that it is about."""
        return {
            one.community: one
            for one in found
            if (self.communities is None or one.community in self.communities)
            and not set(self.families).isdisjoint(one.families)
        }


class RecordAggregation:
    """Makes the documents of the record families what they should be.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's :class:`~...search.names.Names`.
        subcounts: the registry of breakdowns.
        top: cells that a snapshot keeps of a ``top`` breakdown.
        today: the present UTC day.
        check: called before each piece of work; may raise to end it (the lock is
            lost, the cluster is not fit).
        progress: called with a :class:`Progress` now and then.
        waiting: called with a sentence while OpenSearch takes no requests.
        before: function from a family to what is called with its
            :class:`~..store.Change` s before these are written; None for nothing.
    """

    def __init__(
        self,
        client,
        text_client,
        names,
        subcounts,
        top,
        today,
        check=None,
        progress=None,
        waiting=None,
        before=None,
    ):
        """Keep what is needed; reads nothing yet."""
        self._client, self._text, self._names = client, text_client, names
        records = for_records(subcounts)
        self._keys = tuple(s.key for s in records)
        self._limits = {s.key: top for s in records if s.show == "top"}
        self._today = today
        self._check, self._progress = check, progress
        self._waiting, self._before = waiting, before
        self._pending = Pending(client, text_client, names)

    # -- the whole ----------------------------------------------------------

    def run(self, wanted=None):
        """Find what has to be counted again, and count it.

        Args:
            wanted: the :class:`Wanted`; all by default.

        Returns:
            RecordReport: what was done.

        Raises:
            NotReadyError: there are no community events, or no record facts.
            SearchUnavailableError: OpenSearch took no requests for too long.
            LockLostError: another run has taken over.
        """
        wanted, began = wanted or Wanted(), time.monotonic()
        report = RecordReport(dry_run=wanted.dry_run)
        if wanted.dry_run:
            self._count_all(wanted, self._would_be_open(wanted, report), report)
        else:
            self.find(wanted, report)
            while found := self._open(wanted):
                self._count_all(wanted, found, report)
                if not wanted.is_whole:
                    break
            report.left = len(self._pending.read(self._today.isoformat()))
        report.seconds = time.monotonic() - began
        return report

    def find(self, wanted, report):
        """Note which communities have to be counted again."""
        look, looked = self._look(report)
        if looked.everything:
            self._pending.open(look.all_communities())
        elif looked.communities:
            self._pending.open(looked.communities)
        look.save(looked)
        if wanted.rebuild:
            communities = wanted.communities or look.all_communities()
            self._pending.open(communities, wanted.families)

    def count(self, wanted, communities, report=None):
        """Count some communities that are open, as a piece of work of its own.

        Args:
            wanted: the :class:`Wanted`.
            communities: UUIDs, or ``global``.
            report: the :class:`RecordReport` to add to.

        Returns:
            RecordReport: what was done.
        """
        report = report or RecordReport()
        found = self._open(wanted)
        chosen = {c: found[c] for c in communities if c in found}
        self._count_all(wanted, chosen, report)
        return report

    def plan(self, wanted):
        """Return the units of the communities that are open.

        Args:
            wanted: the :class:`Wanted`.

        Returns:
            list[Unit]: in the order in which to count them.
        """
        return self._units(self._open(wanted))

    # -- inside -------------------------------------------------------------

    def _look(self, report):
        look = Look(self._client, self._names, self._rules())
        looked = look.look()
        report.reasons = looked.reasons
        return look, looked

    def _rules(self):
        """Return a mark of all that documents depend on beside events and facts."""
        told = json.dumps([_REVISION, self._keys, sorted(self._limits.items())])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def _open(self, wanted):
        return wanted.chosen(self._pending.read(self._today.isoformat()))

    def _would_be_open(self, wanted, report):
        look, looked = self._look(report)
        found = set(looked.communities)
        if looked.everything or wanted.rebuild:
            found = look.all_communities()
        found = {community: Open(community, RECORD_FAMILIES) for community in found}
        found |= {
            one.community: one for one in self._pending.read(self._today.isoformat())
        }
        return wanted.chosen(found.values())

    def _units(self, found):
        """Return the units of open communities; ``global`` finds what others need."""
        filters = []
        if len(found) <= _FEW:
            filters = [{"terms": {"community_id": sorted(found)}}]
        events = self._names.community_events
        counted = distinct(self._client, events, "community_id", filters)
        sizes = {**dict.fromkeys(found, 0), **{c: n for c, n in counted if c in found}}
        return units(sizes, first=(GLOBAL,))

    def _count_all(self, wanted, found, report):
        if not found:
            return
        todo = self._units(found)
        events = sum(unit.events for unit in todo)
        done = [0, 0]
        for unit in todo:
            self._tell(done[0], len(found), done[1], events)
            chosen = [found[community] for community in unit.communities]
            self._count_unit(wanted, unit, chosen, report)
            done = [done[0] + len(chosen), done[1] + unit.events]
            report.communities += len(chosen)
        self._tell(*done[:1], len(found), done[1], events)

    def _tell(self, *numbers):
        if self._progress:
            self._progress(Progress(*numbers))

    def _count_unit(self, wanted, unit, chosen, report):
        families = {f for one in chosen for f in one.families} & set(wanted.families)
        counting = Counting(
            self._text,
            self._names,
            self._keys,
            self._today,
            wanted.bases,
            before=self._check,
            waiting=self._waiting,
        )
        with counting:
            counts = counting.count(unit)
            for family in sorted(families):
                written = self._write(wanted, family, unit, counts)
                report.written[family] = report.written.get(family, Written()) + written
        if GLOBAL in unit.communities:
            report.missing = len(counts.missing)
            report.examples = tuple(sorted(counts.missing)[:_TOLD])
        if not wanted.dry_run and wanted.is_whole:
            self._close(families, chosen, counts)

    def _write(self, wanted, family, unit, counts):
        store = AggregateStore(
            self._text, self._names, family, check=self._check, waiting=self._waiting
        )
        documents = (
            document
            for document in counts.documents(family, self._limits)
            if wanted.first <= document.day <= wanted.last
        )
        parts = [Part(wanted.first, wanted.last, c) for c in unit.communities]
        if wanted.dry_run:
            return store.dry(documents, parts, by_community=True)
        before = self._before(family) if self._before else None
        return store.replace(documents, parts, by_community=True, before=before)

    def _close(self, families, chosen, counts):
        missing = None
        if chosen[0].community == GLOBAL:
            missing = sorted(counts.missing)
            self._open_bereft(chosen[0].missing, missing)
            missing = missing if len(missing) <= _MOST_MISSING else None
        self._pending.close(chosen, families, counts.due, missing)

    def _open_bereft(self, before, now):
        """Open the communities of records whose facts are not there any more."""
        if before is None:
            return  # nothing to compare with: all are open, or too many lack facts
        if bereft := set(now).difference(before):
            look = Look(self._client, self._names, self._rules())
            self._pending.open(look.communities_of(bereft) - {GLOBAL})
