# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""How many usage events wait in the broker."""

from dataclasses import dataclass

from invenio_stats.proxies import current_stats
from kombu import Queue
from kombu.exceptions import ChannelError, OperationalError

from ..search.names import STOCK_EVENTS

_PATIENCE = 5


@dataclass(frozen=True)
class QueueLength:
    """One queue of usage events.

    Attributes:
        event_type: view or download.
        queue: its name in the broker.
        length: messages that wait; those in the hands of workers are not counted.
            None if the broker does not answer.
        error: what it says, or None.
    """

    event_type: str
    queue: str
    length: int | None = None
    error: str | None = None


def lengths(patience=_PATIENCE):
    """Return the length of the queues of the events that the site has.

    Args:
        patience: seconds to wait for a broker that does not answer.

    Returns:
        list[QueueLength]: of views and downloads.
    """
    return [
        _length(event_type, current_stats.events[name].queue, patience)
        for event_type, name in STOCK_EVENTS.items()
        if name in current_stats.events
    ]


def _length(event_type, queue, patience):
    try:
        return QueueLength(event_type, queue.routing_key, _count(queue, patience))
    except (OperationalError, OSError) as error:
        return QueueLength(event_type, queue.routing_key, error=_brief(error))


def _count(queue, patience):
    with queue.connection_pool.acquire(block=True, timeout=patience) as connection:
        # by itself a connection tries for ever
        connection.ensure_connection(
            max_retries=1, interval_start=0, interval_step=0, timeout=patience
        )
        with connection.channel() as channel:
            bound = Queue(queue.routing_key, queue.exchange, queue.routing_key)(channel)
            try:
                return bound.queue_declare(passive=True).message_count
            except ChannelError as error:
                if str(error.reply_code) != "404":
                    raise
                return 0  # nobody has put anything into it yet


def _brief(error):
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
