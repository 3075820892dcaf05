# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What a run of the migration says of itself, for people and for programs."""

from dataclasses import asdict, dataclass, field

PLANNED, COPYING, VERIFIED = "planned", "copying", "verified"
SWITCHING, SWITCHED, DONE = "switching", "switched", "done"
FAILED, ROLLED_BACK, ROLLING_BACK = "failed", "rolled-back", "rolling-back"
ENRICHED, EMPTY = "enriched", "empty"
"""States of a month. ``enriched``: its events were never legacy. ``empty``: there
are none."""

_COMMAND = "invenio community-stats usage-events migrate"


@dataclass
class MonthReport:
    """One event type and month of a run.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        state: in the end.
        source_index: the legacy index.
        target_index: the enriched one.
        events_source: events of the source when the run ended with it.
        events_target: the same of the target.
        copied: events copied in this run.
        batches: batches written in this run.
        verified: what was verified: ``count``, ``checksum``, ``enrichment``.
        switched: readers and writers use the target.
        block_seconds: how long writers were refused; None without a switch.
        unknown_records: events of records that neither facts nor database know.
        errors: sentences.
        retry: the command that tries this month again, or None.
        backup_index: where the legacy data is kept, if it still is.
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
    verified: dict = field(
        default_factory=lambda: {"count": False, "checksum": False, "enrichment": False}
    )
    switched: bool = False
    block_seconds: float | None = None
    unknown_records: int = 0
    errors: list = field(default_factory=list)
    retry: str | None = None
    backup_index: str | None = None
    seconds: float = 0.0

    def fail(self, error):
        """Note why the month failed and how to try it again."""
        self.state = FAILED
        self.errors.append(str(error))
        self.retry = retry_command(self.event_type, self.month)


@dataclass
class MigrationReport:
    """A whole run.

    Attributes:
        stopped: None, or ``{"reason", "resumable"}``.
        months: a :class:`MonthReport` each.
        seconds: time that the run took.
        problems: things an operator should know that are no month's failure.
    """

    stopped: dict | None = None
    months: list = field(default_factory=list)
    seconds: float = 0.0
    problems: list = field(default_factory=list)

    @property
    def failed(self):
        """Return the months that failed."""
        return [m for m in self.months if m.state == FAILED]

    @property
    def completed(self):
        """Tell whether all that was asked for is done."""
        return self.stopped is None and not self.failed

    @property
    def exit_code(self):
        """Return 0 done, 1 a month failed, 3 stopped and resumable."""
        if self.failed:
            return 1
        return 3 if self.stopped else 0

    def as_json(self):
        """Return the report as the JSON object that scripts read."""
        types = {}
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
    """Where a month is right now.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        state: what is done with it.
        copied: events of it that are copied, earlier runs included.
        total: events that it has, as far as known.
        rate: events a second in this run.
        backlog: events still to be copied.
        waiting: why it waits, or None.
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


def retry_command(event_type, month):
    """Return the command that tries one month again."""
    return f"{_COMMAND} --event-types {event_type} --months {month}"
