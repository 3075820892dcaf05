# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A second process with the application, whose forks can be killed.

Polars starts threads, which do not exist in a process that is forked after Polars was
used, so such a process would wait for them forever. This process never uses Polars, so
its children can.
"""

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from . import tiers
from .connections import close_connections

ROOT = Path(__file__).parents[2]
"""The folder of the repository."""

LIMIT = 300
"""Number of seconds after which a child that is waited for is killed."""

_END_LIMIT = 30
_SIZE = 8


class Zygote:
    """Runs functions in children of a process that has the application.

    Args:
        reading: file that results are read from.
        writing: file that jobs are written to.
        wait: waits for the end of the process, for a number of seconds at most.
        kill: kills the process.
    """

    def __init__(self, reading, writing, wait, kill):
        """Store the arguments, which :meth:`forked` and :meth:`started` create."""
        self._reading, self._writing = reading, writing
        self._wait, self._kill = wait, kill

    @classmethod
    def forked(cls, app):
        """Fork this process, which must not have used Polars."""
        jobs, answers = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(jobs[1])
                os.close(answers[0])
                close_connections()
                with (
                    os.fdopen(jobs[0], "rb") as reading,
                    os.fdopen(answers[1], "wb") as writing,
                ):
                    _work(app, reading, writing)
                status = 0
            finally:
                os._exit(status)
        os.close(jobs[0])
        os.close(answers[1])
        return cls(
            os.fdopen(answers[0], "rb"),
            os.fdopen(jobs[1], "wb"),
            partial(_wait_for, pid),
            partial(os.kill, pid, signal.SIGKILL),
        )

    @classmethod
    def started(cls, where, package=None):
        """Start a new process that imports no tests and builds its own application.

        Args:
            where: the :class:`~.instance.Place` of the instance.
            package: folder with another version of the package and its metadata; None
                for this version.
        """
        folders = [str(folder) for folder in (package, ROOT) if folder]
        process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # the first of the folders that Python imports from
            cwd=folders[0],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
            start_new_session=True,  # its children are killed with it
        )
        _send(process.stdin, where)
        kill = partial(os.killpg, process.pid, signal.SIGKILL)
        return cls(process.stdout, process.stdin, process.wait, kill)

    def run(self, function, *arguments):
        """Run a function in a child.

        Args:
            function: function of a module, called with the application and arguments.
            *arguments: must be picklable.

        Returns:
            The result of the function; None if the child was killed.

        Raises:
            AssertionError: the function failed; contains its traceback. Or it did not
                end within :data:`LIMIT`, and was killed.
        """
        return self._ask(function, arguments, wait=LIMIT)

    def start(self, function, *arguments):
        """Start a function in a child, which continues when this process ends.

        Args:
            function: function of a module, called with the application and arguments.
            *arguments: must be picklable.

        Returns:
            int: the child's process id.
        """
        return self._ask(function, arguments, wait=None)

    def _ask(self, function, arguments, wait):
        _send(self._writing, (function, arguments, wait))
        outcome, value = _receive(self._reading)
        assert outcome == "returned", value
        return value

    def end(self):
        """End the process; kill it if a child does not end."""
        with suppress(BrokenPipeError):
            self._writing.close()
        try:
            self._wait(_END_LIMIT)
        except subprocess.TimeoutExpired:
            self._kill()
            self._wait(_END_LIMIT)
        self._reading.close()


def _wait_for(pid, seconds):
    """Wait for the end of a child for a number of seconds at most."""
    end = time.monotonic() + seconds
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > end:
            raise subprocess.TimeoutExpired(f"process {pid}", seconds)
        time.sleep(0.02)


def polars_runs():
    """Return whether Polars has started its threads in this process.

    It starts them when it is used. The thread that it starts when it is imported,
    ``polars-ooc-cleaner``, is not needed in a forked process.
    """
    return any(
        re.match(r"polars-\d", name.read_text())
        for name in Path("/proc/self/task").glob("*/comm")
    )


def _send(pipe, thing):
    data = pickle.dumps(thing)
    pipe.write(len(data).to_bytes(_SIZE, "big") + data)
    pipe.flush()


def _receive(pipe):
    size = pipe.read(_SIZE)
    return pickle.loads(pipe.read(int.from_bytes(size, "big"))) if size else None


def _work(app, reading, writing):
    """Run jobs until there are no more."""
    from invenio_stats_dashboard import tasks
    from invenio_stats_dashboard.aggregations.usage import month_sums

    from .processes import Forked

    month_sums.LEAST = 1  # as in the tests of the aggregations
    tasks.FIRST_PAUSE = 0.5  # of workers, which are forked from here
    tiers.begin(tiers.SYSTEM)

    started = []
    while job := _receive(reading):
        function, arguments, wait = job
        child = Forked(app, partial(function, app, *arguments))
        # reap finished children
        started = [pid for pid in started if not os.waitpid(pid, os.WNOHANG)[0]]
        if wait is None:
            started.append(child.pid)
            _send(writing, ("returned", child.pid))
            continue
        try:
            answer = ("returned", child.wait(wait))
        except AssertionError as error:
            answer = ("raised", str(error))
        _send(writing, answer)


def _main():
    from . import instance

    writing, sys.stdout = sys.stdout.buffer, sys.stderr
    app = instance.create(_receive(sys.stdin.buffer))
    _work(app, sys.stdin.buffer, writing)


if __name__ == "__main__":
    _main()
