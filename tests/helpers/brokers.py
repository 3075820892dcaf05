# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A Celery worker of a site whose workers still run the stock event indexer."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import current_app as current_celery

from .tiers import require_system

_MODULE = """
from celery import Celery

app = Celery("site", broker={broker!r})
app.conf.update(
    accept_content=["json", "msgpack"],
    task_default_queue={queue!r},
    task_serializer="msgpack",
)


@app.task(name="invenio_stats.tasks.process_events")
def process_events(event_types):
    pass
"""


_running = {}


@contextmanager
def stock_worker(name):
    """Start a worker that has only the stock indexer, on the real broker.

    Args:
        name: unique name for its queue.

    Yields:
        str: the worker's name.
    """
    require_system("starts a worker")
    broker = os.environ["BROKER_URL"]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder, "site_worker.py").write_text(
            _MODULE.format(broker=broker, queue=name)
        )
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "site_worker", "worker"),
                *("--pool", "solo", "-n", f"{name}@here", "-l", "error"),
                *("--without-gossip", "--without-mingle"),
            ],
            cwd=folder,
            env={**os.environ, "C_FORCE_ROOT": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _running[f"{name}@here"] = worker
        try:
            with using_broker(patch, broker):
                _wait(f"{name}@here", worker)
            yield f"{name}@here"
        finally:
            _running.pop(f"{name}@here").terminate()
            worker.wait(timeout=30)


@contextmanager
def frozen(name):
    """Stop the process of a worker of this helper, and continue it at the end."""
    _running[name].send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        _running[name].send_signal(signal.SIGCONT)


@contextmanager
def using_broker(monkeypatch, url):
    """Make the application use another broker, also to look for its workers."""
    with monkeypatch.context() as patch:
        _use(patch, url)
        yield
    _renew_pools()


def real_broker(monkeypatch):
    """Make the application use the broker of the session's services."""
    return using_broker(monkeypatch, os.environ["BROKER_URL"])


@contextmanager
def sending_tasks(monkeypatch, queue):
    """Send the application's tasks to a queue of the real broker.

    Args:
        monkeypatch: changes the configuration.
        queue: name of the queue.
    """
    with monkeypatch.context() as patch:
        patch.setitem(current_celery.conf, "task_always_eager", False)
        for name in ("queue", "exchange", "routing_key"):
            patch.setitem(current_celery.conf, f"task_default_{name}", queue)
        _use(patch, os.environ["BROKER_URL"])
        yield
    _renew_pools()


@contextmanager
def unreachable_broker(monkeypatch):
    """Make the application use a broker address where nothing listens.

    It tries to connect only twice; by default, it would try for some seconds.
    """
    retries = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
    with monkeypatch.context() as patch:
        patch.setitem(current_celery.conf, "broker_transport_options", retries)
        with using_broker(patch, "amqp://guest:guest@localhost:1//"):
            yield


def _use(patch, broker):
    for option in ("broker_url", "broker_read_url", "broker_write_url"):
        patch.setitem(current_celery.conf, option, broker)
    _renew_pools()


def _renew_pools():
    """Make the application open new connections from its current configuration."""
    app = current_celery._get_current_object()
    app._pool = None
    for cached in ("amqp", "control"):
        app.__dict__.pop(cached, None)


def _wait(name, worker):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert worker.poll() is None, "the worker did not start"
        if current_celery.control.inspect([name], timeout=1).ping():
            return
    raise AssertionError("the worker does not respond")
