# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Print progress, reports and status of the back-fill and the reconciliation."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TimeRemainingColumn,
)

from ..community_events.backfill import BackfillProgress, BackfillReport
from ..community_events.reconciliation import ReconciliationState
from ..community_events.status import CommunityCounts, EventsStatus
from .progress import ProgressDisplay, ProgressView, shown, text_column

_GENERATE = "invenio community-stats generate-community-events"
_RECONCILE = "invenio community-stats community-events reconcile"


def progress(
    wanted: bool = True,
) -> AbstractContextManager[ProgressDisplay[BackfillProgress]]:
    """Show the progress of a back-fill; see :func:`.progress.shown`."""
    return shown(_LOOK, wanted)


def reconciled(done: BackfillReport) -> None:
    """Print the report of a reconciliation."""
    click.echo(
        f"Compared {done.records:,} records in {done.seconds:.1f} s: "
        + (
            f"{done.events:,} events{_by_cause(done.causes)} and {done.facts:,} record "
            f"facts were missing and {'would be' if done.dry_run else 'were'} written."
            if done.events or done.facts
            else "nothing was missing."
        )
    )
    _refusals(done)


def report(done: BackfillReport) -> None:
    """Print the report of a back-fill."""
    verb = "would be written" if done.dry_run else "written"
    seconds = max(done.seconds, 0.001)
    if done.resumed:
        click.echo("Continued an interrupted run.")
    click.echo(
        f"Compared {done.records:,} records in {done.seconds:.1f} s "
        f"({done.records / seconds:,.0f}/s): {done.events:,} events and "
        f"{done.facts:,} record facts {verb}, {done.skipped:,} records were complete."
    )
    if done.conflicts:
        click.echo(
            f"{done.conflicts:,} events already existed when they were written; their "
            "records were read and compared again."
        )
    _refusals(done)
    if done.complete:
        click.echo("The community events of all records are complete.")


def _by_cause(causes: Mapping[str, int]) -> str:
    """Return the number of events by cause, in parentheses."""
    words = [f"{count:,} {cause}" for cause, count in sorted(causes.items())]
    return f" ({', '.join(words)})" if words else ""


def _refusals(done: BackfillReport) -> None:
    for sentence in done.refused[:10]:
        click.echo(f"Refused by OpenSearch: {sentence}", err=True)
    if len(done.refused) > 10:
        click.echo(f"... and {len(done.refused) - 10:,} more.", err=True)


def status(found: EventsStatus, with_communities: bool = False) -> None:
    """Print the comparison of the community events with the database.

    Args:
        found: the comparison.
        with_communities: also print the counts of each community.
    """
    for line in _lines(found):
        click.echo(line)
    if with_communities:
        for line in _table(found.communities):
            click.echo(line)


def _lines(found: EventsStatus) -> Iterator[str]:
    state = found.backfill
    if state.position:
        yield (
            f"Back-fill: interrupted after {state.seen:,} records; "
            f"'{_GENERATE}' continues."
        )
    elif state.complete:
        yield f"Back-fill: complete since {state.finished_at} UTC."
    else:
        yield f"Back-fill: not run yet. Run '{_GENERATE}'."
    yield from _reconciliation(found.reconciliation)
    yield (
        f"Records: {found.records:,} in the database, "
        f"{found.records_with_events:,} with events, "
        f"{found.records_with_facts:,} with facts, "
        f"{found.records_lacking_events:,} without events."
    )
    span = f", from {found.first_event} to {found.last_event}" if found.events else ""
    yield f"Community events: {found.events:,}{span}."
    if found.drift:
        yield (
            f"Drift: at least {found.drift:,} memberships differ. Run '{_GENERATE}' to "
            "write what is missing, with --dry-run to count it."
        )
    else:
        yield "Drift: none, by the counts of each community."


def _reconciliation(last: ReconciliationState) -> Iterator[str]:
    if last.looked_at is None:
        yield "Reconciliation: none yet."
        return
    missing = "nothing was missing"
    if last.events or last.facts:
        missing = (
            f"{last.events:,} events{_by_cause(last.causes)} and {last.facts:,} record "
            "facts were missing"
        )
    swept = f"; all records compared {last.swept_at} UTC" if last.swept_at else ""
    yield (
        f"Reconciliation: last run {last.looked_at} UTC, {last.records:,} records "
        f"compared, {missing}{swept}."
    )
    if last.lacking:
        yield (
            f"OpenSearch has refused documents of {len(last.lacking):,} records. Run "
            f"'{_RECONCILE}' to try again and to see the reasons."
        )
    if last.repaired_at and not last.events:
        yield f"Last repair: {last.repaired_at} UTC{_by_cause(last.repaired)}."


_COLUMNS = ("records", "by events", "added", "removed", "first event", "last event")


def _table(communities: Sequence[CommunityCounts]) -> Iterator[str]:
    """Yield a line per community, never wrapped, so that slugs can be copied."""
    width = max([len(c.slug or c.community_id) for c in communities] + [9])
    yield "  ".join(["community".ljust(width), *(n.rjust(11) for n in _COLUMNS)])
    for counts in communities:
        numbers = (
            counts.records,
            counts.records_by_events,
            counts.added,
            counts.removed,
        )
        days = (counts.first_event or "-", counts.last_event or "-")
        cells = [f"{n:,}" for n in numbers] + [d[:10] for d in days]
        name = (counts.slug or counts.community_id).ljust(width)
        yield "  ".join([name, *(cell.rjust(11) for cell in cells)])


def _rate(progress: BackfillProgress) -> str:
    return f"{progress.records / max(progress.seconds, 0.001):,.0f}/s"


def _line(progress: BackfillProgress) -> str:
    return (
        f"{progress.records:,} of {progress.total:,} records, "
        f"{progress.events:,} events written, {_rate(progress)}"
    )


def _fields(progress: BackfillProgress) -> dict[str, Any]:
    return {
        "completed": progress.records,
        "total": progress.total,
        "details": _rate(progress),
    }


_LOOK = ProgressView(
    title="records",
    columns=(
        text_column("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        text_column("{task.fields[details]}"),
        text_column("ETA"),
        TimeRemainingColumn(),
    ),
    line=_line,
    fields=_fields,
)
