# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The command ``aggregate``: update deltas and snapshots."""

import sys
from typing import TYPE_CHECKING, Any

import click
from flask.cli import with_appcontext

from ..errors import UsageError
from ..proxies import current_stats_dashboard
from ..search.names import FAMILIES
from ..tasks import aggregate_community_stats
from . import aggregates_display as display
from .output import check_days, json_option, print_json, sentences_for_errors

if TYPE_CHECKING:
    from ..services import CommunityStatsService


@click.command("aggregate")
@click.option(
    "--community",
    "communities",
    multiple=True,
    metavar="SLUG|UUID|global",
    help="Only documents of this community. Can be repeated. Default: all.",
)
@click.option(
    "--family",
    "families",
    multiple=True,
    type=click.Choice(FAMILIES),
    help="Only this family of documents. Can be repeated. Default: all.",
)
@click.option(
    "--start-date", metavar="YYYY-MM-DD", help="Only this day (UTC) and later."
)
@click.option(
    "--end-date", metavar="YYYY-MM-DD", help="Only this day (UTC) and earlier."
)
@click.option(
    "--rebuild", is_flag=True, help="Count everything again, not only changes."
)
@click.option(
    "--eager/--async",
    "eager",
    default=True,
    help="Run in this process (default), or as a Celery task.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Count and compare all but usage snapshots; write nothing.",
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
    """Update the daily deltas and the snapshots.

    Counts what has changed since the last run: new and late events, deletions,
    migrated months, and events that were enriched again. It can be started at any
    time, but only one run is active at a time. If it is killed, the next run continues.
    """
    check_days(start_date, end_date)
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
        click.echo(
            "Stopped. All finished steps are stored; the next run continues.", err=True
        )
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
    """Check the arguments here, not in the worker; then send the task."""
    if arguments["dry_run"]:
        raise UsageError("A task prints no report. Use --dry-run without --async.")
    service.check_aggregation(**arguments)
    task = aggregate_community_stats.delay(**arguments)
    if as_json:
        print_json({"task": task.id})
    else:
        click.echo(
            f"Sent to Celery as task {task.id}. Follow it with 'invenio "
            "community-stats status'."
        )
