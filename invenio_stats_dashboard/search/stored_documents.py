# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""List the documents in which this package stores its state.

:data:`CATALOGUE` describes each kind of document in the indices of state:
bookmarks, locks, intermediate results, the redelivery journal and dead letters.
Aggregates, community events, record facts and usage events are described elsewhere.
``docs/stored-documents.md`` is made from the catalogue. A test compares the catalogue
with the documents that a migration, a back-fill and an aggregation store.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .names import Names

_DAY = r"\d{4}-\d\d-\d\d"
_PLACEHOLDERS = {
    "anchor": r"(latest|\d{4})",
    "breakdown": r"\w+",
    "community": r"(global|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})",
    "day": _DAY,
    "event_type": r"(view|download)",
    "index": r"[^:]+",
    "hash": r"[0-9a-f]{32}",
    "long_hash": r"[0-9a-f]{64}",
    "month": r"\d{4}-\d\d",
    "number": r"\d+",
    "recid": r".+",
    "run": r"[0-9a-f]{12}",
    "scope": r"(usage|records)",
    "short_hash": r"[0-9a-f]{16}",
    "time": rf"{_DAY}T\d\d:\d\d:\d\d.*",
}
"""Name of each part of an ``_id`` that varies -> expression of its values."""

_LOCK_FIELDS = ("host", "pid", "process", "released", "renewed_at", "run", "ttl")


@dataclass(frozen=True)
class DocumentKind:
    """One kind of stored document.

    Attributes:
        index: attribute of :class:`.names.Names` that returns the index.
        ids: forms of the ``_id``, with the parts that vary in braces.
        purpose: what the document stores, as a sentence.
        fields: names of its fields, except ``kind`` and ``updated_at``.
        writers: who writes it: names in this package, with their modules.
        readers: who reads it, in the same form.
        removal: a sentence about who removes it, and when.
        loss: what happens if it is lost, as a sentence.
        kind: value of its field ``kind``; None if it has no such field.
    """

    index: str
    ids: tuple[str, ...]
    purpose: str
    fields: tuple[str, ...]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    removal: str
    loss: str
    kind: str | None = None

    def describes(self, names: Names, index: str, id: str) -> bool:
        """Return whether a document is of this kind."""
        return index == getattr(names, self.index) and any(
            _expression(form).fullmatch(id) for form in self.ids
        )

    def unknown_fields(self, source: Iterable[str]) -> set[str]:
        """Return the fields of a document that this entry does not name."""
        return set(source) - {*self.fields, "kind", "updated_at"}


def _expression(form: str) -> re.Pattern[str]:
    """Return the expression of the ids of a form."""
    parts = re.split(r"\{(\w+)\}", form)
    return re.compile(
        "".join(
            _PLACEHOLDERS[part] if n % 2 else re.escape(part)
            for n, part in enumerate(parts)
        )
    )


def _lock(index: str, *ids: str, **entry: Any) -> DocumentKind:
    """Return the entry of a :class:`.lock.ClusterLock`."""
    removal = "Never; a released lock is marked as such."
    return DocumentKind(
        index,
        ids,
        fields=_LOCK_FIELDS,
        kind="lock",
        **{
            "writers": ("search.lock.ClusterLock",),
            "removal": removal,
            "loss": "The holder notices it at its next renewal and stops. Another run "
            "can start.",
            **entry,
        },
    )


_MIGRATION = (
    DocumentKind(
        "reindexing",
        ("{event_type}-{month}",),
        "The bookmark of a month: what was copied and verified, and the state of the "
        "cut-over with its deadline.",
        (
            "backup",
            "batches",
            "block_seconds",
            "brought_after",
            "copied",
            "error",
            "event_type",
            "hash",
            "month",
            "prints",
            "run",
            "seconds",
            "shards",
            "source",
            "started_at",
            "state",
            "switch",
            "target",
            "verified",
        ),
        (
            "migration.runner.MonthMigration",
            "migration.month_copy.MonthCopy",
            "migration.cutover.Cutover",
            "migration.backups.delete_backup",
            "migration.rollback",
        ),
        (
            "migration.recovery.recover",
            "migration.backup_completeness.holds_all",
            "migration.migration_status",
            "services.event_reindexing.EventReindexingService",
        ),
        "By `usage-events clear-bookmarks`, before the cut-over.",
        "Before the cut-over, the next run copies the month again. During the cut-over, "
        "the next run completes or aborts it. After it, the next run compares the "
        "backup with the index in service again, and only then the month can be rolled "
        "back or its backup deleted.",
        kind="month",
    ),
    DocumentKind(
        "reindexing",
        ("re-enrich-{breakdown}-{event_type}-{month}",),
        "How far a breakdown is added to the enriched events of a month.",
        ("event_type", "events", "month", "shards", "state", "upto", "uuid"),
        ("migration.re_enrichment.re_enrich",),
        ("migration.re_enrichment.re_enrich",),
        "Never; the next re-enrichment of the same breakdown replaces it.",
        "The next re-enrichment writes all events of the month again.",
        kind="re-enrich",
    ),
    _lock(
        "reindexing",
        "migration-lock",
        purpose="The lock of migrations, rollbacks and re-enrichments.",
        readers=(
            "services.event_reindexing.EventReindexingService",
            "services.index_removal",
            "services.status.read_status",
        ),
    ),
    DocumentKind(
        "reindexing",
        ("community-events-backfill",),
        "The progress of the generation of community events.",
        ("finished_at", "position", "records", "seen", "started_at", "state"),
        ("community_events.backfill_state.save_state",),
        (
            "community_events.backfill_state.backfill_state",
            "queries.freshness.FreshnessReader",
        ),
        "By `destroy-indices --all`.",
        "The generation starts again and writes nothing twice. Until it is complete, "
        "nothing is migrated, and the reconciliation does not run.",
        kind="community-events-backfill",
    ),
    _lock(
        "reindexing",
        "community-events-backfill-run:{run}",
        purpose="Shows that a generation of community events is running; several may "
        "run at the same time.",
        readers=("community_events.backfill_locks.require_none",),
        writers=("community_events.backfill_locks.announced",),
        removal="By the generation, when it ends.",
    ),
    DocumentKind(
        "reindexing",
        ("odd-events-{event_type}-{month}",),
        "The events of a month with fields that cannot be read as expected.",
        ("acknowledged", "event_type", "events", "has_more", "month"),
        ("usage_events.odd_events.OddEventStore.add",),
        ("usage_events.odd_events.read_odd_events",),
        "By `destroy-indices --all`.",
        "Events that are counted again are found again.",
        kind="odd-events",
    ),
    _lock(
        "reindexing",
        "community-events-deletion-lock",
        purpose="The lock of `destroy-indices --all`.",
        readers=("community_events.backfill_locks.announced",),
        writers=("services.index_removal",),
    ),
    DocumentKind(
        "reindexing",
        ("community-events-reconciliation",),
        "The result of the last reconciliation, and since when the next one compares.",
        (
            "causes",
            "events",
            "facts",
            "lacking",
            "looked_at",
            "outdated_facts",
            "records",
            "registry",
            "registry_looked_at",
            "repaired",
            "repaired_at",
            "swept_at",
        ),
        ("community_events.reconciliation.Reconciliation",),
        ("community_events.reconciliation.reconciliation_state",),
        "By `destroy-indices --all`.",
        "The next reconciliation compares all records.",
        kind="community-events-reconciliation",
    ),
    _lock(
        "reindexing",
        "community-events-reconciliation-lock",
        purpose="The lock of reconciliations.",
        readers=("services.index_removal", "services.status.read_status"),
        writers=("community_events.reconciliation.Reconciliation",),
    ),
    DocumentKind(
        "reindexing",
        ("database-scans",),
        "When the database was last scanned because an index is missing, and when the "
        "next batch of deferred captures is due.",
        ("batch_at", "busy_until", "ended_at", "holder"),
        ("community_events.scan_budget.ScanBudget",),
        ("community_events.scan_budget.ScanBudget",),
        "Never.",
        "The next scan starts at once, and the next capture schedules another batch.",
        kind="database-scans",
    ),
    DocumentKind(
        "reindexing",
        ("deferred-capture-{short_hash}",),
        "Changes of memberships that live capture has deferred.",
        ("community_ids", "parent_ids", "rows", "state"),
        ("community_events.deferred_captures.DeferredCaptures.add",),
        ("community_events.deferred_captures.DeferredCaptures.next_batch",),
        "By the worker that has captured the changes.",
        "The reconciliation finds the changes, without the exact time of each.",
        kind="deferred-capture",
    ),
    DocumentKind(
        "reindexing",
        ("re-attribution-{recid}-{time}",),
        "A record whose usage events since a change must be re-attributed.",
        ("recid", "since"),
        ("usage_events.maintenance.reattribution.note",),
        (
            "usage_events.maintenance.reattribution.Reattribution",
            "usage_events.maintenance.reattribution.noted_among",
        ),
        "By the re-attribution, when all events of the record are up to date.",
        "The usage events of the record retain the communities with which they were "
        "enriched.",
        kind="re-attribution",
    ),
)

_AGGREGATION = (
    _lock(
        "bookmarks",
        "lock:aggregation",
        purpose="The lock of aggregations.",
        readers=(
            "aggregations.run_sharing.SharedSteps.check_run",
            "queries.freshness.FreshnessReader",
            "services.status.read_status",
        ),
        writers=("services.aggregation.locked",),
        removal="By `destroy-indices`, with the index.",
    ),
    _lock(
        "bookmarks",
        "lock:catch-up",
        purpose="The lock of the scheduled task that prepares and aggregates.",
        readers=("services.status.read_status",),
        writers=("services.scheduler.catch_up",),
        removal="By `destroy-indices`.",
    ),
    DocumentKind(
        "bookmarks",
        ("run:last",),
        'The report of the last aggregation, with "data as of", and whether events of '
        "robots count in the numbers of all days (null: days can have either numbers).",
        (
            "as_of",
            "communities",
            "completed",
            "count_robots",
            "data_as_of",
            "days",
            "days_left",
            "dry_run",
            "error",
            "events",
            "families",
            "interrupted",
            "robots_left_out",
            "run",
            "seconds",
            "without_facts",
        ),
        ("aggregations.runner.AggregationRun",),
        (
            "queries.freshness.FreshnessReader",
            "services.aggregation_status.AggregationStatusReader.last_run",
        ),
        "By `destroy-indices`.",
        'The pages show no "data as of" until the next run has counted everything.',
        kind="run",
    ),
    DocumentKind(
        "bookmarks",
        ("preparation",),
        "The progress of the preparation by the scheduled task.",
        ("events", "months_left", "records", "step", "waits_for"),
        ("services.preparation.Preparation",),
        ("services.preparation.read_preparation", "queries.freshness.FreshnessReader"),
        "By `destroy-indices`.",
        "The next run of the scheduled task stores it again.",
        kind="preparation",
    ),
    DocumentKind(
        "bookmarks",
        ("source:{scope}:{index}",),
        "How far a source index is counted, its number of documents by day, the days to "
        "count again, and the number of usage events of robots that do not count. Three "
        "names stand for no index: `rules` for the rules by which records are counted, "
        "`restricted communities` for the communities that were restricted then, `-` "
        "for days of usage that are in no index.",
        (
            "counts",
            "gone",
            "index",
            "redo",
            "robots_left_out",
            "scope",
            "shards",
            "uuid",
            "why",
        ),
        ("aggregations.source_positions.SourcePositions",),
        (
            "aggregations.source_positions.SourcePositions",
            "services.aggregation_status.AggregationStatusReader",
        ),
        "By the run that has counted the last day of a deleted index, by "
        "`clear-bookmarks`, and by `destroy-indices`.",
        "The next run counts all documents of the index again.",
        kind="source",
    ),
    DocumentKind(
        "bookmarks",
        ("counted-access:{number}",),
        "The hidden records with which usage was counted, up to 20,000, and for each "
        "the communities in which it counted under its own values.",
        ("records",),
        ("aggregations.counted_access.CountedAccess",),
        (
            "aggregations.counted_access.CountedAccess",
            "aggregations.records.aggregator.RecordsAggregator",
        ),
        "By the run that finds fewer records, and by `destroy-indices`.",
        "The next run counts all days again.",
        kind="counted-access",
    ),
    DocumentKind(
        "bookmarks",
        ("community:records:{community}",),
        "Which record families and days of a community must be written, and how many "
        "ranges of its contributions are stored.",
        (
            "community_id",
            "days",
            "note",
            "parts",
            "read",
            "redo",
            "scope",
            "since",
            "why",
        ),
        ("aggregations.records.dirty_communities.DirtyCommunities",),
        (
            "aggregations.records.dirty_communities.DirtyCommunities",
            "services.aggregation_status.AggregationStatusReader.open_records",
        ),
        "By `destroy-indices`.",
        "The pending days of the community are lost. `aggregate --rebuild` counts all "
        "communities again.",
        kind="community",
    ),
    DocumentKind(
        "bookmarks",
        ("redo:usage-snapshot",),
        "From which day the usage snapshots of each community must be continued.",
        ("communities",),
        ("aggregations.usage.snapshots.SnapshotRestart",),
        (
            "aggregations.usage.snapshots.SnapshotRestart",
            "services.aggregation_status.AggregationStatusReader",
        ),
        "By `destroy-indices`.",
        "Snapshots that were to be continued remain outdated until `aggregate "
        "--rebuild`.",
        kind="redo",
    ),
    DocumentKind(
        "bookmarks",
        ("complete:{scope}",),
        "The last day that is complete. A change of an earlier day is a correction.",
        ("through",),
        (
            "aggregations.usage.corrections.UsageCorrections",
            "aggregations.records.corrections.RecordCorrections",
        ),
        (
            "aggregations.usage.corrections.UsageCorrections",
            "aggregations.records.corrections.RecordCorrections",
        ),
        "By `destroy-indices`.",
        "Changes are not logged as corrections until the next complete run stores it.",
        kind="complete",
    ),
    DocumentKind(
        "bookmarks",
        ("correction:usage:{day}:{time}", "correction:records:{community}:{time}"),
        "An entry of the log of corrections: which complete days have changed, and "
        "why.",
        (
            "communities",
            "day",
            "days",
            "family",
            "global",
            "last_day",
            "more_communities",
            "scope",
            "why",
        ),
        (
            "aggregations.usage.corrections.UsageCorrections",
            "aggregations.records.corrections.RecordCorrections",
        ),
        (
            "queries.freshness.FreshnessReader",
            "services.aggregation_status.AggregationStatusReader.corrections",
        ),
        "By a complete aggregation of records, after "
        "`COMMUNITY_STATS_CORRECTIONS_KEPT_DAYS`, and by `destroy-indices`.",
        "The pages do not show the correction; the numbers are right.",
        kind="correction",
    ),
    DocumentKind(
        "bookmarks",
        ("layout:aggregates",),
        "Up to which year documents go to the existing indices of each family, and the "
        "UUID of each index.",
        ("indices", "until"),
        ("aggregations.aggregate_indices.AggregateIndices",),
        ("aggregations.aggregate_indices.AggregateIndices",),
        "By `destroy-indices`.",
        "The next run derives the years from the stored documents, and counts "
        "everything again.",
        kind="layout",
    ),
    DocumentKind(
        "bookmarks",
        ("plan:{run}",),
        "The steps of a phase of an aggregation that helpers can do.",
        ("keys", "rules"),
        ("aggregations.run_sharing.SharedSteps.offer",),
        ("aggregations.run_sharing.SharedSteps.offered",),
        "By the run at the end of the phase, or by the next run.",
        "Helpers stop, and the run does the other steps alone.",
        kind="plan",
    ),
    _lock(
        "bookmarks",
        "step:{run}:{hash}",
        purpose="The lock of one step of a shared aggregation.",
        readers=("aggregations.run_sharing.SharedSteps.take",),
        writers=("aggregations.run_sharing.SharedSteps.take",),
        removal="By the run at the end of the phase, or by the next run.",
        loss="The worker that does the step stops before it stores the result, and "
        "another worker repeats the step.",
    ),
    DocumentKind(
        "bookmarks",
        ("did:{run}:{hash}",),
        "The result of one step of a shared aggregation.",
        ("done",),
        ("aggregations.run_sharing.SharedSteps.take",),
        ("aggregations.run_sharing.SharedSteps.done",),
        "By the run at the end of the phase, or by the next run.",
        "A worker repeats the step.",
        kind="did",
    ),
)

_BETWEEN_RUNS = (
    DocumentKind(
        "between_runs",
        ("{community}:{number}/{number}",),
        "What the parents of one range contribute to the record aggregates of a "
        "community.",
        (
            "community_id",
            "due",
            "due_parents",
            "kept",
            "missing",
            "missing_parents",
        ),
        ("aggregations.records.contribution_store.ContributionStore",),
        ("aggregations.records.contribution_store.ContributionStore",),
        "By a run that reads the community as a whole, and by `destroy-indices`.",
        "The next run that needs the document reads the community as a whole. If the "
        "index is lost, the next run reads all records.",
    ),
    DocumentKind(
        "between_runs",
        ("{community}:{anchor}", "{community}:{anchor}:{number}"),
        "A checkpoint of usage, in one or more pieces: the totals of a community up to "
        "a day, and hashes of all things used until then.",
        ("anchor", "community_id", "day", "state"),
        ("aggregations.usage.checkpoints.Checkpoints",),
        ("aggregations.usage.checkpoints.Checkpoints",),
        "By the run that stores a newer checkpoint, and by `destroy-indices`.",
        "The next run continues from an earlier checkpoint, or from the first day.",
    ),
)

_EVENTS = (
    DocumentKind(
        "unacknowledged",
        ("{hash}",),
        "The redelivery journal of an event indexer: the `_id` of each event of the "
        "current batch.",
        ("messages", "queue", "run", "written_at"),
        ("usage_events.redelivery_journal.Journal.note",),
        ("usage_events.redelivery_journal.Journal.stored",),
        "By the indexer at its end. If it was killed, by a later one that has "
        "acknowledged all its messages, or by any indexer after 30 days.",
        "If an indexer is killed and the visitors' salt changes before the broker "
        "redelivers its messages, their events count twice.",
    ),
    DocumentKind(
        "dead_letter",
        ("{long_hash}",),
        "A dead letter: a usage event that OpenSearch has refused, with the reason.",
        ("id", "index", "op_type", "reason", "refused_at", "source"),
        ("usage_events.dead_letters.keep", "usage_events.replay.Replay"),
        ("usage_events.replay.Replay", "usage_events.dead_letters.read_dead_letters"),
        "By `usage-events replay`, after the event is stored and counted.",
        "The event is lost.",
    ),
)

CATALOGUE = (*_MIGRATION, *_AGGREGATION, *_BETWEEN_RUNS, *_EVENTS)
"""All kinds of documents, by index."""

STATE_INDICES = tuple(dict.fromkeys(entry.index for entry in CATALOGUE))
"""Attributes of :class:`.names.Names` that return the indices of these documents."""
