# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The command ``move-earlier-indices``, for sites that ran the earlier extension."""

import sys

import click
from flask.cli import with_appcontext

from ..errors import UsageError
from ..proxies import current_stats_dashboard
from . import earlier_display as display
from .output import json_option, print_json, sentences_for_errors

_ACCEPT = "--accept-missing-events"


@click.command("move-earlier-indices")
@click.option("--dry-run", is_flag=True, help="Show what would be moved and removed.")
@click.option("--yes", is_flag=True, help="Do not ask before the indices are moved.")
@click.option(
    _ACCEPT,
    is_flag=True,
    help="Do not ask a second time if its community events show memberships that the "
    "database does not show. These are then not counted.",
)
@json_option
@with_appcontext
@sentences_for_errors
def move_earlier_indices(
    dry_run: bool, yes: bool, accept_missing_events: bool, as_json: bool
) -> None:
    """Move the indices of the earlier extension to other names.

    It concerns indices that have a name of this extension but were created by another
    one, such as stats-community-events-2024. Each is cloned under a name that begins
    with 'earlier-', compared with its clone, and deleted. Then the index templates of
    the other extension are removed. If the command is killed, run it again. Exit code 1
    if an index or a template remains.
    """
    service = current_stats_dashboard.community_stats_service.earlier_extension
    with display.progress(wanted=not as_json) as show:
        found = service.find(show.progress)
    if not as_json:
        display.findings(found)
    if not dry_run and not found.is_empty:
        what = (
            f"{len(found.indices):,} indices will be moved, and "
            f"{len(found.templates):,} index templates removed."
        )
        _confirm(what, yes, "--yes", no_prompt=as_json)
        if found.lacking:
            what = f"{found.lacking:,} of its community events will not be counted."
            _confirm(what, accept_missing_events, _ACCEPT, no_prompt=as_json or yes)
        found = service.move(found, None if as_json else display.step)
    if as_json:
        print_json({"dry_run": dry_run, **found.as_json()})
    else:
        display.moved(found, dry_run)
    sys.exit(1 if found.problems else 0)


def _confirm(what: str, is_confirmed: bool, option: str, no_prompt: bool) -> None:
    """Ask whether to continue; without a prompt, require the option that confirms it.

    Args:
        what: a sentence about what will happen.
        is_confirmed: the option was given.
        option: name of the option.
        no_prompt: ask nothing.

    Raises:
        UsageError: there is no prompt, and the option is missing.
    """
    if is_confirmed:
        return
    if no_prompt:
        raise UsageError(f"{what} Nothing was changed. Add {option} to confirm.")
    click.confirm(f"{what} Continue?", abort=True)
