# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The length of a queue is reported, without taking messages and without hanging."""

from types import SimpleNamespace

import pytest
from invenio_stats.proxies import current_stats

from invenio_stats_dashboard.usage_events.queues import lengths

from ..helpers.queues import Broker, views, wait_for


@pytest.fixture()
def broker(app, client, names, monkeypatch):
    """Return a queue on the real broker that receives the site's views."""
    with app.app_context():
        found = Broker(SimpleNamespace(app=app, client=client, names=names))
        _use(monkeypatch, found.queue)
        yield found
        found.remove()


def _use(monkeypatch, queue):
    event = current_stats.events["record-view"]
    monkeypatch.setitem(
        current_stats.events, "record-view", event._replace(queue=queue)
    )


def _views():
    return next(found for found in lengths(patience=3) if found.event_type == "view")


def test_waiting_messages_are_counted_and_stay_in_the_queue(broker):
    broker.queue.queue.declare()
    broker.queue.publish(views(7))
    wait_for(broker, 7)
    assert (_views().length, _views().queue) == (7, broker.name)
    assert broker.left() == 7


def test_an_unused_queue_is_empty(broker):
    assert _views().length == 0


def test_an_unavailable_broker_is_reported(app, client, names, monkeypatch):
    with app.app_context():
        where = SimpleNamespace(app=app, client=client, names=names)
        away = Broker(where, url="amqp://guest@localhost:1//")
        _use(monkeypatch, away.queue)
        found = _views()
    assert found.length is None and "refused" in found.error
