# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What all commands share: errors as sentences, JSON beside human output."""

import functools
import json
import sys

import click
from kombu.exceptions import OperationalError as BrokerError
from opensearchpy.exceptions import OpenSearchException
from rich.console import Console

from ..errors import StatsDashboardError

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document, nothing else."
)


def console(stderr=False):
    """Return a Rich console that is plain where no terminal listens."""
    return Console(stderr=stderr, highlight=False, soft_wrap=not sys.stdout.isatty())


def print_json(document):
    """Print a document as indented JSON; dates become ISO strings."""
    click.echo(json.dumps(document, indent=2, default=str))


def sentences_for_errors(command):
    """Turn an error its user can act on into one sentence and an exit code.

    An error of OpenSearch or the broker that no service translated is one sentence,
    too: no command shows a traceback because one of them is away.
    """

    @functools.wraps(command)
    def wrapper(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except StatsDashboardError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(error.exit_code)
        except OpenSearchException as error:
            click.echo(
                f"Error: OpenSearch could not do what was asked ({_brief(error)}). "
                "See that the cluster answers and run the command again.",
                err=True,
            )
            sys.exit(3)
        except BrokerError as error:
            click.echo(
                f"Error: The message broker does not answer ({_brief(error)}). See that "
                "it is up and that BROKER_URL is right, and run the command again.",
                err=True,
            )
            sys.exit(3)

    return wrapper


def _brief(error):
    """Return an error's first line, shortened for a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]
