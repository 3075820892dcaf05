# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Commands to inspect and delete aggregates."""

import json
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext
from invenio_access.permissions import system_identity

from ..errors import UsageError
from ..proxies import current_stats_dashboard
from ..search.names import FAMILIES
from . import stored_display as display
from .output import check_days, json_option, print_json, sentences_for_errors

if TYPE_CHECKING:
    from ..services import CommunityStatsService
    from ..services.results import DailyDocuments

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def _service() -> "CommunityStatsService":
    return current_stats_dashboard.community_stats_service


@click.command("read")
@click.option(
    "--community",
    default="global",
    show_default=True,
    metavar="SLUG|UUID|global",
    help="The community, or global for the whole instance.",
)
@click.option(
    "--family",
    required=True,
    type=click.Choice(FAMILIES),
    help="The family of documents.",
)
@click.option(
    "--start-date",
    metavar="YYYY-MM-DD",
    help="First day (UTC). Default: 29 days before the last one.",
)
@click.option(
    "--end-date", metavar="YYYY-MM-DD", help="Last day (UTC). Default: today."
)
@json_option
@with_appcontext
@sentences_for_errors
def read_documents(
    community: str,
    family: str,
    start_date: str | None,
    end_date: str | None,
    as_json: bool,
) -> None:
    """Show the daily documents of a community.

    On days without activity, a delta is zero and a snapshot repeats the previous one.
    The table shows the main numbers; --json shows all of them, with the breakdowns.
    """
    check_days(start_date, end_date, or_moments=True)
    service = _service()
    service.check_indices()
    item = service.read(system_identity, community)
    found = item.documents(family, start_date, end_date, suppress=False)
    if as_json:
        _print_documents(found)
    else:
        display.table(found)


def _print_documents(found: "DailyDocuments") -> None:
    """Print one JSON document with one line per day; only one day is in memory."""
    head = {
        "community_id": found.community_id,
        "family": found.family,
        "start_date": found.start_date,
        "end_date": found.end_date,
        "data_as_of": found.data_as_of,
    }
    click.echo(json.dumps(head)[:-1] + ', "documents": [', nl=False)
    for number, document in enumerate(found.documents):
        click.echo(("," if number else "") + "\n" + json.dumps(document), nl=False)
    click.echo("\n]}")


@click.command("clear-bookmarks")
@click.option("--dry-run", is_flag=True, help="Show what would be removed.")
@yes_option
@json_option
@with_appcontext
@sentences_for_errors
def clear_bookmarks(dry_run: bool, yes: bool, as_json: bool) -> None:
    """Remove the bookmarks, so that the next runs count everything again.

    The documents stay. The next runs compare them, some days at a time, and write only
    those that differ. 'aggregate --rebuild' does the same in one run.
    """
    service = _service()
    found = service.clear_bookmarks(dry_run=True)
    number = sum(len(indices) for indices in found.values())
    if not dry_run:
        _ask(f"Remove the bookmarks of {number:,} indices?", yes, as_json)
        found = service.clear_bookmarks()
    if as_json:
        print_json({"dry_run": dry_run, "cleared": found})
    else:
        display.cleared(found, dry_run)


@click.command("destroy-indices")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also delete community events and record facts. Those of memberships that "
    "have ended, and of records that no longer exist, cannot be generated again.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be deleted.")
@yes_option
@json_option
@with_appcontext
@sentences_for_errors
def destroy_indices(everything: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Permanently delete all aggregates, their bookmarks and states.

    Usage events, their backups and dead letters are never deleted, so the aggregates
    can be counted again. The command fails while a run that writes these indices is
    active.
    """
    service = _service()
    found = service.destroy_indices(everything, dry_run=True)
    if not dry_run and found:
        if not yes and not as_json:
            display.indices(found, everything)
        _ask(f"Permanently delete these {len(found):,} indices?", yes, as_json)
        found = service.destroy_indices(everything)
    if as_json:
        print_json({"dry_run": dry_run, "indices": [vars(index) for index in found]})
    else:
        display.destroyed(found, everything, dry_run)


def _ask(question: str, yes: bool, as_json: bool) -> None:
    """Ask for a confirmation; with JSON output, require ``--yes`` instead."""
    if yes:
        return
    if as_json:
        raise UsageError("With --json there is no prompt; add --yes to confirm.")
    click.confirm(question, abort=True)
