# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Commands to inspect and delete aggregates."""

import json
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext

from ..errors import UsageError
from ..proxies import current_stats_dashboard
from ..search.names import FAMILIES
from . import stored_display as display
from .output import json_option, print_json, sentences_for_errors

if TYPE_CHECKING:
    from ..services import CommunityStatsService
    from ..services.reading import StatsRead

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def _service() -> "CommunityStatsService":
    return current_stats_dashboard.community_stats_service


@click.command("read")
@click.option(
    "--community",
    default="global",
    show_default=True,
    metavar="SLUG|UUID|global",
    help="The community; global is the whole instance.",
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
    """Show the documents of a community, one for each day.

    On a day on which nothing happened a delta is zero and a snapshot is the one before.
    The table shows the main numbers; --json shows all, breakdowns included.
    """
    found = _service().read_stats(community, family, start_date, end_date)
    if as_json:
        _print_documents(found)
    else:
        display.table(found)


def _print_documents(found: "StatsRead") -> None:
    """Print one JSON document with one line per day; hold one day in memory."""
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
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten.")
@yes_option
@json_option
@with_appcontext
@sentences_for_errors
def clear_bookmarks(dry_run: bool, yes: bool, as_json: bool) -> None:
    """Forget how far everything is counted, so that all is looked at again.

    The documents stay and are compared: what is right is left alone. The next runs do
    it in pieces; 'aggregate --rebuild' does it at once.
    """
    service = _service()
    found = service.clear_bookmarks(dry_run=True)
    number = sum(len(indices) for indices in found.values())
    if not dry_run:
        _ask(
            f"Forget how far {number:,} indices are counted?",
            yes,
            as_json,
        )
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
    help="Also community events and record facts. What they hold of memberships that "
    "have ended cannot be made again.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted.")
@yes_option
@json_option
@with_appcontext
@sentences_for_errors
def destroy_indices(everything: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete all aggregates, their bookmarks and states, for good.

    Usage events, their backups and dead letters are never deleted; the aggregates can
    be counted from them again. It waits for no run: while one is under way it refuses.
    """
    service = _service()
    found = service.destroy_indices(everything, dry_run=True)
    if not dry_run and found:
        if not yes and not as_json:
            display.indices(found, everything)
        _ask(f"Delete these {len(found):,} indices for good?", yes, as_json)
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
        raise UsageError("With --json nobody can be asked; add --yes if it is meant.")
    click.confirm(question, abort=True)
