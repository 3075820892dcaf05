# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Pool of connections to the events' broker that survives errors and restarts.

Kombu's pool accepts a connection that it has closed because of an error. A consumer
cannot open a channel on that connection, so the worker process could never read the
queues again. If a connection dies while it is in the pool, the first message published
on it is lost, and the site only logs that. The pool of this module avoids both.
"""

import select
from collections.abc import Callable

from flask import Flask, current_app
from invenio_queues.config import QUEUES_CONNECTION_POOL
from kombu.connection import Connection, ConnectionPool
from kombu.pools import PoolGroup, register_group, use_global_limit


class LivePool(ConnectionPool):
    """A pool that never hands out a connection that the broker has closed."""

    def prepare(self, resource: Connection | Callable[[], Connection]) -> Connection:
        """Return a connection that works.

        A connection that the broker has closed opens again at its next use.

        Args:
            resource: the connection, or a function that makes it.
        """
        connection: Connection = super().prepare(resource)
        if connection.connected and _is_left(connection.connection):
            connection.collect()
        return connection

    def release(self, resource: Connection) -> None:
        """Take a connection back; replace a closed one by a new one."""
        if self.limit and not resource.connected:
            self._dirty.discard(resource)
            resource = self.new()
        super().release(resource)


class _Pools(PoolGroup):
    """The pools of a process, by broker."""

    def create(self, connection: Connection, limit: int) -> LivePool:
        return LivePool(connection, limit=limit)


_pools = register_group(_Pools(limit=use_global_limit))


def get_connection_pool() -> LivePool:
    """Return the pool for the broker that the site's configuration names."""
    config = current_app.config
    url = config.get("QUEUES_BROKER_URL") or config.get("BROKER_URL", "amqp://")
    return _pools[Connection(url)]


def install(app: Flask) -> None:
    """Make the event queues use this pool, unless the site has configured its own."""
    stock = QUEUES_CONNECTION_POOL
    if app.config.get("QUEUES_CONNECTION_POOL", stock) is not stock:
        return
    app.config["QUEUES_CONNECTION_POOL"] = get_connection_pool
    state = app.extensions.get("invenio-queues")
    # An extension that was created earlier has already read its configuration.
    if state is not None:
        state.connection_pool = get_connection_pool


def _is_left(connection: object) -> bool:
    """Return whether the broker has closed an unused connection.

    The socket of an unused connection becomes readable only when the broker closes it.

    Args:
        connection: the transport's connection. Without a socket, the result is
            False.
    """
    sock = getattr(connection, "sock", None)
    if sock is None:
        return False
    found = select.poll()
    found.register(sock, select.POLLIN)
    return bool(found.poll(0))
