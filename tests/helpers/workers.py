# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A real Celery worker of a test instance, on its own queue on the real broker."""

import os
import secrets
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from celery import current_app as current_celery
from kombu import Connection

from .brokers import sending_tasks
from .celery_programs import CelerySite
from .tiers import require_system


class SiteWorker:
    """A worker process that runs the tasks of an instance.

    Args:
        zygote: the :class:`~.zygote.Zygote` to fork from.
        where: the instance's :class:`~.instance.Place`.
        processes: number of processes for tasks, forked as in production; with 0, the
            first process does them.
        prepare: a function of a module, called first in the process that the worker is
            forked from; None for nothing.
        **changes: configuration variables of the worker's application.
    """

    def __init__(self, zygote, where, processes=0, prepare=None, **changes):
        """Name the worker and its queue; :meth:`start` starts it."""
        require_system("starts a worker")
        self.queue = f"test-{secrets.token_hex(6)}"
        self.changes = where and f"{where.prefix}stats-community-changes"
        self.name = f"{self.queue}@here"
        self._broker = os.environ["BROKER_URL"]
        queues = {"CELERY_BROKER_URL": self._broker, "BROKER_URL": self._broker}
        queues["CELERY_TASK_DEFAULT_QUEUE"] = self.queue
        self._pool = ["--pool", "solo"]
        if processes:
            self._pool = ["--pool", "prefork", "--concurrency", str(processes)]
        changes = {"CELERY_TASK_ALWAYS_EAGER": False, **changes, **queues}
        self._zygote, self._where, self._changes = zygote, where, changes
        self._prepare = prepare
        self._site = None
        # it stays open after this method
        self._log = tempfile.NamedTemporaryFile(suffix=".log")  # noqa: SIM115
        self._process = None

    def start(self):
        """Start the process; the first start takes some seconds."""
        self._process = self.program(
            *("worker", *self._pool, "-n", self.name, "-l", "info"),
            *("-Q", self.queue, "--without-gossip", "--without-mingle"),
            log=self._log.name,
        )

    def program(self, *words, log):
        """Start another program of Celery with the same configuration.

        Args:
            *words: arguments after ``celery`` on the command line.
            log: path of the file to which its output is appended.
        """
        if self._site is None:
            self._site = CelerySite(
                self._zygote, self._where, self._prepare, **self._changes
            )
        return self._site.start(*words, log=log)

    def wait(self, patience=180):
        """Wait until the worker responds."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            assert self._process.poll() is None, self.log()
            if current_celery.control.inspect([self.name], timeout=1).ping():
                return
        raise AssertionError(f"the worker does not respond: {self.log()}")

    def kill(self):
        """Kill the process as ``kill -9`` does."""
        self._process.kill()
        self._process.wait(timeout=30)

    def waiting(self):
        """Return the tasks that the worker is going to retry, as it reports them."""
        answers = current_celery.control.inspect([self.name], timeout=2).scheduled()
        return (answers or {}).get(self.name, [])

    def log(self):
        """Return what the worker has printed."""
        return Path(self._log.name).read_text()

    @contextmanager
    def used_by(self, monkeypatch, queue=None):
        """Send the tasks of this process to the worker inside the context.

        Args:
            monkeypatch: changes the configuration.
            queue: send them to this queue instead, which nobody reads.
        """
        with sending_tasks(monkeypatch, queue or self.queue):
            yield

    def remove(self):
        """End the process and delete its queue."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)
        if self._site:
            self._site.close()
        delete_queue(self.queue)
        delete_queue(self.changes)
        self._log.close()


def delete_queue(name):
    """Delete a queue of the real broker with all its messages.

    Returns:
        int: number of messages that are lost.
    """
    with Connection(os.environ["BROKER_URL"]) as connection:
        channel = connection.default_channel
        lost = channel.queue_delete(name)
        channel.exchange_delete(name)
        return lost
