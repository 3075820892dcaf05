# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Count the usage events that wait in the broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from invenio_stats.proxies import current_stats
from kombu.entity import Queue
from kombu.exceptions import ChannelError, OperationalError

from ..search.names import STOCK_EVENTS

if TYPE_CHECKING:
    from invenio_queues.queue import Queue as EventQueue

_PATIENCE = 5


@dataclass(frozen=True)
class QueueLength:
    """The length of one queue of usage events.

    Attributes:
        event_type: view or download.
        queue: its name in the broker.
        length: number of waiting messages, without those that workers have taken but
            not yet acknowledged. None if the broker does not answer.
        error: the error of the broker, or None.
    """

    event_type: str
    queue: str
    length: int | None = None
    error: str | None = None


def lengths(patience: float = _PATIENCE) -> list[QueueLength]:
    """Return the lengths of the queues of views and downloads.

    An event type that the site does not collect is left out.

    Args:
        patience: seconds to wait for a broker that does not answer.
    """
    return [
        _length(event_type, current_stats.events[name].queue, patience)
        for event_type, name in STOCK_EVENTS.items()
        if name in current_stats.events
    ]


def _length(event_type: str, queue: EventQueue, patience: float) -> QueueLength:
    try:
        return QueueLength(event_type, queue.routing_key, _count(queue, patience))
    except (OperationalError, OSError) as error:
        return QueueLength(event_type, queue.routing_key, error=_brief(error))


def _count(queue: EventQueue, patience: float) -> int:
    with queue.connection_pool.acquire(block=True, timeout=patience) as connection:
        # Without limits, a connection retries forever.
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
                return 0  # The queue does not exist before its first message.


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
