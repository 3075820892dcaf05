# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Print the progress and the report of an aggregation."""

from contextlib import AbstractContextManager
from typing import Any

import click
from rich.progress import BarColumn, TaskProgressColumn

from ..aggregations.runner import AggregationProgress, AggregationReport
from .progress import ProgressDisplay, ProgressView, shown, text_column
from .usage_display import duration


def progress(
    wanted: bool = True,
) -> AbstractContextManager[ProgressDisplay[AggregationProgress]]:
    """Show the progress of an aggregation; see :func:`.progress.shown`."""
    return shown(_LOOK, wanted)


def report(
    done: AggregationReport, missing: str | None = None, restricted: bool = False
) -> None:
    """Print the report of an aggregation.

    Args:
        done: the report.
        missing: a sentence about the first missing prerequisite, or None.
        restricted: the run was for some communities, families or days only.
    """
    verb = "would be " if done.dry_run else ""
    click.echo(
        f"Counted {done.events:,} usage events of {done.days:,} days in "
        f"{done.seconds:.1f} s."
    )
    if done.communities:
        click.echo(f"Counted the records of {done.communities:,} communities.")
    if done.without_facts:
        click.echo(
            f"{done.without_facts:,} records have community events but no record "
            "facts, so they are not counted. Run 'invenio community-stats "
            "community-events reconcile' to write the missing facts."
        )
    for family, written in done.families.items():
        click.echo(
            f"{family}: {written.created:,} documents {verb}created, "
            f"{written.changed:,} {verb}changed, {written.deleted:,} {verb}deleted, "
            f"{written.equal:,} unchanged."
        )
    if not done.families:
        what = "Nothing in this selection" if restricted else "Nothing"
        click.echo(f"{what} has changed since the last run.")
    if done.days_left:
        click.echo(
            f"{done.days_left:,} days are left for the next run "
            "(COMMUNITY_STATS_CATCHUP_INTERVAL)."
        )
    if missing:
        click.echo(f"The numbers are not complete yet: {missing}")


def _percent(progress: AggregationProgress) -> float:
    return 100 * progress.done / progress.total if progress.total else 100.0


def _details(progress: AggregationProgress) -> str:
    parts = []
    if progress.events:
        parts.append(f"{progress.events:,} events")
    if progress.eta is not None:
        parts.append(f"ETA {duration(progress.eta)}")
    return ", ".join(parts)


def _line(progress: AggregationProgress) -> str:
    return f"{progress.label}: {_percent(progress):.0f} %, {_details(progress)}"


def _fields(progress: AggregationProgress) -> dict[str, Any]:
    return {
        "description": progress.label,
        "completed": progress.done,
        "total": progress.total,
        "details": _details(progress),
    }


_LOOK = ProgressView(
    title="aggregation",
    columns=(
        text_column("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        text_column("{task.fields[details]}"),
    ),
    line=_line,
    fields=_fields,
)
