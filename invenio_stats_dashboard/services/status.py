# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the state of all parts of the package, in a bounded number of requests.

If all communities are requested, there are eight more requests for each thousand.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Flask
from opensearchpy import OpenSearch

from ..aggregations.index_layout import read_layout
from ..aggregations.runner import LOCK as AGGREGATION
from ..aggregations.usage.event_filter import COUNT_ROBOTS, rules
from ..aggregations.usage.robots import RobotEvents
from ..community_events.backfill_state import BackfillState, backfill_state
from ..community_events.database_indexes import IndexStatus
from ..community_events.deferred_captures import DeferredCaptures, DeferredState
from ..community_events.documents import GLOBAL
from ..community_events.facts import registry_mark
from ..community_events.membership import MembershipReader
from ..community_events.reconciliation import LOCK as RECONCILING
from ..community_events.reconciliation import ReconciliationState, reconciliation_state
from ..community_events.store import count_outdated_facts
from ..migration.migration_status import MigrationStatus
from ..search.foreign_indices import foreign_indices
from ..search.lock import describe_holder, is_held, read_lock
from ..search.names import FAMILIES, Names
from ..search.template_composition import installed_at
from ..subcounts import Subcount
from ..usage_events.queues import QueueLength, lengths
from .aggregation_status import AggregationStatusReader, FamilyStatus
from .event_reindexing import LOCK as MIGRATION
from .health import SCHEDULED, aware, problems
from .preparation import read_preparation
from .scheduler import LOCK as CATCHING_UP

if TYPE_CHECKING:
    from .event_reindexing import EventReindexingService

LARGEST = 10
"""Communities that are shown if none is requested, besides the instance."""


@dataclass(frozen=True)
class CommunityStatus:
    """The aggregates of one community.

    Attributes:
        community_id: UUID, or ``global``.
        slug: its slug; None for ``global`` and for a community that no longer exists.
        families: the status of each family.
    """

    community_id: str
    slug: str | None
    families: tuple[FamilyStatus, ...]


@dataclass(frozen=True)
class RobotStatus:
    """Whether events of robots count, and how many are stored.

    Attributes:
        count_robots: ``STATS_DASHBOARD_COUNT_ROBOTS``.
        events: event type -> the stored events of robots; None if an index is closed or
            cannot be read completely.
    """

    count_robots: bool = False
    events: dict[str, RobotEvents] | None = field(default_factory=dict)


@dataclass(frozen=True)
class StatsStatus:
    """The state of all parts of the package.

    Attributes:
        now: when it was read, ISO 8601.
        enabled: ``COMMUNITY_STATS_ENABLED``.
        scheduled: whether the scheduled tasks are enabled.
        preparing: whether they prepare the instance before they count.
        installed_at: when the extension was started for the first time, ISO 8601; None
            if it is unknown.
        data_as_of: everything that was stored before this moment is counted, ISO 8601;
            None before the first complete aggregation.
        last_run: stored report of the last aggregation, or None.
        usage_days: number of days with usage events, as far as they were examined.
        usage_days_left: number of these days that are still to be counted; None if it
            is unknown, because an index is closed or cannot be read completely.
        robots: the events of robots, and whether they count. Days that are still to be
            counted can have numbers by another setting.
        snapshots_left: communities whose usage snapshots are to be continued.
        records_left: communities whose records are to be counted.
        changes: ``usage`` and ``records`` -> writes to the sources since they were
            examined.
        communities: the communities shown.
        communities_total: number of all communities.
        community_events: the progress of the back-fill.
        reconciliation: the result of the last reconciliation.
        outdated_facts: number of record facts that the next reconciliation of all
            records computes again, after an upgrade or a change of the breakdowns.
        migration: the status of the migration.
        preparation: the result of :func:`~.preparation.read_preparation`.
        database_indexes: each index that live capture uses, existing or not.
        deferred_captures: membership changes that wait to be captured.
        queues: the length of each queue of usage events.
        locks: name -> its holder, as a clause, or None.
        yearly_indices: names of indices of aggregates of an earlier layout.
        problems: what needs attention, in one or two sentences each.
    """

    now: str
    enabled: bool = True
    scheduled: bool = True
    preparing: bool = True
    installed_at: str | None = None
    data_as_of: str | None = None
    last_run: dict[str, Any] | None = None
    usage_days: int = 0
    usage_days_left: int | None = 0
    robots: RobotStatus = field(default_factory=RobotStatus)
    snapshots_left: int = 0
    records_left: int = 0
    changes: dict[str, int] = field(default_factory=dict)
    communities: tuple[CommunityStatus, ...] = ()
    communities_total: int = 0
    community_events: BackfillState = field(default_factory=BackfillState)
    reconciliation: ReconciliationState = field(default_factory=ReconciliationState)
    outdated_facts: int = 0
    migration: MigrationStatus = field(default_factory=lambda: MigrationStatus([]))
    preparation: dict[str, Any] | None = None
    database_indexes: tuple[IndexStatus, ...] = ()
    deferred_captures: DeferredState = field(default_factory=DeferredState)
    queues: tuple[QueueLength, ...] = ()
    locks: dict[str, str | None] = field(default_factory=dict)
    yearly_indices: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def needs_attention(self) -> bool:
        """Return whether a problem needs attention."""
        return bool(self.problems)

    @property
    def has_begun(self) -> bool:
        """Return whether anything has ever run, as a task or by a command."""
        state = self.community_events
        return any((self.last_run, self.preparation, state.started_at))

    @property
    def reconciled_at(self) -> str | None:
        """Return when the last reconciliation began, ISO 8601, or None."""
        naive = self.reconciliation.looked_at
        return aware(naive) if naive else None

    @property
    def lag_seconds(self) -> float | None:
        """Return the age of the numbers in seconds, or None."""
        if self.data_as_of is None:
            return None
        as_of, now = map(datetime.fromisoformat, (self.data_as_of, self.now))
        return (now - as_of).total_seconds()

    @property
    def months(self) -> dict[str, int]:
        """Return the number of months of usage events in each state."""
        return dict(Counter(month.state for month in self.migration.months))

    def holder(self, name: str) -> str | None:
        """Return the holder of a lock, or None."""
        return self.locks.get(name)

    def as_json(self) -> dict[str, Any]:
        """Return the status as a JSON object."""
        fields = asdict(replace(self, migration=MigrationStatus([])))
        migration = self.migration.as_json()
        letters, odd = migration.pop("dead_letters"), migration.pop("odd_events")
        months = migration.pop("months")
        return {
            "needs_attention": self.needs_attention,
            **fields,
            "lag_seconds": self.lag_seconds,
            "migration": {
                "states": self.months,
                "not_enriched": _sum(month["not_enriched"] for month in months),
                **migration,
            },
            "dead_letters": letters,
            "odd_events": odd,
        }


def read_status(
    app: Flask,
    client: OpenSearch,
    reader: MembershipReader,
    subcounts: Mapping[str, Subcount],
    reindexing: "EventReindexingService",
    communities: Collection[str] | None = None,
    every: bool = False,
) -> StatsStatus:
    """Read the state of all parts of the package; change nothing.

    Aggregates and facts are not read while another extension has an index of their
    names: its mapping can make a search fail.

    Args:
        app: the application.
        client: decodes responses.
        reader: reads slugs and indexes from the database.
        subcounts: the registry of breakdowns.
        reindexing: reads the status of the migration.
        communities: UUIDs and ``global``; None for the instance and the largest.
        every: all communities.
    """
    names, now = Names.of(app), datetime.now(UTC)
    aggregates = AggregationStatusReader(client, names, rules(app, subcounts))
    shown = _Communities(aggregates, reader, now.date().isoformat())
    last_run = shown.aggregates.last_run()
    reconciled = reconciliation_state(client, names)
    searched: dict[str, Any] = {}
    if not foreign_indices(client, names):
        outdated = count_outdated_facts(client, names, registry_mark(subcounts))
        searched = {
            "changes": shown.aggregates.changes(),
            "outdated_facts": max(0, outdated - reconciled.outdated_facts),
            "yearly_indices": read_layout(client, names).yearly,
            **shown.read(communities, every, last_run),
        }
    found = StatsStatus(
        now=now.isoformat(),
        enabled=app.config["COMMUNITY_STATS_ENABLED"],
        scheduled=app.config["COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED"],
        preparing=app.config["COMMUNITY_STATS_PREPARATION_ENABLED"],
        installed_at=installed_at(client, names),
        data_as_of=(last_run or {}).get("data_as_of"),
        last_run=last_run,
        robots=RobotStatus(app.config[COUNT_ROBOTS], shown.aggregates.robots()),
        community_events=backfill_state(client, names),
        reconciliation=reconciled,
        migration=reindexing.status(),
        preparation=read_preparation(client, names),
        database_indexes=tuple(reader.database_indexes()),
        deferred_captures=DeferredCaptures(client, names).state(),
        queues=tuple(lengths()),
        locks=_holders(client, names),
        **searched,
    )
    return replace(found, problems=problems(found))


class _Communities:
    """Reads the status of each community."""

    def __init__(
        self, aggregates: AggregationStatusReader, reader: MembershipReader, today: str
    ) -> None:
        self._reader, self._today, self.aggregates = reader, today, aggregates

    def read(
        self,
        communities: Collection[str] | None,
        every: bool,
        last_run: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """Return fields of :class:`StatsStatus`."""
        largest, total = self.aggregates.communities(LARGEST)
        if communities is None and not every:
            communities = [GLOBAL, *largest]
        elif communities is not None:
            communities = sorted(communities, key=lambda c: (c != GLOBAL, c))
        documents = self.aggregates.documents(communities)
        # not by name if all are requested, since a query has a limit of terms
        again: Mapping[str, Collection[str]] | None
        again, records_left = self.aggregates.open_records(self._today, communities)
        if communities is None:
            communities = [GLOBAL, *sorted({c for c, _ in documents} - {GLOBAL})]
        if not self.aggregates.looked("records", last_run):
            again = None
        backlog = self.aggregates.usage(last_run)
        slugs = self._slugs(set(communities) - {GLOBAL})
        return {
            "usage_days": len(backlog.days),
            "usage_days_left": len(backlog.redo) if backlog.is_complete else None,
            "snapshots_left": len(backlog.continued or {}),
            "records_left": records_left,
            "communities_total": total,
            "communities": tuple(
                CommunityStatus(
                    community,
                    slugs.get(community),
                    tuple(
                        self.aggregates.family(
                            backlog, again, community, family, documents
                        )
                        for family in FAMILIES
                    ),
                )
                for community in communities
            ),
        }

    def _slugs(self, ids: Collection[str]) -> dict[str, str]:
        return self._reader.slugs(ids) if ids else {}


def _holders(client: OpenSearch, names: Names) -> dict[str, str | None]:
    """Return name of each lock -> its holder as a clause, or None."""
    locks = {
        "aggregation": (names.bookmarks, AGGREGATION),
        SCHEDULED: (names.bookmarks, CATCHING_UP),
        "migration": (names.reindexing, MIGRATION),
        "reconciliation": (names.reindexing, RECONCILING),
    }
    found: dict[str, str | None] = {}
    for name, lock in locks.items():
        document = read_lock(client, *lock)
        if document is not None and is_held(document):
            found[name] = describe_holder(document)
        else:
            found[name] = None
    return found


def _sum(numbers: Iterable[int | None]) -> int | None:
    """Return the sum, or None if one of the numbers is unknown."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total
