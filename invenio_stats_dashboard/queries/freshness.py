# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""How fresh the numbers are, why they are late, and what was corrected, in one request.

What is told here is told to everybody, so it names no other community, no totals of the
instance, and nothing of what OpenSearch complains about.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import msgspec
import xxhash
from invenio_i18n import gettext as _

from ..aggregations.documents import UPDATED, day_field
from ..aggregations.runner import LAST_RUN, LOCK, PREPARATION
from ..community_events.backfill_state import DOCUMENT_ID as BACKFILL
from ..search.lock import is_held
from ..search.names import FAMILIES, USAGE_DELTA
from .aggregate_search import SearchRequest
from .metrics import METRICS

LATE = timedelta(hours=3)
"""Numbers that are older are late: the scheduled aggregation runs every hour."""

MOST = 100
"""Corrections that are told at most."""

_LOOKED_AT = 1000
"""Corrections of the range, of all communities, among which these are."""

_TOLD = ("scope", "day", "last_day", "days", "why", "updated_at")
"""Fields of a correction that anybody may see."""


@dataclass(frozen=True)
class Freshness:
    """How fresh the numbers of a community are.

    Attributes:
        data_as_of: everything that was stored then is counted, ISO 8601; None if that
            never was so.
        late: a sentence that says why numbers are late; None when they are not.
        corrections: days of the range that have changed after they were complete, the
            newest first: dicts of ``scope`` (usage or records), ``day``, ``why``,
            ``updated_at``; of records also ``last_day`` and the number of ``days``.
        first_day: first day of which the community has numbers, or None.
        last_day: the last one, or None.
    """

    data_as_of: str | None = None
    late: str | None = None
    corrections: tuple[dict, ...] = ()
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True)
class FreshnessState:
    """What is noted of the work that makes numbers.

    Attributes:
        run: of the last run of the aggregation, or empty.
        lock: the aggregation's lock, or empty.
        preparation: what must be there first and how far it is, or empty.
        backfill: how far the community events are, or empty.
    """

    run: dict
    lock: dict
    preparation: dict
    backfill: dict


class FreshnessReader:
    """Reads how fresh the numbers are.

    Args:
        aggregates: the :class:`~.aggregate_search.AggregateSearch`.
        clock: returns the present moment, aware.
    """

    def __init__(self, aggregates, clock=lambda: datetime.now(UTC)):
        """Keep what is needed; asks nothing yet."""
        self._aggregates, self._clock = aggregates, clock
        self._names = aggregates.names

    def read(self, query):
        """Return how fresh the answer to a question is.

        Args:
            query: the :class:`~.query.SeriesQuery`.

        Returns:
            Freshness: also when nothing was ever counted.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        searches = [self._state(), self._corrections(query), self._bounds(query)]
        state, corrections, bounds = map(
            msgspec.json.decode, self._aggregates.ask(searches)
        )
        state = _state_of(state)
        ends = bounds.get("aggregations", {})
        return Freshness(
            data_as_of=state.run.get("data_as_of"),
            late=late(state, self._clock()),
            corrections=tuple(
                islice(_concerning(query.community_id, corrections), MOST)
            ),
            first_day=_day(ends.get("first")),
            last_day=_day(ends.get("last")),
        )

    def version(self, community):
        """Return a text that changes whenever a community's numbers may have.

        It follows the documents that searches see, whoever wrote them, and the last
        run, so that ``data_as_of`` is part of it.

        Args:
            community: UUID or ``global``.

        Returns:
            str: 16 hexadecimal digits.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        written = SearchRequest(
            ",".join(self._names.aggregates(family) for family in FAMILIES),
            {
                "size": 0,
                "track_total_hits": True,
                "query": {"term": {"community_id": community}},
                "aggs": {"newest": {"max": {"field": UPDATED}}},
            },
        )
        state, documents = map(
            msgspec.json.decode, self._aggregates.ask([self._state(), written])
        )
        run = _state_of(state).run
        newest = documents.get("aggregations", {}).get("newest", {}).get("value")
        parts = [
            *(run.get(key) for key in ("run", "updated_at", "data_as_of")),
            documents["hits"]["total"]["value"],
            newest,
        ]
        return xxhash.xxh3_64_hexdigest(msgspec.json.encode(parts))

    # -- searches -------------------------------------------------------------

    def _state(self):
        ids = [LAST_RUN, LOCK, PREPARATION, BACKFILL]
        return SearchRequest(
            f"{self._names.bookmarks},{self._names.reindexing}",
            {"size": len(ids), "query": {"ids": {"values": ids}}},
        )

    def _corrections(self, query):
        """Return the search of the corrections that concern the range."""
        first, last = query.first.isoformat(), query.last.isoformat()
        one_day = {
            "bool": {
                "must_not": {"exists": {"field": "last_day"}},
                "filter": {"range": {"day": {"gte": first}}},
            }
        }
        scopes = sorted({METRICS[key].of for key in query.metrics})
        filters = [
            {"term": {"kind": "correction"}},
            {"terms": {"scope": scopes}},
            {"range": {"day": {"lte": last}}},
            {
                "bool": {
                    "should": [{"range": {"last_day": {"gte": first}}}, one_day],
                    "minimum_should_match": 1,
                }
            },
        ]
        return SearchRequest(
            self._names.bookmarks,
            {
                "size": _LOOKED_AT,
                "query": {"bool": {"filter": filters}},
                "sort": [{"updated_at": "desc"}],
                "_source": [*_TOLD, "communities", "more_communities"],
                "track_total_hits": False,
            },
        )

    def _bounds(self, query):
        families = sorted(
            {METRICS[key].delta_family(query.basis) for key in query.metrics}
        )
        day = {"field": day_field(USAGE_DELTA), "format": "strict_date"}
        return SearchRequest(
            ",".join(self._names.aggregates(family) for family in families),
            {
                "size": 0,
                "track_total_hits": False,
                "query": {"term": {"community_id": query.community_id}},
                "aggs": {"first": {"min": day}, "last": {"max": day}},
            },
        )


def late(state, now):
    """Return why numbers are late.

    Args:
        state: the :class:`FreshnessState`.
        now: the present moment, aware.

    Returns:
        str | None: a sentence or two; None when numbers are not late.
    """
    as_of = state.run.get("data_as_of")
    if as_of and now - datetime.fromisoformat(as_of) <= LATE:
        return None
    if not as_of:
        return _("Not everything has been counted yet.") + " " + _reason(state)
    return _("The numbers are older than usual.") + " " + _reason(state)


def _reason(state):
    if not state.backfill.get("finished_at"):
        return _("It is still being found out which records were in which community.")
    if state.preparation.get("months_left"):
        return _("Earlier usage is still being prepared for counting.")
    if state.lock and is_held({"_source": state.lock}):
        return _("They are being counted right now.")
    if state.run.get("error"):
        return _("The last count failed.")
    if state.run.get("days_left"):
        return _("Earlier days are still being counted.")
    return _("There was no count of everything since.")


def _concerning(community, answer):
    """Yield what is told of the corrections that may concern a community."""
    for hit in answer["hits"]["hits"]:
        found = hit["_source"]
        # of many communities only some are named
        if community in found["communities"] or found.get("more_communities"):
            yield {key: found[key] for key in _TOLD if key in found}


def _state_of(answer):
    found = {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}
    return FreshnessState(
        *(found.get(id, {}) for id in (LAST_RUN, LOCK, PREPARATION, BACKFILL))
    )


def _day(end):
    text = (end or {}).get("value_as_string")
    return date.fromisoformat(text) if text else None
