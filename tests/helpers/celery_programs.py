# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Start Celery programs of a site, such as its worker, in a second.

The application of the site is built once, in a fork of the process that has imported
everything. Each program is a fork of that process, so a killed program can be started
again as quickly.
"""

import contextvars
import os
import pickle
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path

_PATIENCE = 180


class CelerySite:
    """Starts programs of a site.

    Args:
        zygote: the :class:`~.zygote.Zygote` to fork from.
        where: the :class:`~.instance.Place` of the instance.
        prepare: a function of a module, called first in the process of the site.
        **changes: configuration variables of the site's application.
    """

    def __init__(self, zygote, where, prepare=None, **changes):
        """Start to build the application; the first program waits for it."""
        self._address = Path(tempfile.mkdtemp(prefix="site-")) / "socket"
        self._pid = zygote.start(_serve, where, prepare, changes, str(self._address))

    def start(self, *words, log):
        """Start a program.

        Args:
            *words: arguments after ``celery`` on the command line.
            log: path of the file to which its output is appended.

        Returns:
            Program: the program, in a process group of its own.
        """
        Path(log).touch()
        return Program(self._ask((words, str(log))))

    def close(self):
        """End the process that programs are forked from; the programs continue."""
        if _runs(self._pid):
            self._ask(None)
        shutil.rmtree(self._address.parent, ignore_errors=True)

    def _ask(self, request):
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as link:
                    link.connect(str(self._address))
                    link.sendall(pickle.dumps(request))
                    link.shutdown(socket.SHUT_WR)
                    return int(_everything(link) or 0)
            except (FileNotFoundError, ConnectionRefusedError):
                assert _runs(self._pid), self._address.with_name("error").read_text()
                assert time.monotonic() < end, "the site's application is not built"
                time.sleep(0.05)


class Program:
    """A process that is not a child of this one.

    Args:
        pid: its process id.
    """

    def __init__(self, pid):
        """Store the process id."""
        self.pid = pid

    def poll(self):
        """Return None while the process runs, otherwise 0."""
        return None if _runs(self.pid) else 0

    def send_signal(self, number):
        """Send a signal to the process."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self):
        """Send SIGTERM to the process."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """Kill the process as ``kill -9`` does."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout=60):
        """Wait until the process ends."""
        end = time.monotonic() + timeout
        while _runs(self.pid):
            assert time.monotonic() < end, f"process {self.pid} does not end"
            time.sleep(0.02)


def _runs(pid):
    """Return whether a process exists and has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _serve(_, where, prepare, changes, address):
    """Build the application of a site, and fork programs from it until stopped."""
    try:
        if prepare:
            prepare()
        _build_and_fork(where, changes, address)
    except BaseException:
        Path(address).with_name("error").write_text(traceback.format_exc())
        raise


def _build_and_fork(where, changes, address):
    from celery import Celery
    from celery._state import set_default_app
    from flask_celeryext import create_celery_app
    from invenio_app.factory import create_ui

    from .connections import close_connections
    from .instance import create

    # otherwise it stays that of the application which this process was forked from
    set_default_app(Celery("site", fixups=[]))
    site = create(where, create_ui, **changes)
    celery = create_celery_app(site)
    assert celery.flask_app is site
    close_connections()
    programs = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        while True:
            link, _ = listening.accept()
            with link:
                request = pickle.loads(_everything(link))
                programs = [p for p in programs if not os.waitpid(p, os.WNOHANG)[0]]
                if request is None:
                    return
                pid = os.fork()
                if pid == 0:
                    listening.close()
                    link.close()
                    _become(celery, changes, *request)
                programs.append(pid)
                link.sendall(str(pid).encode())


def _become(celery, changes, words, log):
    """Run a Celery program until it ends."""
    code = 1
    try:
        os.setsid()
        os.environ["C_FORCE_ROOT"] = "1"
        # the command line of Celery also reads the broker's name
        if "BROKER_URL" in changes:
            os.environ["BROKER_URL"] = changes["BROKER_URL"]
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for number in (1, 2):
            os.dup2(file, number)
        sys.stdout = sys.__stdout__ = open(1, "w", buffering=1)  # noqa: SIM115
        sys.stderr = sys.__stderr__ = open(2, "w", buffering=1)  # noqa: SIM115
        sys.argv = ["celery", *words]
        # without the context of the application that this process was forked from
        contextvars.Context().run(celery.start, list(words))
        code = 0
    finally:
        with suppress(BaseException):
            sys.stderr.flush()
        os._exit(code)


def _everything(link):
    parts = []
    while part := link.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)
