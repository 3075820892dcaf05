# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The command ``status``: progress of all parts, and problems."""

import sys
from collections.abc import Sequence
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import UsageError
from ..proxies import current_stats_dashboard
from . import status_display as display
from .output import json_option, print_json, sentences_for_errors


@click.command("status")
@click.option(
    "--community",
    "communities",
    multiple=True,
    metavar="SLUG|UUID|global",
    help="Show this community by family. Can be repeated. Default: the instance by "
    "family, and one line for each of the largest communities.",
)
@click.option(
    "--all", "every", is_flag=True, help="Show all communities, one line each."
)
@click.option(
    "--corrections",
    is_flag=True,
    help="Show only the newest corrections: which days changed after they were "
    "complete, and why.",
)
@json_option
@with_appcontext
@sentences_for_errors
def status(
    communities: tuple[str, ...], every: bool, corrections: bool, as_json: bool
) -> None:
    """Show the progress of all parts, and problems that need attention.

    Changes nothing. Exit code 1 if a problem needs attention. Work that the scheduled
    tasks will do is not a problem.
    """
    if sum(map(bool, (communities, every, corrections))) > 1:
        raise UsageError("Give only one of --community, --all and --corrections.")
    service = current_stats_dashboard.community_stats_service
    if corrections:
        _show_corrections(service.corrections(), as_json)
        return
    found = service.status(communities or None, every)
    if as_json:
        print_json(found.as_json())
    else:
        display.show(found, details=bool(communities), every=every)
    sys.exit(1 if found.needs_attention else 0)


def _show_corrections(found: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"corrections": found})
    else:
        display.show_corrections(found)
