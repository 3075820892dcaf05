# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A result is computed once for threads and processes that request it together."""

import logging
import os
import secrets
import threading
import time
from functools import partial

import pytest
from flask import Flask
from invenio_cache import InvenioCache, current_cache

from invenio_stats_dashboard.queries import compute_once
from invenio_stats_dashboard.queries.compute_once import ComputeOnce, warn_if_not_shared

from ..helpers.processes import Forked

SECONDS = 60
"""For which a test waits at most; only a failing test waits so long."""

LEASE = 2.0


@pytest.fixture()
def key(app):
    """Return a key that no other test uses, in an application context."""
    with app.app_context():
        yield f"stats-dashboard-test:{secrets.token_hex(8)}"


class Steps:
    """What several processes have done, as files of a folder."""

    def __init__(self, folder):
        self._folder = folder

    def did(self, what):
        """Store that this process has done something."""
        (self._folder / f"{what}-{os.getpid()}-{secrets.token_hex(4)}").touch()

    def count(self, what):
        """Return how many times it was done."""
        return len(list(self._folder.glob(f"{what}-*")))

    def wait(self, what, number=1):
        """Wait until it was done this often."""
        until = time.monotonic() + SECONDS
        while self.count(what) < number:
            assert time.monotonic() < until, f"{what}: {self.count(what)} times"
            time.sleep(0.02)


@pytest.fixture()
def steps(tmp_path):
    """Return the steps of a test's processes."""
    return Steps(tmp_path)


def ask(key, steps, name, lease=LEASE):
    """Ask for an answer, as a process that waits for "proceed" while it computes."""

    def compute():
        steps.did("computed")
        steps.wait("proceed")
        return name

    take = compute_once._CacheLock.take

    def watched(lock):
        taken = take(lock)
        if not taken:
            steps.did("waited")
        return taken

    compute_once._CacheLock.take = watched
    return ComputeOnce(lease).answer(key, compute)


def test_two_processes_compute_once(app, key, steps):
    first = Forked(app, partial(ask, key, steps, "first"))
    steps.wait("computed")
    second = Forked(app, partial(ask, key, steps, "second"))
    steps.wait("waited")
    steps.did("proceed")
    assert (first.wait(), second.wait()) == ("first", "first")
    assert steps.count("computed") == 1
    assert ComputeOnce().answer(key, lambda: "third") == "first"


def test_a_killed_process_frees_its_place(app, key, steps):
    first = Forked(app, partial(ask, key, steps, "first"))
    steps.wait("computed")
    second = Forked(app, partial(ask, key, steps, "second"))
    steps.wait("waited")
    first.kill()
    steps.wait("computed", 2)
    steps.did("proceed")
    assert (first.wait(), second.wait()) == (None, "second")


def test_a_lock_that_never_expires_is_freed_too(key):
    # Redis sets a value and its expiry in two steps
    current_cache.cache.set(f"{key}:lock", ("a dead process", 0), timeout=0)
    assert ComputeOnce(lease=0.3).answer(key, lambda: "answer") == "answer"


def test_a_slow_process_retains_its_lock(app, key, steps):
    first = Forked(app, partial(ask, key, steps, "first"))
    steps.wait("computed")
    second = Forked(app, partial(ask, key, steps, "second"))
    # each renewal takes a quarter of the lease
    until = time.monotonic() + SECONDS
    while current_cache.cache.get(f"{key}:lock")[1] < 10:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert steps.count("computed") == 1
    steps.did("proceed")
    assert (first.wait(), second.wait()) == ("first", "first")


def test_the_lock_is_released(key):
    assert ComputeOnce().answer(key, lambda: 1) == 1
    assert current_cache.cache.get(f"{key}:lock") is None
    with pytest.raises(ZeroDivisionError):
        ComputeOnce().answer(f"{key}:b", lambda: 1 / 0)
    assert current_cache.cache.get(f"{key}:b:lock") is None
    assert ComputeOnce().answer(f"{key}:b", lambda: 2) == 2


@pytest.mark.parametrize("seconds", [0, 60])
@pytest.mark.parametrize("outcome", ["answer", "error"])
def test_threads_compute_once(seconds, outcome, app, key):
    once, computing, proceed = ComputeOnce(), threading.Event(), threading.Event()
    computed, results = [], []

    def compute():
        computed.append(1)
        computing.set()
        assert proceed.wait(SECONDS)
        if outcome == "error":
            raise ValueError("no answer")
        return "answer"

    def asking():
        with app.app_context():
            try:
                results.append(once.answer(key, compute, seconds))
            except ValueError:
                results.append("error")

    threads = [threading.Thread(target=asking) for _ in range(4)]
    threads[0].start()
    assert computing.wait(SECONDS)
    for thread in threads[1:]:
        thread.start()
    (future,) = once._running.values()
    until = time.monotonic() + SECONDS
    while len(future._condition._waiters) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    proceed.set()
    for thread in threads:
        thread.join()
    assert (computed, results) == ([1], [outcome] * 4)
    assert once._running == {}


def test_without_seconds_nothing_is_stored(key):
    once = ComputeOnce()
    assert once.answer(key, lambda: 1, 0) == 1
    assert once.answer(key, lambda: 2, 0) == 2


def test_a_cache_that_does_not_answer_prevents_nothing(key, monkeypatch):
    def fail(*_, **__):
        raise ConnectionError("no cache")

    for name in ("add", "get", "set", "get_many", "set_many", "delete"):
        monkeypatch.setattr(current_cache.cache, name, fail)
    assert ComputeOnce().answer(key, lambda: "answer") == "answer"


@pytest.mark.parametrize(
    ("kind", "warned"),
    [("NullCache", True), ("SimpleCache", True), ("RedisCache", False)],
)
def test_a_cache_of_one_process_is_warned_of(kind, warned, caplog):
    app = Flask("test")
    app.config["CACHE_TYPE"] = kind
    app.config["CACHE_NO_NULL_WARNING"] = True
    InvenioCache(app)
    with caplog.at_level(logging.WARNING):
        warn_if_not_shared(app)
    assert ("is not shared by its processes" in caplog.text) is warned


def test_a_site_without_a_cache_is_warned_of(caplog):
    warn_if_not_shared(Flask("test"))
    assert "(none) is not shared" in caplog.text
