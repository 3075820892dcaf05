# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Commands for deltas and snapshots."""

import sys
from typing import TYPE_CHECKING, Any

import click
from flask.cli import with_appcontext

from ..errors import UsageError
from ..proxies import current_stats_dashboard
from ..search.names import FAMILIES
from ..tasks import aggregate_community_stats
from . import aggregates_display as display
from .output import json_option, print_json, sentences_for_errors

if TYPE_CHECKING:
    from ..services import CommunityStatsService


@click.command("aggregate")
@click.option(
    "--community",
    "communities",
    multiple=True,
    metavar="SLUG|UUID|global",
    help="Only documents of this community; can be given several times. Default: all.",
)
@click.option(
    "--family",
    "families",
    multiple=True,
    type=click.Choice(FAMILIES),
    help="Only this family of documents; can be given several times. Default: all.",
)
@click.option(
    "--start-date", metavar="YYYY-MM-DD", help="Only this day (UTC) and later."
)
@click.option(
    "--end-date", metavar="YYYY-MM-DD", help="Only this day (UTC) and earlier."
)
@click.option(
    "--rebuild", is_flag=True, help="Count all again, not only what has changed."
)
@click.option(
    "--eager/--async",
    "eager",
    default=True,
    help="Run here and wait for the end (default), or as a Celery task.",
)
@click.option(
    "--dry-run", is_flag=True, help="Count and compare; say what would be written."
)
@json_option
@with_appcontext
@sentences_for_errors
def aggregate(
    communities: tuple[str, ...],
    families: tuple[str, ...],
    start_date: str | None,
    end_date: str | None,
    rebuild: bool,
    eager: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring the daily deltas and the snapshots up to date.

    Counts what has changed since the last run: new and late events, deletions,
    migrated months, events that were enriched again. It can be run at any time; when
    it is killed the next run goes on. One run at a time.
    """
    arguments: dict[str, Any] = {
        "community_ids": list(communities) or None,
        "families": list(families) or None,
        "start_date": start_date,
        "end_date": end_date,
        "rebuild": rebuild,
        "dry_run": dry_run,
    }
    service = current_stats_dashboard.community_stats_service
    if not eager:
        _send(service, arguments, as_json)
        return
    try:
        with display.progress(wanted=not as_json) as show:
            done = service.aggregate(
                **arguments, progress=show.progress, waiting=show.waiting
            )
    except KeyboardInterrupt:
        click.echo("Stopped. What is counted is kept; the next run goes on.", err=True)
        sys.exit(3)
    missing = service.missing()
    if as_json:
        print_json({**done.as_json(), "missing": missing})
    else:
        restricted = any((communities, families, start_date, end_date))
        display.report(done, missing, restricted)


def _send(
    service: "CommunityStatsService", arguments: dict[str, Any], as_json: bool
) -> None:
    """Run the aggregation as a task; check the arguments before, not in the worker."""
    if arguments["dry_run"]:
        raise UsageError("A task shows nothing: give --dry-run without --async.")
    service.check_aggregation(**arguments)
    task = aggregate_community_stats.delay(**arguments)
    if as_json:
        print_json({"task": task.id})
    else:
        click.echo(
            f"Sent to Celery as task {task.id}. 'invenio community-stats status' tells "
            "how far it is."
        )
