# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Says what is done and how long it takes."""

import time
from contextlib import contextmanager

from rich.progress import Progress


class Steps:
    """The steps of a process, with their times.

    Args:
        console: where to say it.
    """

    def __init__(self, console):
        """Start with no step."""
        self.console = console
        self.seconds = {}

    @contextmanager
    def step(self, name):
        """Time a step."""
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 1)
        self.console.print(f"  {name} [dim]{self.seconds[name]} s[/]")

    @contextmanager
    def counted(self, name, total):
        """Time a step of many pieces; yields a function to count them."""
        bar = Progress(
            console=self.console, transient=True, disable=not self.console.is_terminal
        )
        with self.step(name), bar:
            task = bar.add_task(f"  {name}", total=total)
            yield lambda pieces=1: bar.advance(task, pieces)
