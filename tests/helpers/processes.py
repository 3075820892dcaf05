# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fork processes from the built application, which takes too long to build again.

They can be killed at any point.
"""

import os
import pickle
import select
import signal
import traceback
from contextlib import suppress

from .connections import close_connections
from .tiers import require_system


class Forked:
    """A child process that runs a function in an application context.

    Args:
        app: the application.
        function: called without arguments; its result must be picklable.
    """

    def __init__(self, app, function):
        """Start the process."""
        self._reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reading)
            status = 1
            with suppress(BaseException):
                status = _run(app, function, writing)
            os._exit(status)
        os.close(writing)

    def kill(self):
        """Kill the process as ``kill -9`` does."""
        require_system("kills a process")
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, limit=None):
        """Wait for the end of the process.

        Args:
            limit: number of seconds after which it is killed; None if it is not.

        Returns:
            What the function returned; None if the process was killed.

        Raises:
            AssertionError: the function failed; with its traceback. Or it was killed
                after the limit.
        """
        with os.fdopen(self._reading, "rb") as pipe:
            # it writes when it ends, and the pipe is also readable if it is killed
            ended = select.select([pipe], [], [], limit)[0]
            if not ended:
                os.kill(self.pid, signal.SIGKILL)
            # a process that it has forked may hold the pipe open
            answer = pipe.read() if ended else b""
        _, status = os.waitpid(self.pid, 0)
        assert ended, f"process {self.pid} did not end within {limit} seconds"
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return None
        outcome, value = pickle.loads(answer)
        assert outcome == "returned", value
        return value


def kill_me():
    """End this process as ``kill -9`` does."""
    require_system("kills a process")
    os.kill(os.getpid(), signal.SIGKILL)


def _run(app, function, writing):
    from invenio_db import db

    with app.app_context(), os.fdopen(writing, "wb") as pipe:
        try:
            db.engine.dispose(close=False)  # the connections are the parent's
            close_connections()
            answer = ("returned", function())
        except BaseException:  # noqa: BLE001 - reported to the parent
            answer = ("raised", traceback.format_exc())
        pipe.write(pickle.dumps(answer))
    return 0
