# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The state of everything, in a number of requests that does not grow with it.

It grows by eight for each thousand communities, when all are asked for.
"""

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from ..aggregations.index_layout import read_layout
from ..aggregations.runner import LOCK as AGGREGATION
from ..community_events.backfill_state import BackfillState, backfill_state
from ..community_events.database_indexes import IndexStatus
from ..community_events.deferred_captures import DeferredCaptures, DeferredState
from ..community_events.documents import GLOBAL
from ..community_events.reconciliation import LOCK as RECONCILING
from ..community_events.reconciliation import ReconciliationState, reconciliation_state
from ..migration.migration_status import MigrationStatus
from ..search.lock import describe_holder, is_held, read_lock
from ..search.names import FAMILIES, Names
from ..usage_events.queues import lengths
from .aggregation_status import AggregationStatusReader, FamilyStatus
from .event_reindexing import LOCK as MIGRATION
from .health import SCHEDULED, aware, problems
from .preparation import read_preparation
from .scheduler import LOCK as CATCHING_UP

LARGEST = 10
"""Communities that are shown if none is asked for, beside the instance."""


@dataclass(frozen=True)
class CommunityStatus:
    """The aggregates of one community.

    Attributes:
        community_id: UUID, or ``global``.
        slug: its slug; None for ``global`` and for one that is gone.
        families: a :class:`~.aggregation_status.FamilyStatus` each.
    """

    community_id: str
    slug: str | None
    families: tuple[FamilyStatus, ...]


@dataclass(frozen=True)
class StatsStatus:
    """The state of everything.

    Attributes:
        now: when it was read, ISO 8601.
        enabled: ``COMMUNITY_STATS_ENABLED``.
        scheduled: the scheduled tasks are on.
        preparing: they make what is missing before they count.
        data_as_of: everything that was stored then is counted, ISO 8601; None if
            that never was so.
        last_run: what is noted of the last aggregation, or None.
        usage_days: days that have usage events, by what was counted.
        usage_days_left: of these, those that are still to be counted.
        snapshots_left: communities whose usage snapshots are to be continued.
        records_left: communities whose records are to be counted.
        changes: ``usage`` and ``records`` -> writes to the sources since they were
            looked at.
        communities: those shown.
        communities_total: how many there are.
        community_events: the :class:`~..community_events.backfill_state.BackfillState`.
        reconciliation: the
            :class:`~..community_events.reconciliation.ReconciliationState`.
        migration: the :class:`~..migration.migration_status.MigrationStatus`.
        preparation: of :func:`~.preparation.read_preparation`.
        database_indexes: the indexes that live capture uses, whether they exist or
            not.
        deferred_captures: changes of memberships that wait to be captured.
        queues: a :class:`~..usage_events.queues.QueueLength` each.
        locks: name -> who holds it, as a clause, or None.
        yearly_indices: indices of aggregates of an earlier layout, by name.
        problems: what needs a person, a sentence or two each.
    """

    now: str
    enabled: bool = True
    scheduled: bool = True
    preparing: bool = True
    data_as_of: str | None = None
    last_run: dict | None = None
    usage_days: int = 0
    usage_days_left: int = 0
    snapshots_left: int = 0
    records_left: int = 0
    changes: dict = field(default_factory=dict)
    communities: tuple[CommunityStatus, ...] = ()
    communities_total: int = 0
    community_events: BackfillState = field(default_factory=BackfillState)
    reconciliation: ReconciliationState = field(default_factory=ReconciliationState)
    migration: MigrationStatus = field(default_factory=lambda: MigrationStatus([]))
    preparation: dict | None = None
    database_indexes: tuple[IndexStatus, ...] = ()
    deferred_captures: DeferredState = field(default_factory=DeferredState)
    queues: tuple = ()
    locks: dict = field(default_factory=dict)
    yearly_indices: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def needs_a_person(self):
        """Tell whether something will not get better by itself."""
        return bool(self.problems)

    @property
    def has_begun(self):
        """Tell whether anything has ever run, by itself or by a command."""
        state = self.community_events
        return any((self.last_run, self.preparation, state.started_at))

    @property
    def reconciled_at(self):
        """Return when the last reconciliation began, ISO 8601, or None."""
        naive = self.reconciliation.looked_at
        return aware(naive) if naive else None

    @property
    def lag_seconds(self):
        """Return how old the numbers are, or None."""
        if self.data_as_of is None:
            return None
        as_of, now = map(datetime.fromisoformat, (self.data_as_of, self.now))
        return (now - as_of).total_seconds()

    @property
    def months(self):
        """Return how many months of usage events are in each state."""
        return dict(Counter(month.state for month in self.migration.months))

    def holder(self, name):
        """Return who holds a lock, or None."""
        return self.locks.get(name)

    def as_json(self):
        """Return the status as a JSON object."""
        told = asdict(replace(self, migration=MigrationStatus([])))
        migration = self.migration.as_json()
        letters = migration.pop("dead_letters")
        months = migration.pop("months")
        return {
            "needs_a_person": self.needs_a_person,
            **told,
            "lag_seconds": self.lag_seconds,
            "migration": {
                "states": self.months,
                "not_enriched": _sum(month["not_enriched"] for month in months),
                **migration,
            },
            "dead_letters": letters,
        }


def read_status(app, client, reader, reindexing, communities=None, every=False):
    """Read the state of everything; changes nothing.

    Args:
        app: the Flask application.
        client: an ordinary client.
        reader: a :class:`~..community_events.membership.MembershipReader`.
        reindexing: the ``EventReindexingService``.
        communities: UUIDs and ``global``; None for the instance and the largest.
        every: all communities.

    Returns:
        StatsStatus: the state.
    """
    names, now = Names.of(app), datetime.now(UTC)
    shown = _Communities(client, names, reader, now.date().isoformat())
    last_run = shown.aggregates.last_run()
    found = StatsStatus(
        now=now.isoformat(),
        enabled=app.config["COMMUNITY_STATS_ENABLED"],
        scheduled=app.config["COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED"],
        preparing=app.config["COMMUNITY_STATS_PREPARATION_ENABLED"],
        data_as_of=(last_run or {}).get("data_as_of"),
        last_run=last_run,
        changes=shown.aggregates.changes(),
        community_events=backfill_state(client, names),
        reconciliation=reconciliation_state(client, names),
        migration=reindexing.status(),
        preparation=read_preparation(client, names),
        database_indexes=tuple(reader.database_indexes()),
        deferred_captures=DeferredCaptures(client, names).state(),
        queues=tuple(lengths()),
        locks=_holders(client, names),
        yearly_indices=read_layout(client, names).yearly,
        **shown.read(communities, every, last_run),
    )
    return replace(found, problems=problems(found))


class _Communities:
    """Reads the part of the status that is by community."""

    def __init__(self, client, names, reader, today):
        self._reader, self._today = reader, today
        self.aggregates = AggregationStatusReader(client, names)

    def read(self, communities, every, last_run):
        """Return fields of :class:`StatsStatus`."""
        largest, total = self.aggregates.communities(LARGEST)
        if communities is None and not every:
            communities = [GLOBAL, *largest]
        elif communities is not None:
            communities = sorted(communities, key=lambda c: (c != GLOBAL, c))
        documents = self.aggregates.documents(communities)
        # too many to be named in a query, maybe
        again, records_left = self.aggregates.open_records(self._today, communities)
        if communities is None:
            communities = [GLOBAL, *sorted({c for c, _ in documents} - {GLOBAL})]
        if not self.aggregates.looked("records", last_run):
            again = None
        marks = self.aggregates.usage(last_run)
        slugs = self._slugs(set(communities) - {GLOBAL})
        return {
            "usage_days": len(marks.days),
            "usage_days_left": len(marks.redo),
            "snapshots_left": len(marks.continued or {}),
            "records_left": records_left,
            "communities_total": total,
            "communities": tuple(
                CommunityStatus(
                    community,
                    slugs.get(community),
                    tuple(
                        self.aggregates.family(
                            marks, again, community, family, documents
                        )
                        for family in FAMILIES
                    ),
                )
                for community in communities
            ),
        }

    def _slugs(self, ids):
        return self._reader.slugs(ids) if ids else {}


def _holders(client, names):
    """Return name -> who holds each lock, or None."""
    places = {
        "aggregation": (names.bookmarks, AGGREGATION),
        SCHEDULED: (names.bookmarks, CATCHING_UP),
        "migration": (names.reindexing, MIGRATION),
        "reconciliation": (names.reindexing, RECONCILING),
    }
    found = {}
    for name, place in places.items():
        document = read_lock(client, *place)
        held = document is not None and is_held(document)
        found[name] = describe_holder(document) if held else None
    return found


def _sum(numbers):
    """Return the sum; None if one of them is not known."""
    numbers = list(numbers)
    return None if None in numbers else sum(numbers)
