# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Sums of a month's deltas, of the breakdowns of which snapshots have the largest cells.

Without them 365 deltas had to be read for a year, each with all breakdowns. A document
has one breakdown of a community's month, its numbers as columns, and the mark of the
deltas that it is the sum of. Whoever reads it compares the mark with the deltas' own
checksums, so that a sum which is no longer, or not yet, that of the deltas is not told.
"""

from datetime import UTC, datetime

import xxhash

from ..aggregate_reader import LAST_DAY, DocumentRange, query_of
from ..aggregate_store import Actions
from .sums import sums_of

LEAST = 8
"""Deltas that a month must have: fewer are read as fast as its sums are."""


def mark(checksums):
    """Return what tells deltas from any others.

    Args:
        checksums: of each, in the order of days.
    """
    return xxhash.xxh3_64_hexdigest("\n".join(checksums).encode())


class MonthSum:
    """What cells have gained since a month began.

    Kept is what the running sums of a cell were before the month, for cells that have
    changed in it.

    Args:
        keys: of the breakdowns.
        state: what :meth:`state` returned, to go on from there.

    Attributes:
        name: ``YYYY-MM``.
    """

    def __init__(self, keys, state=None):
        """Begin with no month, or where a state was taken."""
        state = state or {"name": "", "deltas": [], "before": {}}
        self.name, self._deltas = state["name"], list(state["deltas"])
        self._before = {key: dict(state["before"].get(key, {})) for key in keys}

    def state(self):
        """Return all that is needed to go on, as JSON values."""
        return {
            "name": self.name,
            "deltas": list(self._deltas),
            "before": {key: dict(of_key) for key, of_key in self._before.items()},
        }

    def begin(self, delta):
        """Take in that a day is going to be added, maybe the first of another month.

        Args:
            delta: a :class:`~.sums.StoredDelta`.
        """
        name = delta.period_start[:7]
        if name != self.name:
            self.name, self._deltas = name, []
            self._before = {key: {} for key in self._before}
        self._deltas.append(delta.checksum)

    def note(self, key, cells, changed):
        """Note what cells are before a day is added to them.

        Args:
            key: of a breakdown.
            cells: id -> :class:`~.sums.ValueSums` with running sums.
            changed: those of the day, as a list.
        """
        before = self._before[key]
        for found in changed:
            if found.id not in before:
                cell = cells.get(found.id)
                before[found.id] = None if cell is None else sums_of(cell)

    @property
    def is_told(self):
        """Tell whether it has enough days to be worth a document."""
        return len(self._deltas) >= LEAST

    @property
    def mark(self):
        """Return the mark of the deltas that were added."""
        return mark(self._deltas)

    def columns(self, key, cells):
        """Return what the cells of a breakdown have gained.

        Args:
            key: of the breakdown.
            cells: id -> :class:`~.sums.ValueSums` with running sums.

        Returns:
            dict: ``ids``, and a list of as many numbers under each of
            :data:`~.sums.SUMS`; those with the most views first.
        """
        rows = []
        for id, before in self._before[key].items():
            now = sums_of(cells[id])
            if before is not None:
                now = tuple(new - old for new, old in zip(now, before, strict=True))
            rows.append((id, *now))
        rows.sort(key=lambda row: (-row[1], -row[3], row[0]))
        ids, *sums = zip(*rows, strict=True) if rows else ((),) * 6
        views, view_visitors, downloads, download_visitors, volume = sums
        return {
            "ids": ids,
            "view": {"total_events": views, "unique_visitors": view_visitors},
            "download": {
                "total_events": downloads,
                "unique_visitors": download_visitors,
                "total_volume": volume,
            },
        }


class MonthSums:
    """Writes the sums of months.

    Args:
        client: an ordinary client.
        store: the :class:`~..aggregate_store.AggregateStore` of the family ``usage-month``.
    """

    def __init__(self, client, store):
        """Keep what is needed."""
        self._client, self._store = client, store
        self._actions = Actions(store.write)
        self._now = datetime.now(UTC).isoformat()

    def save(self, community, running):
        """Store the sums of the month at hand: :meth:`finish` must follow.

        Args:
            community: UUID or ``global``.
            running: its :class:`~.usage_totals.UsageTotals`.
        """
        month = running.month
        if not month.is_told:
            return
        day, of_deltas = f"{month.name}-01", month.mark
        for key, columns in running.of_month():
            source = {
                "community_id": community,
                "period_start": day,
                "breakdown": key,
                "deltas": of_deltas,
                "cells": columns,
                "updated_timestamp": self._now,
            }
            id = f"{community}:{day}:{key}"
            self._actions.index(self._store.write_alias(day), id, source, is_alias=True)

    def finish(self, starts):
        """Store what is saved, and delete what there is beside it.

        Args:
            starts: community -> the first day whose month was saved, with all later
                ones.
        """
        self._actions.flush()
        self._store.refresh()
        since = [
            DocumentRange(f"{day[:7]}-01", LAST_DAY, c) for c, day in starts.items()
        ]
        query = query_of(since, "period_start")
        query["bool"]["must_not"] = [{"term": {"updated_timestamp": self._now}}]
        self._client.delete_by_query(
            index=self._store.alias,
            body={"query": query},
            params={"ignore_unavailable": "true", "conflicts": "proceed"},
        )
