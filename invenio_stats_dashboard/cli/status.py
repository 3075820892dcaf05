# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The command that shows the state of everything."""

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
    help="Show this community by family; can be given several times. Default: the "
    "instance, and the largest communities in a line each.",
)
@click.option(
    "--all", "every", is_flag=True, help="Show all communities, in a line each."
)
@click.option(
    "--corrections",
    is_flag=True,
    help="Instead: the newest days that have changed after they were complete, and why.",
)
@json_option
@with_appcontext
@sentences_for_errors
def status(
    communities: tuple[str, ...], every: bool, corrections: bool, as_json: bool
) -> None:
    """Show how far everything is, and what needs a person (then exit code 1).

    Changes nothing. What the scheduled tasks will do by themselves needs nobody.
    """
    if sum(map(bool, (communities, every, corrections))) > 1:
        raise UsageError("Give one of --community, --all and --corrections.")
    service = current_stats_dashboard.community_stats_service
    if corrections:
        _show_corrections(service.corrections(), as_json)
        return
    found = service.status(communities or None, every)
    if as_json:
        print_json(found.as_json())
    else:
        display.show(found, details=bool(communities), every=every)
    sys.exit(1 if found.needs_a_person else 0)


def _show_corrections(found: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"corrections": found})
    else:
        display.show_corrections(found)
