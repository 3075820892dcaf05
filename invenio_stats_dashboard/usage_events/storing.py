# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Enriching and storing the events of a chunk of messages, whatever happens meanwhile."""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from opensearchpy.exceptions import OpenSearchException

from ..community_events.lookup import RecordLookup
from ..community_events.resolver import DatabaseResolver
from ..errors import SearchUnavailableError, StatsDashboardError
from ..search import bulk
from ..search.client import json_client, text_client
from ..search.names import Names
from .attribution import noting
from .dead_letters import keep
from .enrichment import Splicer
from .journal import Journal
from .mapped import MappedMonths
from .migration.overdue import recover

_LIMIT = 1200.0
"""Seconds to wait for OpenSearch; a broker may ask after its messages after 1800."""

_LOOKUP_LIMIT = 20.0
_KNOWN_SECONDS, _UNKNOWN_SECONDS = 60.0, 15.0


class EventWriter:
    """Enriches and stores events for one run.

    Args:
        app: the Flask application.
        queue: name of the queue that the events come from.
    """

    def __init__(self, app, queue):
        """Make the clients and an empty cache."""
        names, client = Names.of(app), json_client(app)
        self._client_json = client
        self._logger, self._names = app.logger, names
        self._client = text_client(app)
        self._months = MappedMonths(client, app.logger.warning)
        self._lookup = RecordLookup(
            client,
            names,
            app.extensions["invenio-stats-dashboard"].subcounts,
            resolver=DatabaseResolver(app, client, names, noting(app, names)),
            limit=_LOOKUP_LIMIT,
            waiting=app.logger.warning,
            ttl=_KNOWN_SECONDS,
            unknown_ttl=_UNKNOWN_SECONDS,
        )
        self._journal = Journal(
            client,
            names,
            queue,
            app.config.get("SECRET_KEY"),
            _LIMIT,
            app.logger.warning,
        )
        self._noted = {}

    def write(self, chunk, redelivered):
        """Store events; each that is refused for good becomes a dead letter.

        An event that is stored already, under another ``_id``, is left alone.

        Args:
            chunk: list of (body of the message, action as the stock code makes it).
            redelivered: one of the messages was in somebody's hands before.

        Returns:
            int: how many were refused.

        Raises:
            SearchUnavailableError: nothing could be stored for too long.
            StatsDashboardError: a dead letter cannot be kept.
        """
        digests = [self._journal.digest(body) for body, _ in chunk]
        self._noted = {
            digest: (action["_index"], action["_id"])
            for digest, (_, action) in zip(digests, chunk, strict=True)
        }
        stored = self._journal.stored(self._noted, redelivered)
        self._journal.note(self._noted)
        pairs = zip(digests, chunk, strict=True)
        return self._store([a for digest, (_, a) in pairs if digest not in stored])

    def acknowledged(self):
        """Take note that the messages of the last chunk are nobody's any more."""
        self._journal.acknowledged(self._noted)

    def close(self):
        """End the run: no message is in its hands."""
        self._journal.close()

    def _store(self, actions):
        """Store events and return how many were refused for good."""
        events = [event for action in actions if (event := self._encoded(action))]
        lines = self._lines(events)
        refusals = bulk.write(
            self._client,
            None,
            lines,
            _LIMIT,
            waiting=self._logger.warning,
            sleep=lambda seconds: self._pause(seconds, events, lines),
        )
        self._refused([(events[r.position], str(r)) for r in refusals])
        return len(actions) - len(events) + len(refusals)

    def _encoded(self, action):
        """Return an event; None, and a log entry, if it is no JSON."""
        try:
            source = msgspec.json.encode(action["_source"])
            return _Event(action["_op_type"], action["_index"], action["_id"], source)
        except (TypeError, ValueError):
            self._logger.exception("An event cannot be encoded: %s", action["_id"])
            return None

    def _lines(self, events):
        """Return the bulk lines of events, enriched where that can be."""
        months = {event.index for event in events}
        mapped = self._months.of(months, _LIMIT, self._logger.warning)
        ready = [n for n, event in enumerate(events) if event.index in mapped]
        lines = [event.lines(event.source) for event in events]
        enriched = self._enriched([events[n].source for n in ready])
        for n, source in zip(ready, enriched, strict=True):
            lines[n] = events[n].lines(source)
        return lines

    def _enriched(self, sources):
        """Return sources with their enrichment; as they are if the look-up fails."""
        try:
            splicer = Splicer(self._lookup, datetime.now(UTC).isoformat())
            return splicer.splice_known(sources)
        except Exception:  # whatever it is, the event must not be lost
            self._logger.exception(
                "%d events are stored without enrichment, since their records could "
                "not be looked up",
                len(sources),
            )
            return sources

    def _pause(self, seconds, events, lines):
        """Wait, and see that months that were switched meanwhile map enrichment.

        A switch that nobody finished would refuse writes for ever: the one worker there
        is may be this one, so it takes back what is overdue.
        """
        time.sleep(seconds)
        with suppress(OpenSearchException, StatsDashboardError):
            recover(self._client_json, self._names, datetime.now(UTC), lambda _: None)
        months = {event.index for event in events}
        with suppress(SearchUnavailableError):  # then the write fails, and waits again
            lost = months - self._months.of(months, limit=0.1)
            for n, event in enumerate(events):
                if event.index in lost:
                    lines[n] = event.lines(event.source)

    def _refused(self, refusals):
        """Keep events that OpenSearch refuses for good as dead letters.

        Their messages are acknowledged after this.

        Args:
            refusals: list of (:class:`_Event`, reason).
        """
        for _, reason in refusals:
            self._logger.error("OpenSearch refuses an event: %s", reason)
        letters = [(event.head, event.source, reason) for event, reason in refusals]
        keep(self._client, self._names, letters, _LIMIT, self._logger.warning)


@dataclass(frozen=True, slots=True)
class _Event:
    """An event as the stock indexer would store it.

    Attributes:
        op_type: of its bulk action.
        index: name of the index or alias.
        id: its ``_id``.
        source: JSON, without enrichment.
    """

    op_type: str
    index: str
    id: str
    source: bytes

    @property
    def head(self):
        """Return what names the event beside its source, as a dict."""
        return {"_op_type": self.op_type, "_index": self.index, "_id": self.id}

    def lines(self, source):
        """Return the bulk lines that store a source as this event."""
        head = {self.op_type: {"_index": self.index, "_id": self.id}}
        return msgspec.json.encode(head) + b"\n" + source + b"\n"
