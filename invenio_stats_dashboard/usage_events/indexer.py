# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The indexer of usage events that waits out what will pass.

The stock indexer sends what it took off the queue once; what a write block or a
full queue of OpenSearch refuses at that moment is lost. This one sends it again.
"""

from itertools import islice

import msgspec
from flask import current_app
from invenio_base.utils import obj_or_import_string
from invenio_stats.processors import EventsIndexer

from ..search import bulk
from ..search.client import text_client
from ..search.names import STOCK_EVENTS

_CHUNK = 100
_LIMIT = 3600.0


class PatientEventsIndexer(EventsIndexer):
    """Indexes usage events like the stock indexer, and loses none to a block.

    Builders, preprocessors, suffix and double-click window are the site's.
    """

    def run(self):
        """Index all events of the queue.

        Returns:
            tuple[int, int]: number of events stored, and of those that OpenSearch
            refuses for good; each of these is logged.

        Raises:
            SearchUnavailableError: nothing could be stored for an hour.
        """
        client, stored, refused = text_client(current_app), 0, 0
        actions = self.actionsiter()
        while chunk := list(islice(actions, _CHUNK)):
            encoded = [line for action in chunk if (line := _encoded(action))]
            refusals = bulk.write(
                client,
                None,
                encoded,
                _LIMIT,
                waiting=current_app.logger.warning,
            )
            for refusal in refusals:
                current_app.logger.error("OpenSearch refuses an event: %s", refusal)
            stored += len(encoded) - len(refusals)
            refused += len(chunk) - len(encoded) + len(refusals)
        return stored, refused


def _encoded(action):
    """Return an event's bulk lines; None, and a log entry, if it is no JSON."""
    try:
        return _lines(action)
    except (TypeError, ValueError):
        current_app.logger.exception("An event cannot be encoded: %s", action["_id"])
        return None


def _lines(action):
    head = {"_index": action["_index"], "_id": action["_id"]}
    return (
        msgspec.json.encode({action["_op_type"]: head})
        + b"\n"
        + msgspec.json.encode(action["_source"])
        + b"\n"
    )


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

    An event whose site has set another class keeps it.

    Args:
        app: the Flask application; its ``STATS_EVENTS`` is replaced by a copy.

    Returns:
        bool: all view and download events are indexed so.
    """
    events = {}
    for name, event in app.config.get("STATS_EVENTS", {}).items():
        event = resolved(event, app)
        stock = obj_or_import_string(event["cls"]) is EventsIndexer
        events[name] = {**event, "cls": PatientEventsIndexer} if stock else event
    app.config["STATS_EVENTS"] = events
    return all(
        events[name]["cls"] is PatientEventsIndexer
        for name in STOCK_EVENTS.values()
        if name in events
    )
