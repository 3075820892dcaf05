# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The demonstration runs commands in forks of one application, and shows progress."""

import io
import os
import re
import signal
import sys
import time

import pytest
from flask import Flask
from rich.console import Console

from scripts.demo import steps as steps_module
from scripts.demo.applications import Application, ApplicationError
from scripts.demo.steps import Steps


def build():
    """Return an application that knows which process it was built in."""
    app = Flask("demonstration")
    app.config["BUILT_IN"] = os.getpid()
    return app


def pids(app):
    """Print the process that has the application, and the one that uses it."""
    print(app.config["BUILT_IN"], os.getpid())


def fail(app, how):
    """End in one of many ways."""
    print("on standard error", file=sys.stderr)
    if how == "raise":
        raise ValueError("a mistake")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(how)


@pytest.fixture()
def application():
    """Return an application in a process of its own."""
    found = Application(build)
    found.wait()
    yield found
    found.end()


def test_each_function_runs_in_a_fork_of_one_application(application, tmp_path):
    for _ in range(2):
        application.begin(pids, output=tmp_path / "printed")
        assert application.ended() == 0
    lines = [line.split() for line in (tmp_path / "printed").read_text().splitlines()]
    (built, first), (built_again, second) = lines
    assert built == built_again != str(os.getpid())
    assert len({built, first, second}) == 3


@pytest.mark.parametrize(
    ("how", "code"), [(0, 0), (3, 3), ("a sentence", 1), ("raise", 1), ("kill", -9)]
)
@pytest.mark.unit
def test_exit_codes_are_those_of_a_process(application, tmp_path, how, code):
    printed, errors = tmp_path / "printed", tmp_path / "errors"
    application.begin(fail, how, output=printed, errors=errors)
    assert application.ended() == code
    assert printed.read_text() == ""
    assert errors.read_text().startswith("on standard error\n")
    assert ("a mistake" in errors.read_text()) == (how == "raise")


def test_a_function_that_fails_ends_the_demonstration(application):
    with pytest.raises(ApplicationError, match="fail ended with exit code 3"):
        application.run(fail, 3)


def test_an_application_that_cannot_be_built_says_why():
    broken = Application(lambda: 1 // 0)
    with pytest.raises(ApplicationError, match="ZeroDivisionError"):
        broken.wait()
    broken.end()


def sleep(_, seconds):
    """Take some time."""
    time.sleep(seconds)


def test_one_can_look_whether_a_function_has_ended(application):
    application.begin(sleep, 0.5)
    assert application.ended(timeout=0.01) is None
    assert application.ended() == 0


def test_a_log_says_how_far_a_long_step_is(monkeypatch):
    monkeypatch.setattr(steps_module, "EVERY", 0.05)
    log = io.StringIO()
    steps = Steps(Console(file=log, width=120))
    with steps.counted("write events", 2000) as count:
        count(500)
        time.sleep(0.2)
    with steps.step("look"):
        time.sleep(0.2)
    lines = log.getvalue().splitlines()
    assert re.fullmatch(
        r"  write events: 500 of 2,000, about \d+ s left, \d+ s so far", lines[0]
    )
    assert "  look: 0 s so far" in lines
    assert re.fullmatch(r"  look 0\.\d s", lines[-1])
    assert set(steps.seconds) == {"write events", "look"}
