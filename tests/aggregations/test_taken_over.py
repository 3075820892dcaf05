# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A run that wakes after another one has taken over leaves no trace."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from invenio_stats_dashboard.aggregations.runner import LAST_RUN
from invenio_stats_dashboard.errors import LockedError, LockLostError

from ..conftest import remove_statistics
from ..helpers.faults import until
from ..helpers.search_requests import before_requests
from .usage.build import Events

TTL = "COMMUNITY_STATS_AGGREGATION_LOCK_TTL"


def ready(app):
    """Do nothing, so that the other process builds its application in advance."""


def frozen_before_its_last_write(app, path):
    """Aggregate; freeze before the report is stored, until the process is woken."""
    app.config[TTL] = 1
    path.write_text(str(os.getpid()))
    frozen = []

    def freeze_once(request):
        if request.method == "GET" and "run%3Alast" in request.path and not frozen:
            frozen.append(request)
            os.kill(os.getpid(), signal.SIGSTOP)

    service = app.extensions["invenio-stats-dashboard"].community_stats_service
    try:
        with before_requests(freeze_once):
            service.aggregate()
    except LockLostError as error:
        return str(error)
    return "it did not notice"


@pytest.fixture()
def events(app, client, names):
    """Return usage events of two days."""
    remove_statistics(client, names)
    events = Events(app, client, names)
    events.days(["2026-03-01", "2026-03-02"])
    return events


def test_the_report_of_the_run_that_took_over_remains(
    events, zygote, monkeypatch, tmp_path
):
    monkeypatch.setitem(events.app.config, TTL, 1)
    client, bookmarks, outcomes = events.client, events.names.bookmarks, []
    zygote.run(ready)

    def run():
        outcomes.append(zygote.run(frozen_before_its_last_write, tmp_path / "pid"))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: stopped(tmp_path / "pid"), "it is frozen", 120)
        reports = []
        until(lambda: reports.append(attempt(events)) or reports[-1], "taken over")
        before = client.get(index=bookmarks, id=LAST_RUN)
    finally:
        while thread.is_alive():
            wake(tmp_path / "pid")
            thread.join(timeout=1)
    assert "taken over" in outcomes[0]
    assert client.get(index=bookmarks, id=LAST_RUN) == before
    assert before["_source"]["completed"] and reports[-1].completed
    events.assert_right()


def attempt(events):
    """Aggregate and return the report; None if the lock is still held."""
    try:
        return events.aggregate(families=None)
    except LockedError:
        return None


def stopped(path):
    """Return whether the process whose number is in a file is stopped."""
    if not path.exists() or not path.read_text():
        return False
    stat = Path(f"/proc/{path.read_text()}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


def wake(path):
    """Continue the process, if it exists."""
    with suppress(OSError, ValueError):
        os.kill(int(path.read_text()), signal.SIGCONT)
