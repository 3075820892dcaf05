# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Aggregate records: find changes, update contributions, write the changed documents.

1. The contributions of changed parents are replaced. Before that, the changed days are
   recorded as pending work of their communities.
2. The positions in the sources are stored, so the changes are not read again.
3. The documents of the pending days are made from the contributions of all parents.

Each step can be repeated. A community is closed when its documents are stored. It stays
open if more has changed in the meantime.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache, partial

from opensearchpy import OpenSearch

from ...community_events.documents import GLOBAL
from ...search.health import HealthGate
from ...search.names import RECORD_FAMILIES, Names
from ...subcounts import Subcount, for_records
from ..aggregate_indices import AggregateIndices
from ..aggregate_reader import DocumentRange
from ..aggregate_store import AggregateStore
from ..counted_access import CountedAccess
from ..distinct_values import distinct
from ..record_access import AccessRules, RecordAccess
from ..runner import AggregationOptions, Step, StepResult
from .change_detection import SCOPE, ChangeScan
from .community_batches import FamilyCounts, WantedDocuments, units
from .contribution_store import ContributionPlace, ContributionStore
from .contribution_updates import EVENTS, PARENTS, PARTS, Intake, parts_for
from .contributions import of_part
from .corrections import FAMILY, RecordCorrections
from .counting_rules import record_rules
from .dirty_communities import CommunityState, DirtyCommunities
from .numbers import Numbers
from .record_reader import Parents, RecordReader

_LEAST = 1000
"""Fixed cost of a step, in community events."""

_READ_TOGETHER = EVENTS * PARTS
"""Maximum number of community events of small communities that are read together."""

_COUNTED_TOGETHER = 2 * PARTS
"""Maximum number of ranges of parents whose documents are made together."""

_FEW = 1000
_VISIBILITY = "the visibility of the community has changed"
_DAY = "the day has come on which records start or cease to count"


class RecordsAggregator:
    """Writes the record families of one instance.

    Args:
        client: decodes responses.
        text_client: does not decode responses.
        names: the instance's index names.
        subcounts: the registry of breakdowns.
        top: number of values in a snapshot of a ``top`` breakdown.
        today: the current UTC day.
        check: called before each read and write; raises when this run must not write
            any more.
        gate: waits until the cluster is healthy, before each range of a large
            community; None for no check.
        waiting: called with a sentence while OpenSearch accepts no requests.
        keep_corrections: days after which entries of the correction log are deleted.
        indices: finds the indices to write to; None for default settings.
        access_rules: returns the site's rules for hidden records.
    """

    name = SCOPE

    def __init__(
        self,
        client: OpenSearch,
        text_client: OpenSearch,
        names: Names,
        subcounts: Mapping[str, Subcount],
        top: int,
        today: date,
        check: Callable[[], None] | None = None,
        gate: HealthGate | None = None,
        waiting: Callable[[str], None] | None = None,
        keep_corrections: float = 730,
        indices: AggregateIndices | None = None,
        access_rules: Callable[[], AccessRules] = AccessRules,
    ) -> None:
        self.robots_left_out: dict[str, int] = {}
        # Once for each run, so that all records are read with the same rules.
        self._access_rules = cache(partial(_with_known, access_rules, client, names))
        self._indices = indices or AggregateIndices(client, names, check=check)
        self._client, self._text, self._names = client, text_client, names
        self._subcounts, self._top = subcounts, top
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
            self._access_rules,
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
    def patterns(self) -> list[str]:
        """Return patterns of the indices that are read and written."""
        aliases = [store.alias for store in self._stores.values()]
        aliases += [self._names.community_events, self._names.record_facts]
        return [f"{alias}*" for alias in (*aliases, self._names.between_runs)]

    # -- the pipeline -------------------------------------------------------

    def phases(self, options: AggregationOptions) -> Iterator[list[Step]]:
        """Yield the phases of a run.

        Raises:
            NotReadyError: all community events or all record facts are missing.
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

    def days_left(self, options: AggregationOptions) -> int:
        """Return 0, because a run always counts everything."""
        return 0

    def finish(self) -> None:
        """Make all written documents visible to searches."""
        for store in self._stores.values():
            store.refresh()

    def forget(self) -> None:
        """Make the next run count everything again."""
        look = self._look()
        self._pending.open(look.all_communities(), "the bookmarks were cleared")
        look.forget()

    # -- what has changed ---------------------------------------------------

    def _find(self, options: AggregationOptions) -> Iterator[list[Step]]:
        """Yield the phases that record what must be counted again."""
        # Before the scan, which records the UUID of this index.
        self._kept.make()
        look = self._look()
        looked, due = look.look(), self._due()
        if looked.everything:
            self._pending.open(look.all_communities(), "; ".join(looked.reasons))
        elif parents := looked.parents | due:
            why = "; ".join([*looked.reasons, *([_DAY] if due else [])])
            yield self._taking_in(sorted(parents), why)
        if looked.communities and not looked.everything:
            self._pending.open(looked.communities, _VISIBILITY)
        # Only now: until the changes are recorded, these positions are the only trace.
        look.save(looked)
        if options.rebuild:
            chosen = options.communities or look.all_communities()
            self._pending.open(chosen, "rebuild")

    def _look(self) -> ChangeScan:
        rules = self._access_rules()
        return ChangeScan(
            self._client,
            self._names,
            record_rules(self._subcounts, self._top, rules.show_hidden),
            self._kept.missing,
            rules.restricted,
        )

    def _due(self) -> set[str]:
        self._kept.refresh()
        return self._kept.due(self._today.isoformat())

    def _taking_in(self, parents: Sequence[str], why: str) -> list[Step]:
        chunks = [parents[i : i + PARENTS] for i in range(0, len(parents), PARENTS)]
        return [
            Step(
                f"changes of {len(chunk)} records",
                len(chunk) + _LEAST,
                partial(self._take_in, chunk, why),
            )
            for chunk in chunks
        ]

    def _take_in(self, parents: Sequence[str], why: str) -> StepResult:
        crowded = self._intake.changed(parents, why)
        if crowded:
            sizes, states = self._sizes(crowded), self._pending.states(crowded)
            grown = {c for c in crowded if parts_for(sizes[c]) > states[c].parts}
            self._pending.open(grown, "the community has many more records than before")
        return StepResult()

    # -- reading ------------------------------------------------------------

    def _reading(self, states: Iterable[CommunityState]) -> list[Step]:
        """Return the steps that read all parents of some communities."""
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

    def _read(
        self, states: Sequence[CommunityState], sizes: Mapping[str, int]
    ) -> StepResult:
        self._intake.whole(states, sizes)
        return StepResult()

    def _sizes(self, communities: Collection[str]) -> dict[str, int]:
        """Return community -> number of its events."""
        filters = []
        if len(communities) <= _FEW:
            filters = [{"terms": {"community_id": sorted(communities)}}]
        events = self._names.community_events
        counted = distinct(self._client, events, "community_id", filters)
        found = {c: n for c, n in counted if c in communities}
        return {**dict.fromkeys(communities, 0), **found}

    # -- writing ------------------------------------------------------------

    def _open(self, options: AggregationOptions) -> list[CommunityState]:
        """Return the states of the open communities that the options select."""
        return [state for state in self._pending.read() if _is_chosen(state, options)]

    def _families(self, options: AggregationOptions) -> list[str]:
        return [f for f in RECORD_FAMILIES if f in options.families]

    def _is_whole(self, options: AggregationOptions) -> bool:
        return not options.first and not options.last

    def _writing(
        self, options: AggregationOptions, states: Iterable[CommunityState]
    ) -> list[Step]:
        """Return the steps that write the documents of open communities."""
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

    def _write(
        self, options: AggregationOptions, states: Sequence[CommunityState]
    ) -> StepResult:
        wanted = {family for state in states for family in state.families}
        families = [f for f in self._families(options) if f in wanted]
        communities = [state.community for state in states]
        done = StepResult(communities=len(states))
        parts = {f: _parts(options, f, states) for f in families}
        ranges = sum(state.parts for state in states)
        with self._counts(communities, parts, ranges) as counts:
            if gone := self._add_kept(counts, states):
                self._pending.open(gone, "stored contributions are missing")
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

    def _without_facts(self) -> int:
        self._kept.refresh()
        return self._kept.count_missing(GLOBAL)

    def _counts(
        self,
        communities: Sequence[str],
        parts: Mapping[str, Sequence[DocumentRange]],
        ranges: int,
    ) -> FamilyCounts:
        in_memory = len(communities) > 1 or ranges <= _COUNTED_TOGETHER
        return FamilyCounts(communities, self._keys, parts, in_memory)

    def _add_kept(
        self, counts: FamilyCounts, states: Sequence[CommunityState]
    ) -> set[str]:
        """Add the stored contributions.

        Returns:
            Communities for which a document is missing.
        """
        places = (
            ContributionPlace(state.community, part, state.parts)
            for state in states
            for part in range(state.parts)
        )
        gone: set[str] = set()
        for place, stored in self._kept.read(places):
            if stored:
                counts.add(place.community, stored.rows(counts.cells))
            else:
                gone.add(place.community)
        return gone

    def _ready(self) -> None:
        """Wait until the cluster is healthy, and check that the lock is still held."""
        if self._gate:
            self._gate.wait(self.patterns)
        if self._check:
            self._check()

    # -- dry run ------------------------------------------------------------

    def _rehearsal(self, options: AggregationOptions) -> list[Step]:
        """Return the steps of a dry run, which count but store nothing."""
        look = self._look()
        looked, noted = look.look(), {s.community: s for s in self._pending.read()}
        if looked.everything or options.rebuild:
            found = look.all_communities()
        else:
            found = look.communities_of(looked.parents | self._due())
            found |= looked.communities
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

    def _rehearse(
        self, options: AggregationOptions, communities: Sequence[str], size: int
    ) -> StepResult:
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

    def _add_read(self, counts: FamilyCounts, parts: int) -> int:
        """Add contributions that are computed from the current events and facts.

        Returns:
            Number of records that lack facts.
        """
        missing = 0
        for first in range(0, parts, PARTS):
            self._ready()
            reader = RecordReader(
                self._text,
                self._names,
                counts.cells,
                Numbers(),
                Numbers(counts.communities),
                self._access_rules(),
                waiting=self._waiting,
            )
            parents = Parents.of(first, min(first + PARTS, parts), parts)
            part = reader.of_communities(counts.communities, parents)
            for number, (_, own) in of_part(part, self._today.toordinal()).items():
                counts.add(counts.communities[number], own.rows)
                missing += sum(map(len, own.missing.values()))
        return missing


def _with_known(
    access_rules: Callable[[], AccessRules], client: OpenSearch, names: Names
) -> AccessRules:
    """Return the rules with the access with which usage was counted."""
    known = CountedAccess(client, names).read() or RecordAccess()
    return replace(access_rules(), known=known.hidden)


def _is_chosen(state: CommunityState, options: AggregationOptions) -> bool:
    """Return whether the options select a community and one of its families."""
    return (
        options.communities is None or state.community in options.communities
    ) and not set(options.families).isdisjoint(state.families)


def _parts(
    options: AggregationOptions,
    family: str,
    states: Iterable[CommunityState],
    every: bool = False,
) -> list[DocumentRange]:
    """Return the ranges of a family whose documents a run makes."""
    days = {
        s.community: s.days_of(family) for s in states if every or family in s.families
    }
    wanted = WantedDocuments(days, options.first, options.last)
    return wanted.deltas() if family.startswith("records-delta") else wanted.snapshots()


def _some(communities: Sequence[str]) -> str:
    return (
        communities[0] if len(communities) == 1 else f"{len(communities)} communities"
    )
