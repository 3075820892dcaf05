# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Runs what an operator would type, on the demonstration's instance.

The commands run in forks of an application that is built once.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from rich.console import Console

from .applications import Application
from .settings import Settings
from .steps import EVERY

INVENIO = Path(sys.executable).parent / "invenio"

_LOOK = 0.1
"""Seconds between two looks at what a command has printed into a log."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        line: what was typed.
        exit_code: 0 if all is well.
        seconds: how long it took.
        document: what it printed with ``--json``, else None.
    """

    line: str
    exit_code: int
    seconds: float
    document: Any = None

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON document."""
        return {
            "command": self.line,
            "exit_code": self.exit_code,
            "seconds": self.seconds,
        }


class Operator:
    """Types commands and looks at what they print.

    Args:
        settings: the :class:`~.settings.Settings`.
        console: a Rich console.

    Attributes:
        application: the one whose forks run the commands; set before the first one.
        outcomes: the outcomes of all commands.
    """

    application: Application | None = None

    def __init__(self, settings: Settings, console: Console) -> None:
        """Run no command yet."""
        self.console = console
        self.outcomes: list[Outcome] = []
        self._output = settings.root / "command.log"

    def run(self, *words: str) -> Outcome:
        """Run ``invenio community-stats WORDS`` and show what it prints."""
        line = _line(words)
        self.console.print(f"\n[bold cyan]$[/] [bold]{line}[/]")
        begun = time.monotonic()
        if self.console.is_terminal:
            self.application.begin(invenio, words)
            exit_code = self.application.ended()
        else:
            self._output.write_text("")
            self.application.begin(
                invenio, words, output=self._output, errors=self._output
            )
            exit_code = self._relayed(line, begun)
        outcome = self._ended(line, exit_code, begun)
        colour = "red" if exit_code else "dim"
        code = f"exit code {exit_code}, " if exit_code else ""
        self.console.print(f"[{colour}]({code}{outcome.seconds} s)[/]")
        return outcome

    def ask(self, *words: str) -> Outcome:
        """Run a command with ``--json`` and show nothing.

        Returns:
            Outcome: with the document.
        """
        words = (*words, "--json")
        begun = time.monotonic()
        self._output.write_text("")
        self.application.begin(invenio, words, output=self._output)
        exit_code = self.application.ended()
        document = _document(self._output.read_text())
        return self._ended(_line(words), exit_code, begun, document)

    def _ended(
        self, line: str, exit_code: int, begun: float, document: Any = None
    ) -> Outcome:
        seconds = round(time.monotonic() - begun, 1)
        outcome = Outcome(line, exit_code, seconds, document)
        self.outcomes.append(outcome)
        return outcome

    def _relayed(self, line: str, begun: float) -> int:
        """Copy what a command prints, and say that it goes on while it prints nothing."""
        shown = time.monotonic()
        with self._output.open() as printed:
            while True:
                exit_code = self.application.ended(timeout=_LOOK)
                now = time.monotonic()
                if text := printed.read():
                    self.console.file.write(text)
                    self.console.file.flush()
                    shown = now
                elif now - shown > EVERY:
                    self.console.print(f"[dim]{now - begun:.0f} s so far: {line}[/]")
                    shown = now
                if exit_code is not None:
                    return exit_code


def invenio(app: Flask, words: tuple[str, ...]) -> int:
    """Do what ``invenio community-stats WORDS`` does, with an application that is there.

    Args:
        app: the application.
        words: what follows.

    Returns:
        int: the exit code.
    """
    from flask.cli import ScriptInfo
    from invenio_app.cli import cli

    sys.argv = ["invenio", "community-stats", *words]
    return cli.main(
        sys.argv[1:], prog_name="invenio", obj=ScriptInfo(create_app=lambda: app)
    )


def _line(words: tuple[str, ...]) -> str:
    return f"invenio community-stats {' '.join(words)}"


def _document(text: str) -> Any:
    """Return the JSON document that a command printed, or None."""
    try:
        return json.loads(text)
    except ValueError:
        return None
