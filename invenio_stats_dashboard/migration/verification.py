# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Is the copy the same as its source? Every event is looked at before a switch.

What was read while copying and what was read back from the target are compared
by day; counts are taken a second time in the cluster. Days that differ are
compared event by event and repaired, both ways; then they are compared again.
"""

from dataclasses import dataclass

import msgspec

from ..errors import ClusterNotHealthyError, StatsDashboardError
from ..search import bulk
from ..search.seqno import NOTHING, page, settled_positions
from ..usage_events.enrichment import decode_head, enrich
from ..usage_events.maintenance.reattribution import noted_among
from .comparison import ComparedIndex, compare_day, counts_per_day

_ROUNDS = 3
_IDS = 1000
_SAMPLE = 200


class VerificationError(StatsDashboardError):
    """A copy is not the same as its source and could not be repaired."""


@dataclass(frozen=True)
class VerificationResult:
    """What a verification has found.

    Attributes:
        events: number of events on both sides, up to the verified position.
        repaired: events that were brought, removed or replaced.
        sampled: events that were enriched again from scratch and were equal.
    """

    events: int
    repaired: int
    sampled: int


class Verifier:
    """Compares a month's target with its source, and repairs it.

    Args:
        copier: the :class:`~.copier.Copier` of the run.
        source: name of the source.
        target: name of the target.
        fence: alias through which the target is written.
        fresh_lookup: makes a record look-up that has cached nothing.
        names: the instance's names.
    """

    def __init__(self, copier, source, target, fence, fresh_lookup, names):
        """Keep what is needed."""
        self._copier = copier
        self._client, self._text = copier.client, copier.text_client
        self._source, self._target, self._fence = source, target, fence
        self._fresh_lookup, self._names = fresh_lookup, names

    def verify(self, settled, source_prints, target_prints):
        """Compare everything up to a position.

        Args:
            settled: shard -> position up to which the source was copied.
            source_prints: fingerprints of what was read while copying.
            target_prints: fingerprints of what was read back.

        Returns:
            Verified: what was found.

        Raises:
            VerificationError: the text says what differs.
        """
        left, right = self._sides(settled)
        days = set(source_prints.differing(target_prints))
        days |= set(self._differing_counts(settled))
        repaired = 0
        counts = {**target_prints.counts(), **source_prints.counts()}
        for day in sorted(days):
            repaired += self._mend(left, right, day, counts.get(day, 1))
        if days:
            _, right = self._sides(settled)
        total = self._all_enriched()
        return VerificationResult(total, repaired, self._sample(right))

    def _sides(self, settled):
        source = settled_positions(self._client, self._source)
        target = settled_positions(self._client, self._target)
        upto = {shard: p.last for shard, p in target.items()}
        return (
            ComparedIndex(
                self._source, {n: p.checkpoint for n, p in source.items()}, settled
            ),
            ComparedIndex(self._target, upto, upto),
        )

    def _differing_counts(self, settled):
        _, source = counts_per_day(self._client, self._source, settled)
        _, target = counts_per_day(self._client, self._target)
        return [
            day
            for day in set(source) | set(target)
            if source.get(day, 0) != target.get(day, 0)
        ]

    def _mend(self, left, right, day, count):
        """Compare one day event by event until both sides are the same."""
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
                f"After {_ROUNDS} repairs the events of {day} still differ: {found}."
            )
        return repaired

    def bring(self, ids):
        """Copy single events again from the source.

        Args:
            ids: their ``_id``.
        """
        for hits, shard in self._by_ids(self._source, ids):
            batch = self._copier.batch(shard, NOTHING, hits)
            self._copier.write(self._fence, batch)

    def remove(self, ids):
        """Delete single events from the target, which the source no longer has."""
        for part in _parts(sorted(ids)):
            bulk.write(
                self._text,
                self._fence,
                [b'{"delete":{"_id":%b}}\n' % msgspec.json.encode(i) for i in part],
                self._copier.write_limit,
                params={"require_alias": "true"},
                waiting=self._copier.waiting,
                sleep=self._copier.sleep,
            )

    def _by_ids(self, index, ids):
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

    def _all_enriched(self):
        """Return the number of events; every one must have been enriched."""
        total = self._count({"match_all": {}})
        enriched = self._count({"exists": {"field": "enriched_at"}})
        if enriched != total:
            raise VerificationError(
                f"{total - enriched} of {total} events were stored without enrichment."
            )
        return total

    def _count(self, query):
        answer = self._client.count(index=self._target, body={"query": query})
        if answer["_shards"]["failed"]:
            raise ClusterNotHealthyError(
                f"Not every shard of {self._target} could be counted. Run the same "
                "command again when the index is whole."
            )
        return answer["count"]

    def _sample(self, side):
        """Enrich some events again from scratch and compare with what is stored."""
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
                only={"terms": {"_seq_no": numbers}},
            )
            sampled += len(hits)
            self._check_enrichment(hits)
        return sampled

    def _check_enrichment(self, hits):
        heads = [decode_head(hit.source) for hit in hits]
        contexts = self._fresh_lookup().get({h.recid for h in heads if h.recid})
        differing = []
        for hit, head in zip(hits, heads, strict=True):
            context = contexts.get(head.recid)
            if context is None:
                continue
            wanted = list(enrich(head.timestamp, head.file_key, context).community_ids)
            if wanted != head.community_ids:
                differing.append((head.recid, hit.id, head.community_ids, wanted))
        # a membership that changed meanwhile was noted before its event was written;
        # its record stays on the list until this month is switched
        noted = noted_among(self._client, self._names, {d[0] for d in differing})
        for recid, id, stored, wanted in differing:
            if recid not in noted:
                raise VerificationError(
                    f"The event {id} was enriched with the communities {stored}; "
                    f"its record's timeline says {wanted}."
                )


def _parts(ids):
    return [ids[i : i + _IDS] for i in range(0, len(ids), _IDS)]
