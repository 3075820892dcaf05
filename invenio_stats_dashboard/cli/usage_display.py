# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Print the migration and other work on usage events: progress, plans and reports."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..migration.migration_status import BackupCheck, MigrationStatus
from ..migration.plan import MigrationPlan
from ..migration.re_enrichment import ReEnrichmentResult
from ..migration.report import MigrationReport, MonthProgress
from ..migration.rollback import RollbackResult
from ..usage_events.odd_events import OddMonth
from ..usage_events.replay import ReplayReport
from .output import console, headed

_EVERY = 10.0
_BAR = 20
_SHORTEST_BAR = 6
_WIDE = 100
"""Columns of a terminal that has room for whole bars."""

_STATES = {
    "done": "green",
    "enriched": "green",
    "switched": "green",
    "failed": "red",
    "copying": "cyan",
    "verified": "cyan",
    "switching": "yellow",
}


@contextmanager
def progress(wanted: bool = True) -> Iterator[Callable[[MonthProgress], None] | None]:
    """Yield a function that shows the progress of each month.

    In a terminal, each month has a line. In a log, a line is printed when the state of
    a month changes, and otherwise at most every ten seconds.

    Args:
        wanted: False shows nothing and yields None.
    """
    out = console()
    if not wanted:
        yield None
    elif out.is_terminal:
        lines: dict[tuple[str, str], MonthProgress] = {}
        with Live(console=out, refresh_per_second=4) as live:

            def show(update: MonthProgress) -> None:
                lines[(update.month, update.event_type)] = update
                live.update(_lines(lines, out.width, out.height))

            yield show
    else:
        yield _plain()


def _plain() -> Callable[[MonthProgress], None]:
    last: dict[tuple[str, str], tuple[float, tuple[str, str | None]]] = {}

    def show(update: MonthProgress) -> None:
        key = (update.event_type, update.month)
        state = (update.state, update.waiting)
        before = last.get(key)
        unchanged = before is not None and before[1] == state
        if before and unchanged and time.monotonic() - before[0] < _EVERY:
            return
        last[key] = (time.monotonic(), state)
        parts = [f"{update.month} {update.event_type}: {update.state}"]
        if update.total:
            parts.append(f"{update.copied:,} of {update.total:,}")
        if update.rate:
            parts.append(f"{update.rate:,.0f} events/s")
        if update.eta:
            parts.append(f"{duration(update.eta)} left")
        if update.waiting:
            parts.append(f"waiting: {update.waiting}")
        click.echo(", ".join(parts))

    return show


def _lines(
    lines: Mapping[tuple[str, str], MonthProgress], width: int, height: int
) -> Text:
    """Return a line per month that fits the terminal; below it the reason for a pause.

    In a narrow terminal the columns ``backlog`` and ``rate`` are omitted.
    """
    shown = list(lines.values())[-max(height - 4, 3) :]
    rows = [_cells(update) for update in shown]
    for cells in ("backlog", "rate", None):
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        left = width - sum(w + 2 for w in widths if w)
        if left >= _SHORTEST_BAR or cells is None:
            break
        place = _CELLS.index(cells)
        rows = [(*row[:place], "", *row[place + 1 :]) for row in rows]
    size = max(min(left, _BAR), 1)
    text = Text(no_wrap=True, overflow="ellipsis")
    for update, row in zip(shown, rows, strict=True):
        text.append(_line(update, row, widths, size))
        if update.waiting:
            text.append(f"    waiting: {update.waiting}\n", style="yellow")
    return text


_CELLS = ("month", "type", "percent", "events", "rate", "backlog", "state", "eta")


def _cells(update: MonthProgress) -> tuple[str, ...]:
    return (
        update.month,
        update.event_type,
        f"{_percent(update):.0f} %",
        f"{update.copied:,}/{update.total:,}",
        f"{update.rate:,.0f}/s" if update.rate else "",
        f"backlog {update.backlog:,}" if update.backlog else "",
        update.state,
        f"ETA {duration(update.eta)}" if update.eta else "",
    )


def _line(
    update: MonthProgress, row: Sequence[str], widths: Sequence[int], size: int
) -> Text:
    line = Text()
    for name, cell, width in zip(_CELLS, row, widths, strict=True):
        if name == "percent":
            line.append(bar(_percent(update), size) + "  ")
        if not width:
            continue
        left = name in ("month", "type", "state", "eta")
        style = _STATES.get(update.state, "") if name == "state" else ""
        line.append(cell.ljust(width) if left else cell.rjust(width), style=style)
        line.append("  ")
    line.rstrip()
    return line.append("\n")


def _percent(update: MonthProgress) -> float:
    """Return the copied percentage of a month; 100 for a month without events."""
    return 100 * update.copied / update.total if update.total else 100.0


def bar(percent: float, size: int = _BAR) -> str:
    """Return a percentage as a bar of characters."""
    full = int(size * min(percent, 100) / 100)
    return "█" * full + "░" * (size - full)


def duration(seconds: float) -> str:
    """Format a duration for display."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def _state(state: str) -> Text:
    return Text(state, style=_STATES.get(state, ""))


def size(number: float) -> str:
    """Format a number of bytes for display."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024 or unit == "TiB":
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1024
    return ""


def print_plan(plan: MigrationPlan) -> None:
    """Print the plan of a migration."""
    out = console()
    table = Table("month", "type", "what", "events", "size", "from", "to", box=None)
    for month in plan.months:
        table.add_row(
            month.month,
            month.event_type,
            (
                Text("to be migrated")
                if month.state == "planned"
                else _state(month.state)
            ),
            f"{month.events:,}",
            size(month.bytes),
            month.source_index or "",
            (month.target_index or "") if month.state == "planned" else "",
        )
    out.print(table)
    _sentences(out, plan)
    if not plan.to_do:
        out.print("There are no legacy events to migrate.")
        return
    out.print(
        f"{len(plan.to_do)} monthly indices, "
        f"{sum(m.events for m in plan.to_do):,} events. The migration needs about "
        f"{size(plan.disk_bytes)} of disk space and {plan.shards} more shards. Nothing "
        "was changed."
    )


def _sentences(out: Console, plan: MigrationPlan) -> None:
    for sentence in plan.blockers:
        out.print(headed("Blocked:", "red", sentence))
    for sentence in plan.warnings:
        out.print(headed("Note:", "yellow", sentence))


def print_report(report: MigrationReport) -> None:
    """Print the report of a migration."""
    out = console()
    worked = [m for m in report.months if m.source_index or m.errors]
    if worked:
        table = Table(
            "month", "type", "state", "events", "copied", "blocked", "backup", box=None
        )
        for month in worked:
            blocked = month.block_seconds
            table.add_row(
                month.month,
                month.event_type,
                _state(month.state),
                f"{month.events_target:,}",
                f"{month.copied:,}",
                "" if blocked is None else f"{blocked:.2f} s",
                month.backup_index or "",
            )
        out.print(table)
    for sentence in report.problems:
        out.print(headed("Note:", "yellow", sentence))
    for month in report.failed:
        head = f"{month.month} {month.event_type} failed:"
        out.print(headed(head, "red", " ".join(month.errors)))
        out.print(f"  Try again: {month.retry}")
    copied = sum(m.copied for m in report.months)
    if report.stopped:
        out.print(headed("Stopped:", "yellow", str(report.stopped["reason"])))
    elif not worked:
        out.print(
            "There are no legacy events. The index templates are installed; the "
            "indices of new months are created for enriched events."
        )
    else:
        done = sum(m.state == "done" for m in worked)
        out.print(
            f"{done} of {len(worked)} monthly indices are done; {copied:,} events "
            f"copied in {duration(report.seconds)}."
        )


def print_status(status: MigrationStatus) -> None:
    """Print the status of each month."""
    out = console()
    undated = status.undated
    if not status.months and not undated.indices:
        out.print("There are no usage events yet.")
    table = Table(
        "month", "type", "state", "", "%", "events", "copied", "rate", "left", box=None
    )
    size = _BAR if out.width >= _WIDE else _SHORTEST_BAR
    for month in status.months:
        table.add_row(
            month.month,
            month.event_type,
            _state(month.state),
            bar(month.percent, size) if month.state != "enriched" else "",
            f"{month.percent:.0f}" if month.state != "enriched" else "",
            f"{month.events:,}",
            f"{month.copied:,}" if month.copied else "",
            f"{month.rate:,.0f}/s" if month.rate else "",
            duration(month.eta) if month.eta else "",
        )
    if status.months:
        out.print(table)
    for month in status.months:
        for sentence in (month.error, month.problem):
            if sentence:
                head = f"{month.month} {month.event_type}:"
                out.print(headed(head, "red", sentence))
        if month.not_enriched:
            out.print(
                f"{month.month} {month.event_type}: {month.not_enriched:,} events are "
                "not enriched yet; a scheduled task enriches them."
            )
        if month.error and month.retry:
            out.print(f"  Try again: {month.retry}")
    if undated.indices:
        out.print(
            f"{undated.indices:,} enriched indices have no month in their names. They "
            f"hold {undated.events:,} events and need no migration."
        )
    if undated.not_enriched:
        out.print(f"{undated.not_enriched:,} of these events are not enriched.")
    if None in (undated.not_enriched, *(m.not_enriched for m in status.months)):
        out.print(
            "The number of events that are not enriched is unknown: OpenSearch did not "
            "answer the search completely."
        )
    for sentence in status.problems:
        out.print(headed("Problem:", "red", sentence))
    letters = status.dead_letters
    if letters.count:
        text = (
            f"{letters.count:,} events are stored as dead letters. Fix the cause, then "
            "run 'usage-events replay'. The newest reason:"
        )
        out.print(headed("Refused by OpenSearch:", "red", text))
        out.print(f"  {letters.reason}")
    odd = status.odd_events
    if odd.count:
        text = (
            f"{odd.count:,} events have fields that cannot be read as expected, and "
            "these fields count as unknown. Run 'usage-events odd' for a list. The "
            "first of each month:"
        )
        out.print(headed("Odd events:", "yellow" if odd.new else "", text))
        for id in odd.ids:
            out.print(f"  {id}", markup=False)
    if status.running:
        out.print(f"A migration is running: {status.running}.")
    backups = [m.backup for m in status.months if m.backup]
    if backups:
        out.print(
            f"{len(backups)} backups exist. Run 'usage-events cleanup' to delete those "
            "that have been compared."
        )


def print_checks(checks: Sequence[BackupCheck]) -> None:
    """Print the outcome of comparing backup indices."""
    out = console()
    if not checks:
        out.print("No month is migrated yet.")
        return
    table = Table("month", "type", "events", "outcome", box=None)
    for check in checks:
        if check.same:
            outcome = Text("holds all events of its backup", style="green")
        elif check.same is None:
            outcome = Text(check.difference or "no backup to compare with")
        else:
            outcome = Text(str(check.difference), style="red")
        table.add_row(check.month, check.event_type, f"{check.events:,}", outcome)
    out.print(table)


def print_odd_events(months: Sequence[OddMonth]) -> None:
    """Print the odd events of all months."""
    out = console()
    if not months:
        out.print("No event is odd.")
    for month in months:
        total = f"{len(month.events):,}{' or more' if month.has_more else ''}"
        out.print(
            f"{month.event_type} {month.month or 'without a month'}: {total} odd "
            f"events, {month.new:,} of them not acknowledged"
        )
        for id, fields in month.events.items():
            out.print(f"  {id}: {', '.join(fields)}", markup=False)


def print_cleanup(found: Sequence[tuple[str, str | None]], dry_run: bool) -> None:
    """Print which backup indices were deleted, and which were not.

    Args:
        found: name of each backup index; why it was not deleted, or None.
        dry_run: nothing was deleted.
    """
    out = console()
    if not found:
        out.print("There are no backups.")
    for name, reason in found:
        if reason is None:
            out.print(f"{name}: {'would be deleted' if dry_run else 'deleted'}")
        else:
            out.print(
                Text.assemble(f"{name}: ", ("not deleted", "yellow"), f", {reason}")
            )


def print_rolled_back(done: Sequence[RollbackResult]) -> None:
    """Print the outcome of a rollback."""
    out = console()
    if not done:
        out.print("There is no such month.")
    for month in done:
        if month.error:
            head = f"{month.month} {month.event_type}: "
            out.print(
                Text.assemble(head, ("not rolled back", "red"), f", {month.error}")
            )
        else:
            out.print(
                f"{month.month} {month.event_type}: {month.index} is in service again; "
                f"{month.copied_back:,} newer events were copied back."
            )


def print_re_enriched(key: str, done: Sequence[ReEnrichmentResult]) -> None:
    """Print the number of events in which the breakdown ``key`` was written."""
    out = console()
    for month in done:
        if month.index:
            out.print(
                f"{month.month} {month.event_type}: {month.events:,} events "
                f"re-enriched with {key}"
            )
    if not any(month.index for month in done):
        out.print("No month is enriched yet.")


def print_replayed(done: ReplayReport) -> None:
    """Print the outcome of a replay of dead letters."""
    out = console()
    if not done.letters:
        out.print("There are no dead letters.")
        return
    if done.dry_run:
        out.print(
            f"{done.letters:,} dead letters: {done.stored:,} events would be indexed, "
            f"{done.already_there:,} are indexed already. Nothing was changed."
        )
        return
    out.print(
        f"{done.letters:,} dead letters: {done.stored:,} events were indexed, "
        f"{done.already_there:,} were indexed already."
    )
    for name, days in done.days.items():
        out.print(f"{name} counted these days again: {', '.join(days)}.")
    if done.refused:
        text = f"{done.refused:,} events. The newest reason:"
        out.print(headed("Refused again:", "red", text))
        out.print(f"  {done.reason}")
