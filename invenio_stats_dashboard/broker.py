# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Send messages to a broker that may accept connections and never answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kombu import pools

if TYPE_CHECKING:
    from celery import Celery
    from kombu.connection import Connection
    from kombu.messaging import Producer

SECONDS = 3
"""How long to wait for each answer of the broker."""

RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_max": 0.2}
"""For messages: a pooled connection may be stale, so one retry and no more."""

_TIMEOUTS = {
    "amqp": ("read_timeout", "write_timeout"),
    "redis": ("socket_timeout", "socket_connect_timeout"),
}
"""Transport options that limit the wait, by driver type."""


@contextmanager
def prompt_producer(celery: "Celery") -> Iterator["Producer"]:
    """Yield a producer for ``apply_async`` that gives up if the broker does not answer.

    Celery's own producer waits as long as the site's options allow, which is for ever
    with Redis. So this producer has a connection of its own, pooled like Celery's. The
    transport options of the site take precedence.

    Raises:
        kombu.exceptions.OperationalError: the broker does not answer.
    """
    connection = prompt_connection(celery)
    with pools.producers[connection].acquire(block=True, timeout=SECONDS) as producer:
        yield producer


def prompt_connection(celery: "Celery") -> "Connection":
    """Return a new connection whose operations end if the broker does not answer.

    The transport options of the site take precedence.
    """
    given = celery.connection_for_write(connect_timeout=SECONDS)
    names = _TIMEOUTS.get(given.transport.driver_type, ())
    site = celery.conf.broker_transport_options or {}
    options: dict[str, float | bool] = dict.fromkeys(names, SECONDS)
    if given.transport.driver_type == "amqp":
        # A message that is written to a dead connection would be lost without an error.
        options["confirm_publish"] = True
    options = {name: value for name, value in options.items() if name not in site}
    return celery.connection_for_write(
        connect_timeout=SECONDS, transport_options=options
    )
