# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Bringing the stored events and facts of records up to what the database holds.

The back-fill, the look-up of unknown records and the live capture all end here.
"""

from collections import Counter
from dataclasses import dataclass

from ..errors import StatsDashboardError
from . import timestamps
from .documents import ADDED, GLOBAL
from .evidence import truth_of
from .facts import FactsReader, RecordFacts
from .responses import TimelineEntry
from .timeline import Timeline, cause_of, compare

_ATTEMPTS = 10


@dataclass(frozen=True)
class Recorded:
    """The outcome for a batch of records.

    Attributes:
        events: community events that were written.
        facts: record facts that were written.
        conflicts: events that somebody else wrote in the same moment.
        changed: records for which something was written.
        refused: sentences about documents that OpenSearch refuses for good.
        lacking: recids of the records of which something was refused.
        marks: recid -> community -> what its timeline is made of now.
        causes: cause, as far as the evidence tells -> events that were written.
    """

    events: int
    facts: int
    conflicts: int
    changed: int
    refused: list[str]
    lacking: set[str]
    marks: dict[str, dict[str, list[TimelineEntry]]]
    causes: dict[str, int]

    def timeline(self, recid):
        """Return the timeline of a record as it is now."""
        return _timeline(self.marks[recid].values())


class Recorder:
    """Writes what the timelines and facts of records lack.

    Args:
        store: an :class:`.store.EventStore`.
        subcounts: the registry of breakdowns.
        clock: returns the present second.
        late: called with recid -> date of the earliest event to be written, for
            records that had a timeline before: usage events from then on may count
            differently. Before the events are written, so that it is not forgotten,
            and after it.
        written: parent -> community -> what :func:`.evidence.truth_of` takes of rows
            whose writing was noticed.
        verified: when all timelines were last found to be true; None if never.
    """

    def __init__(
        self,
        store,
        subcounts,
        clock=timestamps.now,
        late=None,
        written=None,
        verified=None,
    ):
        """Keep what is needed."""
        self._verified = verified
        self._late, self._written = late, written or {}
        self._store = store
        self._reader = FactsReader(subcounts)
        self._clock = clock

    def record(self, rows, cause, dry_run=False):
        """Bring records up to date.

        Args:
            rows: list of :class:`.record_rows.RecordRow`.
            cause: what made the caller ask, one of :data:`.documents.CAUSES`; None is
                told for each event from its evidence.
            dry_run: count what would be written and write nothing.

        Returns:
            Recorded: what was done.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        now = self._clock()
        recids = [row.recid for row in rows]
        marks = self._store.marks(recids)
        stored = self._store.facts_states(recids)
        truths = {
            row.recid: truth_of(row, self._written.get(row.parent_id)) for row in rows
        }
        known = {recid: {} for recid in recids}
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

    def _compared(self, truth, marks, cause, now):
        return compare(truth, _timeline(marks.values()), cause, now, self._verified)

    def _note(self, late):
        if late and self._late:
            self._late(late)

    def _is_outdated(self, stored, row):
        if stored is None:
            return True
        if stored.revision != row.revision:
            return stored.revision < row.revision
        return stored.registry != self._reader.mark

    def _write(self, events, truths, known, cause, now):
        """Write events; where a place is taken, read in real time and compare again."""
        # that a record is known at all is written last, and only if nothing of it was
        # refused: then all of it is there
        first = [e for e in events if e.community_id != GLOBAL]
        last = [e for e in events if e.community_id == GLOBAL]
        written, conflicts, refused = self._write_all(first, truths, known, cause, now)
        lacking = {event.recid for event, _ in refused}
        last = [e for e in last if e.place > 1 or e.recid not in lacking]
        others = self._write_all(last, truths, known, cause, now)
        return written + others[0], conflicts + others[1], refused + others[2]

    def _write_all(self, events, truths, known, cause, now):
        written, conflicts, refused = [], 0, []
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

    def _compared_again(self, taken, truths, known, cause, now):
        """Return what timelines lack whose last event a search has not shown."""
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


def _id(document):
    """Return the ``_id`` of an event or of facts."""
    return document.recid if isinstance(document, RecordFacts) else document.id


def _earliest(events):
    """Return recid -> date of the earliest of some events."""
    found = {}
    for event in events:
        date = found.get(event.recid)
        found[event.recid] = min(date or event.event_date, event.event_date)
    return found


def _causes(events):
    """Return cause -> number of events."""
    return dict(
        Counter(
            cause_of(e.event_type == ADDED, e.evidence, e.community_id) for e in events
        )
    )


def _timeline(groups):
    marks = [mark for group in groups for mark in group]
    return Timeline(marks) if marks else Timeline.empty()
