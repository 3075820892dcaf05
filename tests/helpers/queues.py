# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A queue of usage events on a real broker, and views to fill it with."""

import os
import secrets
import threading
from datetime import UTC, datetime

from invenio_queues.queue import Queue
from invenio_stats.proxies import current_stats
from kombu import Connection, Exchange

from invenio_stats_dashboard.usage_events.indexer import PatientEventsIndexer

COUNT = 50
NOW = datetime.now(UTC).replace(tzinfo=None)


class Broker:
    """A queue on the real broker that only one test uses.

    Args:
        usage: the usage events of the instance.
        url: URL of the broker.
        **options: options of its transport.
    """

    def __init__(self, usage, url=None, **options):
        """Name the queue, without connecting."""
        self.usage = usage
        self.url, self.options = url or os.environ["BROKER_URL"], options
        self.name = f"test-{secrets.token_hex(6)}"
        self.queue = self.connected()

    def connected(self):
        """Return the queue with a connection of the calling process."""
        pool = self._connection().Pool(limit=4)
        exchange = Exchange(self.name, type="direct", delivery_mode="persistent")
        return Queue(exchange, self.name, lambda: pool)

    def _connection(self):
        return Connection(self.url, transport_options=self.options)

    def indexer(self, queue=None, chunk_size=20):
        """Return the site's indexer for this queue, with small chunks."""
        event = current_stats.events["record-view"]
        indexer = PatientEventsIndexer(**{**event.params, "queue": queue or self.queue})
        indexer.index = self.usage.names.events_alias("view")
        indexer.chunk_size = chunk_size
        return indexer

    def fill(self, count=COUNT):
        """Put views into the queue."""
        self.queue.publish(views(count, self.usage.records[1].recid))

    def left(self):
        """Return the number of ready messages, without unacknowledged ones."""
        return self.queue.queue.queue_declare(passive=True).message_count

    def remove(self):
        """Delete the queue and its exchange."""
        with self._connection() as connection:
            channel = connection.default_channel
            channel.queue_delete(self.name)
            channel.exchange_delete(self.name)


def seen(broker):
    """Return the sorted ids that readers see."""
    return sorted(id for id, _ in broker.usage.seen("view"))


def wait_for(broker, count=None, below=None):
    """Wait until the broker has this number of ready messages, or fewer."""
    pause = threading.Event()
    for _ in range(200):
        left = broker.left()
        if left == count or (below is not None and left < below):
            return
        pause.wait(0.1)
    raise AssertionError(f"{left} messages are ready")


def views(count, recid="abcde-fghij"):
    """Return views of one record by different visitors, as event builders make them."""
    return [
        {
            "timestamp": NOW.isoformat(),
            "recid": recid,
            "parent_recid": "klmno-pqrst",
            "unique_id": f"ui_{recid}",
            "via_api": False,
            "referrer": None,
            "session_id": f"session {number}",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0",
        }
        for number in range(count)
    ]
