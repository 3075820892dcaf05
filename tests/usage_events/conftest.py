# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures: queues of usage events on real brokers."""

import os
import secrets

import pytest
import redis

from ..helpers import content
from ..helpers.queues import COUNT, Broker


@pytest.fixture()
def usage(app, known_records):
    """Return known records of an instance without content and usage events."""
    with app.app_context():
        content.remove_content()
        yield known_records.without_events()


@pytest.fixture()
def broker(usage):
    """Return an empty queue on the real broker."""
    broker = Broker(usage)
    broker.queue.queue.declare()
    yield broker
    broker.remove()


@pytest.fixture()
def redis_broker(usage):
    """Return an empty queue on the real Redis, under its own keys."""
    prefix = f"test-{secrets.token_hex(6)}-"
    broker = Broker(
        usage,
        os.environ["CACHE_REDIS_URL"],
        unacked_key=f"{prefix}unacked",
        unacked_index_key=f"{prefix}index",
        unacked_mutex_key=f"{prefix}mutex",
        visibility_timeout=1,
    )
    broker.queue.queue.declare()
    yield broker
    server = redis.Redis.from_url(os.environ["CACHE_REDIS_URL"])
    for pattern in (f"{prefix}*", f"*{broker.name}*"):
        for key in server.scan_iter(pattern):
            server.delete(key)


@pytest.fixture()
def ids(broker):
    """Return the ids that the stock code assigns to the events."""
    broker.fill()
    indexer = broker.indexer()
    found = {action["_id"] for action in indexer.actionsiter()}
    assert len(found) == COUNT and broker.left() == 0
    broker.fill()
    return found
