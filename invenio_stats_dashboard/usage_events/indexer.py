# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The indexer of usage events: enriches, stores, and acknowledges after that.

The stock indexer acknowledges a message as it reads it and sends its event once; what
a write block or a full queue of OpenSearch refuses at that moment is lost. This one
sends it again, and what it has in hand stays the broker's until it is stored.
"""

import inspect

from flask import current_app
from invenio_base.utils import obj_or_import_string
from invenio_stats.config import STATS_MQ_EXCHANGE
from invenio_stats.processors import EventsIndexer
from kombu import Exchange

from ..search.names import STOCK_EVENTS
from .consumer import opened
from .event_writer import EventWriter
from .preprocessing import salts_kept, watched

_CHUNK = 1000


class PatientEventsIndexer(EventsIndexer):
    """Indexes usage events like the stock indexer, enriched, and loses none.

    Builders, preprocessors and suffix are the site's; so is the double-click window,
    unless ``STATS_DASHBOARD_DOUBLE_CLICK_SECONDS`` is set.
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
            Exception: a service that a preprocessor needs is away. In each case
                the events in hand go back to the queue.
        """
        stored, refused = 0, 0
        writer = EventWriter(current_app._get_current_object(), self.queue.routing_key)
        with opened(self.queue, self.chunk_size) as take:
            while delivery := take():
                events = self._events(delivery)
                failed = writer.write(events, delivery.redelivered)
                delivery.done()
                writer.acknowledged()
                stored += len(events) - failed
                refused += failed
        writer.close()
        return stored, refused

    def _events(self, delivery):
        """Return what the stock code makes of messages in hand.

        Args:
            delivery: the :class:`~.consumer.Delivery`.

        Returns:
            list: (body of the message, action) of each event.
        """
        away = []

        def stop(error):
            delivery.stopped = True
            away.append(error)

        queue, preprocessors = self.queue, self.preprocessors
        self.queue = delivery
        self.preprocessors = [watched(p, stop) for p in preprocessors]
        try:
            with salts_kept():
                events = [(delivery.current.body, a) for a in self.actionsiter()]
        finally:
            self.queue, self.preprocessors = queue, preprocessors
        if away:
            raise away[0]
        return events


def resolved(event, app):
    """Return an event of ``STATS_EVENTS`` as a dict, as invenio-stats reads it.

    Args:
        event: a dict, an import string, or a function of the application.
        app: the Flask application.
    """
    event = obj_or_import_string(event)
    return event(app) if callable(event) else event


def double_click_window(event):
    """Return the window of double clicks of an event, in seconds.

    Args:
        event: of ``current_stats.events``.
    """
    stock = inspect.signature(EventsIndexer).parameters["double_click_window"].default
    return event.params.get("double_click_window", stock)


def install(app):
    """Let views and downloads be indexed by the patient indexer.

    The site's other events stay as they are. A class that the site has set is kept;
    one warning names those that are no subclass of the patient indexer. The window of
    double clicks is the configured one. Messages become persistent where the site has
    the stock exchange.

    Args:
        app: the Flask application; its ``STATS_EVENTS`` is replaced by a copy.

    Returns:
        bool: all view and download events are indexed so.
    """
    events, foreign = {}, []
    for name, event in app.config.get("STATS_EVENTS", {}).items():
        if name in STOCK_EVENTS.values():
            event = resolved(event, app)
            cls = obj_or_import_string(event["cls"])
            if cls is EventsIndexer:
                cls = PatientEventsIndexer
                event = {**event, "cls": cls}
            if issubclass(cls, PatientEventsIndexer):
                event = _with_window(event, app)
            else:
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
    return not foreign


def _with_window(event, app):
    """Return an event with the window of double clicks that is configured."""
    seconds = app.config.get("STATS_DASHBOARD_DOUBLE_CLICK_SECONDS")
    if seconds is None:
        return event
    params = {**event.get("params", {}), "double_click_window": seconds}
    return {**event, "params": params}


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
