# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Taking messages off a queue of events, and acknowledging them later.

The stock consumer acknowledges a message as it is read. Here it stays the
broker's until :meth:`Delivery.done`; what was not acknowledged when the channel
closes, or the process dies, is delivered again.
"""

from collections import deque
from contextlib import contextmanager

from flask import current_app

_OVERDUE = 100_000
"""Messages that are given back at once; those of some dead processes."""

_QUIET_SECONDS = 0.05
"""Without a message for as long, the broker is asked whether there is any."""


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
            _give_back_overdue(consumer.channel)
            taken = _Fetched(consumer, count)
        yield lambda: Delivery(queue, taken.take(), taken.acknowledge)


class _Fetched:
    """Messages that are asked for one by one, as the stock consumer does."""

    def __init__(self, consumer, count):
        self._consumer, self._count = consumer, count

    def take(self):
        """Return the next messages."""
        messages = []
        while len(messages) < self._count:
            message = self._consumer.fetch(no_ack=False)
            if message is None:
                break
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
        self._connection, self._consumer, self._count = connection, consumer, count
        self._arrived = deque()
        consumer.on_message = self._arrived.append
        consumer.qos(prefetch_count=min(2 * count, 65_535))
        consumer.consume(no_ack=False)

    def take(self):
        """Return the next messages, in the order of their delivery tags."""
        while len(self._arrived) < self._count:
            try:
                self._connection.drain_events(timeout=_QUIET_SECONDS)
            except TimeoutError:
                if not self._asked():
                    break
        count = min(self._count, len(self._arrived))
        return [self._arrived.popleft() for _ in range(count)]

    def _asked(self):
        """Ask for a message; whatever was sent before the answer has then arrived."""
        before = len(self._arrived)
        message = self._consumer.fetch(no_ack=False)
        if message is not None:
            self._arrived.append(message)
        return len(self._arrived) > before

    def acknowledge(self, messages):
        """Acknowledge the messages, which are all up to the tag of the last one."""
        messages[-1].ack(multiple=True)


def _give_back_overdue(channel):
    """Let a transport without a broker of its own deliver again what a dead one had.

    With Redis the messages in hand of a process that was killed are kept aside; they
    come back after the visibility timeout, when some consumer asks for it.
    """
    kept = getattr(channel, "qos", None)
    if kept is not None:
        kept.restore_visible(num=_OVERDUE, interval=1)


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
