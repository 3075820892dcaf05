# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Does the index in service still hold all of the backup? Told without reading both.

Before a switch every event was read back, and at its last call the totals of both
indices agreed while writers were refused. Nothing was deleted at the source in
between, or the totals would prove nothing. An event keeps its sequence number until
it is written again. So an event with a number up to that of the reading is as it
was then; those above it are compared one by one; and if both together are as many
as the backup holds, none is missing.
"""

from ..search.documents import by_shard
from ..search.seqno import NOTHING, page, scan, settled_positions
from ..usage_events.enrichment import native_bytes
from .comparison import counts_per_day
from .fingerprints import event_hash

_MOST = 100_000
_PAGE = 1000


def holds_all(run, month, data):
    """Tell whether nothing of a backup is missing from the index in service.

    Args:
        run: the :class:`~.run_context.MigrationRun`.
        month: the :class:`~..usage_events.indices.Month`, switched.
        data: its bookmark's.

    Returns:
        bool: False means that it could not be told; then both have to be read.
    """
    switch, verified = data.get("switch") or {}, data.get("verified") or {}
    total = switch.get("events")
    if total is None or "read_back" not in verified or not _same_indices(month, data):
        return False
    if not switch["only_written"] or not _is_as_left(run.client, month, switch):
        return False
    read, serving = by_shard(verified["read_back"]), by_shard(switch["serving"])
    found = settled_positions(run.client, month.target.name)
    last = {shard: p.last for shard, p in found.items()}
    histories = {shard: p.history for shard, p in found.items()}
    if histories != by_shard(verified["histories"]) or set(last) != set(read):
        return False
    if sum(last[shard] - read[shard] for shard in last) > _MOST:
        return False
    again = set()
    for shard in last:
        for hits in _written(run, month.target.name, shard, read[shard], last[shard]):
            same = _compared(run, month.backup.name, hits, serving[shard])
            if same is None:
                return False
            again |= same
    # counted after the reading: what is written meanwhile is in neither, not in both
    kept, _ = counts_per_day(run.client, month.target.name, read)
    return kept + len(again) == total


def _same_indices(month, data):
    """Tell whether these are the indices of the switch, or its clone of the old one."""
    settings = month.backup.settings
    origin = settings.get("resize", {}).get("source", {}).get("uuid")
    blocked = str(settings.get("blocks", {}).get("write")).lower() == "true"
    return (
        blocked
        and month.target.uuid == data["target"]["uuid"]
        and data["source"]["uuid"] in (month.backup.uuid, origin)
    )


def _is_as_left(client, month, switch):
    """Tell whether the backup was not written since the switch; its clone keeps numbers."""
    found = settled_positions(client, month.backup.name)
    if {shard: p.last for shard, p in found.items()} != by_shard(switch["read"]):
        return False
    return counts_per_day(client, month.backup.name)[0] == switch["events"]


def _written(run, index, shard, after, upto):
    def fetch(start, end):
        run.copier.check()
        return page(run.copier.text_client, index, shard, start, end, _PAGE)

    for _, hits in scan(fetch, after, upto, _PAGE):
        if hits:
            yield hits


def _compared(run, backup, hits, serving):
    """Return the ids of those events that the backup has too; None if one differs.

    One that was written after the switch may differ: it is newer.
    """
    written = {hit.id: hit for hit in hits}
    only = {"ids": {"values": sorted(written)}}
    again = set()
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


def _hash(hit):
    return event_hash(hit.id, native_bytes(hit.source))
