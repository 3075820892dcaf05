# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures: queues of usage events on real brokers."""

import os
import secrets

import pytest
import redis

from ..helpers.queues import COUNT, Broker
from ..helpers.usage import Usage


@pytest.fixture()
def broker(fresh, client, names):
    """Return an empty queue on the real broker."""
    with fresh.app_context():
        broker = Broker(Usage(fresh, client, names))
        broker.queue.queue.declare()
        yield broker
        broker.remove()


@pytest.fixture()
def redis_broker(fresh, client, names):
    """Return an empty queue on the real Redis, under its own keys."""
    with fresh.app_context():
        prefix = f"test-{secrets.token_hex(6)}-"
        broker = Broker(
            Usage(fresh, client, names),
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
