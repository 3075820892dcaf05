# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The aggregation of records: what to count again, unit after unit, until none is left.

Every step can be repeated. What is to be counted again is noted before the positions
in the sources move on; a community is closed when its documents are stored, and stays
open if its sources have changed meanwhile.
"""

import hashlib
import json
from functools import partial

from ...community_events.documents import GLOBAL
from ...search.names import BASES, RECORD_FAMILIES
from ...subcounts import for_records
from ..run import Done, Step
from ..store import FIRST_DAY, LAST_DAY, AggregateStore, Part
from .changes import SCOPE, Look
from .corrections import FAMILY, Corrections
from .distinct import distinct
from .pending import Open, Pending
from .unit import Counting, units

_REVISION = 1
"""Raised when the same events and facts would give other documents."""

_LEAST = 1000
"""What a unit costs besides its events, in events."""

_FEW = 1000
_MOST_MISSING = 10_000


class Records:
    """The record families of one instance, as a :class:`~..run.Half`.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's :class:`~...search.names.Names`.
        subcounts: the registry of breakdowns.
        top: cells that a snapshot keeps of a ``top`` breakdown.
        today: the present UTC day, a date.
        check: called before each piece of work; raises when this run must not write
            any more.
        gate: a :class:`~...search.health.HealthGate`, asked before each part of a
            large community; None where nothing has to be asked.
        waiting: called with a sentence while OpenSearch takes no requests.

    Attributes:
        missing: identifiers of records that have community events and no facts, and
            are left out; None if ``global`` was not counted.
    """

    name = SCOPE

    def __init__(
        self,
        client,
        text_client,
        names,
        subcounts,
        top,
        today,
        check=None,
        gate=None,
        waiting=None,
    ):
        """Keep what is needed; asks nothing yet."""
        self._client, self._text, self._names = client, text_client, names
        records = for_records(subcounts)
        self._keys = tuple(s.key for s in records)
        self._limits = {s.key: top for s in records if s.show == "top"}
        self._today = today
        self._check, self._gate, self._waiting = check, gate, waiting
        self._pending = Pending(client, text_client, names)
        self._stores = {
            family: AggregateStore(text_client, names, family, check, waiting)
            for family in RECORD_FAMILIES
        }
        self._corrections = Corrections(client, names, today)
        self._why = ""
        self.missing = None

    @property
    def patterns(self):
        """Return patterns of the indices that are read and written."""
        aliases = [store.alias for store in self._stores.values()]
        aliases += [self._names.community_events, self._names.record_facts]
        return [f"{alias}*" for alias in aliases]

    # -- the half -----------------------------------------------------------

    def phases(self, options):
        """Yield what is to be done, as lists of :class:`~..run.Step`.

        ``global`` is counted first: it tells which records lack their facts.

        Args:
            options: a :class:`~..run.Options`.

        Raises:
            NotReadyError: all community events or record facts are gone.
        """
        if options.dry_run:
            yield self._steps(options, self._would_be_open(options))
            return
        self.find(options)
        while found := self._open(options):
            if len(found) > 1 and GLOBAL in found:
                found = {GLOBAL: found[GLOBAL]}
            yield self._steps(options, found)
            if not self._is_whole(options):
                rest = self._open(options)
                rest.pop(GLOBAL, None)
                if GLOBAL in found and rest:
                    yield self._steps(options, rest)
                return
        if options.communities is None and FAMILY in options.families:
            self._corrections.complete()

    def days_left(self, options):
        """Return 0: a run counts all that there is to count."""
        return 0

    def finish(self):
        """Make all that was written visible."""
        for store in self._stores.values():
            store.refresh()

    # -- what is to be done -------------------------------------------------

    def find(self, options):
        """Note which communities have to be counted again.

        Args:
            options: a :class:`~..run.Options`.

        Returns:
            tuple[str, ...]: sentences that say why.
        """
        look = self._look()
        looked = look.look()
        if looked.everything:
            self._pending.open(look.all_communities())
        elif looked.communities:
            self._pending.open(looked.communities)
        look.save(looked)
        if options.rebuild:
            chosen = options.communities or look.all_communities()
            self._pending.open(chosen, self._families(options))
        told = [*looked.reasons, *(["rebuild"] if options.rebuild else [])]
        self._why = "; ".join(told) or "found by an earlier run"
        return looked.reasons

    def forget(self):
        """Have everything counted again by the next run."""
        look = self._look()
        self._pending.open(look.all_communities())
        look.forget()

    def _look(self):
        return Look(self._client, self._names, self._rules())

    def _rules(self):
        """Return a mark of all that documents depend on beside events and facts."""
        told = json.dumps([_REVISION, self._keys, sorted(self._limits.items())])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def _open(self, options):
        found = self._pending.read(self._today.isoformat())
        return self._chosen(options, found)

    def _would_be_open(self, options):
        look = self._look()
        looked = look.look()
        found = looked.communities
        if looked.everything or options.rebuild:
            found = look.all_communities()
        families = tuple(sorted(RECORD_FAMILIES))
        found = {community: Open(community, families) for community in found}
        noted = self._pending.read(self._today.isoformat())
        found = {**{one.community: one for one in noted}, **found}
        return self._chosen(options, found.values())

    def _chosen(self, options, found):
        families = set(options.families)
        return {
            one.community: one
            for one in found
            if (options.communities is None or one.community in options.communities)
            and not families.isdisjoint(one.families)
        }

    def _families(self, options):
        return [f for f in RECORD_FAMILIES if f in options.families]

    def _is_whole(self, options):
        return not options.first and not options.last

    # -- doing it -----------------------------------------------------------

    def _steps(self, options, found):
        return [
            Step(
                f"records of {_some(unit.communities)}",
                unit.events + _LEAST,
                partial(self._do, options, unit, [found[c] for c in unit.communities]),
            )
            for unit in self._units(found)
        ]

    def _units(self, found):
        filters = []
        if len(found) <= _FEW:
            filters = [{"terms": {"community_id": sorted(found)}}]
        events = self._names.community_events
        counted = distinct(self._client, events, "community_id", filters)
        sizes = {**dict.fromkeys(found, 0), **{c: n for c, n in counted if c in found}}
        return units(sizes, first=(GLOBAL,))

    def _do(self, options, unit, chosen):
        wanted = {family for one in chosen for family in one.families}
        families = [f for f in self._families(options) if f in wanted]
        bases = [basis for basis in BASES if any(f.endswith(basis) for f in families)]
        work = (self._text, self._names, self._keys, self._today, bases)
        done = Done(communities=len(unit.communities))
        with Counting(*work, before=self._ready, waiting=self._waiting) as counting:
            counts = counting.count(unit)
            for family in families:
                done.written[family] = self._write(options, family, unit, counts)
        if GLOBAL in unit.communities:
            self.missing = tuple(sorted(counts.missing))
            done.without_facts = len(self.missing)
        if not options.dry_run and self._is_whole(options):
            self._close(families, chosen, counts)
        return done

    def _ready(self):
        """Return when more may be done; raise if it may not."""
        if self._gate:
            self._gate.wait(self.patterns)
        if self._check:
            self._check()

    def _write(self, options, family, unit, counts):
        first, last = options.first or FIRST_DAY, options.last or LAST_DAY
        documents = (
            document
            for document in counts.documents(family, self._limits)
            if first <= document.day <= last
        )
        parts = [Part(first, last, community) for community in unit.communities]
        store = self._stores[family]
        if options.dry_run:
            return store.dry(documents, parts, by_community=True)
        before = self._corrections.watch(self._why) if family == FAMILY else None
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
            self._pending.open(self._look().communities_of(bereft) - {GLOBAL})


def _some(communities):
    return (
        communities[0] if len(communities) == 1 else f"{len(communities)} communities"
    )
