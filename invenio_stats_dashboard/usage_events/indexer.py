# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The indexer of usage events: enriches, stores, and acknowledges after that.

The stock indexer acknowledges a message as it reads it and sends its event once; what
a write block or a full queue of OpenSearch refuses at that moment is lost. This one
sends it again, and what it has in hand stays the broker's until it is stored.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from flask import current_app
from invenio_base.utils import obj_or_import_string
from invenio_stats.config import STATS_MQ_EXCHANGE
from invenio_stats.processors import EventsIndexer
from kombu import Exchange
from opensearchpy.exceptions import OpenSearchException

from ..community_events.lookup import RecordLookup
from ..community_events.resolver import DatabaseResolver
from ..errors import SearchUnavailableError, StatsDashboardError
from ..search import bulk
from ..search.client import json_client, text_client
from ..search.names import STOCK_EVENTS, Names
from .dead_letters import keep
from .deliveries import opened
from .enrichment import Splicer
from .mapped import MappedMonths
from .migration.overdue import recover
from .preprocessing import watched

_CHUNK = 1000
_LIMIT = 1200.0
"""Seconds to wait for OpenSearch; a broker may ask after its messages after 1800."""

_LOOKUP_LIMIT = 20.0
_KNOWN_SECONDS, _UNKNOWN_SECONDS = 60.0, 15.0


class PatientEventsIndexer(EventsIndexer):
    """Indexes usage events like the stock indexer, enriched, and loses none.

    Builders, preprocessors, suffix and double-click window are the site's.
    """

    chunk_size = _CHUNK
    """Messages in hand at once."""

    def run(self):
        """Index all events of the queue.

        Returns:
            tuple[int, int]: number of events stored, and of those that OpenSearch
            refuses for good; each of these is logged, and kept as a dead letter.

        Raises:
            SearchUnavailableError: nothing could be stored for twenty minutes.
            StatsDashboardError: a dead letter cannot be kept.
            Exception: a service that a preprocessor needs is away. In both cases
                the events in hand go back to the queue.
        """
        stored, refused, writer = 0, 0, _Writer(current_app._get_current_object())
        with opened(self.queue) as take:
            while delivery := take(self.chunk_size):
                actions = self._actions(delivery)
                failed = writer.write(actions)
                delivery.done()
                stored += len(actions) - failed
                refused += failed
        return stored, refused

    def _actions(self, delivery):
        """Return the actions that the stock code makes of messages in hand."""
        away = []

        def stop(error):
            delivery.stopped = True
            away.append(error)

        queue, preprocessors = self.queue, self.preprocessors
        self.queue = delivery
        self.preprocessors = [watched(p, stop) for p in preprocessors]
        try:
            actions = list(self.actionsiter())
        finally:
            self.queue, self.preprocessors = queue, preprocessors
        if away:
            raise away[0]
        return actions


class _Writer:
    """Enriches and stores events for one run.

    Args:
        app: the Flask application.
    """

    def __init__(self, app):
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
            resolver=DatabaseResolver(app, client, names),
            limit=_LOOKUP_LIMIT,
            waiting=app.logger.warning,
            ttl=_KNOWN_SECONDS,
            unknown_ttl=_UNKNOWN_SECONDS,
        )

    def write(self, actions):
        """Store events; each that is refused for good is handed over.

        Args:
            actions: list of dicts as the stock indexer makes them.

        Returns:
            int: how many were refused.
        """
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


def resolved(event, app):
    """Return an event of ``STATS_EVENTS`` as a dict, as invenio-stats reads it.

    Args:
        event: a dict, an import string, or a function of the application.
        app: the Flask application.
    """
    event = obj_or_import_string(event)
    return event(app) if callable(event) else event


def install(app):
    """Let the site's events be indexed by the patient indexer.

    An event whose site has set another class keeps it; one warning names those that
    are no subclass of the patient indexer. Messages become persistent where the site
    has the stock exchange.

    Args:
        app: the Flask application; its ``STATS_EVENTS`` is replaced by a copy.

    Returns:
        bool: all view and download events are indexed so.
    """
    events, foreign = {}, []
    for name, event in app.config.get("STATS_EVENTS", {}).items():
        event = resolved(event, app)
        cls = obj_or_import_string(event["cls"])
        if cls is EventsIndexer:
            event = {**event, "cls": PatientEventsIndexer}
        elif not issubclass(cls, PatientEventsIndexer):
            foreign.append((name, cls))
        events[name] = event
    app.config["STATS_EVENTS"] = events
    _persist_messages(app)
    if foreign:
        app.logger.warning(
            "Events that are indexed by a class of the site are not enriched as they "
            "come, and can be lost: %s. Let it inherit from %s.PatientEventsIndexer.",
            ", ".join(f"{n} by {c.__module__}.{c.__qualname__}" for n, c in foreign),
            __name__,
        )
    kept = {name for name, _ in foreign}
    return kept.isdisjoint(STOCK_EVENTS.values())


def _persist_messages(app):
    """Let the broker keep messages on disk, where the site has the stock exchange.

    The exchange and its queues are durable already; a message's delivery mode is no
    part of their declaration, so what exists in the broker stays as it is.
    """
    stock = STATS_MQ_EXCHANGE
    if app.config.get("STATS_MQ_EXCHANGE", stock) is not stock:
        return
    exchange = Exchange(stock.name, type=stock.type, delivery_mode="persistent")
    app.config["STATS_MQ_EXCHANGE"] = exchange
    state = app.extensions.get("invenio-stats")
    if state is not None:  # it was made before us, and has read its configuration
        state.exchange = exchange
