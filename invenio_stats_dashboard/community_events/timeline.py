# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Derive the membership history of one record, and the events that it lacks."""

import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from .documents import ADDED, GLOBAL, REMOVED, CommunityEvent
from .timestamps import second_of

if TYPE_CHECKING:
    from .stored_fields import TimelineEntry

_Step: TypeAlias = tuple[int, bool, str]
"""(sequence number, whether it is an addition, date) of a community event."""

_Change: TypeAlias = tuple[bool, str, str]
"""(whether it is an addition, date, evidence) of a change in the database."""


class Timeline:
    """The communities of one record at any time; a record is one version.

    A record is in a community in the half-open intervals [added, removed). The
    constructor cuts them into segments, so that one bisection finds the communities.

    Args:
        events: the record's community events in any order.
    """

    __slots__ = ("_breaks", "_histories", "_states")

    def __init__(self, events: "Iterable[CommunityEvent | TimelineEntry]" = ()) -> None:
        grouped: dict[str, list[_Step]] = defaultdict(list)
        for event in events:
            grouped[sys.intern(event.community_id)].append(
                (event.place, event.event_type == ADDED, event.event_date)
            )
        self._histories = {c: tuple(sorted(steps)) for c, steps in grouped.items()}
        self._breaks, self._states = _segments(
            {c: h for c, h in self._histories.items() if c != GLOBAL}
        )

    @classmethod
    def empty(cls) -> "Timeline":
        """Return the timeline of an unknown record."""
        return _EMPTY

    def __bool__(self) -> bool:
        return bool(self._histories)

    def communities_at(self, timestamp: str) -> tuple[str, ...]:
        """Return the communities that the record was in at a given time.

        Args:
            timestamp: ``YYYY-MM-DDTHH:MM:SS`` in UTC as usage events store it; text
                with a fraction or a zone offset takes more time.

        Returns:
            UUIDs, sorted, without ``global``.

        Raises:
            ValueError: the text is not a timestamp.
        """
        if len(timestamp) != 19 or timestamp[10:17:6] != "T:":
            timestamp = second_of(timestamp)
        return self._states[bisect_right(self._breaks, timestamp)]

    def communities(self) -> tuple[str, ...]:
        """Return all communities that the record was ever in, without ``global``."""
        return tuple(sorted(c for c in self._histories if c != GLOBAL))

    def intervals(self, community_id: str) -> list[tuple[str, str | None]]:
        """Return the stays in a community.

        Args:
            community_id: UUID of the community, or ``global``.

        Returns:
            [added, removed) for each stay; removed is None while the stay lasts.
        """
        return _intervals(self._histories.get(community_id, ()))

    def last(self, community_id: str) -> tuple[int, bool, str]:
        """Return the last event of a community.

        Args:
            community_id: UUID of the community, or ``global``.

        Returns:
            Its sequence number, whether it is an addition, and the date;
            ``(0, False, "")`` without events.
        """
        history = self._histories.get(community_id)
        return history[-1] if history else (0, False, "")


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of a record in a community, according to the database.

    Attributes:
        community_id: UUID of the community, or ``global``.
        added: when it began.
        removed: when it ended; None while it lasts.
        added_by: the evidence for ``added``; see :mod:`.evidence`.
        removed_by: the evidence for ``removed``; None while the stay lasts.
    """

    community_id: str
    added: str
    removed: str | None = None
    added_by: str = "created"
    removed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """The latest time at which the current state can have begun.

    Attributes:
        date: the time.
        evidence: its source.
    """

    date: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Truth:
    """The membership of one record according to the database.

    Attributes:
        record_id: UUID of the record.
        recid: its persistent identifier.
        parent_id: UUID of its parent.
        created: when it was published in this instance.
        published: the publication date in its metadata (EDTF).
        deleted: when it was deleted; None if it is not deleted.
        stays: its stays in communities and in ``global``; those of one community
            do not overlap.
        bounds: community -> the latest time at which its current state can have begun;
            used if no stay gives a date.
        bound: the same for communities that ``bounds`` does not contain.
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


def compare(
    truth: Truth,
    timeline: Timeline,
    cause: str | None,
    now: str,
    verified: str | None = None,
) -> list[CommunityEvent]:
    """Return the events that a timeline lacks to agree with the database.

    This function alone decides which events are written. It never contradicts a
    timeline: it only adds changes after the last event. If the state at the end still
    differs from the database, it adds an event that changes it, dated by the best
    evidence. A comparison after the events are written returns nothing.

    The event for ``global`` is written last. If a timeline has it, all
    communities were compared before, so a community that is not in the timeline came
    later. If an addition to such a community has no evidence, the insertion of its row
    dates it if that was noticed, otherwise the last change of the parent.

    Args:
        truth: the membership according to the database.
        timeline: the record's timeline so far.
        cause: why the caller compares, one of :data:`.documents.CAUSES`; None derives
            the cause of each event from its evidence.
        now: the current second.
        verified: when the timeline was last found to agree with the database; None if
            unknown. A change that the timeline lacks cannot have happened before that.
            If its only evidence is the last change of a row, and that is earlier, the
            change is dated now.

    Returns:
        The events by community and sequence number.
    """
    stays: dict[str, list[Stay]] = defaultdict(list)
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


def _is_noticed(truth: Truth, community_id: str) -> bool:
    """Return whether live capture noticed the change of a membership's row."""
    return truth.bounds.get(community_id, truth.bound).evidence == "row"


def _begun_since(
    changes: list[_Change], truth: Truth, community_id: str, now: str
) -> list[_Change]:
    """Date the first change as late as possible if only the creation dates it."""
    if not changes or changes[0][2] != "created":
        return changes
    bound = truth.bounds.get(community_id, truth.bound)
    if bound.evidence != "row":
        # Adding a row changes the parent. Record and community may be edited later.
        bound = truth.bound
    latest = min(bound.date, now, *(when for _, when, _ in changes[1:2]))
    return [(True, max(changes[0][1], latest), bound.evidence), *changes[1:]]


def cause_of(added: bool, evidence: str, community_id: str) -> str:
    """Return the cause of an event as far as its evidence shows it.

    Args:
        added: whether the record was added.
        evidence: the source of the date; see :mod:`.evidence`.
        community_id: UUID of the community, or ``global``.

    Returns:
        One of :data:`.documents.CAUSES`.
    """
    if not added:
        return "deleted" if evidence in ("tombstone", "history") else "removed"
    if evidence in ("request", "created", "history"):
        return {"request": "accepted", "created": "publish", "history": "restored"}[
            evidence
        ]
    return "restored" if community_id == GLOBAL else "bulk"


def _missing(
    truth: Truth,
    community_id: str,
    changes: list[_Change],
    inside: bool,
    date: str,
    now: str,
) -> Iterator[_Change]:
    """Yield the changes that a community's timeline lacks.

    Args:
        truth: the membership according to the database.
        community_id: the community.
        changes: begin and end of each stay in it, from :func:`_changes`.
        inside: whether the timeline's last event is an addition.
        date: date of that event, or ``""``.
        now: the current second.
    """
    last = date
    for added, when, evidence in changes:
        if when > last and added != inside:
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


def _changes(stays: Iterable[Stay]) -> list[_Change]:
    """Return begin and end of each stay, in order."""
    changes: list[_Change] = []
    for stay in sorted(stays, key=lambda s: (s.added, s.removed or "9")):
        changes.append((True, stay.added, stay.added_by))
        if stay.removed is not None:
            # A stay that ended has evidence for its end.
            by = cast(str, stay.removed_by)
            changes.append((False, max(stay.added, stay.removed), by))
    return changes


def _intervals(history: Iterable[_Step]) -> list[tuple[str, str | None]]:
    """Return the intervals [added, removed) of one community's events."""
    intervals: list[tuple[str, str | None]] = []
    start, latest = None, ""
    for _, added, date in history:
        latest = max(latest, date)  # Dates must not decrease along the sequence.
        if added and start is None:
            start = latest
        elif not added and start is not None:
            intervals.append((start, latest))
            start = None
    if start is not None:
        intervals.append((start, None))
    return intervals


def _segments(
    histories: Mapping[str, Sequence[_Step]],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the sorted break points, and the communities before and after each."""
    changes: dict[str, list[tuple[bool, str]]] = defaultdict(list)
    for community_id, history in histories.items():
        for added, removed in _intervals(history):
            if added == removed:
                continue
            changes[added].append((True, community_id))
            if removed is not None:
                changes[removed].append((False, community_id))
    breaks = sorted(changes)
    states: list[tuple[str, ...]] = [()]
    inside: set[str] = set()
    for date in breaks:
        # Removals come first: a stay that begins in the same second continues.
        for is_added, community_id in sorted(changes[date]):
            (inside.add if is_added else inside.discard)(community_id)
        states.append(tuple(sorted(inside)))
    return tuple(breaks), tuple(states)


_TRACES = ("record", "parent", "community")
"""Kinds of evidence that only show when a row was last changed, for any reason."""

_EMPTY = Timeline()
