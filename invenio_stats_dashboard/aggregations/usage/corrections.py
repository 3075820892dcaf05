# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The correction log: which days have changed after they were complete, and why.

A day is complete when a run that left nothing to do began after it had ended. What
changes it later is written down before the first of its documents is replaced, so that
no correction is made that is not told; after a kill it may be told twice.
"""

from datetime import UTC, datetime, timedelta

from opensearchpy.exceptions import NotFoundError

from ...community_events.documents import GLOBAL
from ..documents import document_id
from .documents import totals_of

_KIND = "correction"
_COMPLETE = "complete:usage"
_NAMED = 50
"""Communities that an entry names."""


class UsageCorrections:
    """Writes and reads the correction log of usage.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~...search.names.Names`.
        deltas: the :class:`~..aggregate_store.AggregateStore` of usage deltas.
    """

    def __init__(self, client, names, deltas):
        """Keep what is needed; reads nothing yet."""
        self._client, self._index, self._deltas = client, names.bookmarks, deltas
        self._began = datetime.now(UTC)
        self._through = ""

    def begin(self):
        """Note when the run looks at its sources, and which days are complete."""
        self._began = datetime.now(UTC)
        found = self._client.get(index=self._index, id=_COMPLETE, ignore=[404])
        self._through = found.get("_source", {}).get("through", "")

    def complete(self):
        """Note that all days before the beginning of this run are counted."""
        through = (self._began.date() - timedelta(days=1)).isoformat()
        if through > self._through:
            body = {"kind": "complete", "through": through}
            self._client.index(index=self._index, id=_COMPLETE, body=body)
            self._through = through

    def watch(self, unit, counted, why):
        """Return what is to be told of changes of a unit before they are written.

        Args:
            unit: the :class:`~.aggregator.Unit`.
            counted: the new :class:`~.counting.DayCounts`.
            why: day -> reason.

        Returns:
            a function of a list of :class:`~..aggregate_store.DocumentChange`.
        """
        days = {day for day in unit.days if day <= self._through}
        told = set()

        def tell(changes):
            found = {}
            for change in changes:
                if change.day in days - told:
                    found.setdefault(change.day, []).append(change)
            if found:
                before, after = self._stored(found), totals_of(counted, GLOBAL)
            for day, of_day in found.items():
                told.add(day)
                totals = {"before": before.get(day), "after": after.get(day)}
                self._write(day, why.get(day, ""), of_day, totals)

        return tell

    def read(self, size=100):
        """Return the newest entries, the newest first."""
        try:
            self._client.indices.refresh(index=self._index)
        except NotFoundError:
            return []
        query = {"bool": {"filter": [{"term": {"kind": _KIND}}]}}
        body = {"size": size, "query": query, "sort": [{"updated_at": "desc"}]}
        answer = self._client.search(index=self._index, body=body)
        return [hit["_source"] for hit in answer["hits"]["hits"]]

    def _write(self, day, why, changes, totals):
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

    def _stored(self, days):
        """Return the totals of the instance as they are stored, by day."""
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
