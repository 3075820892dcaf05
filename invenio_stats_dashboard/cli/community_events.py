# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Commands for community events."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext

from ..proxies import current_stats_dashboard
from . import events_display as display
from .output import check_days, json_option, print_json, sentences_for_errors

if TYPE_CHECKING:
    from ..services import CommunityStatsService

community_option = click.option(
    "--community",
    "communities",
    multiple=True,
    metavar="SLUG|UUID",
    help="Only this community. Can be repeated. Default: all.",
)

record_option = click.option(
    "--record",
    "records",
    multiple=True,
    metavar="RECID",
    help="Only this record, which is one version. Can be repeated. Default: all.",
)


def _service() -> "CommunityStatsService":
    return current_stats_dashboard.community_stats_service


@click.group("community-events")
def community_events() -> None:
    """Generate and compare community events."""


@click.command("generate")
@community_option
@record_option
@click.option(
    "--start-date",
    metavar="YYYY-MM-DD",
    help="Only records created on this day (UTC) or later.",
)
@click.option(
    "--end-date",
    metavar="YYYY-MM-DD",
    help="Only records created on this day (UTC) or earlier.",
)
@click.option("--dry-run", is_flag=True, help="Count what is missing; write nothing.")
@json_option
@with_appcontext
@sentences_for_errors
def generate(
    communities: tuple[str, ...],
    records: tuple[str, ...],
    start_date: str | None,
    end_date: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write missing community events and record facts.

    The command compares the database with the stored events of each record, and writes
    the difference. Without a restriction it continues an interrupted run. Its end is
    stored, because 'migrate-events' requires complete community events. It can be run
    repeatedly, and while the site is in use.
    """
    check_days(start_date, end_date)
    with display.progress(wanted=not as_json) as show:
        report = _service().generate_record_community_events(
            community_ids=communities or None,
            recids=records or None,
            start_date=start_date,
            end_date=end_date,
            dry_run=dry_run,
            progress=show.progress,
            waiting=show.waiting,
        )
    if as_json:
        print_json(asdict(report))
    else:
        display.report(report)
    if report.refused:
        sys.exit(1)


@click.command("reconcile")
@community_option
@record_option
@click.option(
    "--changed-only",
    is_flag=True,
    help="Only records that have changed since the last reconciliation.",
)
@click.option("--dry-run", is_flag=True, help="Count the differences; write nothing.")
@json_option
@with_appcontext
@sentences_for_errors
def reconcile(
    communities: tuple[str, ...],
    records: tuple[str, ...],
    changed_only: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Find and repair community events that live capture has missed.

    Normally nothing is missing.
    """
    with display.progress(wanted=not as_json) as show:
        report = _service().reconcile_community_events(
            community_ids=communities or None,
            recids=records or None,
            changed_only=changed_only,
            dry_run=dry_run,
            progress=show.progress,
            waiting=show.waiting,
        )
    if as_json:
        print_json(asdict(report))
    else:
        display.reconciled(report)
    if report.refused:
        sys.exit(1)


@click.command("status")
@community_option
@json_option
@with_appcontext
@sentences_for_errors
def status(communities: tuple[str, ...], as_json: bool) -> None:
    """Compare the counts of community events with those of the database.

    Changes nothing. 'generate --dry-run' compares each record.
    """
    found = _service().community_events_status(communities or None)
    if as_json:
        print_json(asdict(found))
    else:
        display.status(found, with_communities=bool(communities))


community_events.add_command(generate)
community_events.add_command(reconcile)
community_events.add_command(status)

generate_community_events = click.Command(
    "generate-community-events",
    callback=generate.callback,
    params=generate.params,
    help=generate.help,
    short_help="Write missing community events and record facts.",
)
"""The same command as ``community-events generate``, at the top level."""
