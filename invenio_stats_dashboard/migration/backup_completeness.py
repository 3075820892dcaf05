# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Prove that the index in service holds a whole backup, without reading all of both.

The proof rests on three facts:

* Before the cut-over, every event was read back from the target. An event retains its
  sequence number until it is written again, so an event whose number was covered then
  is unchanged.
* Just before the last call of the cut-over, while writes were refused, both indices
  held the same number of events. This counts only if nothing was deleted from the
  source between the verification and that moment.
* Events with later numbers are compared with the backup one by one.

If the backup holds as many events as were unchanged or compared, no event is missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch

from ..search.compare_and_set import by_shard
from ..search.seqno import NOTHING, StoredDocument, page, scan, settled_positions
from ..usage_events.enrichment import native_bytes
from ..usage_events.indices import Month
from .comparison import counts_per_day
from .fingerprints import event_hash
from .run_context import MigrationRun

_MOST = 100_000
_PAGE = 1000


def holds_all(run: MigrationRun, month: Month, data: Mapping[str, Any]) -> bool:
    """Return whether the index in service provably holds all events of the backup.

    Args:
        run: the run that compares.
        month: a month after its cut-over; it has a backup.
        data: the data of the month's bookmark.

    Returns:
        False if there is no proof; then both indices must be read.
    """
    assert month.target is not None and month.backup is not None
    switch, verified = data.get("switch") or {}, data.get("verified") or {}
    total = switch.get("events")
    if total is None or "read_back" not in verified or not _same_indices(month, data):
        return False
    if not switch["only_written"] or not _is_unchanged(run.client, month, switch):
        return False
    read, serving = by_shard(verified["read_back"]), by_shard(switch["serving"])
    found = settled_positions(run.client, month.target.name)
    last = {shard: p.last for shard, p in found.items()}
    histories = {shard: p.history for shard, p in found.items()}
    if histories != by_shard(verified["histories"]) or set(last) != set(read):
        return False
    if sum(last[shard] - read[shard] for shard in last) > _MOST:
        return False
    again: set[str] = set()
    for shard in last:
        for hits in _written(run, month.target.name, shard, read[shard], last[shard]):
            same = _compared(run, month.backup.name, hits, serving[shard])
            if same is None:
                return False
            again |= same
    # counted after the reading: an event that is written meanwhile is in neither number
    unchanged, _ = counts_per_day(run.client, month.target.name, read)
    return unchanged + len(again) == total


def _same_indices(month: Month, data: Mapping[str, Any]) -> bool:
    """Return whether target and backup are the indices of the recorded cut-over.

    The backup is the old index itself or a clone of it, and it must be write-blocked.
    """
    assert month.target is not None and month.backup is not None
    settings = month.backup.settings
    origin = settings.get("resize", {}).get("source", {}).get("uuid")
    blocked = str(settings.get("blocks", {}).get("write")).lower() == "true"
    return (
        blocked
        and month.target.uuid == data["target"]["uuid"]
        and data["source"]["uuid"] in (month.backup.uuid, origin)
    )


def _is_unchanged(client: OpenSearch, month: Month, switch: Mapping[str, Any]) -> bool:
    """Return whether the backup is unchanged since the cut-over.

    A clone retains the sequence numbers of the old index.
    """
    assert month.backup is not None
    found = settled_positions(client, month.backup.name)
    if {shard: p.last for shard, p in found.items()} != by_shard(switch["read"]):
        return False
    return counts_per_day(client, month.backup.name)[0] == switch["events"]


def _written(
    run: MigrationRun, index: str, shard: int, after: int, upto: int
) -> Iterator[list[StoredDocument]]:
    """Yield pages of the events that were written after a position."""

    def fetch(start: int, end: int) -> list[StoredDocument]:
        run.copier.check()
        return page(run.copier.text_client, index, shard, start, end, _PAGE)

    for _, hits in scan(fetch, after, upto, _PAGE):
        if hits:
            yield hits


def _compared(
    run: MigrationRun, backup: str, hits: Sequence[StoredDocument], serving: int
) -> set[str] | None:
    """Return the ids of the events that the backup holds too; None if one differs.

    An event that was written after the cut-over may differ, because it is newer.

    Args:
        run: the run that compares.
        backup: name of the backup.
        hits: events of one shard of the index in service.
        serving: last sequence number of that shard at the cut-over.
    """
    written = {hit.id: hit for hit in hits}
    only = {"ids": {"values": sorted(written)}}
    again: set[str] = set()
    for shard, position in settled_positions(run.client, backup).items():
        upto = position.last
        for old in page(
            run.copier.text_client, backup, shard, NOTHING, upto, _PAGE, only=only
        ):
            new = written[old.id]
            if new.seq_no <= serving and _hash(new) != _hash(old):
                return None
            again.add(old.id)
    return again


def _hash(hit: StoredDocument) -> int:
    return event_hash(hit.id, native_bytes(hit.source))
