# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Report on a migration run, for operators and for scripts."""

from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

PLANNED, COPYING, VERIFIED = "planned", "copying", "verified"
SWITCHING, SWITCHED, DONE = "switching", "switched", "done"
FAILED, ROLLED_BACK, ROLLING_BACK = "failed", "rolled-back", "rolling-back"
ENRICHED, EMPTY = "enriched", "empty"
"""States of a month. ``enriched``: it never had a legacy index. ``empty``: it has no
events."""

_COMMAND = "invenio community-stats usage-events migrate"


class Stopped(TypedDict):
    """The reason why a run ended early, and whether it can be resumed."""

    reason: str
    resumable: bool


@dataclass
class MonthReport:
    """One event type and month of a run.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        state: the state at the end of the run.
        source_index: the legacy index.
        target_index: the enriched index.
        events_source: events in the legacy index or its backup at the end.
        events_target: events in the enriched index at the end.
        copied: events copied in this run.
        batches: batches written in this run.
        verified: whether ``count``, ``checksum`` and ``enrichment`` were verified.
        switched: readers and writers use the enriched index.
        block_seconds: time for which writes were refused; None before a cut-over.
        unknown_records: number of enriched events whose record has no facts and is
            not in the database.
        odd_events: number of events copied in this run that have a field which cannot
            be read as expected.
        odd_event_ids: the ``_id`` of the first ten.
        errors: sentences.
        retry: the command that tries this month again, or None.
        backup_index: the backup with the legacy data, or None.
        seconds: time spent on this month in this run.
    """

    event_type: str
    month: str
    state: str = PLANNED
    source_index: str | None = None
    target_index: str | None = None
    events_source: int = 0
    events_target: int = 0
    copied: int = 0
    batches: int = 0
    verified: dict[str, bool] = field(
        default_factory=lambda: {"count": False, "checksum": False, "enrichment": False}
    )
    switched: bool = False
    block_seconds: float | None = None
    unknown_records: int = 0
    odd_events: int = 0
    odd_event_ids: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    retry: str | None = None
    backup_index: str | None = None
    seconds: float = 0.0

    def fail(self, error: Exception | str) -> None:
        """Set the state to failed; add the reason and the command for a retry."""
        self.state = FAILED
        self.errors.append(str(error))
        self.retry = retry_command(self.event_type, self.month)


@dataclass
class MigrationReport:
    """All months of a run.

    Attributes:
        stopped: the reason of an early end, or None.
        months: the months, in the order of the run.
        seconds: duration of the run.
        problems: sentences for the operator that do not belong to a failed month.
    """

    stopped: Stopped | None = None
    months: list[MonthReport] = field(default_factory=list)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[MonthReport]:
        """Return the months that failed."""
        return [m for m in self.months if m.state == FAILED]

    @property
    def completed(self) -> bool:
        """Return whether all requested work is done."""
        return self.stopped is None and not self.failed

    @property
    def exit_code(self) -> int:
        """Return 0 if done, 1 if a month failed, 3 if stopped and resumable."""
        if self.failed:
            return 1
        return 3 if self.stopped else 0

    def as_json(self) -> dict[str, Any]:
        """Return the report as the JSON object that scripts read."""
        types: dict[str, dict[str, dict[str, Any]]] = {}
        for month in self.months:
            details = asdict(month)
            details.pop("event_type")
            key = details.pop("month")
            months = types.setdefault(month.event_type, {"months": {}})["months"]
            months[key] = details
        return {
            "completed": self.completed,
            "stopped": self.stopped,
            "events_copied": sum(m.copied for m in self.months),
            "seconds": round(self.seconds, 3),
            "event_types": types,
            "problems": self.problems,
        }


@dataclass(frozen=True)
class MonthProgress:
    """The progress of a month at one moment.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        state: the current state or step.
        copied: events that are copied, earlier runs included.
        total: known number of the month's events.
        rate: events per second in this run.
        backlog: events that remain to be copied.
        waiting: the reason for a pause, or None.
        eta: seconds to the end of the copy, or None.
    """

    event_type: str
    month: str
    state: str
    copied: int = 0
    total: int = 0
    rate: float = 0.0
    backlog: int = 0
    waiting: str | None = None
    eta: float | None = None


def retry_command(event_type: str, month: str) -> str:
    """Return the command that tries one month again."""
    return f"{_COMMAND} --event-types {event_type} --months {month}"
