# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Continue usage snapshots and month sums from the deltas that have changed.

Before a delta is written, its community is stored with the day from which its snapshots
must be continued. The community is removed when its snapshots are written. A run that
is killed in between loses only the work on some communities.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Protocol

import msgspec
from opensearchpy import OpenSearch

from ...community_events.documents import GLOBAL
from ...errors import LockLostError
from ...search.compare_and_set import Bookmark
from ...search.names import Names
from ..aggregate_reader import FIRST_DAY, LAST_DAY, DocumentRange
from ..aggregate_store import AggregateStore, WriteCounts
from ..documents import Document
from .checkpoints import (
    LATEST,
    Checkpoint,
    Checkpoints,
    FirstSeen,
    SeenSource,
    SeenThings,
)
from .month_sums import MonthSums
from .sums import StoredDelta, decode_delta
from .usage_totals import ShownBreakdowns, UsageTotals, UsageTotalsState

GROUP = 40
"""Number of communities that are continued together."""

_SMALL, _LARGE = 500, 8
"""Number of deltas in one page: for most communities, and for ``global``."""

_REDO = "redo:usage-snapshot"


class _ChangedDay(Protocol):
    """A day of a community on which a document is about to change."""

    @property
    def community(self) -> str: ...

    @property
    def day(self) -> str: ...


class SnapshotRestart:
    """Stores the day from which the snapshots of each community must be continued.

    Creating an instance reads the stored document.

    Args:
        client: decodes responses.
        names: the instance's index names.
        check: raises when this run must not write any more.

    Attributes:
        days: community -> first day, ``YYYY-MM-DD``.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._client, self._index, self._check = client, names.bookmarks, check
        self.days: dict[str, str] = {}
        self._read()

    def note(self, changes: Iterable[_ChangedDay]) -> None:
        """Store the days of documents that are about to change.

        Raises:
            LockLostError: ``check`` reports that another run has taken over.
        """
        earliest: dict[str, str] = {}
        for change in changes:
            known = earliest.get(change.community)
            if known is None or change.day < known:
                earliest[change.community] = change.day
        self._change(lambda days: _earlier(days, earliest))

    def done(self, group: Mapping[str, str]) -> None:
        """Remove communities whose snapshots were continued.

        A community for which an earlier day was stored in the meantime remains.

        Args:
            group: community -> the day from which its snapshots were written.

        Raises:
            LockLostError: ``check`` reports that another run has taken over.
        """
        self._change(lambda days: {c: d for c, d in days.items() if group.get(c) != d})

    def _change(self, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        """Change the stored days; repeat if another process wrote in the meantime."""
        self._read()
        while True:
            changed = change(self.days)
            if changed == self.days:
                return
            # Check the lock after reading: a later run may have added days.
            if self._check:
                self._check()
            try:
                self._bookmark.write(
                    kind="redo", communities=dict(sorted(changed.items()))
                )
                self.days = changed
                return
            except LockLostError:
                self._read()

    def _read(self) -> None:
        self._bookmark = Bookmark(self._client, self._index, _REDO)
        self.days = dict(self._bookmark.data.get("communities", {}))


def _earlier(days: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """Return the earlier of two days for each community."""
    merged = dict(days)
    for community, day in others.items():
        merged[community] = min(day, merged.get(community, day))
    return merged


@dataclass(frozen=True)
class _Start:
    """The days from which one community's snapshots continue.

    Attributes:
        replay: first day whose delta is added.
        redo: first day whose snapshot is written.
    """

    replay: str
    redo: str


class Snapshots:
    """Continues the snapshots of communities.

    Args:
        client: decodes responses.
        names: the instance's index names.
        deltas: the store of usage deltas.
        seen: the store of the family ``usage-seen``.
        snapshots: the store of usage snapshots.
        months: the store of month sums.
        shown: the breakdowns.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        deltas: AggregateStore,
        seen: AggregateStore,
        snapshots: AggregateStore,
        months: AggregateStore,
        shown: ShownBreakdowns,
    ) -> None:
        self._client, self._deltas, self._seen = client, deltas, seen
        self._snapshots, self._months, self._shown = snapshots, months, shown
        self._states = Checkpoints(client, names, snapshots.write)

    def groups(self, days: Mapping[str, str]) -> list[dict[str, str]]:
        """Divide communities into groups that are continued together.

        ``global``, by far the largest, forms its own group.

        Args:
            days: community -> first day.
        """
        rest = sorted((c for c in days if c != GLOBAL), key=lambda c: (days[c], c))
        groups = [rest[i : i + GROUP] for i in range(0, len(rest), GROUP)]
        if GLOBAL in days:
            groups.insert(0, [GLOBAL])
        return [{c: days[c] for c in group} for group in groups]

    def redo(self, days: Mapping[str, str]) -> WriteCounts:
        """Write the snapshots, checkpoints and month sums of some communities.

        Args:
            days: community -> day from which they are written.

        Returns:
            The numbers of snapshots.
        """
        self._deltas.refresh()
        self._seen.refresh()
        months = MonthSums(self._client, self._months)
        group = _Group(self, days, months)
        parts = [DocumentRange(days[c], LAST_DAY, c) for c in sorted(days)]
        written = self._snapshots.replace(group.documents(), parts)
        self._states.flush()
        self._states.delete(group.outdated())
        months.finish(days)
        return written

    def newest(self, communities: Collection[str]) -> dict[str, str]:
        """Return the day of the newest delta of each community that has one."""
        answer = self._client.search(
            index=self._deltas.alias,
            body={
                "size": 0,
                "query": {"terms": {"community_id": list(communities)}},
                "aggs": {
                    "community": {
                        "terms": {"field": "community_id", "size": len(communities)},
                        "aggs": {
                            "day": {
                                "max": {"field": "period_start", "format": "yyyy-MM-dd"}
                            }
                        },
                    }
                },
            },
            params={"ignore_unavailable": "true"},
        )
        buckets = answer.get("aggregations", {}).get("community", {}).get("buckets", ())
        return {b["key"]: b["day"]["value_as_string"] for b in buckets}


class _Group:
    """Continues one group of communities, day by day.

    Args:
        snapshots: the object that the group belongs to.
        days: community -> first day whose snapshot is written.
        months: writes the month sums.
    """

    def __init__(
        self, snapshots: Snapshots, days: Mapping[str, str], months: MonthSums
    ) -> None:
        self._own, self._days, self._months = snapshots, days, months
        self._states = snapshots._states
        self._kept = self._states.kept(days)
        self._newest = snapshots.newest(days)
        self._written: set[str] = set()
        self._seen = SeenThings(sorted(days))
        self._running: dict[str, UsageTotals] = {}
        self._starts: dict[str, _Start] = {}
        self._active: set[str] = set()
        for community, day in days.items():
            self._start(community, day)

    def _start(self, community: str, day: str) -> None:
        """Load a community's last complete checkpoint before a day."""
        usable = [
            kept
            for kept in self._kept
            if kept.community == community and kept.day < day and not kept.piece
        ]
        state: UsageTotalsState | None = None
        replay = FIRST_DAY
        for kept in sorted(usable, key=lambda kept: kept.day, reverse=True):
            if found := self._states.read(kept):
                state, seen = found
                self._seen.start(community, seen)
                replay = _next(kept.day)
                break
        self._running[community] = UsageTotals(self._own._shown, state)
        self._starts[community] = _Start(replay, day)

    def outdated(self) -> list[Checkpoint]:
        """Return the earlier checkpoints that are now wrong and were not replaced."""
        return [
            kept
            for kept in self._kept
            if kept.day >= self._days[kept.community] and kept.id not in self._written
        ]

    def documents(self) -> Iterator[Document]:
        """Yield the snapshots, sorted by day, then community."""
        parts = [
            DocumentRange(s.replay, LAST_DAY, c)
            for c, s in sorted(self._starts.items())
        ]
        size = _LARGE if GLOBAL in self._starts else _SMALL
        seen = groupby(
            map(msgspec.json.decode, self._own._seen.sources(parts, size=size)),
            key=lambda source: source["period_start"][:7],
        )
        deltas = groupby(
            map(decode_delta, self._own._deltas.sources(parts, size=size)),
            key=lambda delta: delta.period_start[:7],
        )
        waiting, year = next(seen, None), ""
        for month, of_month in deltas:
            if month[:4] > year:
                self._end_of(year)
                year = month[:4]
            sources: list[SeenSource] = []
            while waiting and waiting[0] <= month:
                sources += list(waiting[1])
                waiting = next(seen, None)
            new = self._seen.month(sources)
            for delta in of_month:
                yield from self._add(delta, new)
        for community in self._starts:
            self._save_month(community)

    def _add(self, delta: StoredDelta, new: FirstSeen) -> Iterator[Document]:
        """Add a delta, and yield the snapshot of its day if it must be written."""
        community, day = delta.community_id, delta.period_start
        running = self._running[community]
        if day == self._newest.get(community):
            self._save(Checkpoint(community, LATEST, _previous(day)))
        if day[:7] != running.month.name:
            self._save_month(community)
        running.add(delta, new.get((community, day), {}))
        self._active.add(community)
        if day >= self._starts[community].redo:
            yield running.snapshot(community, day)

    def _save_month(self, community: str) -> None:
        """Save the sums of a community's month, which gets no more days."""
        running = self._running[community]
        if running.month.name >= self._days[community][:7]:
            self._months.save(community, running)

    def _end_of(self, year: str) -> None:
        """Save checkpoints of a year for communities that have later deltas."""
        for community in sorted(self._active):
            if self._newest.get(community, "")[:4] > year:
                self._save(Checkpoint(community, year, f"{year}-12-31"))
        self._active.clear()

    def _save(self, kept: Checkpoint) -> None:
        running = self._running[kept.community]
        seen = self._seen.until(kept.community, _next(kept.day))
        self._written.update(self._states.save(kept, running.state(), seen))


def _next(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _previous(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
