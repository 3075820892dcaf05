# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Taking messages off a queue of events, and acknowledging them later.

The stock consumer acknowledges a message as it is read. Here it stays the
broker's until :meth:`Delivery.done`; what was not acknowledged when the channel
closes, or the process dies, is delivered again.
"""

from contextlib import contextmanager

from flask import current_app

_OVERDUE = 100_000
"""Messages that are given back at once; those of some dead processes."""


@contextmanager
def opened(queue):
    """Open a queue of invenio-queues, declared as the stock consumer declares it.

    Args:
        queue: the :class:`invenio_queues.queue.Queue`.

    Yields:
        function: takes a number of messages, returns a :class:`Delivery` of at
        most as many; of none if the queue is empty.
    """
    with (
        queue.connection_pool.acquire(block=True) as connection,
        queue.consumer(connection) as consumer,
    ):
        _give_back_overdue(consumer.channel)
        yield lambda count: Delivery(queue, _fetched(consumer, count))


def _fetched(consumer, count):
    messages = []
    while len(messages) < count:
        message = consumer.fetch(no_ack=False)
        if message is None:
            break
        messages.append(message)
    return messages


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
    """

    def __init__(self, queue, messages):
        """Keep what is needed."""
        self._queue = queue
        self._messages = messages
        self.stopped = False

    def __len__(self):
        """Return the number of messages."""
        return len(self._messages)

    def __getattr__(self, name):
        """Return what the queue has."""
        return getattr(self._queue, name)

    def consume(self, payload=True):
        """Yield the messages, as the queue's method of this name does.

        One that is no message of this kind at all is logged and left out.

        Args:
            payload: yield what they hold.
        """
        for message in self._messages:
            if self.stopped:
                return
            try:
                item = message.payload if payload else message
            except Exception:
                current_app.logger.exception("A message of the queue is unreadable")
                continue
            yield item

    def done(self):
        """Acknowledge all messages: nobody gets them again."""
        for message in self._messages:
            message.ack()
