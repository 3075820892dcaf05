# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store the sums of a month's deltas, for breakdowns that show only the largest values.

Without them, a query over a year would read 365 deltas, each with all breakdowns. A
document contains one breakdown of a community's month, its numbers as columns, and a
hash of the checksums of the deltas that were added up. A reader compares this hash with
the stored deltas, and ignores a month sum that is outdated.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

import xxhash
from opensearchpy import OpenSearch

from ..aggregate_reader import LAST_DAY, DocumentRange, query_of
from ..aggregate_store import Actions, AggregateStore
from .sums import StoredDelta, ValueSums, sums_of

if TYPE_CHECKING:
    from .usage_totals import UsageTotals

LEAST = 8
"""Minimum number of deltas in a month; fewer can be read as fast as their sum."""


class MonthSumState(TypedDict):
    """The part of a checkpoint that describes a month sum.

    ``before`` contains breakdown key -> value -> sums before the month, in the order of
    :data:`~.sums.SUMS`; None for a value without earlier events.
    """

    name: str
    deltas: list[str]
    before: dict[str, dict[str, Sequence[int] | None]]


class MonthSumColumns(TypedDict):
    """One breakdown of a month as columns; equal positions belong to the same value."""

    ids: Sequence[str]
    view: dict[str, Sequence[int]]
    download: dict[str, Sequence[int]]


def mark(checksums: Iterable[str]) -> str:
    """Return a hash of the checksums of deltas.

    Args:
        checksums: their checksums, sorted by day.
    """
    return xxhash.xxh3_64_hexdigest("\n".join(checksums).encode())


class MonthSum:
    """The increase of breakdown values since the start of a month.

    For the values that have changed in the month, it stores the sums before the month.

    Args:
        keys: keys of the breakdowns.
        state: result of :meth:`state`, to continue from.

    Attributes:
        name: ``YYYY-MM``; empty before the first day.
    """

    def __init__(self, keys: Iterable[str], state: MonthSumState | None = None) -> None:
        state = state or {"name": "", "deltas": [], "before": {}}
        self.name, self._deltas = state["name"], list(state["deltas"])
        self._before = {key: dict(state["before"].get(key, {})) for key in keys}

    def state(self) -> MonthSumState:
        """Return the state from which another object can continue."""
        return {
            "name": self.name,
            "deltas": list(self._deltas),
            "before": {key: dict(of_key) for key, of_key in self._before.items()},
        }

    def begin(self, delta: StoredDelta) -> None:
        """Start the day of a delta, and a new month if it is the first in it."""
        name = delta.period_start[:7]
        if name != self.name:
            self.name, self._deltas = name, []
            self._before = {key: {} for key in self._before}
        self._deltas.append(delta.checksum)

    def note(
        self, key: str, cells: Mapping[str, ValueSums], changed: Iterable[ValueSums]
    ) -> None:
        """Store the sums of values before a day is added to them.

        Args:
            key: key of a breakdown.
            cells: value -> its running sums.
            changed: the values of the day.
        """
        before = self._before[key]
        for found in changed:
            if found.id not in before:
                cell = cells.get(found.id)
                before[found.id] = None if cell is None else sums_of(cell)

    @property
    def is_worth_storing(self) -> bool:
        """Return whether the month has enough days to be worth a document."""
        return len(self._deltas) >= LEAST

    @property
    def mark(self) -> str:
        """Return the hash of the deltas that were added."""
        return mark(self._deltas)

    def columns(self, key: str, cells: Mapping[str, ValueSums]) -> MonthSumColumns:
        """Return the increase of the values of a breakdown, the most viewed first.

        Args:
            key: key of the breakdown.
            cells: value -> its running sums.
        """
        rows: list[tuple[Any, ...]] = []
        for id, before in self._before[key].items():
            now: tuple[int, ...] = sums_of(cells[id])
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
    """Writes month sums.

    Args:
        client: decodes responses.
        store: store of the family ``usage-month``.
    """

    def __init__(self, client: OpenSearch, store: AggregateStore) -> None:
        self._client, self._store = client, store
        self._actions = Actions(store.write)
        self._now = datetime.now(UTC).isoformat()

    def save(self, community: str, running: "UsageTotals") -> None:
        """Add the current month to those that :meth:`finish` stores.

        Args:
            community: UUID or ``global``.
            running: its running totals.
        """
        month = running.month
        if not month.is_worth_storing:
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

    def finish(self, starts: Mapping[str, str]) -> None:
        """Store the saved months, and delete all others from some days on.

        Args:
            starts: community -> first day of the recount.
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
