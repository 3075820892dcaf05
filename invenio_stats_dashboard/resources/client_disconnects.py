# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Notice that a client has closed its connection before the response begins.

WSGI has no call for this, but the servers give access to the connection: gunicorn and
the development server in the environment of the request, uWSGI in its module. Behind a
proxy it is the connection of the proxy, which nginx closes when its client leaves.
"""

import select
import sys
from collections.abc import Mapping
from typing import Any

_LEFT = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class ClientLeftError(Exception):
    """The client has closed the connection, so nobody receives the response."""


class ClientConnection:
    """The connection of the client of one request.

    Args:
        environ: the environment of the WSGI request. If it has no connection, as in
            other servers, the client never seems to leave.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._poll: select.poll | None = None
        descriptor = _descriptor(environ)
        if descriptor >= 0:
            self._poll = select.poll()
            self._poll.register(descriptor, _LEFT)

    def check(self) -> None:
        """Check that the client still waits.

        Raises:
            ClientLeftError: it has closed the connection.
        """
        if self._poll is not None and self._poll.poll(0):
            raise ClientLeftError("The client has closed the connection.")


def _descriptor(environ: Mapping[str, Any]) -> int:
    """Return the file descriptor of the connection; -1 if it is unknown."""
    for name in ("gunicorn.socket", "werkzeug.socket"):
        if name in environ:
            return environ[name].fileno()
    # uWSGI creates this module
    find = getattr(sys.modules.get("uwsgi"), "connection_fd", None)
    return find() if find else -1
