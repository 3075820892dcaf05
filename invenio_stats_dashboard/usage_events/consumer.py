# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Taking messages off a queue of events, and acknowledging them later.

The stock consumer acknowledges a message as it is read. Here it stays the
broker's until :meth:`Delivery.done`; what was not acknowledged when the channel
closes, or the process dies, is delivered again.
"""

import time
from collections import deque
from contextlib import contextmanager, suppress

from flask import current_app
from kombu.utils.json import loads

_OVERDUE = 100_000
"""Messages that are given back at once; those of some dead processes."""

_QUIET_SECONDS, _QUIET_TIMES = 0.05, 20
"""Without a message for as long, the broker is asked whether there is any.

If it has some and sends none so many times, another consumer is preferred.
"""


@contextmanager
def opened(queue, count):
    """Open a queue of invenio-queues, declared as the stock consumer declares it.

    Args:
        queue: the :class:`invenio_queues.queue.Queue`.
        count: messages to take at once, at most.

    Yields:
        function: called without arguments, returns a :class:`Delivery` of at most
        ``count`` messages; of none if the queue is empty.
    """
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
    """Messages that are asked for one by one, as the stock consumer does."""

    def __init__(self, consumer, count):
        self._channel, self._queue = consumer.channel, consumer.queues[0].name
        self._count = count

    def take(self):
        """Return the next messages."""
        messages = []
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

    def acknowledge(self, messages):
        """Acknowledge each message; these transports know no ``multiple``."""
        for message in messages:
            message.ack()


class _Pushed:
    """Messages that an AMQP broker sends ahead, which saves a round trip for each.

    It sends as many as are taken at once, and as many again, which arrive while the
    first are worked on. The rest goes back to it when the channel is closed.
    """

    def __init__(self, connection, consumer, count):
        self._connection, self._queue = connection, consumer.queues[0]
        self._count, self._arrived = count, deque()
        consumer.on_message = self._arrived.append
        consumer.on_decode_error = _leave_out
        consumer.qos(prefetch_count=min(2 * count, 65_535))
        consumer.consume(no_ack=False)

    def take(self):
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

    def _is_empty(self):
        """Ask how many messages are left.

        Whatever the broker has sent before its answer has arrived by then.
        """
        before = len(self._arrived)
        left = self._queue.queue_declare(passive=True).message_count
        return not left and len(self._arrived) == before

    def acknowledge(self, messages):
        """Acknowledge the messages, which are all up to the tag of the last one."""
        messages[-1].ack(multiple=True)


def _leave_out(message, error):
    """Acknowledge a message that the client cannot even take apart."""
    current_app.logger.error("A message of the queue is unreadable", exc_info=error)
    message.ack()


def _give_back_overdue(channel, queue):
    """Let a transport without a broker of its own deliver again what a dead one had.

    With Redis the messages in hand of a process that was killed are kept aside; they
    come back after the visibility timeout, when some consumer asks for it. All queues
    of a database share that place. Tasks of the site may be meant to be in hand for
    longer than our connection says, so only the messages of one queue are given back.

    Args:
        channel: of the connection.
        queue: name of the queue.
    """
    kept = getattr(channel, "qos", None)
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
    """Messages in hand, in the place of the queue that they come from.

    Args:
        queue: the queue; what is not here is asked of it.
        messages: list of kombu messages, not acknowledged.
        acknowledge: called with the messages.

    Attributes:
        current: the message that was consumed last.
        stopped: set it to end :meth:`consume` early.
    """

    def __init__(self, queue, messages, acknowledge):
        """Keep what is needed."""
        self._queue = queue
        self._messages = messages
        self._acknowledge = acknowledge
        self.current = None
        self.stopped = False

    def __len__(self):
        """Return the number of messages."""
        return len(self._messages)

    def __getattr__(self, name):
        """Return what the queue has."""
        return getattr(self._queue, name)

    @property
    def redelivered(self):
        """Tell whether any of the messages was in somebody's hands before."""
        return any((m.delivery_info or {}).get("redelivered") for m in self._messages)

    def consume(self, payload=True):
        """Yield the messages, as the queue's method of this name does.

        One that is no message of this kind at all is logged and left out.

        Args:
            payload: yield what they hold.
        """
        for message in self._messages:
            if self.stopped:
                return
            self.current = message
            try:
                item = message.payload if payload else message
            except Exception:
                current_app.logger.exception("A message of the queue is unreadable")
                continue
            yield item

    def done(self):
        """Acknowledge all messages: nobody gets them again."""
        self._acknowledge(self._messages)
