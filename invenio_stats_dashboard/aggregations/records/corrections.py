# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write the correction log of records: which complete days have changed, and why.

Only the basis ``added`` has days that are ever complete. On the other bases, a record
that is added today counts from its publication, which may be long ago.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from ...errors import StatsDashboardError
from ...search import bulk
from ...search.names import Names
from ..aggregate_store import DocumentChange
from .dirty_communities import CommunityState

_KIND = "correction"
_COMPLETE = "complete:records"
_LIMIT = 120

FAMILY = "records-delta-added"
"""The family whose changes are logged."""


class RecordCorrections:
    """Writes the correction log of records.

    Args:
        client: decodes responses.
        text_client: does not decode responses.
        names: the instance's index names.
        today: the current UTC day.
        keep: days after which entries of the log are deleted, including those of
            usage.
    """

    def __init__(
        self,
        client: OpenSearch,
        text_client: OpenSearch,
        names: Names,
        today: date,
        keep: float,
    ) -> None:
        self._client, self._text = client, text_client
        self._index, self._today = names.bookmarks, today
        self._keep = keep
        self._through: str | None = None

    def complete(self) -> None:
        """Record that all days before today are counted, and delete old entries."""
        through = (self._today - timedelta(days=1)).isoformat()
        if through > self._complete_through():
            body = {"kind": "complete", "through": through}
            self._client.index(index=self._index, id=_COMPLETE, body=body)
            self._through = through
            # At most once a day.
            self._prune()

    def watch(
        self, states: Iterable[CommunityState]
    ) -> Callable[[list[DocumentChange]], None]:
        """Return a function that logs changes before they are written.

        A community has one entry for the time that it is open. The entry is written
        before the first changed document, and again when more documents follow. Each
        correction is therefore logged, and none is logged twice.

        Args:
            states: states of the communities.
        """
        through = self._complete_through()
        entries = {state.community: _Entry(state) for state in states}

        def tell(changes: list[DocumentChange]) -> None:
            changed: dict[str, set[str]] = {}
            for change in changes:
                if change.day <= through:
                    changed.setdefault(change.community, set()).add(change.day)
            for community, days in changed.items():
                entries[community].add(days, through, self._stored)
            self._write([entries[community] for community in sorted(changed)])

        return tell

    def _stored(self, id: str) -> dict[str, Any] | None:
        found = self._client.get(index=self._index, id=id, ignore=[404])
        return found.get("_source")

    def _write(self, entries: "Iterable[_Entry]") -> None:
        now = datetime.now(UTC).isoformat()
        encode = msgspec.json.encode
        actions = [
            encode({"index": {"_id": entry.id}})
            + b"\n"
            + encode({**entry.body(), "updated_at": now})
            + b"\n"
            for entry in entries
        ]
        refusals = bulk.write(self._text, self._index, actions, _LIMIT)
        if refusals:
            raise StatsDashboardError(
                f"OpenSearch refuses the correction log of records ({refusals[0]})."
            )

    def _prune(self) -> None:
        oldest = datetime.now(UTC) - timedelta(days=self._keep)
        old = {"range": {"updated_at": {"lt": oldest.isoformat()}}}
        query = {"bool": {"filter": [{"term": {"kind": _KIND}}, old]}}
        self._client.delete_by_query(
            index=self._index,
            body={"query": query},
            params={"conflicts": "proceed"},
        )

    def _complete_through(self) -> str:
        if self._through is None:
            found = self._client.get(index=self._index, id=_COMPLETE, ignore=[404])
            self._through = found.get("_source", {}).get("through", "")
        return self._through


class _Entry:
    """The correction of one community, until its documents are written.

    It begins with the first change of the community. If a run is killed, it has written
    some of the documents, and the next run finds only the others changed. The entry
    therefore contains the days that were recorded when the community was opened. If all
    days were recorded, the entry adds its own days to those that were logged before.
    """

    def __init__(self, state: CommunityState) -> None:
        self._state = state
        self._days: set[str] | None = None
        self._before: dict[str, Any] = {}
        self.id = f"{_KIND}:records:{state.community}:{state.since}"

    def add(
        self,
        days: set[str],
        through: str,
        stored: Callable[[str], dict[str, Any] | None],
    ) -> None:
        noted = self._state.days_of(FAMILY)
        if noted is not None:
            self._days = {day for day in noted if day <= through}
        elif self._days is None:
            self._days, self._before = days, stored(self.id) or {}
        else:
            self._days |= days

    def body(self) -> dict[str, Any]:
        days, before = self._days, self._before
        assert days is not None
        return {
            "kind": _KIND,
            "scope": "records",
            "family": FAMILY,
            "day": min(min(days), before.get("day", max(days))),
            "last_day": max(max(days), before.get("last_day", "")),
            "days": max(len(days), before.get("days", 0)),
            "why": self._state.why,
            "communities": [self._state.community],
            "more_communities": 0,
        }
