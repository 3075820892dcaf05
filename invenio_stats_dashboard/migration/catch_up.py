# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Bringing what was written since, and reading each of its events back."""

from dataclasses import dataclass

from ..errors import StatsDashboardError
from ..search.seqno import NOTHING, page, positions
from ..usage_events.enrichment import native_bytes
from .fingerprints import fingerprint

_IDS = 1000


@dataclass(frozen=True)
class CatchUp:
    """What was brought.

    Attributes:
        events: their number.
        only_written: every operation of the source in between left one of these
            events. If not, there were others: something was deleted, or was
            written more than once.
    """

    events: int = 0
    only_written: bool = True


class DeltaError(StatsDashboardError):
    """Events of the last moment were not stored as they are."""


def bring_delta(copier, source, target, fence, copied, upto, check):
    """Copy what came after a position and compare every event of it.

    Args:
        copier: the :class:`~.copier.Copier` of the run.
        source: name of the source; it must be refreshed.
        target: name of the target.
        fence: alias through which the target is written.
        copied: shard -> position up to which everything is there and verified.
        upto: shard -> position to bring.
        check: called before each batch; raises to end it.

    Returns:
        Delta: what was brought.

    Raises:
        DeltaError: one is not in the target as it is in the source.
    """
    brought = {}
    for batch in copier.batches(source, copied, upto, gated=False):
        check()
        copier.write(fence, batch)
        # an event that was written twice stands in the source once, as it is last
        brought.update({id: hash for id, _, hash in batch.prints})
    copier.client.indices.refresh(index=target)
    stored = dict(_hashes(copier, target, sorted(brought)))
    wrong = [id for id, hash in brought.items() if stored.get(id) != hash]
    if wrong:
        raise DeltaError(
            f"{len(wrong)} of the {len(brought)} last events were not stored as they "
            f"are, the first is {wrong[0]}"
        )
    operations = sum(at - copied.get(shard, NOTHING) for shard, at in upto.items())
    return CatchUp(len(brought), operations == len(brought))


def _hashes(copier, target, ids):
    last = {n: p.last for n, p in positions(copier.client, target).items()}
    for start in range(0, len(ids), _IDS):
        only = {"ids": {"values": ids[start : start + _IDS]}}
        for shard, upto in last.items():
            hits = page(
                copier.text_client, target, shard, NOTHING, upto, _IDS, only=only
            )
            for hit in hits:
                yield hit.id, fingerprint(hit.id, native_bytes(hit.source))[1]
