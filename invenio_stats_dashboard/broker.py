# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Handing messages to a broker that may take connections and not answer."""

from contextlib import contextmanager

from kombu import pools

SECONDS = 3
"""How long each answer of the broker is waited for."""

_TIMEOUTS = {
    "amqp": ("read_timeout", "write_timeout"),
    "redis": ("socket_timeout", "socket_connect_timeout"),
}
"""Transport options, by the kind of driver."""


@contextmanager
def prompt_producer(celery):
    """Yield a producer that gives up when the broker does not answer.

    Celery's own waits for as long as the site's options say, which is for ever with
    Redis. So this one has a connection of its own, which is kept like Celery's. What
    the site has set as options of the transport wins.

    Args:
        celery: the Celery application.

    Yields:
        kombu.Producer: for ``apply_async``.

    Raises:
        kombu.exceptions.OperationalError: the broker does not answer.
    """
    given = celery.connection_for_write(connect_timeout=SECONDS)
    names = _TIMEOUTS.get(given.transport.driver_type, ())
    site = celery.conf.broker_transport_options or {}
    options = {name: SECONDS for name in names if name not in site}
    connection = celery.connection_for_write(
        connect_timeout=SECONDS, transport_options=options
    )
    with pools.producers[connection].acquire(block=True, timeout=SECONDS) as producer:
        yield producer
