# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Show where a test hangs, and end it.

pytest-timeout makes a test fail that takes longer than ``timeout`` of pyproject.toml,
and prints the stacks of its process. A test often hangs because a process that it
forked does, so this plugin prints the stacks of these processes, and kills them.
"""

import faulthandler
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest


class TimeLimits:
    """Acts on the forks of a test that has exceeded its time."""

    def pytest_configure(self, config):
        """Make this process, and those that are forked from it, print their stacks."""
        faulthandler.register(signal.SIGUSR1, file=sys.__stderr__, all_threads=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """Print the stacks of hanging forks, and kill them."""
        report = yield
        if report.failed and "Timeout (>" in str(call.excinfo.value):
            forks = _forks(os.getpid())
            for sent in (signal.SIGUSR1, signal.SIGKILL):
                for pid in forks:
                    with suppress(ProcessLookupError):
                        os.kill(pid, sent)
                time.sleep(0.5)  # until they have printed
        return report


def _forks(pid):
    """Return the descendants of a process that run its own command."""
    command = _command(pid)
    found = []
    for path in Path(f"/proc/{pid}").glob("task/*/children"):
        for child in map(int, path.read_text().split()):
            if _command(child) == command:
                found += [child, *_forks(child)]
    return found


def _command(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return None
