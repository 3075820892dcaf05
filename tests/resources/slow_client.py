# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A client on a real connection with small buffers, which reads only on request."""

import re
import socket
from contextlib import contextmanager

from ..helpers.serving import serving

BUFFER = 4096
"""Bytes that the kernel is asked to hold for each side of a connection."""


class SlowClient:
    """Sends a request, and reads the answer only when it is asked to.

    Args:
        address: the server's address.
        path: the path of the request.
        headers: more lines of the request.
    """

    def __init__(self, address, path, headers=()):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.settimeout(120)
        self._socket.connect(address)
        lines = (f"GET {path} HTTP/1.0", "Host: localhost", *headers, "", "")
        self._socket.sendall("\r\n".join(lines).encode())

    def begin(self):
        """Wait for the first bytes of the answer, and return the status."""
        return int(re.match(rb"HTTP/\S+ (\d+)", self._socket.recv(64))[1])

    def rest(self):
        """Return the rest of the answer."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * BUFFER)
        return b"".join(iter(lambda: self._socket.recv(65536), b""))

    def close(self):
        """Close the connection."""
        self._socket.close()


@contextmanager
def served(app):
    """Serve an application with small buffers; yield the address."""
    listening = socket.create_server(("127.0.0.1", 0))
    # a connection that is accepted inherits it
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    address = listening.getsockname()
    with serving(app, listening):
        yield address
