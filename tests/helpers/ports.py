# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find ports for a test's own services, so that two test runs can share a machine."""

import random
import socket

from .balance import number

HTTP, TRANSPORT = 29200, 29300
"""Ports of the first OpenSearch node without an offset, as in ``scripts/services``."""

QUEUE = 25672
"""Port of RabbitMQ without an offset; it also uses the two ports after it."""

_NODES = 5


def free_offset():
    """Return an offset at which no port of a search cluster or a broker is in use.

    Returns:
        int: a value for ``SERVICES_PORT_OFFSET``; all ports are below the ephemeral ones.
    """
    # ports of one kind are consecutive for the nodes, and the kinds are 100 apart;
    # two processes that search at the same time find different ones
    hundreds = range(400 + 200 * ((number() or 0) % 4), 3000, 800)
    offsets = [first + n for first in hundreds for n in (0, 20, 40)]
    random.shuffle(offsets)
    for offset in offsets:
        ports = [base + offset + n for base in (HTTP, TRANSPORT) for n in range(_NODES)]
        ports += [QUEUE + offset + n for n in range(3)]
        if all(_is_free(port) for port in ports):
            return offset
    raise AssertionError("no ports are free for services")


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
