# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Runs what an operator would type, on the demonstration's instance."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

INVENIO = Path(sys.executable).parent / "invenio"


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        line: what was typed.
        exit_code: 0 if all is well.
        seconds: how long it took, the start of the application included.
        document: what it printed with ``--json``, else None.
    """

    line: str
    exit_code: int
    seconds: float
    document: object = None

    def as_json(self):
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
    """

    def __init__(self, settings, console):
        """Prepare the environment of the commands."""
        self.console = console
        self.environment = settings.environment()
        self.outcomes = []

    def run(self, *words):
        """Run ``invenio community-stats WORDS`` before everybody's eyes.

        Returns:
            Outcome: how it ended.
        """
        line = f"invenio community-stats {' '.join(words)}"
        self.console.print(f"\n[bold cyan]$[/] [bold]{line}[/]")
        return self._call(line, words)

    def ask(self, *words):
        """Run a command with ``--json``, unseen.

        Returns:
            Outcome: with the document.
        """
        words = (*words, "--json")
        line = f"invenio community-stats {' '.join(words)}"
        return self._call(line, words, stdout=subprocess.PIPE, text=True)

    def python(self, module, *words):
        """Run a module of the demonstration in a process of its own.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", module, *words], check=True
        )

    def _call(self, line, words, **options):
        begun = time.monotonic()
        done = subprocess.run(
            [str(INVENIO), "community-stats", *words],
            env=self.environment,
            check=False,
            **options,
        )
        seconds = round(time.monotonic() - begun, 1)
        document = _document(done.stdout) if options else None
        outcome = Outcome(line, done.returncode, seconds, document)
        self.outcomes.append(outcome)
        if not options:
            colour = "dim" if not done.returncode else "red"
            code = f"exit code {done.returncode}, " if done.returncode else ""
            self.console.print(f"[{colour}]({code}{seconds} s)[/]")
        return outcome


def _document(text):
    """Return the JSON document that a command printed, or None."""
    try:
        return json.loads(text)
    except ValueError:
        return None
