# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Update the stored contributions of parents.

The changed days are recorded before contributions are replaced. If a run is killed,
before or after it has replaced some, the next run therefore still makes the documents
of these days.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from opensearchpy import OpenSearch

from ...search.compare_and_set import Version
from ...search.names import Names
from ..record_access import AccessRules
from .contribution_store import ContributionPlace, ContributionStore, part_of
from .contributions import Contributions, changed_days, of_part
from .dirty_communities import CommunityState, DirtyCommunities
from .numbers import Numbers
from .record_reader import Parents, RecordBatch, RecordReader
from .value_numbering import CellNumbers

ParentContributions = tuple[set[int], Contributions]
"""Numbers of parents, and what they contribute to one community."""

_Wanted = tuple[ContributionPlace, set[int], Contributions]

PARENTS = 1000
"""Maximum number of changed parents that are read at a time."""

EVENTS = 1000
"""Approximate number of community events in each range of parents."""

PARTS = 8
"""Number of ranges of parents that are read at a time."""

MOST = 4 * EVENTS
"""Number of parents in one range above which the number of ranges is checked."""

MOST_PARTS = 65_536


def parts_for(events: int) -> int:
    """Return the number of ranges for the parents of a community.

    It is a power of two, so that each range is halved when the community grows.

    Args:
        events: number of the community's events.
    """
    parts = 1
    while parts * EVENTS < events and parts < MOST_PARTS:
        parts *= 2
    return parts


class Intake:
    """Reads events and facts, and stores the contributions of parents.

    Args:
        text_client: does not decode responses.
        names: the instance's index names.
        keys: the breakdowns of records.
        today: the current day.
        store: stores contributions.
        pending: stores which communities have pending work.
        before: called before each read; may raise to stop the work.
        waiting: called with a sentence while OpenSearch accepts no requests.
        access_rules: returns the site's rules for hidden records.
    """

    def __init__(
        self,
        text_client: OpenSearch,
        names: Names,
        keys: Sequence[str],
        today: date,
        store: ContributionStore,
        pending: DirtyCommunities,
        before: Callable[[], None],
        waiting: Callable[[str], None] | None = None,
        access_rules: Callable[[], AccessRules] = AccessRules,
    ) -> None:
        self._access_rules = access_rules
        self._text, self._names, self._keys = text_client, names, keys
        self._today, self._kept, self._pending = today.toordinal(), store, pending
        self._before, self._waiting = before, waiting

    # -- some parents -------------------------------------------------------

    def changed(self, parents: Sequence[str], why: str) -> set[str]:
        """Replace the contributions of some parents.

        Args:
            parents: up to :data:`PARENTS` ids.
            why: reason, as a clause.

        Returns:
            Communities with too many parents in a range.
        """
        self._before()
        step = self._step()
        found = step.of(step.reader.of_parents(parents))
        states = self._pending.states(found)
        wanted = [
            (place, *its)
            for community, own in found.items()
            # Ranges that are not read yet are later read as a whole.
            if states[community].read
            for place, its in step.divided(states[community], *own)
            if place.part < states[community].read
        ]
        crowded: set[str] = set()
        for start in range(0, len(wanted), PARTS):
            crowded |= self._replace(step, wanted[start : start + PARTS], states, why)
        return crowded

    def _replace(
        self,
        step: "_Step",
        wanted: Sequence[_Wanted],
        states: Mapping[str, CommunityState],
        why: str,
    ) -> set[str]:
        days: dict[str, dict[str, set[str]]] = {}
        changed: list[tuple[ContributionPlace, Contributions, Version | None]] = []
        damaged: set[str] = set()
        crowded: set[str] = set()
        stored = self._kept.read(place for place, *_ in wanted)
        for (place, parents, own), (_, there) in zip(wanted, stored, strict=True):
            state = states[place.community]
            if there is None and state.version:
                damaged.add(place.community)
                continue
            before = Contributions()
            if there:
                before = there.contributions(step.parents, step.cells)
            if before.only(parents).equals(own):
                continue
            after = before.without(parents) + own
            of_community = days.setdefault(place.community, {})
            for basis, its in changed_days(before.rows, after.rows).items():
                of_community.setdefault(basis, set()).update(its)
            changed.append((place, after, there.version if there else None))
            if after.rows.get_column("parent").n_unique() > MOST:
                crowded.add(place.community)
        if damaged:
            self._pending.open(damaged, "stored contributions are missing")
        self._pending.touch(days, why)
        self._kept.write(changed, step.parent_ids, step.cells)
        return crowded

    def _step(self) -> "_Step":
        return _Step(
            self._text,
            self._names,
            self._keys,
            self._today,
            self._waiting,
            self._access_rules(),
        )

    # -- all of some communities --------------------------------------------

    def whole(self, states: Sequence[CommunityState], sizes: Mapping[str, int]) -> None:
        """Read all parents of some communities.

        Args:
            states: states of the communities. A single community is read range by
                range; several are read together.
            sizes: community -> number of its events.
        """
        began = [state for state in states if not state.read]
        if began:
            self._kept.forget({state.community for state in began})
        states = [
            (
                state
                if state.read
                else replace(state, parts=parts_for(sizes[state.community]))
            )
            for state in states
        ]
        if len(states) > 1:
            self._read(states, Parents())
            return
        (state,) = states
        while 0 < state.parts != state.read:
            upto = min(state.read + PARTS, state.parts)
            self._read([state], Parents.of(state.read, upto, state.parts), upto)
            # Read the state again: it has a new version, and another process may have
            # set the number of read ranges to zero.
            (state,) = self._pending.states([state.community]).values()

    def _read(
        self,
        states: Sequence[CommunityState],
        parents: Parents,
        upto: int | None = None,
    ) -> None:
        self._before()
        step = self._step()
        communities = [state.community for state in states]
        found = step.of(step.reader.of_communities(communities, parents))
        wanted = []
        for state in states:
            own = found.get(state.community, _nothing())
            divided = dict(step.divided(state, *own))
            for part in range(state.read, upto or state.parts):
                place = ContributionPlace(state.community, part, state.parts)
                _, contributions = divided.get(place, _nothing())
                wanted.append((place, contributions))
        self._kept.put(wanted, step.parent_ids, step.cells)
        self._pending.progress(
            [replace(state, read=upto or state.parts) for state in states]
        )


class _Step:
    """One read; the numbers of parents, communities and values are valid only in it."""

    def __init__(
        self,
        text: OpenSearch,
        names: Names,
        keys: Sequence[str],
        today: int,
        waiting: Callable[[str], None] | None,
        rules: AccessRules,
    ) -> None:
        self.cells, self.parents = CellNumbers(keys), Numbers()
        self.communities, self._today = Numbers(), today
        self.reader = RecordReader(
            text,
            names,
            self.cells,
            self.parents,
            self.communities,
            rules,
            waiting=waiting,
        )

    @property
    def parent_ids(self) -> list[str]:
        return list(self.parents)

    def of(self, part: RecordBatch) -> dict[str, ParentContributions]:
        """Return community -> its parents and their contributions."""
        ids = list(self.communities)
        found = of_part(part, self._today)
        return {ids[number]: own for number, own in found.items()}

    def divided(
        self, state: CommunityState, parents: Iterable[int], own: Contributions
    ) -> Iterator[tuple[ContributionPlace, ParentContributions]]:
        """Divide the contributions to a community by ranges of parents."""
        ids = self.parent_ids
        by_part: dict[int, set[int]] = {}
        for parent in parents:
            part = part_of(ids[parent], state.parts)
            by_part.setdefault(part, set()).add(parent)
        for part, its in sorted(by_part.items()):
            place = ContributionPlace(state.community, part, state.parts)
            yield place, (its, own if len(by_part) == 1 else own.only(its))


def _nothing() -> ParentContributions:
    return set(), Contributions()
