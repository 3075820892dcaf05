# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which days have to be counted again, found without a clock.

Each write to a shard has a number; what is behind the checkpoint of last time is new,
changed or enriched again. A deletion leaves nothing behind, so an index whose
checkpoint has moved is also counted by day. Positions go no further than the global
checkpoint as read before the refresh, since a later number can become visible before an
earlier one.
"""

from dataclasses import dataclass, replace

from opensearchpy.exceptions import NotFoundError

from ...errors import SearchUnavailableError
from ...search.seqno import positions_of_all
from ..source_positions import SourcePosition

RESTATED = "restatement"
"""The index is another one: a migration, a restored snapshot, other rules."""

DELETED = "deleted events"
LATE = "new events"
REWRITTEN = "changed events"
REBUILT = "rebuild"

_DAYS = {"date_histogram": {"field": "timestamp", "calendar_interval": "day"}}
_DAYS["date_histogram"] |= {"format": "yyyy-MM-dd", "min_doc_count": 1}


@dataclass(frozen=True)
class Index:
    """One index that holds usage events.

    Attributes:
        name: of the index.
        event_type: view or download.
        shards: numbers of its shards.
    """

    name: str
    event_type: str
    shards: tuple[int, ...]


class DirtyDays:
    """Finds the days of usage events that have to be counted again.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~...search.names.Names`.
        event_types: those that the site has.
        rules: mark of all that documents depend on besides events; when it is another
            one than last time, all days are counted again.
    """

    def __init__(self, client, names, event_types, rules):
        """Keep what is needed."""
        self._client, self._names = client, names
        self._event_types, self._rules = event_types, rules
        self.indices = {}

    def scan(self, known):
        """Return what has changed, for storing; the indices are kept as attribute.

        Args:
            known: name of the index -> :class:`~..source_positions.SourcePosition`, as stored.

        Returns:
            list[Source]: those that differ from what is stored.

        Raises:
            SearchUnavailableError: an index cannot be read completely.
        """
        changed, found = [], {}
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

    def find(self, known):
        """Know the indices as another worker's scan has found them.

        Args:
            known: name of the index -> :class:`~..source_positions.SourcePosition`.
        """
        self.indices = {}
        for event_type in self._event_types:
            alias = self._names.events_alias(event_type)
            try:
                # by the alias itself: by its name all indices of the cluster are
                # asked, and a blocked one of another instance refuses
                found = self._client.indices.get_alias(index=alias)
            except NotFoundError:
                continue
            for name in found.keys() & known.keys():
                shards = tuple(sorted(known[name].shards))
                self.indices[name] = Index(name, event_type, shards)

    def _readable(self, event_type):
        """Return the positions of an alias's indices, all of them complete."""
        alias = self._names.events_alias(event_type)
        positions = self._positions(alias)
        try:
            settings = self._client.indices.get_settings(
                index=alias, name="index.number_of_shards"
            )
        except NotFoundError:
            return {}
        for name, body in settings.items():
            shards = int(body["settings"]["index"]["number_of_shards"])
            if name not in positions or len(positions[name].shards) != shards:
                raise SearchUnavailableError(
                    f"The index {name} is closed, or a shard of it is not started, so "
                    "its events cannot be counted. Run the same command again when "
                    "all of it can be read."
                )
        return {name: positions[name] for name in settings}

    def _positions(self, alias):
        """Return the positions of an alias's indices.

        With an asynchronous translog a checkpoint moves at a flush only.
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

    def _scanned(self, name, state, before):
        """Return the new bookmark of an index; None if nothing has moved."""
        uuid = f"{state.uuid} {self._rules}"
        shards = {n: (p.history, p.checkpoint) for n, p in state.shards.items()}
        if before.uuid == uuid and before.shards == shards and not before.gone:
            return None
        self._client.indices.refresh(index=name)
        same = before.uuid == uuid and not before.gone
        new, counts = {}, {}
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

    def _days(self, name, shard, after, checkpoint):
        """Return (new documents by day, all documents by day) of one shard."""
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
                "allow_partial_search_results": "false",
                "request_timeout": 120,
            },
        )
        if answer["timed_out"] or answer["_shards"]["failed"]:
            raise SearchUnavailableError(
                f"The index {name} did not answer completely. Run the same command "
                "again when the cluster is better."
            )
        aggregations = answer["aggregations"]
        return _counts(aggregations["new"]["days"]), _counts(aggregations["all"])


def _gone(before):
    """Return the bookmark of an index that is not in the alias any more."""
    why = {**dict.fromkeys(before.counts, RESTATED), **before.why}
    return replace(
        before, shards={}, counts={}, redo=tuple(sorted(why)), why=why, gone=True
    )


def _reason(day, new, counts, before, same):
    if not same:
        return RESTATED if before else LATE
    more = counts.get(day, 0) - before.get(day, 0)
    if more < 0:
        return DELETED
    if more > 0:
        return LATE
    return REWRITTEN if new.get(day) else None


def _counts(aggregation):
    return {b["key_as_string"]: b["doc_count"] for b in aggregation["buckets"]}


def _add(new, counts, found):
    for total, of_shard in ((new, found[0]), (counts, found[1])):
        for day, count in of_shard.items():
            total[day] = total.get(day, 0) + count
