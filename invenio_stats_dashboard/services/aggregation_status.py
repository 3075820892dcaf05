# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the progress of the aggregates from documents and bookmarks, in few requests.

Usage is counted by day, for all communities together. Records are counted by community,
for all days together. So the backlog is a list of days for usage, and a list of
communities for records.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ..aggregations.distinct_values import distinct
from ..aggregations.documents import day_field
from ..aggregations.records.counting_rules import has_other_record_rules
from ..aggregations.runner import LAST_RUN
from ..aggregations.source_positions import SourcePosition, SourcePositions
from ..aggregations.usage.change_detection import change_of_rules, days_with_robots
from ..aggregations.usage.event_filter import CountingRules, RuleChange
from ..aggregations.usage.robots import RobotEvents, count_robots
from ..community_events.documents import GLOBAL
from ..search.names import (
    EVENT_TYPES,
    FAMILIES,
    RECORD_FAMILIES,
    USAGE_DELTA,
    USAGE_FAMILIES,
    Names,
)
from ..search.paging import composite, pages
from ..search.seqno import positions_of_all

PAGE = 1000
"""Communities in one response."""

_SHARDS = 1000
_USAGE, _RECORDS = "usage", "records"
_REDO = "redo:usage-snapshot"
_PARAMS = {
    "ignore_unavailable": "true",
    "request_timeout": 60,
}

_Extent: TypeAlias = tuple[int, str | None, str | None]
"""Number of documents, their first day, their last day."""

_Extents: TypeAlias = Mapping[tuple[str, str], _Extent]
"""(community, family) -> its documents."""


@dataclass(frozen=True)
class FamilyStatus:
    """The documents of one family and community.

    Attributes:
        family: one of :data:`~..search.names.FAMILIES`.
        documents: number of documents.
        first_day: day of the first document, or None.
        last_day: day of the last document, or None.
        percent: share that is counted, 0 to 100; None if all will be counted again and
            the number of documents to change is unknown.
        redo_days: number of days to be counted; None if all are, or if the sources were
            never examined.
        redo_from: the first of them, or None.
    """

    family: str
    documents: int = 0
    first_day: str | None = None
    last_day: str | None = None
    percent: float | None = 100.0
    redo_days: int | None = 0
    redo_from: str | None = None


@dataclass(frozen=True)
class UsageBacklog:
    """The days of usage that are still to be counted.

    Attributes:
        days: all days that have events, or had events when they were counted; sorted.
        redo: days to be counted again, sorted.
        continued: community -> day from which its snapshots are to be continued.
        looked: whether the events were examined; without that, the days are unknown.
        is_complete: whether ``redo`` has all days. It may lack days with events of
            robots, if these must be counted again and an index cannot be read.
    """

    days: tuple[str, ...] = ()
    redo: tuple[str, ...] = ()
    continued: dict[str, str] | None = None
    looked: bool = True
    is_complete: bool = True

    @cached_property
    def settled(self) -> tuple[str, ...]:
        """Return the days that are counted, sorted."""
        return tuple(sorted(set(self.days).difference(self.redo)))

    def of(
        self,
        community: str,
        family: str,
        documents: int,
        first: str | None,
        last: str | None,
    ) -> FamilyStatus:
        """Return the status of one family and community.

        Days to be counted that precede the community's first day may concern only other
        communities. That is unknown until they are counted, so they are included.

        Args:
            community: UUID or ``global``.
            family: one of the usage families.
            documents: number of documents.
            first: day of the first document, or None.
            last: day of the last document, or None.
        """
        start = bisect_left(self.settled, first) if first else 0
        settled, redo_from = len(self.settled) - start, None
        open_days = len(self.redo)
        if family != USAGE_DELTA:
            bounds = [*self.redo[:1]]
            continued = self.continued or {}
            if community in continued:
                bounds.append(continued[community])
            if bounds:
                behind = len(self.settled) - max(
                    bisect_left(self.settled, min(bounds)), start
                )
                open_days, settled = open_days + behind, settled - behind
                redo_from = min(bounds)
        elif self.redo:
            redo_from = self.redo[0]
        percent = _percent(settled, open_days)
        return FamilyStatus(
            family, documents, first, last, percent, open_days, redo_from
        )


def _percent(settled: int, left: int) -> float:
    """Return the settled share; less than 100 while anything is left."""
    if not left:
        return 100.0
    return min(round(100.0 * settled / (settled + left), 1), 99.9)


class AggregationStatusReader:
    """Reads the progress of the aggregates; changes nothing.

    Args:
        client: decodes responses.
        names: the instance's index names.
        usage_rules: the current rules of usage, from
            :func:`~..aggregations.usage.event_filter.rules`. Days that were counted by
            other rules are then pending before a run has examined the events. None
            reports only what a run has stored.
        record_rules: the same for records, from
            :func:`~..aggregations.records.counting_rules.record_rules`.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        usage_rules: CountingRules | None = None,
        record_rules: str | None = None,
    ) -> None:
        self._client, self._names, self._rules = client, names, usage_rules
        self._record_rules = record_rules
        self._known: dict[str, dict[str, SourcePosition]] = {}

    def last_run(self) -> dict[str, Any] | None:
        """Return the stored report of the last run, or None before the first run."""
        return self._get(LAST_RUN)

    def looked(self, scope: str, last_run: Mapping[str, Any] | None) -> bool:
        """Return whether the sources were ever examined.

        Args:
            scope: ``usage`` or ``records``.
            last_run: the result of :meth:`last_run`.
        """
        # an instance without sources has no bookmark either
        everything = bool(last_run and last_run.get("data_as_of"))
        return everything or bool(self._sources(scope))

    def usage(self, last_run: Mapping[str, Any] | None) -> UsageBacklog:
        """Return the days of usage that are still to be counted.

        Args:
            last_run: the result of :meth:`last_run`.
        """
        days: set[str] = set()
        redo: set[str] = set()
        for source in self._sources(_USAGE).values():
            days.update(source.counts)
            redo.update(source.redo)
        others = self._days_of_other_rules()
        redo |= others or set()
        noted = self._get(_REDO) or {}
        return UsageBacklog(
            days=tuple(sorted(days | redo)),
            redo=tuple(sorted(redo)),
            continued=dict(noted.get("communities", {})),
            looked=self.looked(_USAGE, last_run),
            is_complete=others is not None,
        )

    def robots(self) -> dict[str, RobotEvents] | None:
        """Return the stored events of robots, by event type; empty without rules.

        Returns:
            None if an index is closed or cannot be read completely.
        """
        if self._rules is None:
            return {}
        return count_robots(self._client, self._names, self._rules)

    @property
    def counts_all_records(self) -> bool:
        """Return whether the next run counts the records of all communities again."""
        return has_other_record_rules(self._sources(_RECORDS), self._record_rules)

    def changes(self) -> dict[str, int]:
        """Return the number of writes since the aggregation examined the sources.

        Returns:
            ``usage`` and ``records`` -> number of writes to their sources.
        """
        events = ",".join(self._names.events_alias(kind) for kind in EVENT_TYPES)
        records = f"{self._names.community_events},{self._names.record_facts}"
        return {
            scope: self._writes(scope, target)
            for scope, target in ((_USAGE, events), (_RECORDS, records))
        }

    def communities(self, size: int) -> tuple[list[str], int]:
        """Return the communities with the most additions of records.

        Args:
            size: number of communities, at most.

        Returns:
            Their UUIDs, the largest first, and the number of all communities.
        """
        found = self._largest(self._names.community_events, size)
        if found[1]:
            return found
        aliases = [self._names.aggregates(family) for family in FAMILIES]
        return self._largest(",".join(aliases), size)

    def documents(
        self, communities: Collection[str] | None = None
    ) -> dict[tuple[str, str], _Extent]:
        """Return the number of documents, and their days, of communities and families.

        Args:
            communities: UUIDs and ``global``; None for all that have documents.

        Returns:
            (community, family) -> (number of documents, first day, last day).
        """
        found: dict[tuple[str, str], _Extent] = {}
        for family in FAMILIES:
            for bucket in self._by_community(family, communities):
                first, last = (
                    bucket[end].get("value_as_string") for end in ("first", "last")
                )
                key = (bucket["key"]["community"], family)
                found[key] = (bucket["doc_count"], first, last)
        return found

    def open_records(
        self, today: str, communities: Collection[str] | None = None
    ) -> tuple[dict[str, tuple[str, ...]], int]:
        """Return which record families are to be counted again.

        Args:
            today: the current day, ``YYYY-MM-DD``.
            communities: UUIDs and ``global``; None for all.

        Returns:
            Community -> families, and the number of all communities that have any.
        """
        due = {
            community
            for community, _ in distinct(
                self._client,
                self._names.between_runs,
                "community_id",
                [{"range": {"due": {"lte": today}}}],
            )
        }
        query = self._noted()
        total = self._count(query)
        if due:
            total += len(due) - self._count(self._noted(due))
        if not total:
            return {}, 0
        if communities is not None:
            due.intersection_update(communities)
            query = self._noted(communities)
        # a due community counts all its families again
        return {**dict(self._open(query)), **dict.fromkeys(due, RECORD_FAMILIES)}, total

    def _noted(self, communities: Collection[str] | None = None) -> dict[str, Any]:
        """Return the query for communities with documents to be written."""
        filters: list[dict[str, Any]] = [
            {"term": {"kind": "community"}},
            {"term": {"scope": _RECORDS}},
            {"exists": {"field": "redo"}},
        ]
        if communities is not None:
            filters.append({"terms": {"community_id": list(communities)}})
        return {"bool": {"filter": filters}}

    def _count(self, query: dict[str, Any]) -> int:
        return self._client.count(
            index=self._names.bookmarks,
            body={"query": query},
            params={"ignore_unavailable": "true"},
        )["count"]

    def corrections(self, size: int) -> list[dict[str, Any]]:
        """Return which days have changed after they were complete, and why.

        Args:
            size: number of entries, at most.

        Returns:
            The stored entries, the newest first.
        """
        try:
            self._client.indices.refresh(index=self._names.bookmarks)
        except NotFoundError:
            return []
        hits = self._client.search(
            index=self._names.bookmarks,
            body={
                "size": size,
                "query": {"bool": {"filter": [{"term": {"kind": "correction"}}]}},
                "sort": [{"updated_at": "desc"}],
            },
            params=_PARAMS,
        )["hits"]["hits"]
        return [
            {key: value for key, value in hit["_source"].items() if key != "kind"}
            for hit in hits
        ]

    def family(
        self,
        backlog: UsageBacklog,
        open_records: Mapping[str, Collection[str]] | None,
        community: str,
        family: str,
        documents: _Extents,
    ) -> FamilyStatus:
        """Return the status of one family and community.

        Args:
            backlog: the result of :meth:`usage`.
            open_records: community -> families to be counted again; None if the sources
                were never examined.
            community: UUID or ``global``.
            family: one of :data:`~..search.names.FAMILIES`.
            documents: the result of :meth:`documents`.
        """
        found = documents.get((community, family), (0, None, None))
        if family in USAGE_FAMILIES and backlog.looked and not backlog.is_complete:
            return FamilyStatus(family, *found, percent=None, redo_days=None)
        if family in USAGE_FAMILIES and backlog.looked:
            return backlog.of(community, family, *found)
        if family in USAGE_FAMILIES or open_records is None:
            return FamilyStatus(family, *found, percent=0.0, redo_days=None)
        if family not in open_records.get(community, ()):
            return FamilyStatus(family, *found)
        percent = None if found[0] else 0.0
        return FamilyStatus(family, *found, percent=percent, redo_days=None)

    # -- inside -------------------------------------------------------------

    def _days_of_other_rules(self) -> set[str] | None:
        """Return the days that were counted by other rules than the current ones.

        Returns:
            None if the days with events of robots are needed, and an index is closed or
            cannot be read completely.
        """
        days: set[str] = set()
        if self._rules is None:
            return days
        with_robots: dict[str, set[str]] | None = None
        for name, source in self._sources(_USAGE).items():
            change = change_of_rules(source, self._rules)
            if change is RuleChange.ALL:
                days.update(source.counts)
            elif change is RuleChange.ROBOTS:
                if with_robots is None:
                    try:
                        with_robots = days_with_robots(
                            self._client, self._names, self._rules
                        )
                    except OpenSearchException:
                        return None
                days.update(with_robots.get(name, set()).intersection(source.counts))
        return days

    def _sources(self, scope: str) -> dict[str, SourcePosition]:
        """Return the bookmarks of sources, which are read once."""
        if scope not in self._known:
            sources = SourcePositions(self._client, self._names, scope)
            self._known[scope] = sources.read()
        return self._known[scope]

    def _get(self, id: str) -> dict[str, Any] | None:
        found = self._client.get(index=self._names.bookmarks, id=id, ignore=[404])
        return found.get("_source")

    def _writes(self, scope: str, target: str) -> int:
        known, writes = self._sources(scope), 0
        for name, now in positions_of_all(self._client, target).items():
            before = known.get(name)
            same = before is not None and before.uuid.split(" ")[0] == now.uuid
            shards = before.shards if before is not None and same else {}
            for number, position in now.shards.items():
                upto = -1
                if number in shards:
                    history, checkpoint = shards[number]
                    if history == position.history:
                        upto = min(checkpoint, position.checkpoint)
                writes += position.checkpoint - upto
        return writes

    def _largest(self, target: str, size: int) -> tuple[list[str], int]:
        answer = self._search(
            target,
            {"bool": {"must_not": {"term": {"community_id": GLOBAL}}}},
            {
                "largest": {
                    "terms": {
                        "field": "community_id",
                        "size": max(size, 1),
                        "shard_size": max(size, _SHARDS),
                    }
                },
                "all": {
                    "cardinality": {
                        "field": "community_id",
                        "precision_threshold": 40_000,
                    }
                },
            },
        )
        buckets = answer.get("largest", {}).get("buckets", [])
        total = answer.get("all", {}).get("value", 0)
        return [bucket["key"] for bucket in buckets][:size], total

    def _by_community(
        self, family: str, communities: Collection[str] | None
    ) -> Iterator[dict[str, Any]]:
        day = {"field": day_field(family), "format": "yyyy-MM-dd"}
        query: dict[str, Any] = {"match_all": {}}
        if communities is not None:
            query = {"terms": {"community_id": list(communities)}}
        alias = self._names.aggregates(family)

        def search(communities: dict[str, Any]) -> dict[str, Any]:
            answer = self._search(alias, query, {"communities": communities})
            return answer.get("communities", {})

        ends = {"first": {"min": day}, "last": {"max": day}}
        return composite(search, {"community": "community_id"}, PAGE, ends)

    def _open(self, query: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
        body: dict[str, Any] = {
            "size": PAGE,
            "query": query,
            "sort": ["community_id"],
            "_source": ["community_id", "redo"],
        }

        def search(page: dict[str, Any]) -> list[dict[str, Any]]:
            index = self._names.bookmarks
            answer = self._client.search(index=index, body=page, params=_PARAMS)
            return answer["hits"]["hits"]

        for hits in pages(search, body):
            for hit in hits:
                source = hit["_source"]
                yield source["community_id"], tuple(source["redo"])

    def _search(
        self, target: str, query: dict[str, Any], aggregations: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            answer = self._client.search(
                index=target,
                body={
                    "size": 0,
                    "track_total_hits": False,
                    "query": query,
                    "aggs": aggregations,
                },
                params=_PARAMS,
            )
        except NotFoundError:
            return {}
        return answer.get("aggregations", {})
