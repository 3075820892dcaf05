# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Bringing what is kept of parents' contributions up to date.

Whatever is replaced is noted first: which days have other numbers then. So a run that is
killed after it has replaced some, or all, leaves nothing undone that nobody knows of.
"""

from dataclasses import replace

from .contribution_store import ContributionPlace, part_of
from .contributions import Contributions, changed_days, of_part
from .interning import CellNumbers
from .numbers import Numbers
from .record_reader import Parents, RecordReader

PARENTS = 1000
"""Changed parents that are read at a time."""

EVENTS = 1000
"""Community events that each range of parents has, about."""

PARTS = 8
"""Ranges of parents that are read at a time."""

MOST = 4 * EVENTS
"""Parents in one range beyond which it is seen whether there should be more ranges."""

MOST_PARTS = 65_536


def parts_for(events):
    """Return into how many ranges the parents of a community are divided.

    Args:
        events: how many the community has.

    Returns:
        int: a power of two, so that ranges are halved as it grows.
    """
    parts = 1
    while parts * EVENTS < events and parts < MOST_PARTS:
        parts *= 2
    return parts


class Intake:
    """Reads events and facts, and keeps what parents contribute.

    Args:
        text_client: a client that does not decode.
        names: the instance's :class:`~...search.names.Names`.
        keys: the breakdowns of records.
        today: the present day, a date.
        kept: the :class:`~.contribution_store.ContributionStore`.
        pending: the :class:`~.dirty_communities.DirtyCommunities`.
        before: called before each part is read; may raise to end the work.
        waiting: called with a sentence while OpenSearch takes no requests.
    """

    def __init__(
        self, text_client, names, keys, today, kept, pending, before, waiting=None
    ):
        """Keep what is needed; reads nothing yet."""
        self._text, self._names, self._keys = text_client, names, keys
        self._today, self._kept, self._pending = today.toordinal(), kept, pending
        self._before, self._waiting = before, waiting

    # -- some parents -------------------------------------------------------

    def changed(self, parents, why):
        """Replace what some parents contribute.

        Args:
            parents: up to :data:`PARENTS` ids.
            why: why they are read again, as a sentence.

        Returns:
            set[str]: communities that have more parents in a range than they should.
        """
        self._before()
        step = self._step()
        found = step.of(step.reader.of_parents(parents))
        states = self._pending.states(found)
        wanted = [
            (place, *its)
            for community, own in found.items()
            # what is not read yet is read later
            if states[community].read
            for place, its in step.divided(states[community], *own)
            if place.part < states[community].read
        ]
        crowded = set()
        for start in range(0, len(wanted), PARTS):
            crowded |= self._replace(step, wanted[start : start + PARTS], states, why)
        return crowded

    def _replace(self, step, wanted, states, why):
        days, changed, damaged, crowded = {}, [], set(), set()
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
            changed.append((place, after, there and there.version))
            if after.rows.get_column("parent").n_unique() > MOST:
                crowded.add(place.community)
        if damaged:
            self._pending.open(damaged, "what was counted is gone")
        self._pending.touch(days, why)
        self._kept.write(changed, step.parent_ids, step.cells)
        return crowded

    def _step(self):
        return _Step(self._text, self._names, self._keys, self._today, self._waiting)

    # -- all of some communities --------------------------------------------

    def whole(self, states, sizes):
        """Read all parents of some communities.

        Args:
            states: list of :class:`~.dirty_communities.CommunityState` s; one alone is
                read range by range, several are read at once.
            sizes: community -> how many events it has.
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
            # with its new version; somebody may want it read from the beginning
            (state,) = self._pending.states([state.community]).values()

    def _read(self, states, parents, upto=None):
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
    """What is read at a time; its numbers hold for it alone."""

    def __init__(self, text, names, keys, today, waiting):
        self.cells, self.parents = CellNumbers(keys), Numbers()
        self.communities, self._today = Numbers(), today
        self.reader = RecordReader(
            text, names, self.cells, self.parents, self.communities, waiting=waiting
        )

    @property
    def parent_ids(self):
        return list(self.parents)

    def of(self, part):
        """Return community -> its parents, and what they contribute."""
        ids = list(self.communities)
        found = of_part(part, self._today)
        return {ids[number]: own for number, own in found.items()}

    def divided(self, state, parents, own):
        """Yield where contributions are kept, the parents there, and what is theirs."""
        ids, by_part = self.parent_ids, {}
        for parent in parents:
            part = part_of(ids[parent], state.parts)
            by_part.setdefault(part, set()).add(parent)
        for part, its in sorted(by_part.items()):
            place = ContributionPlace(state.community, part, state.parts)
            yield place, (its, own if len(by_part) == 1 else own.only(its))


def _nothing():
    return set(), Contributions()
