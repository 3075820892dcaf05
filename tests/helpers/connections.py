# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Close the HTTP connections that a process inherits when it is forked."""

from weakref import WeakSet

from urllib3 import HTTPConnectionPool

_pools = WeakSet()
_init = HTTPConnectionPool.__init__


def _remembered(self, *args, **kwargs):
    _init(self, *args, **kwargs)
    _pools.add(self)


HTTPConnectionPool.__init__ = _remembered


def close_connections():
    """Close inherited connections; each pool opens new ones when needed.

    Otherwise two processes would send on one connection, and receive each other's
    responses. If one were killed during a request, the other's next request would be
    taken for the rest of it.
    """
    for pool in list(_pools):
        if pool.pool is not None:
            for connection in filter(None, tuple(pool.pool.queue)):
                connection.close()
