# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The membership history of one record, and what it lacks to tell the truth."""

import sys
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass

from .documents import ADDED, GLOBAL, REMOVED, CommunityEvent
from .timestamps import second_of


class Timeline:
    """Who had one record when; a record is one version.

    A record is in a community in the half-open intervals [added, removed). The
    intervals are cut into segments once, so that a question about a moment is one
    bisection.

    Args:
        events: the record's community events in any order; what is used of them
            is ``community_id``, ``place``, ``event_type`` and ``event_date``.
    """

    __slots__ = ("_breaks", "_histories", "_states")

    def __init__(self, events=()):
        """Cut the history into segments."""
        grouped = defaultdict(list)
        for event in events:
            grouped[sys.intern(event.community_id)].append(
                (event.place, event.event_type == ADDED, event.event_date)
            )
        self._histories = {c: tuple(sorted(marks)) for c, marks in grouped.items()}
        self._breaks, self._states = _segments(
            {c: h for c, h in self._histories.items() if c != GLOBAL}
        )

    @classmethod
    def empty(cls):
        """Return the timeline of a record that nobody knows."""
        return _EMPTY

    def __bool__(self):
        return bool(self._histories)

    def communities_at(self, timestamp):
        """Return the communities that the record was in at a moment.

        Args:
            timestamp: ``YYYY-MM-DDTHH:MM:SS`` in UTC as usage events store it; a
                fraction or a zone offset is understood and costs more time.

        Returns:
            tuple[str, ...]: UUIDs, sorted, without ``global``.

        Raises:
            ValueError: the text is no moment.
        """
        if len(timestamp) != 19 or timestamp[10:17:6] != "T:":
            timestamp = second_of(timestamp)
        return self._states[bisect_right(self._breaks, timestamp)]

    def existed_at(self, timestamp):
        """Tell whether the record was published, and not deleted, at a moment."""
        moment = second_of(timestamp)
        return any(
            added <= moment and (removed is None or moment < removed)
            for added, removed in self.intervals(GLOBAL)
        )

    def communities(self):
        """Return all communities that the record was ever in, without ``global``."""
        return tuple(sorted(c for c in self._histories if c != GLOBAL))

    def intervals(self, community_id):
        """Return the stays in a community, or in ``global``.

        Args:
            community_id: UUID of the community, or ``global``.

        Returns:
            list[tuple[str, str | None]]: [added, removed); None while it lasts.
        """
        return _intervals(self._histories.get(community_id, ()))

    def last(self, community_id):
        """Return the last event of a community.

        Args:
            community_id: UUID of the community, or ``global``.

        Returns:
            tuple[int, bool, str]: its place, whether the record has been in the
            community since, and the date; ``(0, False, "")`` without events.
        """
        history = self._histories.get(community_id)
        return history[-1] if history else (0, False, "")


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of a record in a community, as the database tells it.

    Attributes:
        community_id: UUID of the community, or ``global``.
        added: when it began.
        removed: when it ended; None while it lasts.
        added_by: the evidence for ``added``; see :mod:`.evidence`.
        removed_by: the evidence for ``removed``.
    """

    community_id: str
    added: str
    removed: str | None = None
    added_by: str = "created"
    removed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """The latest moment at which something can have come to be as it is.

    Attributes:
        date: the moment.
        evidence: where it is from.
    """

    date: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Truth:
    """The database's membership of one record.

    Attributes:
        record_id: UUID of the record.
        recid: its persistent identifier.
        parent_id: UUID of its parent.
        created: when it was published in this instance.
        published: the publication date in its metadata (EDTF).
        deleted: when it was deleted; None if it is not.
        stays: its stays in communities and in ``global``; those of one community
            do not overlap.
        bounds: community -> the latest moment at which its present state can
            have begun; for use where no stay tells.
        bound: the same for communities that ``bounds`` does not name.
    """

    record_id: str
    recid: str
    parent_id: str
    created: str
    published: str | None
    deleted: str | None
    stays: tuple[Stay, ...]
    bounds: dict[str, Bound]
    bound: Bound


def compare(truth, timeline, cause, now, verified=None):
    """Return the events that a timeline lacks to tell the truth.

    This is the one function that decides what is written. What a timeline tells
    is never contradicted: only what happened after its last event is added, and
    if the state at the end is another than the truth's, an event that ends it,
    dated by the best evidence. Comparing again after the events are written
    returns nothing.

    A record whose existence is told was looked at before, since that is written last.
    So a community that is not in its timeline came later, and an addition without
    evidence is dated by the last change of what it belongs to; as it is if the
    insertion of its row was noticed.

    Args:
        truth: the database's membership.
        timeline: the record's :class:`Timeline` so far.
        cause: what made the caller compare, one of :data:`.documents.CAUSES`; None
            is told for each event from its evidence.
        now: the present second.
        verified: when the timeline was last found to be true; None if nobody knows.
            What was changed without a trace since then has no earlier date: it is
            dated now.

    Returns:
        list[CommunityEvent]: by community and place.
    """
    stays = defaultdict(list)
    for stay in truth.stays:
        stays[stay.community_id].append(stay)
    written = []
    known = timeline.last(GLOBAL)[0] > 0
    for community_id in sorted({GLOBAL, *timeline.communities(), *stays}):
        place, inside, date = timeline.last(community_id)
        changes = _changes(stays.get(community_id, ()))
        if not place and (known or _is_noticed(truth, community_id)):
            changes = _begun_since(changes, truth, community_id, now)
        for added, when, evidence in _missing(
            truth, community_id, changes, inside, date, now
        ):
            if known and verified and evidence in _TRACES and when < verified:
                when, evidence = now, "now"
            place += 1
            written.append(
                CommunityEvent(
                    record_id=truth.record_id,
                    recid=truth.recid,
                    parent_id=truth.parent_id,
                    community_id=community_id,
                    event_type=ADDED if added else REMOVED,
                    event_date=when,
                    place=place,
                    cause=cause or cause_of(added, evidence, community_id),
                    evidence=evidence,
                    record_created_date=truth.created,
                    record_published_date=truth.published,
                    is_deleted=truth.deleted is not None,
                    deleted_date=truth.deleted,
                    timestamp=now,
                )
            )
    return written


def _is_noticed(truth, community_id):
    """Tell whether the change of a membership's row was noticed as it was made."""
    return truth.bounds.get(community_id, truth.bound).evidence == "row"


def _begun_since(changes, truth, community_id, now):
    """Return changes whose first one, if nothing tells its date, is dated late."""
    if not changes or changes[0][2] != "created":
        return changes
    bound = truth.bounds.get(community_id, truth.bound)
    if bound.evidence != "row":
        # to add a row changes the parent; record and community may be edited since
        bound = truth.bound
    latest = min(bound.date, now, *(when for _, when, _ in changes[1:2]))
    return [(True, max(changes[0][1], latest), bound.evidence), *changes[1:]]


def cause_of(added, evidence, community_id):
    """Return what an event was caused by, as far as its evidence tells.

    Args:
        added: whether the record came in.
        evidence: where the date is from; see :mod:`.evidence`.
        community_id: UUID of the community, or ``global``.

    Returns:
        str: one of :data:`.documents.CAUSES`.
    """
    if not added:
        return "deleted" if evidence in ("tombstone", "history") else "removed"
    if evidence in ("request", "created", "history"):
        return {"request": "accepted", "created": "publish", "history": "restored"}[
            evidence
        ]
    return "restored" if community_id == GLOBAL else "bulk"


def _missing(truth, community_id, changes, inside, date, now):
    """Yield (added, date, evidence) of what a community's timeline lacks.

    Args:
        truth: the database's membership.
        community_id: the community.
        changes: what :func:`_changes` returns of the truth's stays in it.
        inside: the state after the timeline's last event.
        date: the date of that event, or ``""``.
        now: the present second.
    """
    told = date
    for added, when, evidence in changes:
        if when > told and added != inside:
            inside, date = added, when
            yield added, when, evidence
    should, when, evidence = changes[-1] if changes else (False, "", "")
    if should == inside:
        return
    if when < date:
        bound = truth.bounds.get(community_id, truth.bound)
        when, evidence = bound.date, bound.evidence
        if not date < when <= now:
            when, evidence = max(date, now), "now"
    yield should, when, evidence


def _changes(stays):
    """Return (added, date, evidence) of each begin and end, in order."""
    changes = []
    for stay in sorted(stays, key=lambda s: (s.added, s.removed or "9")):
        changes.append((True, stay.added, stay.added_by))
        if stay.removed is not None:
            changes.append((False, max(stay.added, stay.removed), stay.removed_by))
    return changes


def _intervals(history):
    """Return the [added, removed) of one community's (place, added, date) marks."""
    intervals, start, latest = [], None, ""
    for _, added, date in history:
        latest = max(latest, date)  # time does not run backwards along the places
        if added and start is None:
            start = latest
        elif not added and start is not None:
            intervals.append((start, latest))
            start = None
    if start is not None:
        intervals.append((start, None))
    return intervals


def _segments(histories):
    """Return the sorted break points, and the communities before and after each."""
    changes = defaultdict(list)
    for community_id, history in histories.items():
        for added, removed in _intervals(history):
            if added == removed:
                continue
            changes[added].append((True, community_id))
            if removed is not None:
                changes[removed].append((False, community_id))
    breaks, states, inside = sorted(changes), [()], set()
    for date in breaks:
        # a stay that begins in the second in which another ended goes on
        for added, community_id in sorted(changes[date]):
            (inside.add if added else inside.discard)(community_id)
        states.append(tuple(sorted(inside)))
    return tuple(breaks), tuple(states)


_TRACES = ("record", "parent", "community")
"""Evidence that is the last change of a row, whatever it was that changed it."""

_EMPTY = Timeline()
