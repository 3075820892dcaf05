# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write the community events and facts that records lack.

The back-fill, live capture, the reconciliation and the look-up of unknown records all
write through :class:`Recorder`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..errors import StatsDashboardError
from ..subcounts import Subcount
from . import timestamps
from .documents import ADDED, GLOBAL, CommunityEvent
from .evidence import WrittenRows, truth_of
from .facts import FactsReader, RecordFacts
from .record_rows import RecordRow
from .response_types import FactsState, TimelineEntry
from .store import EventStore
from .timeline import Timeline, Truth, cause_of, compare

_ATTEMPTS = 10

_Entries: TypeAlias = dict[str, list[TimelineEntry]]
"""Community -> the entries of a record's timeline."""

_Refused: TypeAlias = list[tuple[CommunityEvent | RecordFacts, str]]
"""(document, reason) of documents that OpenSearch refused."""

_Written: TypeAlias = tuple[list[CommunityEvent], int, _Refused]
"""Events that were written, number of conflicts, refused events."""


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


class Recorder:
    """Writes the events and facts that records lack.

    Args:
        store: contains the events and facts.
        subcounts: the registry of breakdowns.
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
        clock: Callable[[], str] = timestamps.now,
        late: Callable[[dict[str, str]], None] | None = None,
        written: Mapping[str, WrittenRows] | None = None,
        verified: str | None = None,
    ) -> None:
        self._verified = verified
        self._late, self._written = late, written or {}
        self._store = store
        self._reader = FactsReader(subcounts)
        self._clock = clock

    def record(
        self, rows: Sequence[RecordRow], cause: str | None, dry_run: bool = False
    ) -> Recorded:
        """Write the events and facts that records lack.

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
        now = self._clock()
        recids = [row.recid for row in rows]
        marks = self._store.marks(recids)
        stored = self._store.facts_states(recids)
        truths = {
            row.recid: truth_of(row, self._written.get(row.parent_id)) for row in rows
        }
        known: dict[str, _Entries] = {recid: {} for recid in recids}
        for recid, of_record in marks.items():
            for mark in of_record:
                known[recid].setdefault(mark.community_id, []).append(mark)
        facts = [
            self._reader.read(row, now)
            for row in rows
            if self._is_outdated(stored.get(row.recid), row)
        ]
        events = [
            event
            for recid in recids
            for event in self._compared(truths[recid], known[recid], cause, now)
        ]
        had = {recid for recid in recids if known[recid]}
        changed = {e.recid for e in events} | {f.recid for f in facts}
        refused: _Refused
        if dry_run:
            written, conflicts, refused = events, 0, []
            facts_count = len(facts)
        else:
            late = _earliest(e for e in events if e.recid in had)
            self._note(late)
            written, conflicts, refused = self._write(events, truths, known, cause, now)
            self._note(late)
            put = self._store.put_facts(facts)
            facts_count = put.stored
            refused += put.refused
        return Recorded(
            events=len(written),
            facts=facts_count,
            conflicts=conflicts,
            changed=len(changed),
            refused=[f"{_id(document)}: {reason}" for document, reason in refused],
            lacking={document.recid for document, _ in refused},
            marks=known,
            causes=_causes(written),
        )

    def _compared(
        self, truth: Truth, marks: _Entries, cause: str | None, now: str
    ) -> list[CommunityEvent]:
        return compare(truth, _timeline(marks.values()), cause, now, self._verified)

    def _note(self, late: dict[str, str]) -> None:
        if late and self._late:
            self._late(late)

    def _is_outdated(self, stored: FactsState | None, row: RecordRow) -> bool:
        if stored is None:
            return True
        if stored.revision != row.revision:
            return stored.revision < row.revision
        return stored.registry != self._reader.mark

    def _write(
        self,
        events: list[CommunityEvent],
        truths: Mapping[str, Truth],
        known: dict[str, _Entries],
        cause: str | None,
        now: str,
    ) -> _Written:
        """Write events; read and compare again those whose ``_id`` is taken."""
        # The event of a record's existence is written last, and only if no event of the
        # record was refused. A record that has it therefore has all its events.
        first = [e for e in events if e.community_id != GLOBAL]
        last = [e for e in events if e.community_id == GLOBAL]
        written, conflicts, refused = self._write_all(first, truths, known, cause, now)
        lacking = {event.recid for event, _ in refused}
        last = [e for e in last if e.place > 1 or e.recid not in lacking]
        others = self._write_all(last, truths, known, cause, now)
        return written + others[0], conflicts + others[1], refused + others[2]

    def _write_all(
        self,
        events: list[CommunityEvent],
        truths: Mapping[str, Truth],
        known: dict[str, _Entries],
        cause: str | None,
        now: str,
    ) -> _Written:
        written: list[CommunityEvent] = []
        refused: _Refused = []
        conflicts = 0
        for _ in range(_ATTEMPTS):
            if not events:
                return written, conflicts, refused
            outcome = self._store.create_events(events)
            conflicts += len(outcome.conflicts)
            refused += outcome.refused
            taken = {(e.recid, e.community_id) for e in outcome.conflicts}
            lost = {id(e) for e in outcome.conflicts}
            lost |= {id(e) for e, _ in outcome.refused}
            for event in events:
                if id(event) not in lost:
                    written.append(event)
                    mark = TimelineEntry(
                        event.community_id,
                        event.place,
                        event.event_type,
                        event.event_date,
                    )
                    known[event.recid].setdefault(event.community_id, []).append(mark)
            events = self._compared_again(taken, truths, known, cause, now)
        raise StatsDashboardError(
            f"The events of record {events[0].recid} change faster than they can be "
            "written. Run the same command again."
        )

    def _compared_again(
        self,
        taken: set[tuple[str, str]],
        truths: Mapping[str, Truth],
        known: dict[str, _Entries],
        cause: str | None,
        now: str,
    ) -> list[CommunityEvent]:
        """Read timelines in real time, and return the events that they still lack.

        Args:
            taken: (recid, community) of the timelines whose events a search did not
                return completely.
            truths: recid -> membership according to the database.
            known: recid -> entries of its timeline; updated.
            cause: as in :meth:`record`.
            now: the current second.
        """
        keys = [
            (truths[recid].record_id, community_id, int(truths[recid].created[:4]))
            for recid, community_id in taken
        ]
        fresh = self._store.marks_now(keys)
        events = []
        for recid, community_id in sorted(taken):
            truth = truths[recid]
            known[recid][community_id] = fresh[(truth.record_id, community_id)]
            again = self._compared(truth, known[recid], cause, now)
            events += [e for e in again if e.community_id == community_id]
        return events


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
