# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which events count: those that the stock record statistics count.

Robots, machines, API calls: what the record pages leave out is what the site's
``STATS_AGGREGATIONS`` leave out, so their own query modifiers are asked.
"""

import hashlib
import json

from invenio_search.engine import dsl
from invenio_stats.aggregations import filter_robots

from ...search.names import STOCK_EVENTS

_NOTHING_ELSE = {"match_all": {}}


def queries(app):
    """Return the query for the events that count, by event type.

    Args:
        app: the Flask application.

    Returns:
        dict: event type -> query, for the event types that the site has.
    """
    aggregations = app.extensions["invenio-stats"].aggregations
    return {
        event_type: _query(_params(aggregations, stock))
        for event_type, stock in STOCK_EVENTS.items()
        if stock in app.config["STATS_EVENTS"]
    }


def rules(counted, subcounts, top):
    """Return a mark of all that the documents depend on besides the events.

    Args:
        counted: what :func:`queries` returns.
        subcounts: the registry of breakdowns.
        top: values that a snapshot keeps of a breakdown that shows the largest.
    """
    described = [
        [s.key, s.event, s.extract if s.event else "", s.show]
        for s in subcounts.values()
    ]
    text = json.dumps([1, counted, described, top], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _params(aggregations, stock):
    """Return the parameters of the site's aggregation of an event."""
    found = {
        name: dict(aggregation.params)
        for name, aggregation in aggregations.items()
        if aggregation.params.get("event") == stock
    }
    return found.get(f"{stock}-agg") or next(iter(found.values()), {})


def _query(params):
    search = dsl.Search()
    modifiers = params.get("query_modifiers")
    for modifier in [filter_robots] if modifiers is None else modifiers:
        search = modifier(search)
    query = search.to_dict().get("query", _NOTHING_ELSE)
    # an event without the field is in none of the aggregation's buckets
    field = {"exists": {"field": params.get("field", "unique_id")}}
    return {"bool": {"filter": [query, field]}}
