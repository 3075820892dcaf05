# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Report the state of the migration, independent of the process that runs it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..errors import StatsDashboardError
from ..search.lock import describe_holder, is_held, read_lock
from ..search.multi_get import get_many
from ..search.names import Names
from ..usage_events import dead_letters
from ..usage_events.dead_letters import DeadLetters
from ..usage_events.indices import (
    EventsIndex,
    Month,
    migrated_serves,
    strangers,
    survey,
    undated,
)
from ..usage_events.maintenance.fill_missing import not_enriched
from ..usage_events.odd_events import OddEventsSummary, summarize_odd_events
from .backups import bring_over_check
from .months import incomplete_sentence
from .report import (
    DONE,
    EMPTY,
    ENRICHED,
    FAILED,
    PLANNED,
    ROLLING_BACK,
    SWITCHED,
    SWITCHING,
    retry_command,
)
from .run_context import MigrationRun


@dataclass(frozen=True)
class MonthStatus:
    """One event type and month.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        state: planned, copying, verified, switching, switched, done, failed,
            enriched (it never had a legacy index), rolling-back, rolled-back or empty.
        events: number of events that readers see.
        not_enriched: number of these events without enrichment, 0 for a legacy index;
            None if it is unknown.
        copied: events in the target.
        percent: progress of the copy, 0 to 100.
        rate: events per second of the copy, or None.
        eta: seconds to the end of the copy at that rate, or None.
        index: the index in service, or None.
        backup: index with the legacy data, or None.
        error: the last error, or None.
        retry: the command that tries again, or None.
        problem: a sentence about a problem that needs attention, or None.
        updated_at: moment of the last write of the bookmark, or None.
    """

    event_type: str
    month: str
    state: str
    events: int
    not_enriched: int | None
    copied: int
    percent: float
    rate: float | None
    eta: float | None
    index: str | None
    backup: str | None
    error: str | None
    retry: str | None
    problem: str | None
    updated_at: str | None


@dataclass(frozen=True)
class UndatedStatus:
    """Enriched indices without a month in their name: the site has another suffix.

    Attributes:
        indices: number of these indices.
        events: number of their events.
        not_enriched: number of these events without enrichment; None if it is unknown.
    """

    indices: int = 0
    events: int = 0
    not_enriched: int | None = 0


@dataclass(frozen=True)
class MigrationStatus:
    """The state of all months, and the run that works on them.

    Attributes:
        months: oldest first.
        undated: indices that belong to no month.
        running: a clause that describes the run that holds the lock, or None.
        problems: sentences that belong to no month.
        dead_letters: events that OpenSearch refuses.
        odd_events: events with a field that cannot be read as expected.
    """

    months: list[MonthStatus]
    undated: UndatedStatus = field(default_factory=UndatedStatus)
    running: str | None = None
    problems: list[str] = field(default_factory=list)
    dead_letters: DeadLetters = field(default_factory=DeadLetters)
    odd_events: OddEventsSummary = field(default_factory=OddEventsSummary)

    @property
    def needs_attention(self) -> bool:
        """Return whether a problem needs attention."""
        found = self.problems or self.dead_letters.count or self.odd_events.new
        return bool(found) or any(m.problem or m.error for m in self.months)

    def as_json(self) -> dict[str, Any]:
        """Return the status as a JSON object."""
        return {
            "running": self.running,
            "needs_attention": self.needs_attention,
            "problems": self.problems,
            "dead_letters": asdict(self.dead_letters),
            "odd_events": asdict(self.odd_events),
            "months": [asdict(month) for month in self.months],
            "undated": asdict(self.undated),
        }


def read_migration_status(
    client: OpenSearch,
    names: Names,
    lock: str,
    event_types: Sequence[str],
    ranges: Sequence[tuple[str, str]],
    now: datetime,
) -> MigrationStatus:
    """Read the status of all months that have an index; change nothing.

    Args:
        client: decodes responses.
        names: the instance's index names.
        lock: id of the migration's lock.
        event_types: the requested event types.
        ranges: the requested months.
        now: aware.
    """
    months, strange = survey(client, names, event_types, ranges)
    found = get_many(client, [{"_id": m.id} for m in months], names.reindexing)
    bookmarks = {doc["_id"]: doc["_source"] for doc in found if doc}
    holder: str | None = None
    if client.indices.exists(index=names.reindexing):
        document = read_lock(client, names.reindexing, lock)
        if document and is_held(document):
            holder = describe_holder(document)
    lacking = not_enriched(client, names, event_types)
    return MigrationStatus(
        months=[
            _month(names, m, bookmarks.get(m.id, {}), lacking, holder, now)
            for m in months
        ],
        undated=_undated(undated(client, names, event_types), lacking),
        running=holder,
        problems=[
            f"The index {index.name} has no month in its name and cannot be migrated."
            for index in strange
        ]
        + strangers(client, names, event_types),
        dead_letters=dead_letters.read_dead_letters(client, names),
        odd_events=summarize_odd_events(client, names),
    )


def _undated(
    indices: Iterable[EventsIndex], lacking: Mapping[str, int] | None
) -> UndatedStatus:
    enriched = [index for index in indices if index.schema is not None]
    number = None if lacking is None else sum(lacking.get(i.name, 0) for i in enriched)
    return UndatedStatus(
        indices=len(enriched),
        events=sum(index.docs for index in enriched),
        not_enriched=number if enriched else 0,
    )


def _month(
    names: Names,
    month: Month,
    bookmark: Mapping[str, Any],
    lacking: Mapping[str, int] | None,
    holder: str | None,
    now: datetime,
) -> MonthStatus:
    read_alias = names.events_alias(month.event_type)
    serving = migrated_serves(names, month)
    index = month.target if serving else month.source or month.native
    state = _state(month, serving, bookmark)
    total = index.docs if index else 0
    copied = total if serving else bookmark.get("copied", 0)
    percent = 100.0 if serving else (100.0 * copied / total if total else 0.0)
    seconds = bookmark.get("seconds") or 0
    rate = copied / seconds if seconds and not serving else None
    left = max(total - copied, 0)
    error = bookmark.get("error")
    waiting = state in (PLANNED, "copying", "verified", FAILED) and not holder
    return MonthStatus(
        event_type=month.event_type,
        month=month.month,
        state=state,
        events=total,
        not_enriched=_lacking(index, month.source, lacking),
        copied=copied if month.source or serving else 0,
        percent=round(min(percent, 100.0), 1),
        rate=round(rate, 1) if rate else None,
        eta=round(left / rate, 1) if rate and left and holder else None,
        index=index.name if index else None,
        backup=month.backup.name if month.backup else None,
        error=error,
        retry=retry_command(month.event_type, month.month) if waiting else None,
        problem=_problem(month, serving, read_alias, bookmark, now),
        updated_at=bookmark.get("updated_at"),
    )


def _lacking(
    index: EventsIndex | None,
    source: EventsIndex | None,
    lacking: Mapping[str, int] | None,
) -> int | None:
    """Return the number of events without enrichment; 0 for a legacy index."""
    if index is None or index == source:
        return 0
    return None if lacking is None else lacking.get(index.name, 0)


def _state(month: Month, serving: bool, bookmark: Mapping[str, Any]) -> str:
    state = bookmark.get("state")
    if serving:
        return state if state in (SWITCHED, DONE) else SWITCHED
    if month.source:
        return state if state not in (None, DONE, SWITCHED) else PLANNED
    return ENRICHED if month.native else EMPTY


def _problem(
    month: Month,
    serving: bool,
    read_alias: str,
    bookmark: Mapping[str, Any],
    now: datetime,
) -> str | None:
    """Return a sentence about a problem that needs attention, or None."""
    switch = bookmark.get("switch") or {}
    unfinished = {
        SWITCHING: ("cut-over", "migration"),
        ROLLING_BACK: ("rollback", "rollback"),
    }.get(bookmark.get("state", ""))
    if unfinished and switch and datetime.fromisoformat(switch["until"]) < now:
        what, work = unfinished
        return (
            f"A {what} did not finish, so writes may be blocked. A scheduled task "
            f"aborts it within two minutes. If this does not happen, run the {work} "
            "of this month again."
        )
    beside = [i.name for i in month.legacy if read_alias in i.aliases]
    if serving and beside:
        return (
            f"{beside[0]} is in the read alias together with the enriched index, so "
            "readers see its events twice. Run the migration of this month again."
        )
    if month.source and month.source.closed:
        return f"The index {month.source.name} is closed. Open it to migrate it."
    if month.source and month.source.block:
        return f"{month.source.block.sentences} Until then, it cannot be migrated."
    if month.source and month.source.source_setting:
        return f"{incomplete_sentence(month.source)} So it cannot be migrated."
    if month.native and month.native.source_setting:
        return (
            f"{incomplete_sentence(month.native)} So events that were stored without "
            "enrichment are not enriched later."
        )
    return None


@dataclass(frozen=True)
class BackupCheck:
    """The outcome of comparing a month's backup with the index in service.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        index: the enriched index.
        backup: the backup that was compared; None if none exists.
        same: the index holds all events of the backup; None without a backup.
        difference: a sentence about the difference or the error, or None.
        events: number of events in the enriched index.
    """

    event_type: str
    month: str
    index: str
    backup: str | None
    same: bool | None
    difference: str | None
    events: int


def verify(run: MigrationRun, month: Month) -> BackupCheck:
    """Compare one month's backup with the index in service; change nothing.

    Args:
        run: the run that compares.
        month: a month that has a target.
    """
    assert month.target is not None
    stock = run.names.events_month(month.event_type, month.month)
    backup: str | None = None
    same: bool | None = None
    difference: str | None = None
    if stock not in month.target.aliases:
        difference = "the month is not cut over yet"
    elif month.backup is not None:
        backup = month.backup.name
        try:
            bring_over_check(run, month)
        except (StatsDashboardError, OpenSearchException) as error:
            difference = str(error)
        same = difference is None
    return BackupCheck(
        event_type=month.event_type,
        month=month.month,
        index=month.target.name,
        backup=backup,
        same=same,
        difference=difference,
        events=month.target.docs,
    )
