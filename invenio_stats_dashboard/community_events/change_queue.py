# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A queue of noticed changes on the message broker, from which workers take batches.

Capturing ten changes together takes hardly longer than capturing one. Therefore a
change is not the argument of a task. It is a message of this queue, and each task
captures all changes that wait. While one task works, the next batch grows, so more
changes a second lead to larger batches instead of a longer wait.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from amqp.channel import Channel
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.exceptions import ContentDisallowed, DecodeError
from kombu.message import Message
from kombu.messaging import Producer

from ..broker import RETRY_POLICY
from .membership_changes import MembershipChanges

_logger = logging.getLogger(__name__)

MESSAGES = 500
"""Maximum number of messages in a batch."""

SIZE = 2000
"""Number of parents, communities and rows that fill a batch."""


class _DeclaredEachTime(Queue):
    """A queue that a pooled connection declares again for each message.

    A broker drops messages of a queue that was deleted, without an error.
    """

    can_cache_declaration = False


@dataclass(frozen=True)
class ChangeBatch:
    """Changes that wait.

    Attributes:
        messages: the changes of each message, oldest first.
        is_full: whether more can wait.
        was_delivered: whether the broker has delivered one of them before, to a process
            that died or lost its connection.
    """

    messages: list[MembershipChanges]
    is_full: bool
    was_delivered: bool


class ChangeQueue:
    """The changes of memberships that wait for their capture.

    Args:
        name: name of the queue; it is declared where it is used.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # The default exchange routes by the name of the queue.
        self._queue = _DeclaredEachTime(
            name, exchange="", routing_key=name, durable=True
        )

    def put(self, producer: Producer, changes: Mapping[str, Any]) -> None:
        """Send changes.

        Args:
            producer: a producer for the site's broker.
            changes: attributes of a
                :class:`~.membership_changes.MembershipChanges`, as JSON values.

        Raises:
            kombu.exceptions.OperationalError: the broker does not answer.
        """
        producer.publish(
            dict(changes),
            exchange="",
            routing_key=self._name,
            declare=[self._queue],
            serializer="json",
            delivery_mode="persistent",
            retry=True,
            retry_policy=RETRY_POLICY,
        )

    @contextmanager
    def batch(self, connection: Connection) -> Iterator[ChangeBatch]:
        """Yield the waiting changes, and remove them from the queue after the block.

        If the block raises an exception, or the process dies within it, the broker
        delivers the changes again; with Redis only after its visibility timeout.

        Args:
            connection: a connection to the site's broker, which nothing else uses. It
                is closed after the block.

        Raises:
            kombu.exceptions.OperationalError: the broker does not answer.
        """
        with connection:
            hosts = len(connection.alt or ())
            connection.ensure_connection(max_retries=max(1, hosts), interval_start=0)
            messages, batch = self._take(connection.default_channel)
            yield batch
            try:
                for message in messages:
                    message.ack()
            except connection.connection_errors + connection.channel_errors as error:
                # They are compared again, which writes nothing.
                _logger.warning("Captured changes are delivered again: %s", error)

    def _take(self, channel: Channel) -> tuple[list[Message], ChangeBatch]:
        """Return the oldest messages, and the changes in them."""
        queue = self._queue(channel)
        queue.declare()
        messages: list[Message] = []
        found: list[MembershipChanges] = []
        size = 0
        while len(messages) < MESSAGES and size < SIZE:
            message = queue.get(accept=["json"])
            if message is None:
                break
            try:
                changes = MembershipChanges.of(message.payload)
            except (msgspec.ValidationError, ContentDisallowed, DecodeError) as error:
                _logger.warning(
                    "A message of the queue %s cannot be read and is removed: %s",
                    *(self._name, error),
                )
                message.reject()
                continue
            messages.append(message)
            found.append(changes)
            size += len(changes.parent_ids) + len(changes.community_ids)
            size += len(changes.rows)
        is_full = len(messages) >= MESSAGES or size >= SIZE
        again = any(message.delivery_info.get("redelivered") for message in messages)
        return messages, ChangeBatch(found, is_full, again)
