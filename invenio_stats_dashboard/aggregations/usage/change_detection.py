# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find the days that must be counted again, without relying on a clock.

Each write to a shard has a sequence number. Events after the last known checkpoint are
new, changed or enriched again. A deleted event leaves no document, so an index whose
checkpoint has moved is also counted by day. A position never exceeds the global
checkpoint that was read before the refresh, because a number can become visible before
a smaller one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from ...errors import SearchUnavailableError
from ...search.names import Names
from ...search.seqno import IndexPositions, positions_of_all
from ...usage_events.indices import MAX_TERMS
from ..source_positions import SourcePosition

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
        rules: hash of all settings that the documents depend on. If it differs from the
            stored one, all days are counted again.

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
        rules: str,
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
            TransportError: an index cannot be read completely.
        """
        found: dict[str, set[str]] = {}
        for event_type in self._event_types:
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
            answer = self._client.search(
                index=self._names.events_alias(event_type),
                body=body,
                params={"ignore_unavailable": "true", "request_timeout": 120},
            )
            buckets = answer.get("aggregations", {}).get("indices", {})
            for bucket in buckets.get("buckets", ()):
                days = found.setdefault(bucket["key"], set())
                days.update(_counts(bucket["days"]))
        return found

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
            terms = int(index.get("max_terms_count", MAX_TERMS))
            self.max_terms = min(self.max_terms, terms)
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
        shards = {n: (p.history, p.checkpoint) for n, p in state.shards.items()}
        if before.uuid == uuid and before.shards == shards and not before.gone:
            return None
        self._client.indices.refresh(index=name)
        same = before.uuid == uuid and not before.gone
        new: dict[str, int] = {}
        counts: dict[str, int] = {}
        for number, (history, checkpoint) in shards.items():
            after = -1
            if same and number in before.shards:
                known_history, known = before.shards[number]
                same_history = known_history == history and known <= checkpoint
                after = known if same_history else -1
                same = same and same_history
            _add(new, counts, self._days(name, number, after, checkpoint))
        why = dict(before.why)
        for day in new.keys() | counts.keys() | before.counts.keys():
            reason = _reason(day, new, counts, before.counts, same)
            if reason:
                why.setdefault(day, reason)
        return replace(
            before,
            uuid=uuid,
            shards=shards,
            counts=counts,
            redo=tuple(sorted(why)),
            why=why,
            gone=False,
        )

    def _days(
        self, name: str, shard: int, after: int, checkpoint: int
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Count the documents of one shard by day, up to a checkpoint.

        Returns:
            The counts of documents after the sequence number ``after``, and of all.
        """
        settled = {"range": {"_seq_no": {"lte": checkpoint}}}
        behind = {"range": {"_seq_no": {"gt": after}}}
        answer = self._client.search(
            index=name,
            body={
                "size": 0,
                "query": {"bool": {"filter": [settled]}},
                "aggs": {
                    "all": _DAYS,
                    "new": {"filter": behind, "aggs": {"days": _DAYS}},
                },
            },
            params={
                "preference": f"_shards:{shard}|_primary",
                "request_timeout": 120,
            },
        )
        aggregations = answer["aggregations"]
        return _counts(aggregations["new"]["days"]), _counts(aggregations["all"])


def has_other_rules(source: SourcePosition, rules: str) -> bool:
    """Return whether an index was counted by other rules than the given ones.

    The next run then counts all its days again.
    """
    return bool(source.uuid) and source.uuid.partition(" ")[2] != rules


def _gone(before: SourcePosition) -> SourcePosition:
    """Return the bookmark of an index that has left the alias."""
    why = {**dict.fromkeys(before.counts, RESTATED), **before.why}
    return replace(
        before, shards={}, counts={}, redo=tuple(sorted(why)), why=why, gone=True
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


def _add(
    new: dict[str, int],
    counts: dict[str, int],
    found: tuple[Mapping[str, int], Mapping[str, int]],
) -> None:
    """Add the counts of one shard to those of its index."""
    for total, of_shard in ((new, found[0]), (counts, found[1])):
        for day, count in of_shard.items():
            total[day] = total.get(day, 0) + count
