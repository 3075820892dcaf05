# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""How the aggregation looks in a terminal, and in a log."""

import time
from contextlib import contextmanager

import click
from rich.progress import BarColumn
from rich.progress import Progress as Bar
from rich.progress import TaskProgressColumn, TextColumn

from .output import console
from .usage_display import duration

_EVERY = 10.0


class _Quiet:
    """Shows nothing but why nothing goes on."""

    def progress(self, progress):
        """Ignore how far it is."""

    def waiting(self, sentence):
        """Say on standard error why nothing goes on."""
        click.echo(sentence, err=True)


class _Plain(_Quiet):
    """Prints a line now and then."""

    def __init__(self):
        self._last = time.monotonic()

    def progress(self, progress):
        """Print how far it is, every ten seconds."""
        if time.monotonic() - self._last < _EVERY:
            return
        self._last = time.monotonic()
        click.echo(
            f"{progress.label}: {_percent(progress):.0f} %, {_details(progress)}"
        )


class _Live(_Quiet):
    """Shows a bar."""

    def __init__(self, bar):
        self._bar = bar
        self._task = bar.add_task("aggregation", total=None, details="", waiting="")

    def progress(self, progress):
        """Move the bar."""
        self._bar.update(
            self._task,
            description=progress.label,
            completed=progress.done,
            total=progress.total,
            details=_details(progress),
            waiting="",
        )

    def waiting(self, sentence):
        """Show beside the bar why nothing goes on."""
        self._bar.update(self._task, waiting=sentence)


@contextmanager
def progress(wanted=True):
    """Yield an object whose methods show how far an aggregation is.

    Args:
        wanted: False shows nothing.
    """
    out = console()
    if not wanted:
        yield _Quiet()
    elif not out.is_terminal:
        yield _Plain()
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[details]}"),
            TextColumn("[yellow]{task.fields[waiting]}"),
        )
        with Bar(*columns, console=out, refresh_per_second=4) as bar:
            yield _Live(bar)


def report(done):
    """Print what an aggregation did.

    Args:
        done: an :class:`~..aggregations.run.AggregationReport`.
    """
    verb = "would be " if done.dry_run else ""
    click.echo(
        f"{done.events:,} usage events of {done.days:,} days counted "
        f"in {done.seconds:.1f} s."
    )
    if done.communities:
        click.echo(f"The records of {done.communities:,} communities counted.")
    if done.without_facts:
        click.echo(
            f"{done.without_facts:,} records have community events and no record "
            "facts; they are left out. 'invenio community-stats community-events "
            "reconcile' writes what is missing."
        )
    for family, written in done.families.items():
        click.echo(
            f"{family}: {written.created:,} documents {verb}created, "
            f"{written.changed:,} {verb}changed, {written.deleted:,} {verb}deleted, "
            f"{written.equal:,} left as they are."
        )
    if not done.families:
        click.echo("Nothing has changed since the last run.")
    if done.days_left:
        click.echo(
            f"{done.days_left:,} days are left for the next run "
            "(COMMUNITY_STATS_CATCHUP_INTERVAL)."
        )


def _percent(progress):
    return 100 * progress.done / progress.total if progress.total else 100.0


def _details(progress):
    parts = []
    if progress.events:
        parts.append(f"{progress.events:,} events")
    if progress.eta is not None:
        parts.append(f"ETA {duration(progress.eta)}")
    return ", ".join(parts)
