# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write the community events and facts that records lack.

The back-fill, live capture, the reconciliation and the look-up of unknown records all
write through :class:`Recorder`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..errors import StatsDashboardError
from ..subcounts import Subcount
from . import timestamps
from .documents import ADDED, GLOBAL, CommunityEvent
from .evidence import WrittenRows, truth_of
from .facts import FactsReader, RecordFacts, access_of
from .membership import MembershipReader
from .record_rows import RecordRow
from .store import EventStore
from .stored_fields import FactsState, TimelineEntry
from .timeline import Timeline, Truth, cause_of, compare

_ATTEMPTS = 10

_Entries: TypeAlias = dict[str, list[TimelineEntry]]
"""Community -> the entries of a record's timeline."""

_Refused: TypeAlias = list[tuple[CommunityEvent | RecordFacts, str]]
"""(document, reason) of documents that OpenSearch refused."""


@dataclass
class _Written:
    """The outcome of writing events.

    Attributes:
        events: events that were written.
        conflicts: number of events whose ``_id`` was taken.
        refused: events that OpenSearch refused.
    """

    events: list[CommunityEvent] = field(default_factory=list)
    conflicts: int = 0
    refused: _Refused = field(default_factory=list)

    def add(self, other: "_Written") -> None:
        """Add what was written later."""
        self.events += other.events
        self.conflicts += other.conflicts
        self.refused += other.refused


@dataclass(frozen=True)
class Recorded:
    """The outcome for a batch of records.

    Attributes:
        events: number of community events that were written.
        facts: number of record facts that were written.
        conflicts: number of events that another process wrote at the same time.
        changed: number of records for which an event or facts had to be written.
        refused: sentences about documents that OpenSearch refuses permanently.
        lacking: recids of the records with a refused document.
        marks: recid -> community -> current entries of the timeline.
        causes: cause, as far as the evidence shows it -> number of written events.
    """

    events: int
    facts: int
    conflicts: int
    changed: int
    refused: list[str]
    lacking: set[str]
    marks: dict[str, dict[str, list[TimelineEntry]]]
    causes: dict[str, int]

    def timeline(self, recid: str) -> Timeline:
        """Return the current timeline of a record."""
        return _timeline(self.marks[recid].values())


@dataclass
class _Batch:
    """The records of one call of :meth:`Recorder.record`.

    Attributes:
        rows: recid -> its row in the database.
        truths: recid -> its memberships according to the row.
        known: recid -> the entries of its timeline, updated by what is written.
        cause: why the caller writes.
        now: the current second.
        stale: recids of records whose memberships have changed since they were read.
    """

    rows: dict[str, RecordRow]
    truths: dict[str, Truth]
    known: dict[str, _Entries]
    cause: str | None
    now: str
    stale: set[str] = field(default_factory=set)


class Recorder:
    """Writes the events and facts that records lack.

    Args:
        store: contains the events and facts.
        subcounts: the registry of breakdowns.
        database: reads records again whose memberships change meanwhile.
        clock: returns the current second.
        late: called with recid -> date of the earliest event to be written, for
            records that already had a timeline. Usage events from then on may count
            differently. It is called before the events are written, so that a killed
            process leaves a trace, and again after the write.
        written: UUID of the parent -> its membership rows whose insertion or deletion
            was noticed.
        verified: when all timelines were last found to agree with the database; None
            if never.
    """

    def __init__(
        self,
        store: EventStore,
        subcounts: Mapping[str, Subcount],
        database: MembershipReader,
        clock: Callable[[], str] = timestamps.now,
        late: Callable[[dict[str, str]], None] | None = None,
        written: Mapping[str, WrittenRows] | None = None,
        verified: str | None = None,
    ) -> None:
        self._verified = verified
        self._late, self._written = late, written or {}
        self._store, self._database = store, database
        self._reader = FactsReader(subcounts)
        self._clock = clock

    def record(
        self, rows: Sequence[RecordRow], cause: str | None, dry_run: bool = False
    ) -> Recorded:
        """Write the events and facts that records lack.

        Rows are read before timelines. If a membership changes in between, and its
        capture writes the event first, the row contradicts the timeline. Therefore an
        event that reverses a stored one is written only if the memberships are still
        those of the row. A change during the writing is noticed afterwards. In both
        cases the records are read and compared again.

        Args:
            rows: the records in the database.
            cause: why the caller writes, one of :data:`.documents.CAUSES`; None derives
                the cause of each event from its evidence.
            dry_run: count what would be written and write nothing.

        Raises:
            SearchUnavailableError: OpenSearch accepted no requests for too long.
            StatsDashboardError: events of a record change faster than they can be
                written.
        """
        batch = self._batch(rows, cause)
        recids = list(batch.rows)
        stored = self._store.facts_states(recids)
        facts = [
            self._reader.read(row, batch.now)
            for row in rows
            if self._is_outdated(stored.get(row.recid), row)
        ]
        known_before = {recid for recid in recids if batch.known[recid]}
        events = self._current(
            batch, [event for recid in recids for event in self._compared(batch, recid)]
        )
        if dry_run:
            written, facts_count = _Written(events), len(facts)
        else:
            late = _earliest(e for e in events if e.recid in known_before)
            written = self._write(batch, events, late)
            changed = {event.recid for event in written.events}
            written.add(self._follow_changes(batch, changed))
            put = self._store.put_facts(facts)
            facts_count = put.stored
            written.refused += put.refused
        refused = written.refused
        return Recorded(
            events=len(written.events),
            facts=facts_count,
            conflicts=written.conflicts,
            changed=len({e.recid for e in written.events} | {f.recid for f in facts}),
            refused=list(
                dict.fromkeys(
                    f"{_id(document)}: {reason}" for document, reason in refused
                )
            ),
            lacking={document.recid for document, _ in refused},
            marks=batch.known,
            causes=_causes(written.events),
        )

    def _batch(self, rows: Sequence[RecordRow], cause: str | None) -> _Batch:
        """Read the timelines of records."""
        known: dict[str, _Entries] = {row.recid: {} for row in rows}
        for recid, marks in self._store.marks(list(known)).items():
            for mark in marks:
                known[recid].setdefault(mark.community_id, []).append(mark)
        truths = {
            row.recid: truth_of(row, self._written.get(row.parent_id)) for row in rows
        }
        by_recid = {row.recid: row for row in rows}
        return _Batch(by_recid, truths, known, cause, self._clock())

    def _compared(self, batch: _Batch, recid: str) -> list[CommunityEvent]:
        timeline = _timeline(batch.known[recid].values())
        return compare(
            batch.truths[recid], timeline, batch.cause, batch.now, self._verified
        )

    def _current(
        self, batch: _Batch, events: list[CommunityEvent]
    ) -> list[CommunityEvent]:
        """Drop events of records whose memberships have changed since they were read.

        Only records are checked that have an event after a stored one of the same
        community.
        """
        reversing = {
            e.recid for e in events if batch.known[e.recid].get(e.community_id)
        }
        batch.stale |= self._database.changed_since(
            [batch.rows[recid] for recid in sorted(reversing)]
        )
        return [event for event in events if event.recid not in batch.stale]

    def _follow_changes(self, batch: _Batch, written: set[str]) -> _Written:
        """Compare records again whose memberships changed since they were read.

        Args:
            batch: the records; their rows and timelines are updated.
            written: recids of the records with events of this call.
        """
        found = _Written()
        for _ in range(_ATTEMPTS):
            rows = [batch.rows[recid] for recid in sorted(written - batch.stale)]
            changed = self._database.changed_since(rows) | batch.stale
            batch.stale.clear()
            # Without the indexes, reading the records again would scan tables, so leave
            # them to the reconciliation.
            if not changed or not self._database.is_indexed():
                break
            written, batch.now = set(), self._clock()
            events = []
            for row in self._database.rows(changed):
                batch.rows[row.recid] = row
                noticed = self._written.get(row.parent_id)
                batch.truths[row.recid] = truth_of(row, noticed)
                events += self._compared(batch, row.recid)
                written.add(row.recid)
            events = self._current(batch, events)
            found.add(self._write(batch, events, _earliest(events)))
        return found

    def _note(self, late: dict[str, str]) -> None:
        if late and self._late:
            self._late(late)

    def _is_outdated(self, stored: FactsState | None, row: RecordRow) -> bool:
        if stored is None:
            return True
        if stored.revision != row.revision:
            return stored.revision < row.revision
        # Memberships and visibilities of communities change no revision of a record.
        return stored.registry != self._reader.mark or access_of(row) != (
            stored.access,
            stored.communities,
        )

    def _write(
        self, batch: _Batch, events: list[CommunityEvent], late: dict[str, str]
    ) -> _Written:
        """Write events; read and compare again those whose ``_id`` is taken.

        Args:
            batch: the records.
            events: their events.
            late: see :class:`Recorder`.
        """
        self._note(late)
        # The event of a record's existence is written last, and only if all other
        # events of the record were. A record that has it therefore has all its events.
        first = [e for e in events if e.community_id != GLOBAL]
        last = [e for e in events if e.community_id == GLOBAL]
        written = self._write_all(batch, first)
        lacking = {event.recid for event, _ in written.refused} | batch.stale
        last = [e for e in last if e.place > 1 or e.recid not in lacking]
        written.add(self._write_all(batch, last))
        self._note(late)
        return written

    def _write_all(self, batch: _Batch, events: list[CommunityEvent]) -> _Written:
        written = _Written()
        for _ in range(_ATTEMPTS):
            if not events:
                return written
            outcome = self._store.create_events(events)
            written.conflicts += len(outcome.conflicts)
            written.refused += outcome.refused
            taken = {(e.recid, e.community_id) for e in outcome.conflicts}
            lost = {id(e) for e in outcome.conflicts}
            lost |= {id(e) for e, _ in outcome.refused}
            for event in events:
                if id(event) not in lost:
                    written.events.append(event)
                    mark = TimelineEntry(
                        event.community_id,
                        event.place,
                        event.event_type,
                        event.event_date,
                    )
                    known = batch.known[event.recid]
                    known.setdefault(event.community_id, []).append(mark)
            events = self._compared_again(batch, taken)
        raise StatsDashboardError(
            f"The events of record {events[0].recid} change faster than they can be "
            "written. Run the same command again."
        )

    def _compared_again(
        self, batch: _Batch, taken: set[tuple[str, str]]
    ) -> list[CommunityEvent]:
        """Read timelines in real time, and return the events that they still lack.

        Args:
            batch: the records; their timelines are updated.
            taken: (recid, community) of the timelines whose events a search did not
                return completely.
        """
        truths = batch.truths
        keys = [
            (truths[recid].record_id, community_id, int(truths[recid].created[:4]))
            for recid, community_id in taken
        ]
        fresh = self._store.marks_now(keys)
        events = []
        for recid, community_id in sorted(taken):
            key = (truths[recid].record_id, community_id)
            batch.known[recid][community_id] = fresh[key]
            again = self._compared(batch, recid)
            events += [e for e in again if e.community_id == community_id]
        return self._current(batch, events)


def _id(document: CommunityEvent | RecordFacts) -> str:
    """Return the ``_id`` of an event or of facts."""
    return document.recid if isinstance(document, RecordFacts) else document.id


def _earliest(events: Iterable[CommunityEvent]) -> dict[str, str]:
    """Return recid -> date of the earliest of the events."""
    found: dict[str, str] = {}
    for event in events:
        date = found.get(event.recid)
        found[event.recid] = min(date or event.event_date, event.event_date)
    return found


def _causes(events: Iterable[CommunityEvent]) -> dict[str, int]:
    """Return cause -> number of events."""
    return dict(
        Counter(
            cause_of(e.event_type == ADDED, e.evidence, e.community_id) for e in events
        )
    )


def _timeline(groups: Iterable[list[TimelineEntry]]) -> Timeline:
    marks = [mark for group in groups for mark in group]
    return Timeline(marks) if marks else Timeline.empty()
