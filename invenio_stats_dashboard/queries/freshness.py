# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Report how fresh numbers are, why they are late, and what was corrected.

The result is public. So it contains no other community, no totals of the instance
unless the query is about the instance, and no error messages of OpenSearch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
import xxhash
from invenio_i18n import gettext as _

from ..aggregations.documents import CHECKSUM, UPDATED, day_field
from ..aggregations.runner import LAST_RUN, LOCK, PREPARATION, robots_counted
from ..community_events.backfill_state import DOCUMENT_ID as BACKFILL
from ..community_events.documents import GLOBAL
from ..errors import ForeignIndexError
from ..search.foreign_indices import sentence_about
from ..search.lock import is_held
from ..search.names import FAMILIES, USAGE_DELTA
from .aggregate_search import AggregateSearch, SearchRequest
from .metrics import METRICS, RobotRule
from .query import SeriesQuery

LATE = timedelta(hours=3)
"""Age from which numbers are late: the scheduled aggregation runs every hour."""

MOST = 100
"""Maximum number of corrections in a result."""

_LOOKED_AT = 1000
"""Number of corrections, of all communities, among which these are searched."""

_PUBLIC = ("scope", "day", "last_day", "days", "why", "updated_at")
"""Public fields of a correction."""


@dataclass(frozen=True)
class Freshness:
    """How fresh the numbers of a community are.

    Attributes:
        data_as_of: everything stored up to this moment is counted, ISO 8601; None if
            no run has counted everything yet.
        late: a sentence that explains why numbers are late; None if they are not.
        corrections: changes to days of the range that were already complete, the newest
            first. Keys: ``scope`` (usage or records), ``day``, ``why``, ``updated_at``;
            for records also ``last_day`` and the number of ``days``.
        first_day: first day for which the community has numbers, or None.
        last_day: the last one, or None.
        robots: whether events of robots count in the stored numbers, and how many were
            left out at the last run; of a community, the number is not known.
    """

    data_as_of: str | None = None
    late: str | None = None
    corrections: tuple[dict[str, Any], ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    robots: RobotRule = field(default_factory=RobotRule)


@dataclass(frozen=True)
class FreshnessState:
    """The stored states of the work that produces numbers; empty if not stored.

    Attributes:
        run: the last run of the aggregation.
        lock: the lock of the aggregation.
        preparation: what has to be done before everything can be counted.
        backfill: progress of the back-fill of community events.
    """

    run: dict[str, Any]
    lock: dict[str, Any]
    preparation: dict[str, Any]
    backfill: dict[str, Any]


class FreshnessReader:
    """Reads how fresh the numbers are.

    Args:
        aggregates: sends the searches.
        clock: returns the current moment, aware.
        count_robots: the setting: whether events of robots count as on the record pages.
    """

    def __init__(
        self,
        aggregates: AggregateSearch,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        count_robots: bool = False,
    ) -> None:
        self._aggregates, self._clock = aggregates, clock
        self._count_robots = count_robots
        self._names = aggregates.names

    def read(self, query: SeriesQuery) -> Freshness:
        """Return how fresh the result of a query is, in one request.

        Raises:
            ForeignIndexError: the aliases lead to an index of another extension.
            SearchUnavailableError: OpenSearch was unavailable for too long.
        """
        searches = [self._state(), self._corrections(query), self._bounds(query)]
        states, corrections, bounds, foreign = map(
            msgspec.json.decode, self._aggregates.ask([*searches, self._foreign()])
        )
        _require_own(foreign)
        state = _state_of(states)
        ends = bounds.get("aggregations", {})
        return Freshness(
            data_as_of=state.run.get("data_as_of"),
            late=late(state, self._clock()),
            corrections=tuple(
                islice(_concerning(query.community_id, corrections), MOST)
            ),
            first_day=_day(ends.get("first")),
            last_day=_day(ends.get("last")),
            robots=self._robots(query, state),
        )

    def version(self, community: str) -> str:
        """Return 16 hexadecimal digits that change if a community's numbers may have.

        They depend on the documents that searches find, and on the last run, so that
        ``data_as_of`` is included.

        Args:
            community: UUID or ``global``.

        Raises:
            ForeignIndexError: the aliases lead to an index of another extension.
            SearchUnavailableError: OpenSearch was unavailable for too long.
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
        state, documents, foreign = map(
            msgspec.json.decode,
            self._aggregates.ask([self._state(), written, self._foreign()]),
        )
        _require_own(foreign)
        run = _state_of(state).run
        newest = documents.get("aggregations", {}).get("newest", {}).get("value")
        parts = [
            *(
                run.get(key)
                for key in ("run", "updated_at", "data_as_of", "count_robots")
            ),
            documents["hits"]["total"]["value"],
            newest,
        ]
        return xxhash.xxh3_64_hexdigest(msgspec.json.encode(parts))

    def _robots(self, query: SeriesQuery, state: FreshnessState) -> RobotRule:
        """Return the rule that the stored numbers follow."""
        if state.run and robots_counted(state.run) is not self._count_robots:
            return RobotRule(None)
        left_out: dict[str, int] = {}
        if query.community_id == GLOBAL:
            left_out = state.run.get("robots_left_out", {})
        return RobotRule(self._count_robots, left_out)

    # -- searches -------------------------------------------------------------

    def _state(self) -> SearchRequest:
        ids = [LAST_RUN, LOCK, PREPARATION, BACKFILL]
        return SearchRequest(
            f"{self._names.bookmarks},{self._names.reindexing}",
            {"size": len(ids), "query": {"ids": {"values": ids}}},
        )

    def _corrections(self, query: SeriesQuery) -> SearchRequest:
        """Return the search for corrections in the range, of any community."""
        first, last = query.first.isoformat(), query.last.isoformat()
        one_day = {
            "bool": {
                "must_not": {"exists": {"field": "last_day"}},
                "filter": {"range": {"day": {"gte": first}}},
            }
        }
        scopes = sorted({METRICS[key].of for key in query.metrics})
        filters: list[dict[str, Any]] = [
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
                "_source": [*_PUBLIC, "communities", "more_communities"],
                "track_total_hits": False,
            },
        )

    def _foreign(self) -> SearchRequest:
        """Return the search for a document that another program has written.

        The name of an index decides for a whole shard, so the search costs nothing in
        the indices of this package. A document in another index is its own if it has
        a checksum: the index is one of an earlier layout.
        """
        ours = f"{self._names.community_start}*-from-*"
        return SearchRequest(
            ",".join(self._names.aggregates(family) for family in FAMILIES),
            {
                "size": 1,
                "_source": False,
                "terminate_after": 1,
                "track_total_hits": False,
                "query": {
                    "bool": {
                        "must_not": [
                            {"wildcard": {"_index": ours}},
                            {"exists": {"field": CHECKSUM}},
                        ]
                    }
                },
            },
        )

    def _bounds(self, query: SeriesQuery) -> SearchRequest:
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


def late(state: FreshnessState, now: datetime) -> str | None:
    """Return a sentence or two that explain why numbers are late; None if they are not.

    Args:
        state: the stored states of the work that produces numbers.
        now: the current moment, aware.
    """
    as_of = state.run.get("data_as_of")
    if as_of and now - datetime.fromisoformat(as_of) <= LATE:
        return None
    if not as_of:
        return _("The statistics are not complete yet.") + " " + _reason(state)
    return _("The numbers are older than usual.") + " " + _reason(state)


def _reason(state: FreshnessState) -> str:
    if not state.backfill.get("finished_at"):
        return _("Community membership history is still being generated.")
    if state.preparation.get("months_left"):
        return _("Earlier usage events are still being migrated.")
    if state.lock and is_held({"_source": state.lock}):
        return _("An update is running.")
    if state.run.get("error"):
        return _("The last update failed.")
    if state.run.get("days_left"):
        return _("Earlier days are still being counted.")
    return _("The next update has not run yet.")


def _require_own(answer: dict[str, Any]) -> None:
    """Check that a search for documents of another program has found none.

    Raises:
        ForeignIndexError: it has; the text is for operators.
    """
    for hit in answer["hits"]["hits"]:
        raise ForeignIndexError(sentence_about([hit["_index"]]))


def _concerning(community: str, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the public fields of corrections that may affect a community."""
    for hit in answer["hits"]["hits"]:
        found = hit["_source"]
        # a correction of many communities stores only some of them
        if community in found["communities"] or found.get("more_communities"):
            yield {key: found[key] for key in _PUBLIC if key in found}


def _state_of(answer: dict[str, Any]) -> FreshnessState:
    found = {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}
    return FreshnessState(
        *(found.get(id, {}) for id in (LAST_RUN, LOCK, PREPARATION, BACKFILL))
    )


def _day(end: dict[str, Any] | None) -> date | None:
    """Return the day of a minimum or maximum, if there was one."""
    text = (end or {}).get("value_as_string")
    return date.fromisoformat(text) if text else None
