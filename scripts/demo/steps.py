# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Says what is done and how long it takes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

EVERY = 8.0
"""Seconds after which a log without a terminal gets another line."""


class Steps:
    """The steps of a process, with their times.

    In a terminal a step of many pieces has a bar. In a log each step says every few
    seconds how far it is.

    Args:
        console: where to say it.
    """

    def __init__(self, console: Console) -> None:
        """Start with no step."""
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        with self._logged(name, lambda: ""):
            yield

    @contextmanager
    def counted(self, name: str, total: int) -> Iterator[Callable[..., None]]:
        """Time a step of many pieces; yields a function to count them."""
        bar = Progress(
            console=self.console, transient=True, disable=not self.console.is_terminal
        )
        begun = time.monotonic()
        task = bar.add_task(f"  {name}", total=total)

        def far() -> str:
            done = int(bar.tasks[0].completed)
            left = (time.monotonic() - begun) * (total - done) / done if done else 0
            eta = f", about {left:.0f} s left" if done else ""
            return f"{done:,} of {total:,}{eta}, "

        with self._logged(name, far), bar:
            yield lambda pieces=1: bar.advance(task, pieces)

    @contextmanager
    def _logged(self, name: str, far: Callable[[], str]) -> Iterator[None]:
        begun, over = time.monotonic(), threading.Event()

        def log() -> None:
            while not over.wait(EVERY):
                so_far = time.monotonic() - begun
                self.console.print(f"  [dim]{name}: {far()}{so_far:.0f} s so far[/]")

        thread = threading.Thread(target=log, daemon=True)
        if not self.console.is_terminal:
            thread.start()
        try:
            yield
        finally:
            over.set()
        self.seconds[name] = round(time.monotonic() - begun, 1)
        self.console.print(f"  {name} [dim]{self.seconds[name]} s[/]")
