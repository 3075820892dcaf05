# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Connections to the broker of the events that outlive an error and a restart.

Kombu's pool takes back a connection that it has closed because of an error, and a
consumer can open no channel on that one: after one error in it, a process of a worker
could never read the queues again. And what is published first on a connection that
died while it lay in the pool is lost: the site logs that, and goes on.
"""

import select

from flask import current_app
from invenio_queues.config import QUEUES_CONNECTION_POOL
from kombu import Connection
from kombu.connection import ConnectionPool
from kombu.pools import PoolGroup, register_group, use_global_limit


class LivePool(ConnectionPool):
    """A pool of connections that hands out none that is known to be dead."""

    def prepare(self, resource):
        """Return a connection; one that the broker has left is opened anew when used.

        Args:
            resource: the connection, or a function that makes it.
        """
        resource = super().prepare(resource)
        if resource.connected and _is_left(resource.connection):
            resource.collect()
        return resource

    def release(self, resource):
        """Take a connection back, or a new one for it if it is closed."""
        if self.limit and not resource.connected:
            self._dirty.discard(resource)
            resource = self.new()
        super().release(resource)


class _Pools(PoolGroup):
    """The pools of a process, by broker."""

    def create(self, connection, limit):
        return LivePool(connection, limit=limit)


_pools = register_group(_Pools(limit=use_global_limit))


def get_connection_pool():
    """Return the pool for the broker that the site's configuration names."""
    config = current_app.config
    url = config.get("QUEUES_BROKER_URL") or config.get("BROKER_URL", "amqp://")
    return _pools[Connection(url)]


def install(app):
    """Let the queues of events use this pool, unless the site has one of its own.

    Args:
        app: the Flask application.
    """
    stock = QUEUES_CONNECTION_POOL
    if app.config.get("QUEUES_CONNECTION_POOL", stock) is not stock:
        return
    app.config["QUEUES_CONNECTION_POOL"] = get_connection_pool
    state = app.extensions.get("invenio-queues")
    if state is not None:  # it was made before us, and has read its configuration
        state.connection_pool = get_connection_pool


def _is_left(connection):
    """Tell whether a connection that nobody uses has something to be read: its end.

    Args:
        connection: the transport's; one that has no socket is never left.
    """
    sock = getattr(connection, "sock", None)
    if sock is None:
        return False
    found = select.poll()
    found.register(sock, select.POLLIN)
    return bool(found.poll(0))
