# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The aggregation of records: what to count again, unit after unit, until none is left.

First what changed parents contribute is replaced, and noted which days that changes; only
then the positions in the sources move on. Then the documents of these days are made of
what all parents contribute. Every step can be repeated: a community is closed when its
documents are stored, and stays open if more has changed meanwhile.
"""

import hashlib
import json
from functools import partial

from ...community_events.documents import GLOBAL
from ...search.names import RECORD_FAMILIES
from ...subcounts import for_records
from ..aggregate_indices import AggregateIndices
from ..aggregate_store import AggregateStore
from ..runner import Step, StepResult
from .change_detection import SCOPE, ChangeScan
from .contribution_store import ContributionPlace, ContributionStore
from .contribution_updates import EVENTS, PARENTS, PARTS, Intake, parts_for
from .contributions import of_part
from .corrections import FAMILY, RecordCorrections
from .dirty_communities import CommunityState, DirtyCommunities
from .distinct import distinct
from .family_builder import FamilyCounts, WantedDocuments, units
from .numbers import Numbers
from .record_reader import Parents, RecordReader

_REVISION = 2
"""Raised when the same events and facts would give other documents, or when what is kept
between runs has another form."""

_LEAST = 1000
"""What a unit costs besides its events, in events."""

_READ_TOGETHER = EVENTS * PARTS
"""Community events of small communities that are read at a time."""

_COUNTED_TOGETHER = 2 * PARTS
"""Ranges of parents of communities whose documents are made together."""

_FEW = 1000
_DAY = "a day has come on which records begin or cease to count"


class RecordsAggregator:
    """The record families of one instance, as a :class:`~..runner.AggregationPipeline`.

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
        keep_corrections: days for which entries of the correction log are kept.
        indices: the :class:`~..aggregate_indices.AggregateIndices`; None for those with
            default settings.
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
        keep_corrections=730,
        indices=None,
    ):
        """Keep what is needed; asks nothing yet."""
        self._indices = indices or AggregateIndices(client, names, check=check)
        self._client, self._text, self._names = client, text_client, names
        records = for_records(subcounts)
        self._keys = tuple(s.key for s in records)
        self._limits = {s.key: top for s in records if s.show == "top"}
        self._today = today
        self._check, self._gate, self._waiting = check, gate, waiting
        self._pending = DirtyCommunities(client, text_client, names)
        self._kept = ContributionStore(
            client, text_client, names, check, waiting=waiting
        )
        self._intake = Intake(
            text_client,
            names,
            self._keys,
            today,
            self._kept,
            self._pending,
            self._ready,
            waiting,
        )
        self._stores = {
            family: AggregateStore(
                text_client, names, family, self._indices, check, waiting
            )
            for family in RECORD_FAMILIES
        }
        self._corrections = RecordCorrections(
            client, text_client, names, today, keep_corrections
        )

    @property
    def patterns(self):
        """Return patterns of the indices that are read and written."""
        aliases = [store.alias for store in self._stores.values()]
        aliases += [self._names.community_events, self._names.record_facts]
        return [f"{alias}*" for alias in (*aliases, self._names.between_runs)]

    # -- the half -----------------------------------------------------------

    def phases(self, options):
        """Yield what is to be done, as lists of :class:`~..runner.Step`.

        Args:
            options: a :class:`~..runner.AggregationOptions`.

        Raises:
            NotReadyError: all community events or record facts are gone.
        """
        if options.dry_run:
            yield self._rehearsal(options)
            return
        untrusted = self._indices.begin(RECORD_FAMILIES)
        yield from self._find(options)
        if untrusted:
            self._pending.open(self._look().all_communities(), "; ".join(untrusted))
            self._indices.settle(RECORD_FAMILIES)
        while found := self._open(options):
            if unread := [state for state in found if not state.is_read]:
                yield self._reading(unread)
                found = self._open(options)
            self._indices.prepare(self._families(options), [self._today.year])
            yield self._writing(options, found)
            if not self._is_whole(options):
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

    def forget(self):
        """Have everything counted again by the next run."""
        look = self._look()
        self._pending.open(look.all_communities(), "the bookmarks were cleared")
        look.forget()

    # -- what has changed ---------------------------------------------------

    def _find(self, options):
        """Yield the steps that note what has to be counted again."""
        # before the look, which notes which index it is
        self._kept.make()
        look = self._look()
        looked, due = look.look(), self._due()
        if looked.everything:
            self._pending.open(look.all_communities(), "; ".join(looked.reasons))
        elif parents := looked.parents | due:
            why = "; ".join([*looked.reasons, *([_DAY] if due else [])])
            yield self._taking_in(sorted(parents), why)
        # only now, since what is behind these positions is nowhere else
        look.save(looked)
        if options.rebuild:
            chosen = options.communities or look.all_communities()
            self._pending.open(chosen, "rebuild")

    def _look(self):
        return ChangeScan(self._client, self._names, self._rules(), self._kept.missing)

    def _due(self):
        self._kept.refresh()
        return self._kept.due(self._today.isoformat())

    def _rules(self):
        """Return a mark of all that documents depend on beside events and facts."""
        told = json.dumps([_REVISION, self._keys, sorted(self._limits.items())])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def _taking_in(self, parents, why):
        chunks = [parents[i : i + PARENTS] for i in range(0, len(parents), PARENTS)]
        return [
            Step(
                f"changes of {len(chunk)} records",
                len(chunk) + _LEAST,
                partial(self._take_in, chunk, why),
            )
            for chunk in chunks
        ]

    def _take_in(self, parents, why):
        crowded = self._intake.changed(parents, why)
        if crowded:
            sizes, states = self._sizes(crowded), self._pending.states(crowded)
            grown = {c for c in crowded if parts_for(sizes[c]) > states[c].parts}
            self._pending.open(grown, "there are many more records than before")
        return StepResult()

    # -- reading ------------------------------------------------------------

    def _reading(self, states):
        """Return the steps that read all of some communities."""
        by_community = {state.community: state for state in states}
        sizes = self._sizes(by_community)
        return [
            Step(
                f"reading {_some(unit.communities)}",
                unit.weight + _LEAST,
                partial(self._read, [by_community[c] for c in unit.communities], sizes),
            )
            for unit in units(sizes, _READ_TOGETHER, first=(GLOBAL,))
        ]

    def _read(self, states, sizes):
        self._intake.whole(states, sizes)
        return StepResult()

    def _sizes(self, communities):
        """Return community -> how many events it has."""
        filters = []
        if len(communities) <= _FEW:
            filters = [{"terms": {"community_id": sorted(communities)}}]
        events = self._names.community_events
        counted = distinct(self._client, events, "community_id", filters)
        found = {c: n for c, n in counted if c in communities}
        return {**dict.fromkeys(communities, 0), **found}

    # -- writing ------------------------------------------------------------

    def _open(self, options):
        """Return the states of the communities that are chosen and open."""
        return [state for state in self._pending.read() if _is_chosen(state, options)]

    def _families(self, options):
        return [f for f in RECORD_FAMILIES if f in options.families]

    def _is_whole(self, options):
        return not options.first and not options.last

    def _writing(self, options, states):
        """Return the steps that write what is open."""
        by_community = {state.community: state for state in states if state.is_read}
        weights = {c: state.parts for c, state in by_community.items()}
        return [
            Step(
                f"records of {_some(unit.communities)}",
                unit.weight * EVENTS + _LEAST,
                partial(
                    self._write, options, [by_community[c] for c in unit.communities]
                ),
            )
            for unit in units(weights, _COUNTED_TOGETHER, first=(GLOBAL,))
        ]

    def _write(self, options, states):
        wanted = {family for state in states for family in state.families}
        families = [f for f in self._families(options) if f in wanted]
        communities = [state.community for state in states]
        done = StepResult(communities=len(states))
        parts = {f: _parts(options, f, states) for f in families}
        ranges = sum(state.parts for state in states)
        with self._counts(communities, parts, ranges) as counts:
            if gone := self._add_kept(counts, states):
                self._pending.open(gone, "what was counted is gone")
                return StepResult()
            for family in families:
                before = None
                if family == FAMILY:
                    before = self._corrections.watch(states)
                done.written[family] = self._stores[family].replace(
                    counts.documents(family, self._limits),
                    parts[family],
                    by_community=True,
                    before=before,
                )
        if GLOBAL in communities:
            done.without_facts = self._without_facts()
        if self._is_whole(options):
            self._pending.close(states, families)
        return done

    def _without_facts(self):
        self._kept.refresh()
        return self._kept.count_missing(GLOBAL)

    def _counts(self, communities, parts, ranges):
        in_memory = len(communities) > 1 or ranges <= _COUNTED_TOGETHER
        return FamilyCounts(communities, self._keys, parts, in_memory)

    def _add_kept(self, counts, states):
        """Add up what is kept; return the communities of which something is gone."""
        places = (
            ContributionPlace(state.community, part, state.parts)
            for state in states
            for part in range(state.parts)
        )
        gone = set()
        for place, stored in self._kept.read(places):
            if stored:
                counts.add(place.community, stored.rows(counts.cells))
            else:
                gone.add(place.community)
        return gone

    def _ready(self):
        """Return when more may be done; raise if it may not."""
        if self._gate:
            self._gate.wait(self.patterns)
        if self._check:
            self._check()

    # -- telling what would be done -----------------------------------------

    def _rehearsal(self, options):
        """Return the steps that count without keeping or writing anything."""
        look = self._look()
        looked, noted = look.look(), {s.community: s for s in self._pending.read()}
        if looked.everything or options.rebuild:
            found = look.all_communities()
        else:
            found = look.communities_of(looked.parents | self._due())
        states = [CommunityState(c, RECORD_FAMILIES) for c in {*found, *noted}]
        sizes = self._sizes({s.community for s in states if _is_chosen(s, options)})
        return [
            Step(
                f"records of {_some(unit.communities)}",
                unit.weight + _LEAST,
                partial(self._rehearse, options, unit.communities, unit.weight),
            )
            for unit in units(sizes, _READ_TOGETHER, first=(GLOBAL,))
        ]

    def _rehearse(self, options, communities, size):
        families, ranges = self._families(options), parts_for(size)
        done = StepResult(communities=len(communities))
        states = [CommunityState(community, days=None) for community in communities]
        parts = {f: _parts(options, f, states, every=True) for f in families}
        with self._counts(communities, parts, ranges) as counts:
            missing = self._add_read(counts, ranges if len(communities) == 1 else 1)
            for family in families:
                documents = counts.documents(family, self._limits)
                done.written[family] = self._stores[family].dry(
                    documents, parts[family], by_community=True
                )
        if GLOBAL in communities:
            done.without_facts = missing
        return done

    def _add_read(self, counts, parts):
        """Add up what events and facts say now; return how many records lack facts."""
        missing = 0
        for first in range(0, parts, PARTS):
            self._ready()
            reader = RecordReader(
                self._text,
                self._names,
                counts.cells,
                Numbers(),
                Numbers(counts.communities),
                waiting=self._waiting,
            )
            parents = Parents.of(first, min(first + PARTS, parts), parts)
            part = reader.of_communities(counts.communities, parents)
            for number, (_, own) in of_part(part, self._today.toordinal()).items():
                counts.add(counts.communities[number], own.rows)
                missing += sum(map(len, own.missing.values()))
        return missing


def _is_chosen(state, options):
    """Tell whether a run is asked for a community, and for a family to be written."""
    return (
        options.communities is None or state.community in options.communities
    ) and not set(options.families).isdisjoint(state.families)


def _parts(options, family, states, every=False):
    """Return the parts of a family of which a run makes the documents."""
    days = {
        s.community: s.days_of(family) for s in states if every or family in s.families
    }
    wanted = WantedDocuments(days, options.first, options.last)
    return wanted.deltas() if family.startswith("records-delta") else wanted.snapshots()


def _some(communities):
    return (
        communities[0] if len(communities) == 1 else f"{len(communities)} communities"
    )
