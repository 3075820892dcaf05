# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What has changed in community events and record facts since the last look.

Each write and each deletion takes a sequence number, so an index whose shards have
given out none is not even searched. Where they have, the numbers beyond the last ones
are of documents that were written since. What was deleted is noticed by counting: a
number that no document has was given to a deletion, or to a document that was written
again since.

* Events are only ever created, so one of them was deleted.
* Facts are written over, so it can be either. Then ``global`` is counted again, which
  reads the facts of all records and finds those that lack them.
"""

from dataclasses import dataclass, replace

from ...community_events.documents import GLOBAL
from ...errors import NotReadyError
from ...search.client import patiently
from ...search.names import RECORD_FAMILIES
from ...search.seqno import NOTHING, positions_of_all
from ..bookmarks import Source, Sources
from .distinct import distinct

SCOPE = "records"
"""The scope of the bookmarks of sources."""

MOST = 20_000
"""Changed facts of which the communities are asked; beyond, all are counted again."""

_RULES = "rules"
_RECIDS = 1000


@dataclass(frozen=True)
class Looked:
    """What has to be counted again.

    Attributes:
        everything: all communities have.
        communities: those that have, where not all have.
        reasons: sentences that say why, for people.
        sources: bookmarks to store when that is noted.
    """

    everything: bool
    communities: frozenset[str]
    reasons: tuple[str, ...]
    sources: tuple[Source, ...]


class Look:
    """One look at what has changed.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~...search.names.Names`.
        rules: text that changes when the same events and facts would give other
            documents.
        limit: seconds to go on trying while OpenSearch takes no requests.
    """

    def __init__(self, client, names, rules, limit=120):
        """Keep what is needed; asks nothing yet."""
        self._client, self._names = client, names
        self._rules, self._limit = rules, limit
        self._bookmarks = Sources(client, names, SCOPE)
        self._everything, self._communities = False, set()
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
        both = f"{self._names.community_events},{self._names.record_facts}"
        now = patiently(lambda: positions_of_all(self._client, both), self._limit)
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
            communities=frozenset(self._communities),
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

    def communities_of(self, recids):
        """Return every community in which any of some records ever was.

        Args:
            recids: identifiers.
        """
        recids, found = sorted(recids), set()
        for start in range(0, len(recids), _RECIDS):
            chosen = {"terms": {"recid": recids[start : start + _RECIDS]}}
            found.update(
                community
                for community, _ in distinct(
                    self._client,
                    self._names.community_events,
                    "community_id",
                    [chosen],
                    limit=self._limit,
                )
            )
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
        source = stored or Source(scope=SCOPE, index=_RULES)
        self._sources.append(replace(source, uuid=self._rules))

    def _look_at(self, name, stored, now):
        start = stored or Source(scope=SCOPE, index=name, uuid=now.uuid)
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
        found = list(self._written(name, "community_id", before, upto))
        if sum(count for _, count in found) != _given(before, upto):
            self._all(f"events were deleted from {name}")
        elif found:
            self._communities.update(community for community, _ in found)
            self._reasons.append(f"{name} has new events")

    def _look_at_facts(self, name, before, upto):
        recids, documents = set(), 0
        for recid, count in self._written(name, "recid", before, upto):
            recids.add(recid)
            documents += count
            if len(recids) > MOST:
                self._all(f"more than {MOST} record facts have changed")
                return
        if recids:
            self._communities |= self.communities_of(recids)
            self._reasons.append(f"{len(recids)} record facts have changed")
        if documents != _given(before, upto):
            # written again, or deleted: only reading all facts can tell
            self._communities.add(GLOBAL)

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
