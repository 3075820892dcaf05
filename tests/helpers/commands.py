# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run commands of the package without building another application."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """The result of a command.

    Attributes:
        exit_code: its exit code.
        out: standard output.
        err: standard error.
    """

    exit_code: int
    out: str
    err: str

    @property
    def document(self):
        """Return the JSON document that the command printed."""
        return json.loads(self.out)


def run(app, *arguments):
    """Run ``invenio community-stats`` with some arguments.

    An exception that the command does not turn into a sentence is raised.

    Args:
        app: the application.
        *arguments: words of the command line.

    Returns:
        Outcome: exit code and output.
    """
    from invenio_stats_dashboard.cli import community_stats

    result = app.test_cli_runner().invoke(community_stats, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)
