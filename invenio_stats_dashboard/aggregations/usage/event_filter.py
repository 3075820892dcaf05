# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Select the usage events to count: those of the record pages, without robots.

The query modifiers in the site's ``STATS_AGGREGATIONS`` decide which events the record
pages count, so this module applies the same modifiers. In InvenioRDM, those of views do
not leave out robots. COUNTER never counts robots, so this module leaves them out, unless
the site sets :data:`COUNT_ROBOTS`. Everything that counts events uses these queries.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from flask import Flask
from invenio_search.engine import dsl
from invenio_stats.aggregations import filter_robots

from ...search.names import STOCK_EVENTS
from ...subcounts import Subcount
from .value_limits import value_limits

_REVISION = 3
"""Increase this when the same events give other documents than before."""

COUNT_ROBOTS = "STATS_DASHBOARD_COUNT_ROBOTS"
"""The setting that decides whether events of robots count as on the record pages."""

ROBOTS: dict[str, Any] = {"match": {"is_robot": {"query": True, "lenient": True}}}
"""The query for events that are flagged as those of robots.

It finds none in an index whose mapping of the field cannot be searched for true. A term
query would fail there, so that the other events of the index could not be counted.
"""

_NOTHING_ELSE: dict[str, Any] = {"match_all": {}}
_WITHOUT_ROBOTS = "without-robots"


class RuleChange(Enum):
    """How the rules of counting have changed."""

    NONE = auto()
    ROBOTS = auto()
    """Only days with events of robots are affected."""

    ALL = auto()


@dataclass(frozen=True)
class CountingRules:
    """The rules and settings that the documents of usage depend on.

    As a text, they are equal if and only if the same events give the same documents.

    Attributes:
        others: hash of all rules and settings, except :attr:`count_robots`.
        count_robots: whether events of robots count as on the record pages.
        of_record_pages: event type -> query for the events that the record pages count.
    """

    others: str
    count_robots: bool
    of_record_pages: Mapping[str, dict[str, Any]]

    def __str__(self) -> str:
        """Return the rules as a text.

        Versions without the setting counted robots as the record pages do, and their
        text was the hash alone.
        """
        return self.others if self.count_robots else f"{self.others} {_WITHOUT_ROBOTS}"

    def change_since(self, text: str) -> RuleChange:
        """Return how the rules have changed since they were this text."""
        if text == str(self):
            return RuleChange.NONE
        other_setting = replace(self, count_robots=not self.count_robots)
        return RuleChange.ROBOTS if text == str(other_setting) else RuleChange.ALL

    def left_out_robots(self, event_type: str) -> dict[str, Any]:
        """Return the query for the events of robots that do not count."""
        counted = [self.of_record_pages[event_type]] if self.count_robots else []
        return {"bool": {"filter": [ROBOTS], "must_not": counted}}

    def affected_robots(self, event_type: str) -> dict[str, Any]:
        """Return the query for the events whose counting depends on the setting."""
        return {"bool": {"filter": [self.of_record_pages[event_type], ROBOTS]}}


def queries(app: Flask) -> dict[str, dict[str, Any]]:
    """Return the query for the events to count, by event type.

    Event types that the site has not configured are omitted.
    """
    found = _of_record_pages(app)
    if app.config[COUNT_ROBOTS]:
        return found
    return {
        event_type: {"bool": {"filter": [query], "must_not": [ROBOTS]}}
        for event_type, query in found.items()
    }


def _of_record_pages(app: Flask) -> dict[str, dict[str, Any]]:
    """Return the query for the events that the record pages count, by event type."""
    aggregations = app.extensions["invenio-stats"].aggregations
    return {
        event_type: _query(_params(aggregations, stock))
        for event_type, stock in STOCK_EVENTS.items()
        if stock in app.config["STATS_EVENTS"]
    }


def rules(app: Flask, subcounts: Mapping[str, Subcount]) -> CountingRules:
    """Return all rules and settings that the documents depend on.

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
    of_record_pages = _of_record_pages(app)
    text = json.dumps(
        [_REVISION, of_record_pages, described, top, show_hidden],
        sort_keys=True,
        default=str,
    )
    others = hashlib.sha256(text.encode()).hexdigest()[:16]
    return CountingRules(others, app.config[COUNT_ROBOTS], of_record_pages)


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
