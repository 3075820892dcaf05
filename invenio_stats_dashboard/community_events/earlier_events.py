# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Count the community events of the earlier extension that the database does not show.

The database stores no trace of some memberships that have ended, so an event of the
earlier extension can be the only record of such a removal. It is not used for
timelines: they follow the database, and it is unknown how the earlier extension dated
its events. But an operator must know how many events the timelines will lack.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from ..search.names import Names
from . import timestamps
from .documents import ADDED, REMOVED
from .evidence import truth_of
from .membership import MembershipReader, SelectedRecords
from .record_rows import RecordRow
from .selection import Selection
from .timeline import Timeline, compare

FIELDS = ("record_id", "recid", "community_id", "event_type", "event_date")
"""The fields that are read; an event needs one of the first two, and all others."""

EXAMPLES = 10
"""Maximum number of events that a result names."""

_WINDOW = 50_000
"""Events that are compared together. Their records are read once."""

_Event: TypeAlias = tuple[str, str, str]
"""Community, kind and day of an event."""


@dataclass(frozen=True)
class EarlierEvent:
    """A community event of the earlier extension.

    Attributes:
        record: UUID or persistent identifier of the record.
        community: UUID of the community, as far as it is known.
        kind: ``added`` or ``removed``.
        day: UTC day, ``YYYY-MM-DD``.
    """

    record: str
    community: str
    kind: str
    day: str


@dataclass
class EarlierEvents:
    """How many events of the earlier extension the timelines will lack.

    Attributes:
        events: number of its events.
        removals: number of those that the timelines will lack, and that remove a record
            from a community.
        additions: number of those that add one.
        unreadable: number of events with other fields; they count as lacking, too.
        other_days: number of the lacking removals and additions for which the timelines
            have an event of the same record, community and kind, on another day.
        examples: some of the lacking removals, then of the lacking additions.
    """

    events: int = 0
    removals: int = 0
    additions: int = 0
    unreadable: int = 0
    other_days: int = 0
    examples: list[EarlierEvent] = field(default_factory=list)

    @property
    def lacking(self) -> int:
        """Return the number of events that the timelines will lack."""
        return self.removals + self.additions + self.unreadable


def holds_events(names: Names, index: str) -> bool:
    """Return whether an index has the name of one of community events."""
    others = (names.record_facts, names.reindexing)
    return names.is_source(index) and index not in others


def count_lacking(
    sources: Iterable[Mapping[str, Any]],
    reader: MembershipReader,
    progress: Callable[[int], None] | None = None,
) -> EarlierEvents:
    """Compare events of the earlier extension with what the database shows.

    An event is reproduced if the timeline that is derived from the database has an
    event of the same record, community and kind on the same day (UTC).

    Args:
        sources: the sources of the events.
        reader: reads the records.
        progress: called with the number of events that were compared.

    Raises:
        DatabaseUnavailableError: the database does not answer.
    """
    found = EarlierEvents()
    for window in _windows(sources):
        events = []
        for source in window:
            event = _event_of(source)
            if event is None:
                found.unreadable += 1
            else:
                events.append(event)
        found.events += len(window)
        _add_lacking(found, events, reader)
        if progress:
            progress(found.events)
    return found


def _windows(
    sources: Iterable[Mapping[str, Any]],
) -> Iterator[list[Mapping[str, Any]]]:
    window: list[Mapping[str, Any]] = []
    for source in sources:
        window.append(source)
        if len(window) == _WINDOW:
            yield window
            window = []
    if window:
        yield window


def _event_of(source: Mapping[str, Any]) -> EarlierEvent | None:
    """Return an event, or None if a field is missing or cannot be read."""
    record = source.get("record_id") or source.get("recid")
    community, kind = source.get("community_id"), source.get("event_type")
    texts = (record, community, source.get("event_date"))
    if kind not in (ADDED, REMOVED) or not all(type(t) is str and t for t in texts):
        return None
    try:
        day = timestamps.second_of(str(source["event_date"]))[:10]
    except (ValueError, OverflowError):
        return None
    identifier = _uuid(str(record)) or str(record)
    return EarlierEvent(identifier, str(community), str(kind), day)


def _add_lacking(
    found: EarlierEvents, events: Collection[EarlierEvent], reader: MembershipReader
) -> None:
    """Add the events that the timelines of their records lack."""
    shown = _shown(reader, {event.record for event in events})
    lacking: list[EarlierEvent] = []
    for event in events:
        timeline = shown.get(event.record, set())
        if (event.community, event.kind, event.day) in timeline:
            continue
        lacking.append(event)
        found.other_days += (event.community, event.kind, "") in timeline
    found.removals += sum(event.kind == REMOVED for event in lacking)
    found.additions += sum(event.kind == ADDED for event in lacking)
    examples = sorted(
        [*found.examples, *lacking], key=lambda e: (e.kind != REMOVED, e.day)
    )
    found.examples = examples[:EXAMPLES]


def _shown(
    reader: MembershipReader, records: Collection[str]
) -> dict[str, set[_Event]]:
    """Return the events that the database shows, by identifier of their record.

    Args:
        reader: reads the records.
        records: UUIDs or persistent identifiers.

    Returns:
        UUID and persistent identifier -> events; each also without its day.
    """
    ids = sorted(record for record in records if _uuid(record))
    recids = tuple(sorted(record for record in records if not _uuid(record)))
    selections = []
    if ids:
        selections.append(SelectedRecords(reader, Selection(), ids, [], None))
    if recids:
        selections.append(reader.select(Selection(recids=recids)))
    found: dict[str, set[_Event]] = {}
    for selection in selections:
        for page in selection.pages():
            for row in page:
                found[row.record_id] = found[row.recid] = _events_of(row)
    return found


def _events_of(row: RecordRow) -> set[_Event]:
    """Return the events of the timeline that the database gives a record."""
    made = compare(truth_of(row), Timeline.empty(), None, timestamps.now())
    return {
        (event.community_id, event.event_type, day)
        for event in made
        for day in (event.event_date[:10], "")
    }


def _uuid(text: str) -> str | None:
    """Return a UUID in its usual form; None if the text is none."""
    try:
        return str(UUID(text)) if len(text) in (32, 36) else None
    except ValueError:
        return None
