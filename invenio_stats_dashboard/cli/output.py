# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Print results as JSON, and errors as sentences with an exit code."""

import functools
import json
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click
from kombu.exceptions import OperationalError as BrokerError
from opensearchpy.exceptions import OpenSearchException
from rich.console import Console

from ..errors import StatsDashboardError

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)


def console(stderr: bool = False) -> Console:
    """Return a Rich console, which prints plain lines outside a terminal."""
    return Console(stderr=stderr, highlight=False, soft_wrap=not sys.stdout.isatty())


def print_json(document: object) -> None:
    """Print a document as indented JSON, with dates as text."""
    click.echo(json.dumps(document, indent=2, default=str))


def sentences_for_errors(
    command: Callable[_Parameters, _Result],
) -> Callable[_Parameters, _Result]:
    """Print errors that a user can act on as a sentence, and exit with their code.

    This includes errors of OpenSearch and of the message broker that no service has
    translated. So no command prints a traceback if one of them does not answer.
    """

    @functools.wraps(command)
    def wrapper(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        try:
            return command(*args, **kwargs)
        except StatsDashboardError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(error.exit_code)
        except OpenSearchException as error:
            click.echo(
                f"Error: A request to OpenSearch failed ({_brief(error)}). Check that "
                "the cluster is reachable, then run the command again.",
                err=True,
            )
            sys.exit(3)
        except BrokerError as error:
            click.echo(
                f"Error: The message broker does not answer ({_brief(error)}). Check "
                "that it is running and that BROKER_URL is correct, then run the "
                "command again.",
                err=True,
            )
            sys.exit(3)

    return wrapper


def _brief(error: Exception) -> str:
    """Return the first line of an error, shortened to fit into a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]
