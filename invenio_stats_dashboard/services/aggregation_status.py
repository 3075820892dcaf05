# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""How far the aggregates are, read from documents and bookmarks in few requests.

Usage is counted by days, for all communities together; records are counted by
community, all days together. So what is still to be counted is a list of days for the
one, and of communities for the other.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

from opensearchpy.exceptions import NotFoundError

from ..aggregations.documents import day_field
from ..aggregations.records.distinct import distinct
from ..aggregations.runner import LAST_RUN
from ..aggregations.source_positions import SourcePositions
from ..community_events.documents import GLOBAL
from ..search.names import (
    EVENT_TYPES,
    FAMILIES,
    RECORD_FAMILIES,
    USAGE_DELTA,
    USAGE_FAMILIES,
)
from ..search.seqno import positions_of_all

PAGE = 1000
"""Communities in one answer."""

_SHARDS = 1000
_USAGE, _RECORDS = "usage", "records"
_REDO = "redo:usage-snapshot"
_PARAMS = {
    "ignore_unavailable": "true",
    "allow_partial_search_results": "false",
    "request_timeout": 60,
}


@dataclass(frozen=True)
class FamilyStatus:
    """The documents of one family and community.

    Attributes:
        family: of :data:`~..search.names.FAMILIES`.
        documents: how many there are.
        first_day: day of the first one, or None.
        last_day: day of the last one, or None.
        percent: how much is counted, 0 to 100; None if all of it is to be counted
            again and nobody knows how much will change.
        redo_days: days that are still to be counted; None if it is all of them, or
            nobody has looked yet.
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
    """What is still to be counted of usage.

    Attributes:
        days: all days that have events, or had when they were counted; sorted.
        redo: those that are to be counted again, sorted.
        continued: community -> day from which its snapshots are to be continued.
        looked: the events were looked at; else nobody knows which days there are.
    """

    days: tuple[str, ...] = ()
    redo: tuple[str, ...] = ()
    continued: dict[str, str] | None = None
    looked: bool = True

    @cached_property
    def settled(self):
        """Return the days that are counted, sorted."""
        return tuple(sorted(set(self.days).difference(self.redo)))

    def of(self, community, family, documents, first, last):
        """Return the status of one family and community.

        Args:
            community: UUID or ``global``.
            family: one of the usage families.
            documents: how many there are.
            first: day of the first one, or None.
            last: day of the last one, or None.

        Returns:
            FamilyStatus: what is to be counted before the community's first day may
            be for others; nobody knows before it is counted.
        """
        start = bisect_left(self.settled, first) if first else 0
        settled, redo_from = len(self.settled) - start, None
        open_days = len(self.redo)
        if family != USAGE_DELTA:
            bounds = [*self.redo[:1]]
            if community in (self.continued or {}):
                bounds.append(self.continued[community])
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


def _percent(settled, left):
    """Return how much is settled; not 100 while anything is left."""
    if not left:
        return 100.0
    return min(round(100.0 * settled / (settled + left), 1), 99.9)


class AggregationStatusReader:
    """Reads how far the aggregates are; changes nothing.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~..search.names.Names`.
    """

    def __init__(self, client, names):
        """Keep what is needed; asks nothing yet."""
        self._client, self._names = client, names
        self._known = {}

    def last_run(self):
        """Return what is noted of the last run, or None if there was none."""
        return self._get(LAST_RUN)

    def looked(self, scope, last_run):
        """Tell whether the sources were ever looked at.

        Args:
            scope: ``usage`` or ``records``.
            last_run: of :meth:`last_run`.
        """
        # where there was nothing to look at, there is no bookmark either
        everything = bool(last_run and last_run.get("data_as_of"))
        return everything or bool(self._sources(scope))

    def usage(self, last_run):
        """Return the :class:`UsageBacklog`.

        Args:
            last_run: of :meth:`last_run`.
        """
        days, redo = set(), set()
        for source in self._sources(_USAGE).values():
            days.update(source.counts)
            redo.update(source.redo)
        noted = self._get(_REDO) or {}
        return UsageBacklog(
            days=tuple(sorted(days | redo)),
            redo=tuple(sorted(redo)),
            continued=dict(noted.get("communities", {})),
            looked=self.looked(_USAGE, last_run),
        )

    def changes(self):
        """Return how much was written since the aggregation looked.

        Returns:
            dict: ``usage`` and ``records`` -> number of writes to their sources.
        """
        events = ",".join(self._names.events_alias(kind) for kind in EVENT_TYPES)
        records = f"{self._names.community_events},{self._names.record_facts}"
        return {
            scope: self._writes(scope, target)
            for scope, target in ((_USAGE, events), (_RECORDS, records))
        }

    def communities(self, size):
        """Return the communities with the most additions of records.

        Args:
            size: how many at most.

        Returns:
            tuple: their UUIDs, the largest first, and how many communities there
            are at all.
        """
        found = self._largest(self._names.community_events, size)
        if found[1]:
            return found
        aliases = [self._names.aggregates(family) for family in FAMILIES]
        return self._largest(",".join(aliases), size)

    def documents(self, communities=None):
        """Return how many documents each community and family has.

        Args:
            communities: UUIDs and ``global``; None for all that have any.

        Returns:
            dict: (community, family) -> (documents, first day, last day).
        """
        found = {}
        for family in FAMILIES:
            for bucket in self._by_community(family, communities):
                days = (bucket[end].get("value_as_string") for end in ("first", "last"))
                key = (bucket["key"]["community"], family)
                found[key] = (bucket["doc_count"], *days)
        return found

    def open_records(self, today, communities=None):
        """Return which record families are to be counted again.

        Args:
            today: the present day, ``YYYY-MM-DD``.
            communities: UUIDs and ``global``; None for all.

        Returns:
            tuple: community -> families, and how many communities there are at all
            that have any.
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
        # what is due changes all, whatever else is noted
        return {**dict(self._open(query)), **dict.fromkeys(due, RECORD_FAMILIES)}, total

    def _noted(self, communities=None):
        """Return the query for communities of which something is to be written."""
        filters = [
            {"term": {"kind": "community"}},
            {"term": {"scope": _RECORDS}},
            {"exists": {"field": "redo"}},
        ]
        if communities is not None:
            filters.append({"terms": {"community_id": list(communities)}})
        return {"bool": {"filter": filters}}

    def _count(self, query):
        return self._client.count(
            index=self._names.bookmarks,
            body={"query": query},
            params={"ignore_unavailable": "true"},
        )["count"]

    def corrections(self, size):
        """Return which days have changed after they were complete, and why.

        Args:
            size: how many entries at most.

        Returns:
            list[dict]: the newest first.
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

    def family(self, marks, open_records, community, family, documents):
        """Return the status of one family and community.

        Args:
            marks: of :meth:`usage`.
            open_records: community -> families that are to be counted again; None
                where nobody has looked yet.
            community: UUID or ``global``.
            family: of :data:`~..search.names.FAMILIES`.
            documents: of :meth:`documents`.
        """
        found = documents.get((community, family), (0, None, None))
        if family in USAGE_FAMILIES and marks.looked:
            return marks.of(community, family, *found)
        if family in USAGE_FAMILIES or open_records is None:
            return FamilyStatus(family, *found, percent=0.0, redo_days=None)
        if family not in open_records.get(community, ()):
            return FamilyStatus(family, *found)
        percent = None if found[0] else 0.0
        return FamilyStatus(family, *found, percent=percent, redo_days=None)

    # -- inside -------------------------------------------------------------

    def _sources(self, scope):
        """Return the bookmarks of sources, which are read once."""
        if scope not in self._known:
            sources = SourcePositions(self._client, self._names, scope)
            self._known[scope] = sources.read()
        return self._known[scope]

    def _get(self, id):
        found = self._client.get(index=self._names.bookmarks, id=id, ignore=[404])
        return found.get("_source")

    def _writes(self, scope, target):
        known, writes = self._sources(scope), 0
        for name, now in positions_of_all(self._client, target).items():
            before = known.get(name)
            same = before is not None and before.uuid.split(" ")[0] == now.uuid
            for number, position in now.shards.items():
                upto = -1
                if same and number in before.shards:
                    history, checkpoint = before.shards[number]
                    if history == position.history:
                        upto = min(checkpoint, position.checkpoint)
                writes += position.checkpoint - upto
        return writes

    def _largest(self, target, size):
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

    def _by_community(self, family, communities):
        day = {"field": day_field(family), "format": "yyyy-MM-dd"}
        query = {"match_all": {}}
        if communities is not None:
            query = {"terms": {"community_id": list(communities)}}
        composite = {
            "size": PAGE,
            "sources": [{"community": {"terms": {"field": "community_id"}}}],
        }
        ends = {"first": {"min": day}, "last": {"max": day}}
        while True:
            answer = self._search(
                self._names.aggregates(family),
                query,
                {"communities": {"composite": composite, "aggs": ends}},
            )
            page = answer.get("communities", {"buckets": []})
            yield from page["buckets"]
            if len(page["buckets"]) < PAGE:
                return
            composite["after"] = page["after_key"]

    def _open(self, query):
        body = {
            "size": PAGE,
            "query": query,
            "sort": ["community_id"],
            "_source": ["community_id", "redo"],
        }
        while True:
            hits = self._client.search(
                index=self._names.bookmarks, body=body, params=_PARAMS
            )["hits"]["hits"]
            for hit in hits:
                source = hit["_source"]
                yield source["community_id"], tuple(source["redo"])
            if len(hits) < PAGE:
                return
            body["search_after"] = hits[-1]["sort"]

    def _search(self, target, query, aggregations):
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
