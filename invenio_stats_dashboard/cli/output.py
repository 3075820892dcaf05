# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Print results as JSON, and errors as sentences with an exit code."""

import errno
import functools
import json
import os
import re
import sys
from collections.abc import Callable
from datetime import date
from typing import NoReturn, ParamSpec, TypeVar

import click
from kombu.exceptions import OperationalError as BrokerError
from opensearchpy.exceptions import OpenSearchException
from rich.console import Console
from rich.text import Text

from ..community_events.database import database_errors
from ..errors import StatsDashboardError, UsageError
from ..search.failures import as_error

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)


def console(stderr: bool = False) -> Console:
    """Return a Rich console, which prints plain lines outside a terminal.

    It interprets no markup and no emoji codes, because most texts contain names or
    sentences of others, such as ``no permissions for [indices:admin/create]``.
    """
    return Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not sys.stdout.isatty(),
    )


def headed(head: str, style: str, text: str) -> Text:
    """Return a line whose beginning has a style.

    Args:
        head: its beginning.
        style: style of ``head``, such as ``red``.
        text: the rest, after a space.
    """
    return Text.assemble((head, style), f" {text}")


def print_json(document: object) -> None:
    """Print a document as indented JSON, with dates as text."""
    click.echo(json.dumps(document, indent=2, default=str))


def check_days(
    start_date: str | None, end_date: str | None, or_moments: bool = False
) -> None:
    """Check the options ``--start-date`` and ``--end-date``.

    Args:
        start_date: the first day, or None.
        end_date: the last day, or None.
        or_moments: refuse only empty texts, because the service also accepts moments.

    Raises:
        UsageError: one of them is not a day in the format ``YYYY-MM-DD``.
    """
    for which, text in (("start", start_date), ("end", end_date)):
        if text is None or (or_moments and text):
            continue
        try:
            if not _DAY.fullmatch(text):
                raise ValueError
            date.fromisoformat(text)
        except ValueError:
            raise UsageError(
                f"The {which} date {text!r} is not a date; write it as YYYY-MM-DD."
            ) from None


def sentences_for_errors(
    command: Callable[_Parameters, _Result],
) -> Callable[_Parameters, _Result]:
    """Print errors that a user can act on as a sentence, and exit with their code.

    This includes errors of OpenSearch, the database and the message broker that no
    service has translated, and an output that cannot be written. So no command prints a
    traceback for one of them.
    """

    @functools.wraps(command)
    def wrapper(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        try:
            with database_errors():
                return command(*args, **kwargs)
        except StatsDashboardError as error:
            _end(error)
        except OpenSearchException as error:
            _end(as_error(error))
        except OSError as error:
            if error.errno not in _NOT_WRITABLE:
                raise
            # Otherwise Python would try to write the rest at its exit.
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the exit
            text = f"Error: The output cannot be written: {error.strerror}."
            click.echo(text, err=True)
            sys.exit(1)
        except BrokerError as error:
            click.echo(
                f"Error: The message broker does not answer ({_brief(error)}). Check "
                "that it is running and that BROKER_URL is correct, then run the "
                "command again.",
                err=True,
            )
            sys.exit(3)

    return wrapper


def _end(error: StatsDashboardError) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(error.exit_code)


def _brief(error: Exception) -> str:
    """Return the first line of an error, shortened to fit into a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]
