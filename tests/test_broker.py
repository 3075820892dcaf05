# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Changes are sent to the broker; waiting for one that never answers ends."""

import socket
import threading

import pytest
from celery import current_app as current_celery
from kombu.exceptions import OperationalError

from invenio_stats_dashboard import tasks

from .helpers.brokers import using_broker
from .helpers.workers import SiteWorker, delete_queue

PATIENCE = 90


@pytest.fixture()
def silent():
    """Return the port of a server that never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=20) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:{port}/0", "amqp://guest:guest@127.0.0.1:{port}//"]
)
def test_a_silent_broker_is_given_up(app, silent, monkeypatch, url):
    errors = []

    def send():
        try:
            with app.app_context():
                tasks.send_capture(parent_ids=["nobody"])
        except OperationalError as error:
            errors.append(error)

    monkeypatch.setitem(current_celery.conf, "task_always_eager", False)
    with using_broker(monkeypatch, url.format(port=silent)):
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        sender.join(PATIENCE)
    assert not sender.is_alive() and len(errors) == 1


def test_a_broker_that_answers_gets_each_message(app, where, monkeypatch):
    site = SiteWorker(None, where)  # which is not started
    with site.used_by(monkeypatch):
        for number in "123":
            tasks.send_capture(parent_ids=[number])
    assert delete_queue(site.queue) == 3
    assert delete_queue(site.changes) == 3
