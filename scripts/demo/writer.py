# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A writer and a reader that go on while events are migrated.

The writer does what the live indexer of the dashboard does: it writes finished
events to the name of their month and sends again what is refused for a while.
The reader watches the totals through the read aliases.
"""

import random
import threading
import time
from datetime import UTC, datetime, timedelta

import orjson
from opensearchpy.exceptions import OpenSearchException

from .bulk import STOCK, stock_index
from .legacy_events import DOWNLOADS, Moments

TEMPORARY = (403, 404, 408, 429, 500, 502, 503, 504)
"""Answers after which an event is sent again.

403 is the write block of a switch, 404 a name that is just being moved.
"""

PAUSE = 0.05
PATIENCE = 300
"""Seconds between two attempts at first, and until the writer gives up."""


class Stoppable(threading.Thread):
    """A thread that can be asked to stop.

    Attributes:
        failure: what ended it before it was asked to, or None.
    """

    def __init__(self):
        """Start as a daemon, so that a failed run ends."""
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self.failure = None

    def run(self):
        """Take turns until asked to stop."""
        try:
            while not self.stopping.is_set():
                self.turn()
        except Exception as failure:  # noqa: BLE001 - whoever stops it looks there
            self.failure = failure

    def turn(self):
        """Do a piece of work."""
        raise NotImplementedError

    def stop(self):
        """Stop after the piece of work under way."""
        self.stopping.set()
        self.join()


class Writer(Stoppable):
    """Adds events at a steady rate and keeps a ledger of them.

    One in ten comes late: it belongs to one of a few days of earlier months.

    Args:
        client: an OpenSearch client of its own.
        prefix: ``SEARCH_INDEX_PREFIX``.
        records: list of :class:`~.legacy_events.Record`.
        ledger: a :class:`~.ledger.Ledger`; an event is in it before it is sent.
        rate: events a second.
        late_days: dates that late events belong to.
        seed: the same seed gives the same visitors and choices.
    """

    def __init__(
        self, client, prefix, records, ledger, rate=50, late_days=(), seed="writer"
    ):
        """Prepare the first turn."""
        super().__init__()
        self.client, self.prefix, self.ledger = client, prefix, ledger
        self.rate, self.late_days = rate, list(late_days)
        self.moments = {t: Moments(t, records, seed) for t in STOCK}
        self.rng = random.Random(f"{seed} rhythm")
        self.begun = time.monotonic()
        self.sent = dict.fromkeys(STOCK, 0)
        self.stored = dict.fromkeys(STOCK, 0)
        self.retries = 0
        self.longest_wait = 0.0

    def turn(self):
        """Send the events that are due by now."""
        due = int((time.monotonic() - self.begun) * self.rate) - sum(self.sent.values())
        if due <= 0:
            time.sleep(0.5 / self.rate)
            return
        self.store([self.make() for _ in range(min(due, 100))])

    def make(self):
        """Return ``(event type, index, id, source)`` of a new event, noted down."""
        event_type = "download" if self.rng.random() < DOWNLOADS else "view"
        moment = datetime.now(UTC).replace(tzinfo=None)
        if self.late_days and self.rng.random() < 0.1:
            late = self.rng.choice(self.late_days)
            moment = datetime(late.year, late.month, late.day) + timedelta(
                seconds=self.rng.randrange(86400)
            )
        event_id, source = self.moments[event_type].event(moment)
        month = source["timestamp"][:7]
        self.ledger.add(event_type, month, event_id, source)
        self.sent[event_type] += 1
        return event_type, stock_index(self.prefix, event_type, month), event_id, source

    def store(self, events):
        """Send events until each of them is stored.

        Raises:
            RuntimeError: an event was refused for good, or for too long.
        """
        begun, attempt = time.monotonic(), 0
        while events := self.try_to_store(events):
            if time.monotonic() - begun > PATIENCE:
                raise RuntimeError(f"{len(events)} events refused for {PATIENCE} s")
            self.retries += len(events)
            time.sleep(min(PAUSE * 2**attempt, 1))
            attempt += 1
        self.longest_wait = max(self.longest_wait, time.monotonic() - begun)

    def try_to_store(self, events):
        """Send events once and return those to be sent again."""
        lines = []
        for _, index, event_id, source in events:
            lines += orjson.dumps({"index": {"_index": index, "_id": event_id}}), b"\n"
            lines += orjson.dumps(source), b"\n"
        try:
            answer = self.client.bulk(body=b"".join(lines))
        except OpenSearchException as error:
            if getattr(error, "status_code", "N/A") in ("N/A", "TIMEOUT", *TEMPORARY):
                return events
            raise
        refused = []
        for event, item in zip(events, answer["items"], strict=True):
            outcome = item["index"]
            if outcome["status"] in TEMPORARY:
                refused.append(event)
            elif outcome["status"] >= 300:
                raise RuntimeError(f"{event[2]} was refused for good: {outcome}")
            else:
                self.stored[event[0]] += 1
        return refused


class Reader(Stoppable):
    """Watches the total of an event type through its read alias.

    A total is wrong if it is smaller than one seen before (an event vanished, or
    a month was away for a moment) or larger than what was sent so far (an event
    was there twice). An error or a failed shard counts as wrong, too.

    Args:
        client: an OpenSearch client of its own.
        prefix: ``SEARCH_INDEX_PREFIX``.
        event_type: ``view`` or ``download``.
        most: returns the number of different events sent so far.
    """

    def __init__(self, client, prefix, event_type, most):
        """Prepare the first turn."""
        super().__init__()
        self.client, self.most = client, most
        self.alias = f"{prefix}events-stats-{STOCK[event_type]}"
        self.seen = 0
        self.first = self.last = None
        self.wrong = []
        self.slowest = 0.0

    def turn(self):
        """Ask once."""
        begun = time.monotonic()
        try:
            answer = self.client.search(
                index=self.alias,
                body={"size": 0, "track_total_hits": True},
                params={"request_cache": "false"},
            )
        except OpenSearchException as error:
            self.note(str(error), None)
            return
        self.slowest = max(self.slowest, time.monotonic() - begun)
        total, shards = answer["hits"]["total"]["value"], answer["_shards"]
        most = self.most()
        if shards["failed"]:
            self.note(f"{shards['failed']} shards failed", total)
        elif self.last is not None and total < self.last:
            self.note(f"less than {self.last} before", total)
        elif total > most:
            self.note(f"more than the {most} that were written", total)
        else:
            self.last = total
        self.first = total if self.first is None else self.first
        self.seen += 1
        time.sleep(0.02)

    def note(self, what, total):
        """Keep a wrong total."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.wrong.append(f"{moment} {self.alias}: {total}, {what}")
