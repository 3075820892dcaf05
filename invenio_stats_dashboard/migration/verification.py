# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Verify before a cut-over that a copy holds exactly the events of its source.

The fingerprints taken while copying are compared by day with those of the events read
back from the target. Counts by day are also compared in the cluster. Days that differ
are compared event by event: missing, changed and extra events are repaired in the
target, and the day is compared again.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..community_events.lookup import RecordLookup
from ..errors import StatsDashboardError
from ..search.names import Names
from ..search.seqno import NOTHING, StoredDocument, page, settled_positions
from ..usage_events.enrichment import decode_head, enrich
from ..usage_events.maintenance.reattribution import noted_among
from .comparison import ComparedIndex, compare_day, counts_per_day
from .copier import Copier
from .fingerprints import Fingerprints

_ROUNDS = 3
_IDS = 1000
_SAMPLE = 200
"""Number of events, over all shards, whose enrichment is computed again."""


class VerificationError(StatsDashboardError):
    """A copy differs from its source and could not be repaired."""


@dataclass(frozen=True)
class VerificationResult:
    """The result of a successful verification.

    Attributes:
        events: number of events in the target.
        repaired: events that were copied again or deleted.
        sampled: events whose enrichment was computed again and compared.
    """

    events: int
    repaired: int
    sampled: int


class Verifier:
    """Compares a month's target with its source, and repairs it.

    Args:
        copier: the run's copier.
        source: name of the source.
        target: name of the target.
        fence: alias through which the target is written.
        fresh_lookup: returns a record look-up with an empty cache.
        names: the instance's index names.
    """

    def __init__(
        self,
        copier: Copier,
        source: str,
        target: str,
        fence: str,
        fresh_lookup: Callable[[], RecordLookup],
        names: Names,
    ) -> None:
        self._copier = copier
        self._client, self._text = copier.client, copier.text_client
        self._source, self._target, self._fence = source, target, fence
        self._fresh_lookup, self._names = fresh_lookup, names

    def verify(
        self,
        settled: Mapping[int, int],
        source_prints: Fingerprints,
        target_prints: Fingerprints,
    ) -> VerificationResult:
        """Compare all events up to a position.

        Args:
            settled: shard -> position up to which the source was copied.
            source_prints: fingerprints of the events read while copying.
            target_prints: fingerprints of the events read back from the target.

        Raises:
            VerificationError: the text states what differs.
        """
        left, right = self._sides(settled)
        days = set(source_prints.differing(target_prints))
        days |= set(self._differing_counts(settled))
        repaired = 0
        counts = {**target_prints.counts(), **source_prints.counts()}
        for day in sorted(days):
            repaired += self._repair(left, right, day, counts.get(day, 1))
        if days:
            _, right = self._sides(settled)
        total = self._all_enriched()
        return VerificationResult(total, repaired, self._sample(right))

    def _sides(self, settled: Mapping[int, int]) -> tuple[ComparedIndex, ComparedIndex]:
        source = settled_positions(self._client, self._source)
        target = settled_positions(self._client, self._target)
        upto = {shard: p.last for shard, p in target.items()}
        return (
            ComparedIndex(
                self._source, {n: p.checkpoint for n, p in source.items()}, settled
            ),
            ComparedIndex(self._target, upto, upto),
        )

    def _differing_counts(self, settled: Mapping[int, int]) -> list[str]:
        """Return the days on which the cluster counts different numbers of events."""
        _, source = counts_per_day(self._client, self._source, settled)
        _, target = counts_per_day(self._client, self._target)
        return [
            day
            for day in set(source) | set(target)
            if source.get(day, 0) != target.get(day, 0)
        ]

    def _repair(
        self, left: ComparedIndex, right: ComparedIndex, day: str, count: int
    ) -> int:
        """Compare and repair one day until both sides are the same.

        Returns:
            The number of repaired events.
        """
        repaired = 0
        for _ in range(_ROUNDS):
            self._copier.check()
            found = compare_day(self._text, left, right, day, count, self._copier.check)
            if not found:
                return repaired
            self.bring(found.missing | found.changed)
            self.remove(found.extra)
            repaired += len(found.missing | found.changed | found.extra)
            _, right = self._sides(left.settled)
        found = compare_day(self._text, left, right, day, count, self._copier.check)
        if found:
            raise VerificationError(
                f"After {_ROUNDS} repairs, the events of {day} still differ: {found}."
            )
        return repaired

    def bring(self, ids: Collection[str]) -> None:
        """Copy single events again from the source.

        Args:
            ids: their ``_id``.
        """
        for hits, shard in self._by_ids(self._source, ids):
            batch = self._copier.batch(shard, NOTHING, hits)
            self._copier.write(self._fence, batch)

    def remove(self, ids: Collection[str]) -> None:
        """Delete single events from the target that the source no longer holds."""
        for part in _parts(sorted(ids)):
            self._copier.delete(self._fence, part)

    def _by_ids(
        self, index: str, ids: Collection[str]
    ) -> Iterator[tuple[list[StoredDocument], int]]:
        """Yield pages of events by id, and their shard."""
        found = settled_positions(self._client, index)
        for part in _parts(sorted(ids)):
            for shard, position in found.items():
                hits = page(
                    self._text,
                    index,
                    shard,
                    NOTHING,
                    position.last,
                    _IDS,
                    only={"ids": {"values": part}},
                )
                if hits:
                    yield hits, shard

    def _all_enriched(self) -> int:
        """Return the number of events in the target, all of which must be enriched."""
        total = self._count({"match_all": {}})
        enriched = self._count({"exists": {"field": "enriched_at"}})
        if enriched != total:
            raise VerificationError(
                f"{total - enriched} of {total} events of the copy are not enriched."
            )
        return total

    def _count(self, query: Mapping[str, Any]) -> int:
        return self._client.count(index=self._target, body={"query": query})["count"]

    def _sample(self, side: ComparedIndex) -> int:
        """Compute the enrichment of some events again; compare it with the stored one.

        Returns:
            The number of these events.
        """
        sampled = 0
        for shard, last in side.upto.items():
            per_shard = max(1, _SAMPLE // len(side.upto))
            step = max(1, (last + 1) // per_shard)
            numbers = list(range(0, last + 1, step))[:per_shard]
            if not numbers:
                continue
            hits = page(
                self._text,
                side.index,
                shard,
                NOTHING,
                last,
                len(numbers),
                # not "terms", of which an index can allow fewer
                only={"bool": {"should": [{"term": {"_seq_no": n}} for n in numbers]}},
            )
            sampled += len(hits)
            self._check_enrichment(hits)
        return sampled

    def _check_enrichment(self, hits: Sequence[StoredDocument]) -> None:
        heads = [decode_head(hit.source).event for hit in hits]
        contexts = self._fresh_lookup().get({h.recid for h in heads if h.recid})
        differing = []
        for hit, head in zip(hits, heads, strict=True):
            context = contexts.get(head.recid) if head.recid else None
            if not head.recid or context is None:
                continue
            wanted = list(enrich(head.timestamp, head.file_key, context).community_ids)
            if wanted != head.community_ids:
                differing.append((head.recid, hit.id, head.community_ids or [], wanted))
        # A record whose membership changed meanwhile was added to the re-attribution
        # list before its community event was written. It stays on the list until the
        # cut-over of this month.
        noted = noted_among(self._client, self._names, {d[0] for d in differing})
        for recid, id, stored, wanted in differing:
            if recid not in noted:
                raise VerificationError(
                    f"The event {id} was enriched with the communities {stored}, but "
                    f"by its record's timeline they are {wanted}."
                )


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[i : i + _IDS] for i in range(0, len(ids), _IDS)]
