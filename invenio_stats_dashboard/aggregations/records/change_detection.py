# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Of which parents something has changed since the last look, in events or facts.

Each write and each deletion takes a sequence number, so an index whose shards have
given out none is not even searched. Where they have, the numbers beyond the last ones
are of documents that were written since. What was deleted is noticed by counting: a
number that no document has was given to a deletion, or to a document that was written
again since.

* Events are only ever created, so one of them was deleted, and nobody knows whose.
* Facts are written over, so it can be either. Then the identifiers of all records that
  have events are compared with those that have facts, and with those that are known to
  lack them.
"""

from dataclasses import dataclass, replace

from ...errors import NotReadyError
from ...search.client import patiently
from ...search.names import RECORD_FAMILIES
from ...search.seqno import NOTHING, positions_of_all
from ..source_positions import SourcePosition, SourcePositions
from .distinct import distinct

SCOPE = "records"
"""The scope of the bookmarks of sources."""

MOST = 100_000
"""Changed parents that are looked at one by one; beyond, all are counted again."""

_RULES = "rules"
_IDS = 1000


@dataclass(frozen=True)
class Looked:
    """What has to be counted again.

    Attributes:
        everything: all has.
        parents: ids of those of which something has changed, where not all has.
        reasons: sentences that say why, for people.
        sources: bookmarks to store when that is noted.
    """

    everything: bool
    parents: frozenset[str]
    reasons: tuple[str, ...]
    sources: tuple[SourcePosition, ...]


class ChangeScan:
    """One look at what has changed.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~...search.names.Names`.
        rules: text that changes when the same events and facts would give other
            documents.
        missing: returns the identifiers of the records that are known to lack facts,
            sorted.
        limit: seconds to go on trying while OpenSearch takes no requests.
    """

    def __init__(self, client, names, rules, missing, limit=120):
        """Keep what is needed; asks nothing yet."""
        self._client, self._names = client, names
        self._rules, self._missing, self._limit = rules, missing, limit
        self._bookmarks = SourcePositions(client, names, SCOPE)
        self._everything, self._parents = False, set()
        self._reasons, self._sources = [], []

    def look(self):
        """Return what has changed since the bookmarks were written.

        Returns:
            Looked: nothing is stored yet.

        Raises:
            NotReadyError: all community events or record facts are gone.
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        stored = self._bookmarks.read()
        names = self._names
        kept = names.between_runs
        all_of_it = f"{names.community_events},{names.record_facts},{kept}"
        now = patiently(lambda: positions_of_all(self._client, all_of_it), self._limit)
        self._look_at_kept(stored.pop(kept, None), now.pop(kept, None))
        self._require(stored, now)
        self._look_at_rules(stored.pop(_RULES, None), first=not stored)
        moved = sorted(n for n, p in now.items() if not _same(stored.get(n), p))
        if moved:
            # what is up to the checkpoints must be seen by all that is asked below
            patiently(
                lambda: self._client.indices.refresh(index=",".join(moved)), self._limit
            )
        for name in moved:
            self._look_at(name, stored.get(name), now[name])
        for name in sorted(set(stored) - set(now)):
            self._all(f"{name} is gone")
            self._sources.append(replace(stored[name], gone=True))
        return Looked(
            everything=self._everything,
            parents=frozenset(self._parents),
            reasons=tuple(self._reasons),
            sources=tuple(self._sources),
        )

    def save(self, looked):
        """Store the bookmarks, once all that is to be counted again is noted.

        Args:
            looked: what :meth:`look` returned.

        Raises:
            LockLostError: another run has written them.
        """
        for source in looked.sources:
            self._bookmarks.save(source)

    def forget(self):
        """Remove the bookmarks."""
        for source in self._bookmarks.read().values():
            self._bookmarks.delete(source)

    def all_communities(self):
        """Return every community that has events or documents."""
        aliases = [self._names.aggregates(family) for family in RECORD_FAMILIES]
        places = ",".join([self._names.community_events, *aliases])
        found = distinct(self._client, places, "community_id", limit=self._limit)
        return {community for community, _ in found}

    def communities_of(self, parents):
        """Return every community in which a record of some parents ever was.

        Args:
            parents: ids.
        """
        return self._of("parent_id", parents, "community_id")

    def _of(self, field, values, wanted):
        """Return the distinct values of one field of the events with some of another."""
        values, found = sorted(values), set()
        for start in range(0, len(values), _IDS):
            chosen = {"terms": {field: values[start : start + _IDS]}}
            events = self._names.community_events
            its = distinct(self._client, events, wanted, [chosen], limit=self._limit)
            found.update(value for value, _ in its)
        return found

    # -- inside -------------------------------------------------------------

    def _require(self, stored, now):
        """See that what was counted is not gone as a whole: that is an accident."""
        for alias in (self._names.community_events, self._names.record_facts):
            there, counted = (
                any(name.startswith(alias) for name in names) for names in (now, stored)
            )
            if counted and not there:
                raise NotReadyError(
                    f"All of {alias} is gone, which records were counted by. Nothing "
                    "was changed. Restore it, or run 'invenio community-stats "
                    "community-events generate', and run the same command again."
                )

    def _is_events(self, name):
        return name != self._names.record_facts

    def _look_at_rules(self, stored, first):
        if stored is not None and stored.uuid == self._rules:
            return
        self._all("nothing was counted yet" if first else "the breakdowns have changed")
        source = stored or SourcePosition(scope=SCOPE, index=_RULES)
        self._sources.append(replace(source, uuid=self._rules))

    def _look_at_kept(self, stored, now):
        """See that what is kept between runs is what was kept."""
        uuid = now.uuid if now else ""
        if stored and stored.uuid == uuid:
            return
        if stored:
            self._all(f"{stored.index} was restored or is gone")
        source = stored or SourcePosition(scope=SCOPE, index=self._names.between_runs)
        self._sources.append(replace(source, uuid=uuid))

    def _look_at(self, name, stored, now):
        start = stored or SourcePosition(scope=SCOPE, index=name, uuid=now.uuid)
        known = _known(start, now)
        if not known:
            self._all(f"{name} was restored or created anew")
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

    def _look_at_events(self, name, before, upto):
        parents, documents = self._changed(name, "parent_id", before, upto)
        if parents is None:
            self._all(f"more than {MOST} records have new events")
        elif documents != _given(before, upto):
            self._all(f"events were deleted from {name}")
        elif parents:
            self._parents |= parents
            self._reasons.append(f"{name} has new events")

    def _look_at_facts(self, name, before, upto):
        recids, documents = self._changed(name, "recid", before, upto)
        if recids is None:
            self._all(f"more than {MOST} record facts have changed")
            return
        if recids:
            # by the events: facts can be of a record that has none yet
            self._parents |= self._of("recid", recids, "parent_id")
            self._reasons.append(f"{len(recids)} record facts have changed")
        if documents != _given(before, upto):
            # written again, or deleted
            self._look_for_bereft()

    def _changed(self, name, field, before, upto):
        """Return the values of a field that were written, and in how many documents.

        No values are returned if there are too many.
        """
        values, documents = set(), 0
        for value, count in self._written(name, field, before, upto):
            values.add(value)
            documents += count
            if len(values) > MOST:
                return None, documents
        return values, documents

    def _look_for_bereft(self):
        """Look for records whose facts are not there any more."""
        events, facts = (
            (
                recid
                for recid, _ in distinct(
                    self._client, index, "recid", limit=self._limit
                )
            )
            for index in (self._names.community_events, self._names.record_facts)
        )
        bereft = set()
        for recid in _without(events, facts, self._missing()):
            bereft.add(recid)
            if len(bereft) > MOST:
                self._all(f"more than {MOST} record facts are gone")
                return
        if bereft:
            self._parents |= self._of("recid", bereft, "parent_id")
            self._reasons.append(f"{len(bereft)} record facts are gone")

    def _written(self, name, field, before, upto):
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

    def _all(self, reason):
        self._everything = True
        self._reasons.append(reason)


def _without(values, *others):
    """Yield the values that are in none of the others; all are sorted."""
    others = [_Behind(other) for other in others]
    for value in values:
        # each must be asked, since each is read as far as the values are
        if not any([other.has(value) for other in others]):
            yield value


class _Behind:
    """Sorted values, read as far as is asked for."""

    def __init__(self, values):
        self._values = iter(values)
        self._next = next(self._values, None)

    def has(self, value):
        while self._next is not None and self._next < value:
            self._next = next(self._values, None)
        return self._next == value


def _given(before, upto):
    """Return how many sequence numbers were given out."""
    return sum(upto[shard] - before[shard] for shard in upto)


def _same(stored, now):
    """Tell whether nothing was written to an index since."""
    return (
        stored is not None
        and not stored.gone
        and stored.uuid == now.uuid
        and stored.shards
        == {s: (p.history, p.checkpoint) for s, p in now.shards.items()}
    )


def _known(start, now):
    """Tell whether positions of before still mean anything."""
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
