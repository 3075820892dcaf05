# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Plan a migration and find what blocks it, without changing anything."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..community_events.backfill_state import BackfillState
from ..errors import NotReadyError, StatsDashboardError
from ..search.failures import as_error, explain
from ..search.health import cluster_settings, data_nodes, disk_problem
from ..search.names import Names
from ..usage_events.indices import (
    Month,
    is_writable,
    migrated_serves,
    strangers,
    survey,
    target_name,
)
from .months import source_problem
from .permission_checks import refused_requests
from .report import DONE, EMPTY, ENRICHED, PLANNED, SWITCHED
from .target_index import NO_PIPELINE

_GROWTH = 1.6
"""Size of an enriched index relative to its source, approximately."""


@dataclass(frozen=True)
class PlannedMonth:
    """One event type and month of a plan.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        state: planned, or the state that needs no work.
        events: number of its events.
        bytes: size of its primary shards.
        source_index: the legacy index; None without one.
        target_index: name of the target; None if the month has none and needs none.
        writable: the month can still receive events.
    """

    event_type: str
    month: str
    state: str
    events: int
    bytes: int
    source_index: str | None
    target_index: str | None
    writable: bool


@dataclass(frozen=True)
class MigrationPlan:
    """The work that a migration would do.

    Attributes:
        months: oldest first.
        blockers: sentences; each one prevents the start of the migration.
        warnings: sentences that an operator should read.
        disk_bytes: disk space that all copies need, replicas included.
        shards: shards that the migration adds.
    """

    months: list[PlannedMonth]
    blockers: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    disk_bytes: int = 0
    shards: int = 0

    @property
    def to_do(self) -> list[PlannedMonth]:
        """Return the months that need work."""
        return [m for m in self.months if m.state == PLANNED]

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object."""
        return asdict(self)


def make_plan(
    client: OpenSearch,
    names: Names,
    event_types: Sequence[str],
    ranges: Sequence[tuple[str, str]],
    now: datetime,
    worker_problem: Callable[[], str | None] | None = None,
) -> tuple[MigrationPlan, list[Month]]:
    """Survey the months and check what a migration needs.

    Args:
        client: decodes responses.
        names: the instance's index names.
        event_types: the requested event types.
        ranges: the requested months.
        now: aware.
        worker_problem: returns a sentence about workers that would lose events, or
            None. It waits for the workers' responses, so it is called only if a month
            can still receive events.

    Returns:
        The plan, and the months as surveyed.

    Raises:
        StatsDashboardError: the cluster refuses a request, or does not answer.
    """
    try:
        months, strange = survey(client, names, event_types, ranges)
        planned = [_planned(names, month, now) for month in months]
        to_do = [
            month
            for month, plan in zip(months, planned, strict=True)
            if plan.state == PLANNED
        ]
        disk, shards = _needs(to_do)
        blockers = [*_shard_budget(client, shards), *_disk(client, disk)]
        warnings = [
            f"The index {index.name} has no month in its name and cannot be migrated."
            for index in strange
        ]
        warnings += strangers(client, names, event_types)
        warnings += [
            problem
            for month in to_do
            if month.source and (problem := source_problem(names, month))
        ]
        warnings += _snapshots(client, to_do)
        warnings += _final_pipelines(to_do)
        warnings += refused_requests(client, names, to_do)
    except OpenSearchException as error:
        raise as_error(error) from error
    if worker_problem and any(is_writable(m.month, now) for m in to_do):
        warnings += filter(None, [worker_problem()])
    plan = MigrationPlan(planned, blockers, warnings, disk, shards)
    return plan, months


def ignored_workers_sentence(id: str, problem: str) -> str:
    """Return a report sentence for a cut-over that ignored a problem with workers."""
    return (
        f"{id}: --ignore-stock-workers was used despite this problem: {problem} Events "
        "that such workers took from the queue while writes were refused are lost; "
        "'block_seconds' is the length of that time."
    )


def require_no_blockers(plan: MigrationPlan) -> None:
    """Refuse to start a migration that cannot succeed.

    Raises:
        StatsDashboardError: the text contains all blockers of the plan.
    """
    if plan.blockers and plan.to_do:
        raise StatsDashboardError(" ".join(plan.blockers))


def check_community_events(state: BackfillState) -> None:
    """Refuse to enrich events before the back-fill of community events is complete.

    Raises:
        NotReadyError: the text names the command that generates them.
    """
    if not state.complete:
        raise NotReadyError(
            "The community events have not been generated yet, so it is unknown which "
            "record was in which community. Run 'invenio community-stats "
            "generate-community-events' first."
        )


def _planned(names: Names, month: Month, now: datetime) -> PlannedMonth:
    serving = migrated_serves(names, month)
    if serving:
        beside = any(
            names.events_alias(month.event_type) in i.aliases for i in month.legacy
        )
        state = PLANNED if beside else (SWITCHED if month.backup else DONE)
        index = month.target
    elif month.source:
        state, index = PLANNED, month.source
    elif month.native:
        state, index = ENRICHED, month.native
    else:
        state, index = EMPTY, month.backup
    target = target_name(names, month)
    return PlannedMonth(
        event_type=month.event_type,
        month=month.month,
        state=state,
        events=index.docs if index else 0,
        bytes=index.bytes if index else 0,
        source_index=month.source.name if month.source else None,
        target_index=target if serving or month.source else None,
        writable=is_writable(month.month, now),
    )


def _needs(months: Iterable[Month]) -> tuple[int, int]:
    """Return the bytes and shards that the copies need beyond those that exist."""
    disk = shards = 0
    sources = []
    for month in months:
        source = month.source
        assert source is not None  # a planned month has a legacy index
        sources.append(source)
        copies = 1 + source.replicas
        done = month.target.bytes if month.target else 0
        disk += max(0, int(source.bytes * _GROWTH) - done) * copies
        shards += 0 if month.target else source.shards * copies
    if sources:
        # during a cut-over the clone that becomes the backup exists beside both
        largest = max(sources, key=lambda s: s.shards * (1 + s.replicas))
        shards += largest.shards * (1 + largest.replicas)
    return disk, shards


def _shard_budget(client: OpenSearch, needed: int) -> list[str]:
    name = "cluster.max_shards_per_node"
    per_node = int(cluster_settings(client, name).get(name, 1000))
    health = client.cluster.health()
    used = health["active_shards"] + health["unassigned_shards"]
    budget = per_node * health["number_of_data_nodes"]
    if used + needed <= budget:
        return []
    return [
        f"The cluster has {used} of {budget} shards; the migration needs {needed} "
        "more. Raise cluster.max_shards_per_node, delete indices that are not needed, "
        "or migrate fewer months at a time with --months and --delete-old-indices."
    ]


def _disk(client: OpenSearch, needed: int) -> list[str]:
    nodes = data_nodes(client)
    problem = disk_problem(client, nodes, extra=needed // max(len(nodes), 1))
    if problem is None:
        return []
    return [
        f"{problem}. Free disk space, or migrate fewer months at a time with --months "
        "and --delete-old-indices."
    ]


def _final_pipelines(months: Iterable[Month]) -> list[str]:
    """Return a warning about each final pipeline of an index."""
    found: dict[str, str] = {}
    for month in months:
        pipeline = month.source.settings.get("final_pipeline") if month.source else None
        if month.source and pipeline not in (None, NO_PIPELINE):
            found.setdefault(str(pipeline), month.source.name)
    return [
        f"The index {index} has the final pipeline {pipeline}. The migration copies "
        "events past it. But after the cut-over, an event that is enriched later "
        "passes it a second time, so check that it changes no event twice."
        for pipeline, index in found.items()
    ]


def _snapshots(client: OpenSearch, months: Sequence[Month]) -> list[str]:
    """Return warnings if a snapshot is running, or if none holds all the indices."""
    if not months:
        return []
    sources = {month.source.name for month in months if month.source}
    try:
        running = running_snapshots(client, sources)
        if running:
            return [
                f"The snapshot {running[0]} is being created. Months are copied "
                "meanwhile, and cut over when it has ended."
            ]
        repositories = client.snapshot.get_repository(repository="_all")
        for repository in repositories:
            found = client.snapshot.get(
                repository=repository,
                snapshot="_all",
                params={"ignore_unavailable": "true"},
            )
            saved: set[str] = set()
            for snapshot in found["snapshots"]:
                if snapshot["state"] == "SUCCESS":
                    saved |= set(snapshot["indices"])
            if sources <= saved:
                return []
    except OpenSearchException as error:
        return [
            "It is unknown whether an OpenSearch snapshot of the events exists. "
            f"{explain(error)}"
        ]
    return [
        "No snapshot repository of the cluster holds all of these indices. The "
        "migration retains a backup of each month, but on the same disks."
    ]


def running_snapshots(client: OpenSearch, indices: Collection[str]) -> list[str]:
    """Return the names of running snapshots that include one of the indices."""
    answer = client.snapshot.status(params={"ignore_unavailable": "true"})
    return [
        snapshot["snapshot"]
        for snapshot in answer.get("snapshots", [])
        if set(indices) & set(snapshot.get("indices", {}))
        or not snapshot.get("indices")
    ]
