# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Show progress: a bar in a terminal, a line every ten seconds in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import click
from rich.progress import Progress as Bar
from rich.progress import ProgressColumn, TextColumn

from .output import console

_EVERY = 10.0

_Update = TypeVar("_Update", contravariant=True)
"""An update on the progress of one kind of work."""


def text_column(template: str, style: str = "none") -> TextColumn:
    """Return a column of a bar that shows a text, without interpreting markup in it.

    Args:
        template: format of the text; it may use ``task``.
        style: of the text.
    """
    return TextColumn(template, style=style, markup=False)


@dataclass(frozen=True)
class ProgressView(Generic[_Update]):
    """How to show the progress of one kind of work.

    Attributes:
        title: label of the bar until the first update.
        columns: the columns of the bar; they may use ``task.fields[details]``.
        line: formats an update as a line of a log.
        fields: converts an update to arguments of ``rich.progress.Progress.update``.
    """

    title: str
    columns: tuple[ProgressColumn, ...]
    line: Callable[[_Update], str]
    fields: Callable[[_Update], dict[str, Any]]


class ProgressDisplay(Protocol[_Update]):
    """Shows the progress of one piece of work."""

    def progress(self, progress: _Update) -> None:
        """Show an update."""

    def waiting(self, sentence: str) -> None:
        """Show the reason for a pause."""


class _Quiet(Generic[_Update]):
    """Shows only the reasons for pauses."""

    def progress(self, progress: _Update) -> None:
        """Show nothing."""

    def waiting(self, sentence: str) -> None:
        """Print the reason for a pause on standard error."""
        click.echo(sentence, err=True)


class _Plain(_Quiet[_Update]):
    """Prints a line every ten seconds."""

    def __init__(self, look: ProgressView[_Update]) -> None:
        self._look, self._last = look, time.monotonic()

    def progress(self, progress: _Update) -> None:
        """Print an update, unless the last line is less than ten seconds old."""
        if time.monotonic() - self._last < _EVERY:
            return
        self._last = time.monotonic()
        click.echo(self._look.line(progress))


class _Live(_Quiet[_Update]):
    """Shows a bar."""

    def __init__(self, look: ProgressView[_Update], bar: Bar) -> None:
        self._look, self._bar = look, bar
        self._task = bar.add_task(look.title, total=None, details="", waiting="")

    def progress(self, progress: _Update) -> None:
        """Move the bar."""
        self._bar.update(self._task, **self._look.fields(progress), waiting="")

    def waiting(self, sentence: str) -> None:
        """Show the reason for a pause beside the bar."""
        self._bar.update(self._task, waiting=sentence)


@contextmanager
def shown(
    look: ProgressView[_Update], wanted: bool = True
) -> Iterator[ProgressDisplay[_Update]]:
    """Yield an object that shows the progress of a piece of work.

    Args:
        look: how to show it.
        wanted: False shows only the reasons for pauses.
    """
    out = console()
    if not wanted:
        yield _Quiet()
    elif not out.is_terminal:
        yield _Plain(look)
    else:
        columns = (*look.columns, text_column("{task.fields[waiting]}", "yellow"))
        with Bar(*columns, console=out, refresh_per_second=4) as bar:
            yield _Live(look, bar)
