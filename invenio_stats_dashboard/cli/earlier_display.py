# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Print what the earlier extension has left, and what was moved."""

from contextlib import AbstractContextManager

import click

from ..community_events.earlier_events import EarlierEvents
from ..services.earlier_extension import EarlierFindings, EarlierIndex
from .progress import ProgressDisplay, ProgressView, shown, text_column
from .usage_display import size

_GENERATE = "invenio community-stats generate-community-events"


def progress(wanted: bool = True) -> AbstractContextManager[ProgressDisplay[int]]:
    """Show how many community events were compared; see :func:`.progress.shown`."""
    return shown(_VIEW, wanted)


def findings(found: EarlierFindings) -> None:
    """Print the indices and templates, and what their community events show."""
    if found.is_empty:
        return
    width = max((len(index.name) for index in found.indices), default=0)
    for index in found.indices:
        click.echo(f"  {index.name.ljust(width)}  {_size(index)}  → {index.new_name}")
        if index.aliases:
            click.echo(f"    loses its aliases: {', '.join(index.aliases)}")
    for template in found.templates:
        kind = "legacy index template" if template.is_legacy else "index template"
        patterns = ", ".join(template.patterns)
        click.echo(f"  {kind} {template.name} ({patterns}) → removed")
    if found.community_events:
        _events(found.community_events)


def _size(index: EarlierIndex) -> str:
    if index.documents is None or index.bytes is None:
        return "closed or blocked"
    return f"{index.documents:>11,} documents  {size(index.bytes):>11}"


def _events(found: EarlierEvents) -> None:
    """Print how many community events the timelines will lack."""
    if not found.lacking:
        click.echo(
            f"The database shows all {found.events:,} community events, so nothing is "
            "lost."
        )
        return
    click.echo(
        f"Of {found.events:,} community events, the database does not show "
        f"{found.lacking:,}: {found.removals:,} removals, {found.additions:,} "
        f"additions, {found.unreadable:,} that cannot be read. For {found.other_days:,} "
        "of these, it shows the same change on another day. The new timelines follow "
        "the database. The events remain in the moved indices, but are not counted."
    )
    for event in found.examples:
        click.echo(
            f"  {event.day}  {event.kind.ljust(7)}  record {event.record}, community "
            f"{event.community}"
        )


def step(index: str, name: str) -> None:
    """Print an index when its move begins."""
    if name == "claim":
        click.echo(f"Moving {index} …")


def moved(found: EarlierFindings, dry_run: bool) -> None:
    """Print the result."""
    if found.is_empty:
        click.echo("There are no indices or templates of another extension.")
        return
    if dry_run:
        click.echo("Nothing was changed.")
        return
    for problem in found.problems:
        click.echo(f"Not done: {problem}", err=True)
    indices = sum(index.problem is None for index in found.indices)
    templates = sum(template.problem is None for template in found.templates)
    click.echo(
        f"{indices:,} of {len(found.indices):,} indices were moved, and {templates:,} "
        f"of {len(found.templates):,} index templates were removed."
    )
    if not found.problems:
        click.echo(f"Now run '{_GENERATE}', or leave it to the scheduled task.")


def _line(events: int) -> str:
    return f"Compared {events:,} community events with the database."


_VIEW: ProgressView[int] = ProgressView(
    title="community events",
    columns=(text_column("{task.description}"),),
    line=_line,
    fields=lambda events: {"description": _line(events)},
)
