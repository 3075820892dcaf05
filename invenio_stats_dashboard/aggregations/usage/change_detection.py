# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find the days that must be counted again, without relying on a clock.

Each write to a shard has a sequence number. Events after the last known checkpoint are
new, changed or enriched again. A deleted event leaves no document, so an index whose
checkpoint has moved is also counted by day. A position never exceeds the global
checkpoint that was read before the refresh, because a number can become visible before
a smaller one.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from ...errors import SearchUnavailableError
from ...search.names import Names
from ...search.seqno import IndexPositions, positions_of_all
from ...usage_events.indices import MAX_TERMS, terms_limit
from ..source_positions import SourcePosition
from .event_filter import CountingRules, RuleChange

RESTATED = "restatement"
"""A migration or a restored snapshot replaced the index, or the rules changed."""

ACCESS = "changed access"
"""The access of a record changed, or the record left or joined a community."""

DELETED = "deleted events"
LATE = "new events"
REWRITTEN = "changed events"
REBUILT = "rebuild"

_DAYS: dict[str, dict[str, Any]] = {
    "date_histogram": {"field": "timestamp", "calendar_interval": "day"}
}
_DAYS["date_histogram"] |= {"format": "yyyy-MM-dd", "min_doc_count": 1}


@dataclass(frozen=True)
class Index:
    """One index of usage events.

    Attributes:
        name: name of the index.
        event_type: ``view`` or ``download``.
        shards: numbers of its shards.
    """

    name: str
    event_type: str
    shards: tuple[int, ...]


class DirtyDays:
    """Finds the days of usage events that must be counted again.

    Args:
        client: decodes responses.
        names: the instance's index names.
        event_types: the event types of the site.
        rules: the rules and settings that the documents depend on. If they have changed
            since an index was counted, its days are counted again; only those with
            events of robots if nothing but their counting has changed.

    Attributes:
        indices: name -> the index, after :meth:`scan` or :meth:`find`.
        max_terms: number of values that a query of all indices may have, after
            :meth:`scan`.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        event_types: Collection[str],
        rules: CountingRules,
    ) -> None:
        self._client, self._names = client, names
        self._event_types, self._rules = event_types, rules
        self.indices: dict[str, Index] = {}
        self.max_terms = MAX_TERMS

    def scan(self, known: Mapping[str, SourcePosition]) -> list[SourcePosition]:
        """Compare the indices with the stored bookmarks.

        Args:
            known: name of the index -> its stored bookmark.

        Returns:
            The bookmarks that have changed, to be stored.

        Raises:
            SearchUnavailableError: an index cannot be read completely.
        """
        changed: list[SourcePosition] = []
        found: dict[str, IndexPositions] = {}
        for event_type in self._event_types:
            for name, state in self._readable(event_type).items():
                found[name] = state
                shards = tuple(sorted(state.shards))
                self.indices[name] = Index(name, event_type, shards)
        for name, state in found.items():
            before = known.get(name) or SourcePosition(scope="usage", index=name)
            after = self._scanned(name, state, before)
            if after is not None:
                changed.append(after)
        for name, before in known.items():
            if name not in found and not before.gone:
                changed.append(_gone(before))
        return changed

    def find(self, known: Mapping[str, SourcePosition]) -> None:
        """Set :attr:`indices` from the bookmarks that another worker's scan has stored.

        Args:
            known: name of the index -> its stored bookmark.
        """
        self.indices = {}
        for event_type in self._event_types:
            alias = self._names.events_alias(event_type)
            try:
                # With ``index``, because a request with ``name`` reaches all indices of
                # the cluster and fails if one of another instance is blocked.
                found = self._client.indices.get_alias(index=alias)
            except NotFoundError:
                continue
            for name in found.keys() & known.keys():
                shards = tuple(sorted(known[name].shards))
                self.indices[name] = Index(name, event_type, shards)

    def days_of(self, query: dict[str, Any]) -> dict[str, set[str]]:
        """Return the days with matching events, by index, after :meth:`scan`.

        Args:
            query: that the events must match.

        Raises:
            TransportError: an index is closed or cannot be read completely.
        """
        queries = dict.fromkeys(self._event_types, query)
        return _days_by_index(self._client, self._names, queries)

    def _readable(self, event_type: str) -> dict[str, IndexPositions]:
        """Return the positions in each index of an event type.

        Raises:
            SearchUnavailableError: an index is closed, or a shard has not started.
        """
        alias = self._names.events_alias(event_type)
        positions = self._positions(alias)
        try:
            settings = self._client.indices.get_settings(
                index=alias, name="index.number_of_shards,index.max_terms_count"
            )
        except NotFoundError:
            return {}
        for name, body in settings.items():
            index = body["settings"]["index"]
            shards = int(index["number_of_shards"])
            self.max_terms = min(self.max_terms, terms_limit(index))
            if name not in positions or len(positions[name].shards) != shards:
                raise SearchUnavailableError(
                    f"The index {name} is closed or has a shard that has not started, "
                    "so its events cannot be counted. Run the same command again when "
                    "the whole index can be read."
                )
        return {name: positions[name] for name in settings}

    def _positions(self, alias: str) -> dict[str, IndexPositions]:
        """Return the positions in each index of an alias.

        With an asynchronous translog, a checkpoint moves only at a flush.
        """
        found = positions_of_all(self._client, alias)
        behind = [
            name
            for name, state in found.items()
            if any(p.checkpoint < p.last for p in state.shards.values())
        ]
        if not behind:
            return found
        for name in behind:
            self._client.indices.flush(index=name, params={"request_timeout": 60})
        return positions_of_all(self._client, alias)

    def _scanned(
        self, name: str, state: IndexPositions, before: SourcePosition
    ) -> SourcePosition | None:
        """Return the new bookmark of an index; None if nothing has changed."""
        uuid = f"{state.uuid} {self._rules}"
        index, _, rules = before.uuid.partition(" ")
        shards = {n: (p.history, p.checkpoint) for n, p in state.shards.items()}
        is_complete = before.robots_left_out is not None and not before.gone
        if before.uuid == uuid and before.shards == shards and is_complete:
            return None
        self._client.indices.refresh(index=name)
        change = self._rules.change_since(rules)
        same = index == state.uuid and change is not RuleChange.ALL and not before.gone
        found = _EventCounts()
        for number, (history, checkpoint) in shards.items():
            after = -1
            if same and number in before.shards:
                known_history, known = before.shards[number]
                same_history = known_history == history and known <= checkpoint
                after = known if same_history else -1
                same = same and same_history
            self._count(name, number, after, checkpoint, found)
        why = dict(before.why)
        if same and change is RuleChange.ROBOTS:
            for day in found.affected:
                why.setdefault(day, RESTATED)
        for day in found.new.keys() | found.all.keys() | before.counts.keys():
            reason = _reason(day, found.new, found.all, before.counts, same)
            if reason:
                why.setdefault(day, reason)
        return replace(
            before,
            uuid=uuid,
            shards=shards,
            counts=dict(found.all),
            redo=tuple(sorted(why)),
            why=why,
            gone=False,
            robots_left_out=found.robots_left_out,
        )

    def _count(
        self, name: str, shard: int, after: int, checkpoint: int, found: "_EventCounts"
    ) -> None:
        """Add the events of one shard to the counts, up to a checkpoint.

        Args:
            name: name of the index.
            shard: number of the shard.
            after: events after this sequence number are new.
            checkpoint: sequence number of the last event to count.
            found: the counts of the index.
        """
        event_type = self.indices[name].event_type
        settled = {"range": {"_seq_no": {"lte": checkpoint}}}
        behind = {"range": {"_seq_no": {"gt": after}}}
        days = {"days": _DAYS}
        answer = self._client.search(
            index=name,
            body={
                "size": 0,
                "query": {"bool": {"filter": [settled]}},
                "aggs": {
                    "all": _DAYS,
                    "new": {"filter": behind, "aggs": days},
                    "affected": {
                        "filter": self._rules.affected_robots(event_type),
                        "aggs": days,
                    },
                    "left_out": {"filter": self._rules.left_out_robots(event_type)},
                },
            },
            params={
                "preference": f"_shards:{shard}|_primary",
                "request_timeout": 120,
            },
        )
        aggregations = answer["aggregations"]
        found.all.update(_counts(aggregations["all"]))
        found.new.update(_counts(aggregations["new"]["days"]))
        found.affected.update(_counts(aggregations["affected"]["days"]))
        found.robots_left_out += aggregations["left_out"]["doc_count"]


@dataclass
class _EventCounts:
    """The numbers of events of an index.

    Attributes:
        all: day -> number of events.
        new: day -> number of events after the last checkpoint.
        affected: day -> number of events whose counting depends on
            :data:`~.event_filter.COUNT_ROBOTS`.
        robots_left_out: number of events of robots that do not count.
    """

    all: Counter[str] = field(default_factory=Counter)
    new: Counter[str] = field(default_factory=Counter)
    affected: Counter[str] = field(default_factory=Counter)
    robots_left_out: int = 0


def change_of_rules(source: SourcePosition, rules: CountingRules) -> RuleChange:
    """Return how the rules have changed since an index was counted.

    The next run counts its days, or those with events of robots, again.
    """
    if not source.uuid:
        return RuleChange.NONE
    return rules.change_since(source.uuid.partition(" ")[2])


def days_with_robots(
    client: OpenSearch, names: Names, rules: CountingRules
) -> dict[str, set[str]]:
    """Return the days with events whose counting depends on the setting, by index.

    Raises:
        TransportError: an index is closed or cannot be read completely.
    """
    queries = {t: rules.affected_robots(t) for t in rules.of_record_pages}
    return _days_by_index(client, names, queries)


def _days_by_index(
    client: OpenSearch, names: Names, queries: Mapping[str, dict[str, Any]]
) -> dict[str, set[str]]:
    """Return the days with matching events, by index.

    Args:
        client: decodes responses.
        names: the instance's index names.
        queries: event type -> query that its events must match.

    Raises:
        TransportError: an index is closed or cannot be read completely.
    """
    found: dict[str, set[str]] = {}
    for event_type, query in queries.items():
        body = {
            "size": 0,
            "query": {"bool": {"filter": [query]}},
            "aggs": {
                "indices": {
                    "terms": {"field": "_index", "size": 10_000},
                    "aggs": {"days": _DAYS},
                }
            },
        }
        try:
            # without ignore_unavailable, which skips a closed index
            answer = client.search(
                index=names.events_alias(event_type),
                body=body,
                params={"request_timeout": 120},
            )
        except NotFoundError:
            continue
        buckets = answer.get("aggregations", {}).get("indices", {})
        for bucket in buckets.get("buckets", ()):
            days = found.setdefault(bucket["key"], set())
            days.update(_counts(bucket["days"]))
    return found


def _gone(before: SourcePosition) -> SourcePosition:
    """Return the bookmark of an index that has left the alias."""
    why = {**dict.fromkeys(before.counts, RESTATED), **before.why}
    return replace(
        before,
        shards={},
        counts={},
        redo=tuple(sorted(why)),
        why=why,
        gone=True,
        robots_left_out=0,
    )


def _reason(
    day: str,
    new: Mapping[str, int],
    counts: Mapping[str, int],
    before: Mapping[str, int],
    same: bool,
) -> str | None:
    """Return why a day must be counted again; None if it need not be.

    Args:
        day: ``YYYY-MM-DD``.
        new: day -> number of events after the last checkpoint.
        counts: day -> current number of events.
        before: day -> number of events at the last checkpoint.
        same: whether the index has the same history and rules as before.
    """
    if not same:
        return RESTATED if before else LATE
    more = counts.get(day, 0) - before.get(day, 0)
    if more < 0:
        return DELETED
    if more > 0:
        return LATE
    return REWRITTEN if new.get(day) else None


def _counts(aggregation: Mapping[str, Any]) -> dict[str, int]:
    return {b["key_as_string"]: b["doc_count"] for b in aggregation["buckets"]}
