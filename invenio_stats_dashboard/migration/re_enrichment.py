# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Add a new breakdown to events that are already enriched.

Each write names the version of the event that was read, so it never overwrites a
write of the live site. An event that the live site wrote has the new breakdown already.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import StatsDashboardError
from ..search import bulk
from ..search.compare_and_set import Bookmark
from ..search.seqno import NOTHING, StoredDocument, page, settled_positions
from ..usage_events.indices import EventsIndex, Month, serving
from ..usage_events.maintenance.event_rewriter import if_unchanged
from .copier import Copier
from .report import MonthProgress
from .run_context import MigrationRun


@dataclass(frozen=True)
class ReEnrichmentResult:
    """The outcome for one month.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        index: the enriched index; None for a month that is not enriched.
        events: events that were written again in this run.
    """

    event_type: str
    month: str
    index: str | None
    events: int


def re_enrich(run: MigrationRun, month: Month, key: str) -> ReEnrichmentResult:
    """Write a breakdown again in all events of a month.

    An interrupted call is resumed by the next one.

    Args:
        run: its splicer must refresh the key.
        month: the month to work on.
        key: key of the breakdown.

    Raises:
        StatsDashboardError: OpenSearch refuses events with their new values.
    """
    index = serving(run.names, month)
    if index is None:
        return ReEnrichmentResult(month.event_type, month.month, None, 0)
    bookmark = Bookmark(run.client, run.names.reindexing, f"re-enrich-{key}-{month.id}")
    data = bookmark.data
    if data.get("uuid") != index.uuid or data.get("state") == "done":
        found = settled_positions(run.client, index.name)
        bookmark.replace(
            {
                "kind": "re-enrich",
                "state": "running",
                "event_type": month.event_type,
                "month": month.month,
                "uuid": index.uuid,
                "upto": {str(n): p.checkpoint for n, p in found.items()},
                "shards": {},
                "events": 0,
            }
        )
    start = bookmark.data["events"]
    for shard, upto in bookmark.data["upto"].items():
        _shard(run, month, index, bookmark, int(shard), upto)
    bookmark.write(state="done")
    return ReEnrichmentResult(
        month.event_type, month.month, index.name, bookmark.data["events"] - start
    )


def _shard(
    run: MigrationRun,
    month: Month,
    index: EventsIndex,
    bookmark: Bookmark,
    shard: int,
    upto: int,
) -> None:
    copier = run.copier
    position = bookmark.data["shards"].get(str(shard), NOTHING)
    while position < upto:
        copier.check()
        copier.gate.wait([index.name])
        hits = page(
            copier.text_client,
            index.name,
            shard,
            position,
            upto,
            copier.batch_size,
            terms=True,
        )
        _write(copier, index.name, hits)
        done = len(hits) < copier.batch_size
        position = upto if done else hits[-1].seq_no
        bookmark.write(
            shards={**bookmark.data["shards"], str(shard): position},
            events=bookmark.data["events"] + len(hits),
        )
        run.progress(
            MonthProgress(
                event_type=month.event_type,
                month=month.month,
                state="re-enriching",
                copied=bookmark.data["events"],
                total=index.docs,
            )
        )


def _write(copier: Copier, index: str, hits: Sequence[StoredDocument]) -> None:
    sources = copier.splicer.splice([hit.source for hit in hits])
    actions = [
        if_unchanged(hit, source)
        for hit, (_, source, _) in zip(hits, sources, strict=True)
    ]
    refusals = bulk.write(
        copier.text_client,
        index,
        actions,
        copier.write_limit,
        params=bulk.PAST_PIPELINES,
        waiting=copier.waiting,
        sleep=copier.sleep,
    )
    if refusals:
        raise StatsDashboardError(
            f"{index} refuses {len(refusals)} events; the first is {refusals[0]}. "
            "These events are unchanged. Fix the event or the mapping, then run the "
            "same command again."
        )
