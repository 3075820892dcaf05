# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Tests do not wait for ever for a process that hangs."""

import os
import subprocess
import sys
import time
from functools import partial

import pytest

from .helpers import zygote
from .helpers.processes import Forked

pytestmark = pytest.mark.system


def test_a_child_that_hangs_is_killed_after_the_limit(app):
    child = Forked(app, partial(time.sleep, 600))
    with pytest.raises(AssertionError, match=r"did not end within 0\.1 seconds"):
        child.wait(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_a_process_with_a_child_that_hangs_is_killed_at_its_end(monkeypatch):
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    monkeypatch.setattr(zygote, "_END_LIMIT", 0.1)
    zygote.Zygote(process.stdout, process.stdin, process.wait, process.kill).end()
    assert process.returncode == -9
