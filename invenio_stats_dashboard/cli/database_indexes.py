# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Commands for the two database indexes that live capture uses."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext
from rich.progress import (
    BarColumn,
    TaskProgressColumn,
    TimeElapsedColumn,
)

from ..community_events.database_indexes import IndexProgress, IndexStatus
from ..proxies import current_stats_dashboard
from .output import json_option, print_json, sentences_for_errors
from .progress import ProgressView, shown, text_column

if TYPE_CHECKING:
    from ..services import CommunityStatsService


def _service() -> "CommunityStatsService":
    return current_stats_dashboard.community_stats_service


@click.group("database-indexes")
def database_indexes() -> None:
    """Manage the database indexes that live capture uses."""


@database_indexes.command("status")
@json_option
@with_appcontext
@sentences_for_errors
def status(as_json: bool) -> None:
    """Show which indexes exist, and their sizes.

    Exit code 1 if one is missing.
    """
    found = _service().database_indexes().statuses()
    if as_json:
        print_json({"indexes": [asdict(index) for index in found]})
    else:
        for index in found:
            click.echo(_line(index))
    if not all(index.exists for index in found):
        if not as_json:
            click.echo("\nRun 'invenio community-stats database-indexes create'.")
        sys.exit(1)


@database_indexes.command("create")
@click.option("--dry-run", is_flag=True, help="Print the SQL; create nothing.")
@json_option
@with_appcontext
@sentences_for_errors
def create(dry_run: bool, as_json: bool) -> None:
    """Create the missing indexes while the site is in use.

    Writes are not blocked (CREATE INDEX CONCURRENTLY). If the command is interrupted,
    run it again. The site's database role must own the tables.
    """
    before = _service().database_indexes().statuses()
    missing = [index for index in before if not index.exists]
    if dry_run:
        _print_statements([index.create for index in missing], as_json)
        return
    with shown(_LOOK, wanted=not as_json) as show:
        created = _service().database_indexes(show.progress).create()
    if as_json:
        print_json({"dry_run": False, "created": created})
    elif created:
        click.echo(f"Created {' and '.join(created)}.")
    else:
        click.echo("All indexes exist already.")


@database_indexes.command("drop")
@click.option("--dry-run", is_flag=True, help="Print the SQL; drop nothing.")
@json_option
@with_appcontext
@sentences_for_errors
def drop(dry_run: bool, as_json: bool) -> None:
    """Drop the indexes that 'create' has created.

    Run this before the extension is uninstalled. 'create' creates them again.
    """
    indexes = _service().database_indexes()
    if dry_run:
        _print_statements(indexes.drop_statements(), as_json)
        return
    dropped = indexes.drop()
    if as_json:
        print_json({"dry_run": False, "dropped": dropped})
    elif dropped:
        click.echo(f"Dropped {' and '.join(dropped)}.")
    else:
        click.echo("There are no indexes to drop.")


def _print_statements(statements: Sequence[str], as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": True, "statements": list(statements)})
    elif not statements:
        click.echo("Nothing to do.")
    for statement in () if as_json else statements:
        click.echo(f"{statement};")


def _line(index: IndexStatus) -> str:
    head = f"{index.table}: {index.purpose}"
    if index.exists:
        return f"{head}: {index.used}, {index.bytes / 1e6:,.1f} MB"
    state = "unfinished" if index.invalid else "missing"
    return f"{head}: {state}"


def _share(progress: IndexProgress) -> str:
    share = f" {progress.done / progress.total:.0%}" if progress.total else ""
    return f"{progress.phase}{share}"


_LOOK: ProgressView[IndexProgress] = ProgressView(
    title="creating an index",
    columns=(
        text_column("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        text_column("{task.fields[details]}"),
    ),
    line=lambda progress: f"{progress.name}: {_share(progress)}",
    fields=lambda progress: {
        "description": progress.name,
        "total": progress.total or None,
        "completed": progress.done,
        "details": progress.phase,
    },
)
