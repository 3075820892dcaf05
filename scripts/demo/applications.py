# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Applications in processes of their own; what uses one runs in a fork of its process.

An application takes 15 to 25 seconds to build, and a fork of it a few milliseconds.
"""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flask import Flask

_forking = multiprocessing.get_context("fork")


class ApplicationError(Exception):
    """An application could not be built, or what used it failed."""


class Application:
    """A process that has an application, and what runs in forks of it.

    Call it from a process without other threads, since it forks that process.

    Args:
        build: makes the application; called in the new process.
    """

    def __init__(self, build: Callable[[], Flask]) -> None:
        """Start the process."""
        self._link, theirs = _forking.Pipe()
        self._process = _forking.Process(
            target=_serve, args=(build, theirs, self._link), daemon=False
        )
        self._process.start()
        theirs.close()

    def wait(self) -> None:
        """Wait until the application is built.

        Raises:
            ApplicationError: it could not be; the text is the traceback.
        """
        if failure := self._receive():
            raise ApplicationError(failure)

    def begin(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        output: Path | None = None,
        errors: Path | None = None,
    ) -> None:
        """Begin to run a function in a fork; :meth:`ended` waits for it.

        Args:
            function: one of a module, called with the application and the arguments.
                Its result, if it is a number, is the exit code.
            *arguments: can be pickled.
            output: a file that standard output is appended to; by default it is that
                of this process.
            errors: the same for standard error.
        """
        self._link.send((function, arguments, output, errors))

    def ended(self, timeout: float | None = None) -> int | None:
        """Return the exit code of the function that was begun.

        Args:
            timeout: seconds to wait for it; None waits until it ends.

        Returns:
            The exit code, as that of a process; None if it has not ended in time.
        """
        if timeout is not None and not self._link.poll(timeout):
            return None
        return self._receive()

    def run(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Run a function in a fork, and wait for it.

        Raises:
            ApplicationError: it failed; it has printed why.
        """
        self.begin(function, *arguments)
        if code := self.ended():
            raise ApplicationError(f"{function.__name__} ended with exit code {code}.")

    def end(self) -> None:
        """End the process."""
        self._link.close()
        self._process.join()

    def _receive(self) -> Any:
        try:
            return self._link.recv()
        except EOFError:
            raise ApplicationError("The process with the application ended.") from None


def _serve(build: Callable[[], Flask], link: Connection, theirs: Connection) -> None:
    """Build the application, and fork as often as asked to."""
    theirs.close()
    # Ctrl-C is for the command that runs, and for who has typed it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        app = build()
    except Exception:  # noqa: BLE001 - it is raised where it is waited for
        link.send(traceback.format_exc())
        return
    link.send(None)
    while True:
        try:
            function, arguments, *files = link.recv()
        except EOFError:
            return
        pid = os.fork()
        if pid == 0:
            link.close()
            _run(app, function, arguments, files)
        _, status = os.waitpid(pid, 0)
        link.send(os.waitstatus_to_exitcode(status))


def _run(
    app: Flask,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    files: list[Path | None],
) -> None:
    """Run a function, and end the process with its exit code."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, path in enumerate(files, 1):
            if path:
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                os.dup2(file, number)
        # a stream of text remembers whether it was a terminal
        sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        code = int(function(app, *arguments) or 0)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
