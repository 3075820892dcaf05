# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Take messages from a queue of events, and acknowledge them after processing.

The stock consumer acknowledges a message when it reads it. Here the broker retains
the message until :meth:`Delivery.done`. If the channel closes or the process dies
before that, the broker delivers the message again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from flask import current_app
from kombu.utils.json import loads

if TYPE_CHECKING:
    from invenio_queues.queue import Queue
    from kombu.connection import Connection
    from kombu.message import Message
    from kombu.messaging import Consumer

_OVERDUE = 100_000
"""Maximum number of messages of dead processes to give back at once."""

_QUIET_SECONDS, _QUIET_TIMES = 0.05, 20
"""Seconds without a message after which the broker is asked for the queue's length.

After this many such pauses, the consumer stops although the queue has messages: the
broker prefers another consumer.
"""


@contextmanager
def opened(queue: Queue, count: int) -> Iterator[Callable[[], Delivery]]:
    """Open a queue of invenio-queues, declared as the stock consumer declares it.

    Args:
        queue: the queue.
        count: maximum number of messages to take at once.

    Yields:
        A function that returns the next :class:`Delivery` of at most ``count``
        messages. The delivery is empty if the queue is empty.
    """
    taken: _Pushed | _Fetched
    with (
        queue.connection_pool.acquire(block=True) as connection,
        queue.consumer(connection) as consumer,
    ):
        if connection.transport.driver_type == "amqp":
            taken = _Pushed(connection, consumer, count)
        else:
            _give_back_overdue(consumer.channel, queue.routing_key)
            taken = _Fetched(consumer, count)
        yield lambda: Delivery(queue, taken.take(), taken.acknowledge)


class _Fetched:
    """Messages that are requested one by one, as the stock consumer does."""

    def __init__(self, consumer: Consumer, count: int) -> None:
        # Kombu declares these as None and sets them when it makes a consumer.
        queues: Any = consumer.queues
        self._channel: Any = consumer.channel
        self._queue, self._count = queues[0].name, count

    def take(self) -> list[Message]:
        """Return the next messages."""
        messages: list[Message] = []
        while len(messages) < self._count:
            found = self._channel.basic_get(self._queue, no_ack=False)
            if found is None:
                break
            message = self._channel.message_to_python(found)
            if message.errors:
                _leave_out(message, message.errors[0][1])
            else:
                messages.append(message)
        return messages

    def acknowledge(self, messages: list[Message]) -> None:
        """Acknowledge each message; these transports do not support ``multiple``."""
        for message in messages:
            message.ack()


class _Pushed:
    """Messages that an AMQP broker sends ahead, which saves a round trip for each.

    The broker sends twice as many messages as are taken at once. The second half
    arrives while the first half is processed. When the channel closes, the broker
    takes back the rest.
    """

    def __init__(self, connection: Connection, consumer: Consumer, count: int) -> None:
        queues: Any = consumer.queues
        self._connection, self._queue = connection, queues[0]
        self._count = count
        self._arrived: deque[Message] = deque()
        consumer.on_message = self._arrived.append
        consumer.on_decode_error = _leave_out
        consumer.qos(prefetch_count=min(2 * count, 65_535))
        consumer.consume(no_ack=False)

    def take(self) -> list[Message]:
        """Return the next messages, in the order of their delivery tags."""
        quiet = 0
        while len(self._arrived) < self._count:
            before = len(self._arrived)
            with suppress(TimeoutError):
                self._connection.drain_events(timeout=_QUIET_SECONDS)
            if len(self._arrived) > before:
                quiet = 0
            elif self._is_empty() or quiet == _QUIET_TIMES:
                break
            else:
                quiet += 1
        count = min(self._count, len(self._arrived))
        return [self._arrived.popleft() for _ in range(count)]

    def _is_empty(self) -> bool:
        """Return whether the queue is empty and no message is in transit.

        Messages that the broker has sent before its answer arrive before the answer.
        """
        before = len(self._arrived)
        left = self._queue.queue_declare(passive=True).message_count
        return not left and len(self._arrived) == before

    def acknowledge(self, messages: list[Message]) -> None:
        """Acknowledge all messages up to the delivery tag of the last one."""
        messages[-1].ack(multiple=True)


def _leave_out(message: Message, error: Exception) -> None:
    """Log and acknowledge a message that the client cannot decode."""
    current_app.logger.error(
        "A message of the queue cannot be decoded and is left out", exc_info=error
    )
    message.ack()


def _give_back_overdue(channel: Any, queue: str) -> None:
    """Make Redis deliver again the unacknowledged messages of dead processes.

    Redis stores unacknowledged messages separately. After the visibility timeout they
    return to their queue, when a consumer requests it. All queues of a database share
    this store. The site's tasks may need a longer timeout than this connection has, so
    only the messages of one queue are given back.

    Args:
        channel: the connection's channel. Kombu's transports have no common type for
            it. If the transport is not Redis, this function does nothing.
        queue: name of the queue.
    """
    kept: Any = getattr(channel, "qos", None)
    if not hasattr(kept, "restore_by_tag"):
        return
    with channel.conn_or_acquire() as client:
        long_ago = time.time() - kept.visibility_timeout
        tags = client.zrangebyscore(
            kept.unacked_index_key, 0, long_ago, start=0, num=_OVERDUE
        )
        for tag in tags:
            stored = client.hget(kept.unacked_key, tag)
            if stored and loads(stored)[2] == queue:
                kept.restore_by_tag(tag, client)


class Delivery:
    """Unacknowledged messages, with the interface of the queue that they come from.

    Args:
        queue: the queue. It provides all attributes that this class does not have.
        messages: the messages.
        acknowledge: acknowledges messages.

    Attributes:
        current: the message that was consumed last.
        stopped: set it to end :meth:`consume` early.
    """

    def __init__(
        self,
        queue: Queue,
        messages: list[Message],
        acknowledge: Callable[[list[Message]], None],
    ) -> None:
        self._queue = queue
        self._messages = messages
        self._acknowledge = acknowledge
        self.current: Message | None = None
        self.stopped = False

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self._messages)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the queue."""
        return getattr(self._queue, name)

    @property
    def redelivered(self) -> bool:
        """Return whether a message was delivered before, to this or another process."""
        return any((m.delivery_info or {}).get("redelivered") for m in self._messages)

    def consume(self, payload: bool = True) -> Iterator[Any]:
        """Yield the messages, as the queue's method of this name does.

        A message that cannot be decoded is logged and left out.

        Args:
            payload: yield the decoded bodies instead of the messages.
        """
        for message in self._messages:
            if self.stopped:
                return
            self.current = message
            try:
                item = message.payload if payload else message
            except Exception:
                current_app.logger.exception(
                    "A message of the queue cannot be decoded and is left out"
                )
                continue
            yield item

    def done(self) -> None:
        """Acknowledge all messages, so that the broker does not redeliver them."""
        self._acknowledge(self._messages)
