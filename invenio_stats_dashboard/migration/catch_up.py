# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Copy the events written since the last copy, and read each of them back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import StatsDashboardError
from ..search.seqno import NOTHING, page, positions
from ..usage_events.enrichment import native_bytes
from .copier import Copier
from .fingerprints import fingerprint

_IDS = 1000


@dataclass(frozen=True)
class CatchUp:
    """Result of a catch-up.

    Attributes:
        events: number of events that were copied.
        only_written: each operation on the source in that range stored one of these
            events. Otherwise an event was deleted, or written more than once.
    """

    events: int = 0
    only_written: bool = True


class DeltaError(StatsDashboardError):
    """Recently written events differ between source and target."""


def bring_delta(
    copier: Copier,
    source: str,
    target: str,
    fence: str,
    copied: Mapping[int, int],
    upto: Mapping[int, int],
    check: Callable[[], None],
) -> CatchUp:
    """Copy the events after a position, and compare each of them with its source.

    Args:
        copier: the run's copier.
        source: name of the source; it must be refreshed.
        target: name of the target.
        fence: alias through which the target is written.
        copied: shard -> position up to which events are copied and verified.
        upto: shard -> position to copy up to.
        check: called before each batch; raises to end the catch-up.

    Raises:
        DeltaError: an event differs between source and target.
        LockLostError: another run has the month.
    """
    brought: dict[str, int] = {}
    for batch in copier.batches(source, copied, upto, gated=False):
        check()
        copier.write(fence, batch)
        # the source holds only the last version of an event that was written twice
        brought.update({id: hash for id, _, hash in batch.prints})
    copier.client.indices.refresh(index=target)
    stored = dict(_hashes(copier, target, sorted(brought)))
    wrong = [id for id, hash in brought.items() if stored.get(id) != hash]
    if wrong:
        raise DeltaError(
            f"{len(wrong)} of the last {len(brought)} events differ in the target; the "
            f"first is {wrong[0]}"
        )
    operations = sum(at - copied.get(shard, NOTHING) for shard, at in upto.items())
    return CatchUp(len(brought), operations == len(brought))


def _hashes(
    copier: Copier, target: str, ids: Sequence[str]
) -> Iterator[tuple[str, int]]:
    """Yield id and hash of those events that the target holds."""
    last = {n: p.last for n, p in positions(copier.client, target).items()}
    for start in range(0, len(ids), _IDS):
        only = {"ids": {"values": ids[start : start + _IDS]}}
        for shard, upto in last.items():
            hits = page(
                copier.text_client, target, shard, NOTHING, upto, _IDS, only=only
            )
            for hit in hits:
                yield hit.id, fingerprint(hit.id, native_bytes(hit.source))[1]
