# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The correction log of records: what has changed in days that were complete, and why.

Only the basis ``added`` has days that are ever complete: a record that comes in today
counts on the other bases from its publication, which may be long ago.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from ...errors import StatsDashboardError
from ...search import bulk

_KIND = "correction"
_COMPLETE = "complete:records"
_LIMIT = 120

FAMILY = "records-delta-added"
"""The family whose changes are told."""


class RecordCorrections:
    """Writes the correction log of records.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's :class:`~...search.names.Names`.
        today: the present UTC day, a date.
        keep: days for which entries of the log are kept, of records and of usage.
    """

    def __init__(self, client, text_client, names, today, keep):
        """Keep what is needed; reads nothing yet."""
        self._client, self._text = client, text_client
        self._index, self._today = names.bookmarks, today
        self._keep, self._through = keep, None

    def complete(self):
        """Note that all days before today are counted, and drop what is too old."""
        through = (self._today - timedelta(days=1)).isoformat()
        if through > self._complete_through():
            body = {"kind": "complete", "through": through}
            self._client.index(index=self._index, id=_COMPLETE, body=body)
            self._through = through
            # no more than once a day
            self._prune()

    def watch(self, states):
        """Return what is to be told of changes before they are written.

        There is one entry for a community and for the time that it is open; it is
        written before the first of its documents, and again as others join it. So no
        correction is made that is not told, and none is told twice.

        Args:
            states: the :class:`~.dirty_communities.CommunityState` s of the communities.

        Returns:
            a function of a list of :class:`~..aggregate_store.DocumentChange`.
        """
        through = self._complete_through()
        told = {state.community: _Entry(state) for state in states}

        def tell(changes):
            changed = {}
            for change in changes:
                if change.day <= through:
                    changed.setdefault(change.community, set()).add(change.day)
            for community, days in changed.items():
                told[community].add(days, through, self._stored)
            self._write([told[community] for community in sorted(changed)])

        return tell

    def _stored(self, id):
        found = self._client.get(index=self._index, id=id, ignore=[404])
        return found.get("_source")

    def _write(self, entries):
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

    def _prune(self):
        oldest = datetime.now(UTC) - timedelta(days=self._keep)
        old = {"range": {"updated_at": {"lt": oldest.isoformat()}}}
        query = {"bool": {"filter": [{"term": {"kind": _KIND}}, old]}}
        self._client.delete_by_query(
            index=self._index,
            body={"query": query},
            params={"conflicts": "proceed"},
        )

    def _complete_through(self):
        if self._through is None:
            found = self._client.get(index=self._index, id=_COMPLETE, ignore=[404])
            self._through = found.get("_source", {}).get("through", "")
        return self._through


class _Entry:
    """What is told of one community for the time that it is open.

    A run that is killed has written some of the documents; those that the next one
    finds to be changed are not all. So the days are those that were noted when the
    community was opened; where that is all days, what was told before is kept.
    """

    def __init__(self, state):
        self._state, self._days, self._before = state, None, {}
        self.id = f"{_KIND}:records:{state.community}:{state.since}"

    def add(self, days, through, stored):
        noted = self._state.days_of(FAMILY)
        if noted is not None:
            self._days = {day for day in noted if day <= through}
        elif self._days is None:
            self._days, self._before = days, stored(self.id) or {}
        else:
            self._days |= days

    def body(self):
        days, before = self._days, self._before
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
