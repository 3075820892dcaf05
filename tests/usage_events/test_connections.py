# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Connections to the broker survive errors and restarts, with a real RabbitMQ."""

import pytest
from invenio_queues.config import QUEUES_CONNECTION_POOL
from invenio_queues.queue import Queue
from kombu import Connection, Exchange

from invenio_stats_dashboard.usage_events import connections

from ..helpers.services import RabbitMQ


@pytest.fixture(scope="module")
def broker():
    """Return a broker that only this module uses."""
    broker = RabbitMQ()
    try:
        broker.start()
        yield broker
    finally:
        broker.remove()


@pytest.fixture()
def queue(broker):
    """Return an empty queue with a connection pool of its own."""
    pool = connections.LivePool(Connection(broker.url), limit=4)
    exchange = Exchange("test", type="direct", delivery_mode="persistent")
    queue = Queue(exchange, "test", lambda: pool)
    queue.queue.declare()
    queue.queue.purge()
    yield queue
    pool.force_close_all()


def test_queue_can_be_read_after_an_error_during_reading(queue):
    queue.publish([{"n": n} for n in range(3)])
    messages = queue.consume()
    assert next(messages) == {"n": 0}
    with pytest.raises(ZeroDivisionError):
        messages.throw(ZeroDivisionError)
    assert list(queue.consume()) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_first_event_after_a_restart_is_published_and_read(broker, queue, end):
    queue.publish([{"n": 0}])
    assert list(queue.consume()) == [{"n": 0}]
    broker.queue(end)
    broker.queue("start")
    queue.publish([{"n": 1}])
    assert list(queue.consume()) == [{"n": 1}]


def test_live_connection_is_reused(queue):
    with queue.connection_pool.acquire() as connection:
        connection.connect()
        first = connection.connection
    with queue.connection_pool.acquire() as connection:
        assert connection.connection is first


def test_the_site_publishes_and_reads_through_this_pool(app):
    queues = app.extensions["invenio-queues"].queues
    with app.app_context():
        pools = {queue.connection_pool for queue in queues.values()}
    assert {type(pool) for pool in pools} == {connections.LivePool}


@pytest.mark.parametrize(
    "own, used", [(QUEUES_CONNECTION_POOL, connections.get_connection_pool), (len, len)]
)
def test_a_pool_that_the_site_configured_stays_in_use(own, used):
    class Site:
        config = {"QUEUES_CONNECTION_POOL": own}
        extensions = {}

    connections.install(Site)
    assert Site.config["QUEUES_CONNECTION_POOL"] is used
