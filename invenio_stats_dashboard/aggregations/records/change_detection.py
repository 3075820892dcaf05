# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find the parents whose events or facts have changed since the last scan.

Each write and each deletion takes a sequence number. An index whose shards have
assigned no new numbers is not searched at all. In the others, documents with newer
numbers were written since the last scan. Deletions are found by counting: a number
without a document was assigned to a deletion, or to a document that was written again
later.

* Events are only created, so an event was deleted. It is unknown which record it
  belonged to, so all communities are counted again.
* Facts are overwritten, so both are possible. The identifiers of all records that have
  events are then compared with those that have facts, and with those that are known to
  lack them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from opensearchpy import OpenSearch

from ...errors import NotReadyError
from ...search.client import patiently
from ...search.names import RECORD_FAMILIES, Names
from ...search.seqno import NOTHING, IndexPositions, positions_of_all
from ..distinct_values import distinct
from ..source_positions import SourcePosition, SourcePositions
from .counting_rules import RULES

SCOPE = "records"
"""The scope of the bookmarks of sources."""

MOST = 100_000
"""Maximum number of changed parents that are counted one by one.

If more parents have changed, all parents are counted again.
"""

_RESTRICTED = "restricted communities"
"""Name of a bookmark that belongs to no index. It has each restricted community as a key
of its counts."""

_OTHER_RULES = "the breakdowns or the rules of counting have changed"
_IDS = 1000


@dataclass(frozen=True)
class Looked:
    """The result of a scan: what must be counted again.

    Attributes:
        everything: whether all parents must be counted again.
        parents: ids of the changed parents, unless ``everything`` is set.
        communities: communities whose visibility has changed.
        reasons: clauses that describe why, for the operator.
        sources: bookmarks to store after the pending work is stored.
    """

    everything: bool
    parents: frozenset[str]
    communities: frozenset[str]
    reasons: tuple[str, ...]
    sources: tuple[SourcePosition, ...]


class ChangeScan:
    """One scan for changes.

    Args:
        client: decodes responses.
        names: the instance's index names.
        rules: a text that changes when the same events and facts would give other
            documents.
        missing: returns the identifiers of the records that are known to lack facts,
            sorted.
        restricted: the restricted communities.
        limit: seconds to retry while OpenSearch accepts no requests.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        rules: str,
        missing: Callable[[], Iterable[str]],
        restricted: Collection[str] = (),
        limit: float = 120,
    ) -> None:
        self._restricted = frozenset(restricted)
        self._communities: frozenset[str] = frozenset()
        self._client, self._names = client, names
        self._rules, self._missing, self._limit = rules, missing, limit
        self._bookmarks = SourcePositions(client, names, SCOPE)
        self._everything = False
        self._parents: set[str] = set()
        self._reasons: list[str] = []
        self._sources: list[SourcePosition] = []

    def look(self) -> Looked:
        """Return what has changed since the bookmarks were written; store nothing.

        Raises:
            NotReadyError: all community events or all record facts are missing.
            SearchUnavailableError: OpenSearch accepted no requests for too long.
        """
        stored = self._bookmarks.read()
        names = self._names
        kept = names.between_runs
        all_of_it = f"{names.community_events},{names.record_facts},{kept}"
        now = patiently(lambda: positions_of_all(self._client, all_of_it), self._limit)
        self._look_at_kept(stored.pop(kept, None), now.pop(kept, None))
        visibility = stored.pop(_RESTRICTED, None)
        self._require(stored, now)
        self._look_at_rules(stored.pop(RULES, None), first=not stored)
        moved = sorted(n for n, p in now.items() if not _same(stored.get(n), p))
        self._look_at_visibility(visibility)
        if moved:
            # The searches below must find all documents up to the checkpoints.
            patiently(
                lambda: self._client.indices.refresh(index=",".join(moved)), self._limit
            )
        for name in moved:
            self._look_at(name, stored.get(name), now[name])
        for name in sorted(set(stored) - set(now)):
            self._all(f"{name} is missing")
            self._sources.append(replace(stored[name], gone=True))
        return Looked(
            everything=self._everything,
            parents=frozenset(self._parents),
            communities=self._communities,
            reasons=tuple(self._reasons),
            sources=tuple(self._sources),
        )

    def save(self, looked: Looked) -> None:
        """Store the bookmarks of a scan, after its pending work is stored.

        Raises:
            LockLostError: another run has written them.
        """
        for source in looked.sources:
            self._bookmarks.save(source)

    def forget(self) -> None:
        """Remove the bookmarks."""
        for source in self._bookmarks.read().values():
            self._bookmarks.delete(source)

    def all_communities(self) -> set[str]:
        """Return every community that has events or documents."""
        aliases = [self._names.aggregates(family) for family in RECORD_FAMILIES]
        places = ",".join([self._names.community_events, *aliases])
        found = distinct(self._client, places, "community_id", limit=self._limit)
        return {community for community, _ in found}

    def communities_of(self, parents: Iterable[str]) -> set[str]:
        """Return every community that a record of some parents has ever been in.

        Args:
            parents: ids of the parents.
        """
        return self._of("parent_id", parents, "community_id")

    def _of(self, field: str, values: Iterable[str], wanted: str) -> set[str]:
        """Return the values of one field in events with some values of another."""
        values = sorted(values)
        found: set[str] = set()
        for start in range(0, len(values), _IDS):
            chosen = {"terms": {field: values[start : start + _IDS]}}
            events = self._names.community_events
            its = distinct(self._client, events, wanted, [chosen], limit=self._limit)
            found.update(value for value, _ in its)
        return found

    # -- inside -------------------------------------------------------------

    def _require(self, stored: Collection[str], now: Collection[str]) -> None:
        """Refuse to continue if all sources are missing, which must be an accident."""
        for alias in (self._names.community_events, self._names.record_facts):
            there, counted = (
                any(name.startswith(alias) for name in names) for names in (now, stored)
            )
            if counted and not there:
                raise NotReadyError(
                    f"All of {alias} is missing, from which records were counted. "
                    "Nothing was changed. Restore it, or run 'invenio community-stats "
                    "community-events generate'. Then run the same command again."
                )

    def _is_events(self, name: str) -> bool:
        return name != self._names.record_facts

    def _look_at_rules(self, stored: SourcePosition | None, first: bool) -> None:
        if stored is not None and stored.uuid == self._rules:
            return
        self._all("nothing was counted yet" if first else _OTHER_RULES)
        source = stored or SourcePosition(scope=SCOPE, index=RULES)
        self._sources.append(replace(source, uuid=self._rules))

    def _look_at_visibility(self, stored: SourcePosition | None) -> None:
        """Find the communities whose visibility has changed."""
        source = stored or SourcePosition(scope=SCOPE, index=_RESTRICTED)
        self._communities = self._restricted ^ source.counts.keys()
        if self._communities:
            counts = dict.fromkeys(sorted(self._restricted), 1)
            self._sources.append(replace(source, counts=counts))

    def _look_at_kept(
        self, stored: SourcePosition | None, now: IndexPositions | None
    ) -> None:
        """Count everything again if the index of contributions was replaced or lost."""
        uuid = now.uuid if now else ""
        if stored and stored.uuid == uuid:
            return
        if stored:
            self._all(f"{stored.index} was restored or is missing")
        source = stored or SourcePosition(scope=SCOPE, index=self._names.between_runs)
        self._sources.append(replace(source, uuid=uuid))

    def _look_at(
        self, name: str, stored: SourcePosition | None, now: IndexPositions
    ) -> None:
        start = stored or SourcePosition(scope=SCOPE, index=name, uuid=now.uuid)
        known = _known(start, now)
        if not known:
            self._all(f"{name} was restored or recreated")
        numbers = {shard: p.checkpoint for shard, p in now.shards.items()}
        before = {
            shard: (
                start.shards[shard][1] if known and shard in start.shards else NOTHING
            )
            for shard in numbers
        }
        if not self._everything:
            if self._is_events(name):
                self._look_at_events(name, before, numbers)
            else:
                self._look_at_facts(name, before, numbers)
        self._sources.append(
            replace(
                start,
                uuid=now.uuid,
                shards={s: (p.history, p.checkpoint) for s, p in now.shards.items()},
                gone=False,
            )
        )

    def _look_at_events(
        self, name: str, before: Mapping[int, int], upto: Mapping[int, int]
    ) -> None:
        parents, documents = self._changed(name, "parent_id", before, upto)
        if parents is None:
            self._all(f"more than {MOST} records have new events")
        elif documents != _given(before, upto):
            self._all(f"events were deleted from {name}")
        elif parents:
            self._parents |= parents
            self._reasons.append(f"{name} has new events")

    def _look_at_facts(
        self, name: str, before: Mapping[int, int], upto: Mapping[int, int]
    ) -> None:
        recids, documents = self._changed(name, "recid", before, upto)
        if recids is None:
            self._all(f"more than {MOST} record facts have changed")
            return
        if recids:
            # Parents come from events: a record can have facts before any event.
            self._parents |= self._of("recid", recids, "parent_id")
            self._reasons.append(f"{len(recids)} record facts have changed")
        if documents != _given(before, upto):
            # Some facts were written again or deleted.
            self._look_for_bereft()

    def _changed(
        self,
        name: str,
        field: str,
        before: Mapping[int, int],
        upto: Mapping[int, int],
    ) -> tuple[set[str] | None, int]:
        """Return the values of a field in new documents, and the number of documents.

        If it has more than :data:`MOST` values, None is returned for them.
        """
        values: set[str] = set()
        documents = 0
        for value, count in self._written(name, field, before, upto):
            values.add(value)
            documents += count
            if len(values) > MOST:
                return None, documents
        return values, documents

    def _look_for_bereft(self) -> None:
        """Find records whose facts were deleted."""
        events, facts = (
            (
                recid
                for recid, _ in distinct(
                    self._client, index, "recid", limit=self._limit
                )
            )
            for index in (self._names.community_events, self._names.record_facts)
        )
        bereft: set[str] = set()
        for recid in _without(events, facts, self._missing()):
            bereft.add(recid)
            if len(bereft) > MOST:
                self._all(f"more than {MOST} record facts are missing")
                return
        if bereft:
            self._parents |= self._of("recid", bereft, "parent_id")
            self._reasons.append(f"{len(bereft)} record facts are missing")

    def _written(
        self,
        name: str,
        field: str,
        before: Mapping[int, int],
        upto: Mapping[int, int],
    ) -> Iterator[tuple[str, int]]:
        for shard in upto:
            if upto[shard] > before[shard]:
                bounds = {"gt": before[shard], "lte": upto[shard]}
                yield from distinct(
                    self._client,
                    name,
                    field,
                    [{"range": {"_seq_no": bounds}}],
                    shard=shard,
                    limit=self._limit,
                )

    def _all(self, reason: str) -> None:
        self._everything = True
        self._reasons.append(reason)


def _without(values: Iterable[str], *others: Iterable[str]) -> Iterator[str]:
    """Yield the values that are in none of the others; all must be sorted."""
    behind = [_Behind(other) for other in others]
    for value in values:
        # A list, not a generator, because each iterator must be read up to this value.
        if not any([other.has(value) for other in behind]):
            yield value


class _Behind:
    """Sorted values, read only as far as needed."""

    def __init__(self, values: Iterable[str]) -> None:
        self._values = iter(values)
        self._next = next(self._values, None)

    def has(self, value: str) -> bool:
        while self._next is not None and self._next < value:
            self._next = next(self._values, None)
        return self._next == value


def _given(before: Mapping[int, int], upto: Mapping[int, int]) -> int:
    """Return the number of sequence numbers that were assigned."""
    return sum(upto[shard] - before[shard] for shard in upto)


def _same(stored: SourcePosition | None, now: IndexPositions) -> bool:
    """Return whether nothing was written to an index since its bookmark."""
    return (
        stored is not None
        and not stored.gone
        and stored.uuid == now.uuid
        and stored.shards
        == {s: (p.history, p.checkpoint) for s, p in now.shards.items()}
    )


def _known(start: SourcePosition, now: IndexPositions) -> bool:
    """Return whether stored positions are still valid for an index."""
    if start.gone or start.uuid != now.uuid:
        return False
    return all(
        shard not in start.shards
        or (
            start.shards[shard][0] == position.history
            and start.shards[shard][1] <= position.checkpoint
        )
        for shard, position in now.shards.items()
    )
