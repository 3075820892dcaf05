# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""How far one piece of work is: a bar in a terminal, a line now and then in a log."""

import time
from contextlib import contextmanager
from dataclasses import dataclass

import click
from rich.progress import Progress as Bar
from rich.progress import TextColumn

from .output import console

_EVERY = 10.0


@dataclass(frozen=True)
class ProgressView:
    """How the progress of one kind of work looks.

    Attributes:
        title: beside the bar, before anything is known.
        columns: of Rich, which may use ``details``.
        line: makes a line of a log from what the work tells.
        fields: makes from it what the bar's task is updated with.
    """

    title: str
    columns: tuple
    line: object
    fields: object


class _Quiet:
    """Shows nothing but why nothing goes on."""

    def progress(self, progress):
        """Ignore how far it is."""

    def waiting(self, sentence):
        """Say on standard error why nothing goes on."""
        click.echo(sentence, err=True)


class _Plain(_Quiet):
    """Prints a line now and then."""

    def __init__(self, look):
        self._look, self._last = look, time.monotonic()

    def progress(self, progress):
        """Print how far it is, every ten seconds."""
        if time.monotonic() - self._last < _EVERY:
            return
        self._last = time.monotonic()
        click.echo(self._look.line(progress))


class _Live(_Quiet):
    """Shows a bar."""

    def __init__(self, look, bar):
        self._look, self._bar = look, bar
        self._task = bar.add_task(look.title, total=None, details="", waiting="")

    def progress(self, progress):
        """Move the bar."""
        self._bar.update(self._task, **self._look.fields(progress), waiting="")

    def waiting(self, sentence):
        """Show beside the bar why nothing goes on."""
        self._bar.update(self._task, waiting=sentence)


@contextmanager
def shown(look, wanted=True):
    """Yield an object whose methods show how far a piece of work is.

    Args:
        look: the :class:`ProgressView`.
        wanted: False shows nothing but why nothing goes on.
    """
    out = console()
    if not wanted:
        yield _Quiet()
    elif not out.is_terminal:
        yield _Plain(look)
    else:
        columns = (*look.columns, TextColumn("[yellow]{task.fields[waiting]}"))
        with Bar(*columns, console=out, refresh_per_second=4) as bar:
            yield _Live(look, bar)
