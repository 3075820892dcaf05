# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write the correction log of usage: which complete days changed later, and why.

A day is complete when a run that started after the end of the day has left nothing to
do. A correction is logged before the first document of its day is replaced, so none is
missing from the log. A run that was killed and repeated may log a correction twice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from ...community_events.documents import GLOBAL
from ...search.names import Names
from ..aggregate_store import AggregateStore, DocumentChange
from ..documents import document_id
from .counting import DayCounts
from .day_batches import DayBatch
from .documents import StoredTotals, totals_of

_KIND = "correction"
_COMPLETE = "complete:usage"
_NAMED = 50
"""Maximum number of communities listed in one entry; the others are only counted."""


class UsageCorrections:
    """Writes and reads the correction log of usage.

    Args:
        client: decodes responses.
        names: the instance's index names.
        deltas: the store of usage deltas.
    """

    def __init__(
        self, client: OpenSearch, names: Names, deltas: AggregateStore
    ) -> None:
        self._client, self._index, self._deltas = client, names.bookmarks, deltas
        self._began = datetime.now(UTC)
        self._through = ""

    def begin(self) -> None:
        """Record the start of the run, and read which days are complete.

        Call it before the run reads its sources.
        """
        self._began = datetime.now(UTC)
        found = self._client.get(index=self._index, id=_COMPLETE, ignore=[404])
        self._through = found.get("_source", {}).get("through", "")

    def complete(self) -> None:
        """Store that all days before the start of this run are complete."""
        through = (self._began.date() - timedelta(days=1)).isoformat()
        if through > self._through:
            body = {"kind": "complete", "through": through}
            self._client.index(index=self._index, id=_COMPLETE, body=body)
            self._through = through

    def watch(
        self, unit: DayBatch, counted: DayCounts, why: Mapping[str, str]
    ) -> Callable[[Sequence[DocumentChange]], None]:
        """Return a function that logs changes before they are written.

        The function logs each complete day once.

        Args:
            unit: the days that are counted.
            counted: their new counts.
            why: day -> reason.
        """
        days = {day for day in unit.days if day <= self._through}
        reported: set[str] = set()

        def tell(changes: Sequence[DocumentChange]) -> None:
            found: dict[str, list[DocumentChange]] = {}
            for change in changes:
                if change.day in days - reported:
                    found.setdefault(change.day, []).append(change)
            if found:
                before, after = self._stored(found), totals_of(counted, GLOBAL)
            for day, of_day in found.items():
                reported.add(day)
                totals = {"before": before.get(day), "after": after.get(day)}
                self._write(day, why.get(day, ""), of_day, totals)

        return tell

    def read(self, size: int = 100) -> list[dict[str, Any]]:
        """Return the newest entries, newest first."""
        try:
            self._client.indices.refresh(index=self._index)
        except NotFoundError:
            return []
        query = {"bool": {"filter": [{"term": {"kind": _KIND}}]}}
        body = {"size": size, "query": query, "sort": [{"updated_at": "desc"}]}
        answer = self._client.search(index=self._index, body=body)
        return [hit["_source"] for hit in answer["hits"]["hits"]]

    def _write(
        self,
        day: str,
        why: str,
        changes: Iterable[DocumentChange],
        totals: Mapping[str, StoredTotals | None],
    ) -> None:
        now = datetime.now(UTC).isoformat()
        communities = sorted({change.community for change in changes})
        body = {
            "kind": _KIND,
            "scope": "usage",
            "day": day,
            "why": why,
            "updated_at": now,
            "communities": communities[:_NAMED],
            "more_communities": max(len(communities) - _NAMED, 0),
            "global": totals,
        }
        id = f"{_KIND}:usage:{day}:{now}"
        self._client.index(index=self._index, id=id, body=body)

    def _stored(self, days: Iterable[str]) -> dict[str, StoredTotals]:
        """Return the stored totals of the instance, by day."""
        found = {}
        for day in days:
            answer = self._client.get(
                index=self._deltas.write_alias(day),
                id=document_id(GLOBAL, day),
                params={"_source_includes": "totals"},
                ignore=[404],
            )
            if answer.get("found"):
                found[day] = answer["_source"]["totals"]
        return found
