# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Index usage events: enrich them, store them, then acknowledge their messages.

The stock indexer acknowledges a message when it reads it, and sends its event once. An
event that a write block or a full queue of OpenSearch refuses is lost. This indexer
sends the event again, and the broker retains the message until the event is stored.
"""

import inspect
from collections.abc import Callable
from typing import Any

from flask import Flask, current_app
from invenio_base.utils import obj_or_import_string
from invenio_stats.config import STATS_MQ_EXCHANGE
from invenio_stats.processors import EventsIndexer
from kombu.entity import Exchange

from ..proxies import current_stats_dashboard
from ..search.names import STOCK_EVENTS
from .consumer import Delivery, opened
from .event_writer import EventWriter
from .month_mappings import BLOCK_LIMIT
from .preprocessing import Preprocessor, salts_kept, watched

_CHUNK = 1000


class PatientEventsIndexer(EventsIndexer):
    """Indexes usage events like the stock indexer, enriches them, and loses none.

    It uses the site's builders, preprocessors and suffix. It also uses the site's
    double-click window, unless ``STATS_DASHBOARD_DOUBLE_CLICK_SECONDS`` is set.
    """

    chunk_size = _CHUNK
    """Maximum number of messages to process at once."""

    mapping_patience = BLOCK_LIMIT
    """Seconds to wait for a month whose mapping cannot be changed because of a block."""

    # Attributes of the stock class, which has no annotations.
    queue: Any
    preprocessors: list[Preprocessor]

    def run(self) -> tuple[int, int]:
        """Index all events of the queue.

        After an error, the events that are not acknowledged return to the queue.

        Returns:
            The number of stored events, and the number of events that OpenSearch
            refuses. Each refused event is stored as a dead letter.

        Raises:
            SearchUnavailableError: OpenSearch stored nothing for twenty minutes.
            StatsDashboardError: a dead letter cannot be stored.
            Exception: a service that a preprocessor needs is unavailable.
        """
        stored, refused = 0, 0
        # The annotation of this werkzeug proxy does not declare the method.
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        writer = EventWriter(
            app,
            self.queue.routing_key,
            current_stats_dashboard.subcounts,
            current_stats_dashboard.recover_cutovers,
            self.mapping_patience,
        )
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

    def _events(self, delivery: Delivery) -> list[tuple[str | bytes, dict[str, Any]]]:
        """Return the body and the action of each event of a delivery.

        The stock code makes the actions from the messages.

        Raises:
            Exception: a service that a preprocessor needs is unavailable.
        """
        away: list[Exception] = []

        def stop(error: Exception) -> None:
            delivery.stopped = True
            away.append(error)

        queue, preprocessors = self.queue, self.preprocessors
        self.queue = delivery
        self.preprocessors = [watched(p, stop) for p in preprocessors]
        try:
            with salts_kept():
                # The stock iterator has consumed a message before it yields an action.
                events = [
                    (delivery.current.body, a)  # type: ignore[union-attr]
                    for a in self.actionsiter()
                ]
        finally:
            self.queue, self.preprocessors = queue, preprocessors
        if away:
            raise away[0]
        return events


def resolved(
    event: dict[str, Any] | str | Callable[[Flask], dict[str, Any]], app: Flask
) -> dict[str, Any]:
    """Return the configuration of an event of ``STATS_EVENTS``, as invenio-stats does.

    Args:
        event: the configuration, an import string, or a function of the application.
        app: the application.
    """
    found = obj_or_import_string(event)
    return found(app) if callable(found) else found


def double_click_window(event: Any) -> float:
    """Return the double-click window of an event, in seconds.

    Args:
        event: a value of ``current_stats.events``, which has no type.
    """
    stock = inspect.signature(EventsIndexer).parameters["double_click_window"].default
    return event.params.get("double_click_window", stock)


def install(app: Flask) -> bool:
    """Make the patient indexer process views and downloads.

    The site's other events do not change, and a class that the site has configured
    stays in use. One warning names the classes that do not inherit from the patient
    indexer. The configured double-click window is set. Messages become persistent if
    the site uses the stock exchange.

    Args:
        app: the application. A changed copy replaces its ``STATS_EVENTS``.

    Returns:
        Whether the patient indexer indexes all view and download events.
    """
    events: dict[str, Any] = {}
    foreign: list[tuple[str, type]] = []
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
            "The site's own indexer classes do not enrich new events and can lose "
            "them: %s. Let these classes inherit from %s.PatientEventsIndexer.",
            ", ".join(f"{n} by {c.__module__}.{c.__qualname__}" for n, c in foreign),
            __name__,
        )
    return not foreign


def _with_window(event: dict[str, Any], app: Flask) -> dict[str, Any]:
    """Return the configuration of an event with the configured double-click window."""
    seconds = app.config.get("STATS_DASHBOARD_DOUBLE_CLICK_SECONDS")
    if seconds is None:
        return event
    params = {**event.get("params", {}), "double_click_window": seconds}
    return {**event, "params": params}


def _persist_messages(app: Flask) -> None:
    """Make the broker store messages on disk if the site uses the stock exchange.

    The exchange and its queues are already durable. The delivery mode of messages is
    not a property of their declaration, so they need no change in the broker.
    """
    stock = STATS_MQ_EXCHANGE
    if app.config.get("STATS_MQ_EXCHANGE", stock) is not stock:
        return
    exchange = Exchange(stock.name, type=stock.type, delivery_mode="persistent")
    app.config["STATS_MQ_EXCHANGE"] = exchange
    state = app.extensions.get("invenio-stats")
    # An extension that was created earlier has already read its configuration.
    if state is not None:
        state.exchange = exchange
