# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Select the usage events to count: those that the stock record statistics count.

The numbers on the record pages leave out some clients, such as robots. The query
modifiers in the site's ``STATS_AGGREGATIONS`` decide which, so this module applies the
same modifiers.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flask import Flask
from invenio_search.engine import dsl
from invenio_stats.aggregations import filter_robots

from ...search.names import STOCK_EVENTS
from ...subcounts import Subcount
from .value_limits import value_limits

_REVISION = 3
"""Increase this when the same events give other documents than before."""

_NOTHING_ELSE: dict[str, Any] = {"match_all": {}}


def queries(app: Flask) -> dict[str, dict[str, Any]]:
    """Return the query for the events to count, by event type.

    Event types that the site has not configured are omitted.
    """
    aggregations = app.extensions["invenio-stats"].aggregations
    return {
        event_type: _query(_params(aggregations, stock))
        for event_type, stock in STOCK_EVENTS.items()
        if stock in app.config["STATS_EVENTS"]
    }


def rules(app: Flask, subcounts: Mapping[str, Subcount]) -> str:
    """Return a hash of all rules and settings that the documents depend on.

    Args:
        app: provides the configuration.
        subcounts: the registry of breakdowns.
    """
    top = app.config["COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT"]
    show_hidden = app.config["STATS_DASHBOARD_SHOW_HIDDEN_RECORDS"]
    limits = value_limits(app.config, subcounts)
    described = [
        [s.key, s.event, s.extract if s.event else "", s.show, limits[s.key]]
        for s in subcounts.values()
    ]
    text = json.dumps(
        [_REVISION, queries(app), described, top, show_hidden],
        sort_keys=True,
        default=str,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _params(aggregations: Mapping[str, Any], stock: str) -> dict[str, Any]:
    """Return the parameters of the site's aggregation of an event."""
    found = {
        name: dict(aggregation.params)
        for name, aggregation in aggregations.items()
        if aggregation.params.get("event") == stock
    }
    return found.get(f"{stock}-agg") or next(iter(found.values()), {})


def _query(params: Mapping[str, Any]) -> dict[str, Any]:
    search = dsl.Search()
    modifiers = params.get("query_modifiers")
    for modifier in [filter_robots] if modifiers is None else modifiers:
        search = modifier(search)
    query = search.to_dict().get("query", _NOTHING_ELSE)
    # The stock aggregation puts an event without the field into no bucket. Its argument
    # ``field`` is None by default, which names no field.
    field = {"exists": {"field": params.get("field") or "unique_id"}}
    return {"bool": {"filter": [query, field]}}
