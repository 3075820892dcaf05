# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Usage snapshots and sums of months, continued from the deltas that have changed.

Which communities have to be continued from which day is noted before a delta is
written, and taken off when the snapshots are. In between, a kill costs the work on
some communities.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

import msgspec

from ...community_events.documents import GLOBAL
from ...errors import LockLostError
from ...search.documents import Bookmark
from ..aggregate_reader import FIRST_DAY, LAST_DAY, DocumentRange
from .checkpoints import LATEST, Checkpoint, Checkpoints, SeenThings
from .month_sums import MonthSums
from .sums import decode_delta
from .usage_totals import UsageTotals

GROUP = 40
"""Communities that are continued at a time."""

_SMALL, _LARGE = 500, 8
"""Deltas in one answer: of most communities, and of ``global``."""

_REDO = "redo:usage-snapshot"


class SnapshotRestart:
    """From which day each community's snapshots are to be continued.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~...search.names.Names`.
        check: raises when this run must not write any more.
    """

    def __init__(self, client, names, check=None):
        """Read what is noted."""
        self._client, self._index, self._check = client, names.bookmarks, check
        self._read()

    def note(self, changes):
        """Note documents that are about to change.

        Args:
            changes: iterable of things with a community and a day.

        Raises:
            LockLostError: ``check`` says so.
        """
        earliest = {}
        for change in changes:
            known = earliest.get(change.community)
            if known is None or change.day < known:
                earliest[change.community] = change.day
        self._change(lambda days: _earlier(days, earliest))

    def done(self, group):
        """Take communities off that were continued.

        Args:
            group: community -> the day from which on it was.

        Raises:
            LockLostError: ``check`` says so.
        """
        self._change(lambda days: {c: d for c, d in days.items() if group.get(c) != d})

    def _change(self, change):
        """Write what is noted, changed; again if somebody else wrote meanwhile."""
        self._read()
        while True:
            changed = change(self.days)
            if changed == self.days:
                return
            # asked between reading and writing: what a later run notes is not undone
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

    def _read(self):
        self._bookmark = Bookmark(self._client, self._index, _REDO)
        self.days = dict(self._bookmark.data.get("communities", {}))


def _earlier(days, others):
    """Return for each community the earlier one of two days."""
    merged = dict(days)
    for community, day in others.items():
        merged[community] = min(day, merged.get(community, day))
    return merged


@dataclass(frozen=True)
class _Start:
    """Where one community is continued.

    Attributes:
        replay: first day whose delta is added.
        redo: first day whose snapshot is written.
    """

    replay: str
    redo: str


class Snapshots:
    """Continues the snapshots of communities.

    Args:
        client: an ordinary client.
        names: the instance's names.
        deltas: the :class:`~..aggregate_store.AggregateStore` of usage deltas.
        seen: the one of what was seen.
        snapshots: the one of usage snapshots.
        months: the one of sums of months.
        shown: a :class:`~.usage_totals.ShownBreakdowns`.
    """

    def __init__(self, client, names, deltas, seen, snapshots, months, shown):
        """Keep what is needed."""
        self._client, self._deltas, self._seen = client, deltas, seen
        self._snapshots, self._months, self._shown = snapshots, months, shown
        self._states = Checkpoints(client, names, snapshots.write)

    def groups(self, days):
        """Return the communities to continue, in groups.

        Args:
            days: community -> first day.

        Returns:
            list[dict]: parts of it; ``global``, the largest by far, alone.
        """
        rest = sorted((c for c in days if c != GLOBAL), key=lambda c: (days[c], c))
        groups = [rest[i : i + GROUP] for i in range(0, len(rest), GROUP)]
        if GLOBAL in days:
            groups.insert(0, [GLOBAL])
        return [{c: days[c] for c in group} for group in groups]

    def redo(self, days):
        """Write the snapshots of some communities.

        Args:
            days: community -> day from which on they are written.

        Returns:
            Written: what was done.
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

    def newest(self, communities):
        """Return the day of the newest delta of each of some communities."""
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
            params={
                "ignore_unavailable": "true",
                "allow_partial_search_results": "false",
            },
        )
        buckets = answer.get("aggregations", {}).get("community", {}).get("buckets", ())
        return {b["key"]: b["day"]["value_as_string"] for b in buckets}


class _Group:
    """One group of communities on its way through the days."""

    def __init__(self, snapshots, days, months):
        self._own, self._days, self._months = snapshots, days, months
        self._states = snapshots._states
        self._kept = self._states.kept(days)
        self._newest = snapshots.newest(days)
        self._written = set()
        self._seen = SeenThings(sorted(days))
        self._running, self._starts = {}, {}
        self._active = set()
        for community, day in days.items():
            self._start(community, day)

    def _start(self, community, day):
        usable = [
            kept
            for kept in self._kept
            if kept.community == community and kept.day < day and not kept.piece
        ]
        state, replay = None, FIRST_DAY
        for kept in sorted(usable, key=lambda kept: kept.day, reverse=True):
            if found := self._states.read(kept):
                state, seen = found
                self._seen.start(community, seen)
                replay = _next(kept.day)
                break
        self._running[community] = UsageTotals(self._own._shown, state)
        self._starts[community] = _Start(replay, day)

    def outdated(self):
        """Return the states that were there and do not hold any more."""
        return [
            kept
            for kept in self._kept
            if kept.day >= self._days[kept.community] and kept.id not in self._written
        ]

    def documents(self):
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
            sources = []
            while waiting and waiting[0] <= month:
                sources += list(waiting[1])
                waiting = next(seen, None)
            new = self._seen.month(sources)
            for delta in of_month:
                yield from self._add(delta, new)
        for community in self._starts:
            self._save_month(community)

    def _add(self, delta, new):
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

    def _save_month(self, community):
        """Keep the sums of a community's month, of which there will be no more days."""
        running = self._running[community]
        if running.month.name >= self._days[community][:7]:
            self._months.save(community, running)

    def _end_of(self, year):
        """Keep the states at the end of a year of communities that go on after it."""
        for community in sorted(self._active):
            if self._newest.get(community, "")[:4] > year:
                self._save(Checkpoint(community, year, f"{year}-12-31"))
        self._active.clear()

    def _save(self, kept):
        running = self._running[kept.community]
        seen = self._seen.until(kept.community, _next(kept.day))
        self._written.update(self._states.save(kept, running.state(), seen))


def _next(day):
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _previous(day):
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
