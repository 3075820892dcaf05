# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A second process with the application, from which processes are forked to be killed.

Polars keeps threads, which are not there any more in a process that is forked after it
was used: it would wait for them for ever. This one never uses it, so its children can.
"""

import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

_SIZE = 8


class Zygote:
    """Runs functions in children of a process that has the application.

    Args:
        where: the :class:`~.instance.Place` of the instance, which must be initialised.
    """

    def __init__(self, where):
        """Start the process; its application takes a quarter of a minute."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent.parent,
        )
        _send(self._process.stdin, where)

    def run(self, function, *arguments):
        """Run a function in a child.

        Args:
            function: one of a module, called with the application and the arguments.
            *arguments: can be pickled.

        Returns:
            What the function returns; None if the child was killed.

        Raises:
            AssertionError: the function failed; with its traceback.
        """
        _send(self._process.stdin, (function, arguments))
        outcome, value = _receive(self._process.stdout)
        assert outcome == "returned", value
        return value

    def end(self):
        """End the process."""
        self._process.stdin.close()
        self._process.wait(timeout=30)


def _send(pipe, thing):
    data = pickle.dumps(thing)
    pipe.write(len(data).to_bytes(_SIZE, "big") + data)
    pipe.flush()


def _receive(pipe):
    size = pipe.read(_SIZE)
    return pickle.loads(pipe.read(int.from_bytes(size, "big"))) if size else None


def _main():
    from invenio_stats_dashboard.aggregations.usage import months

    from . import instance
    from .processes import Forked

    months.LEAST = 1  # as the tests of the aggregations have it
    pipe, sys.stdout = sys.stdout.buffer, sys.stderr
    app = instance.create(_receive(sys.stdin.buffer))
    while job := _receive(sys.stdin.buffer):
        function, arguments = job
        try:
            answer = (
                "returned",
                Forked(app, partial(function, app, *arguments)).wait(),
            )
        except AssertionError as error:
            answer = ("raised", str(error))
        _send(pipe, answer)


if __name__ == "__main__":
    _main()
