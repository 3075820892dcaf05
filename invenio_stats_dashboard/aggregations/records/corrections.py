# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The correction log of records: what has changed in days that were complete, and why.

Only the basis ``added`` has days that are ever complete: a record that comes in today
counts on the other bases from its publication, which may be long ago.
"""

from datetime import UTC, datetime, timedelta

_KIND = "correction"
_COMPLETE = "complete:records"
_NAMED = 50
"""Communities that an entry names."""

FAMILY = "records-delta-added"
"""The family whose changes are told."""


class Corrections:
    """Writes the correction log of records.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~...search.names.Names`.
        today: the present UTC day, a date.
    """

    def __init__(self, client, names, today):
        """Keep what is needed; reads nothing yet."""
        self._client, self._index, self._today = client, names.bookmarks, today
        self._through = None

    def complete(self):
        """Note that all days before today are counted."""
        through = (self._today - timedelta(days=1)).isoformat()
        if through > self._complete_through():
            body = {"kind": "complete", "through": through}
            self._client.index(index=self._index, id=_COMPLETE, body=body)
            self._through = through

    def watch(self, why):
        """Return what is to be told of changes of a unit before they are written.

        An entry is written before the first of its documents, and again as others
        join it; so no correction is made that is not told.

        Args:
            why: why the unit is counted again, as a sentence.

        Returns:
            a function of a list of :class:`~..store.Change`.
        """
        through = self._complete_through()
        began = datetime.now(UTC).isoformat()
        days, communities = set(), set()

        def tell(changes):
            of_complete = [change for change in changes if change.day <= through]
            if of_complete:
                days.update(change.day for change in of_complete)
                communities.update(change.community for change in of_complete)
                self._write(began, why, days, sorted(communities))

        return tell

    def _write(self, began, why, days, communities):
        body = {
            "kind": _KIND,
            "scope": "records",
            "family": FAMILY,
            "day": min(days),
            "last_day": max(days),
            "days": len(days),
            "why": why,
            "updated_at": datetime.now(UTC).isoformat(),
            "communities": communities[:_NAMED],
            "more_communities": max(len(communities) - _NAMED, 0),
        }
        id = f"{_KIND}:records:{communities[0]}:{began}"
        self._client.index(index=self._index, id=id, body=body)

    def _complete_through(self):
        if self._through is None:
            found = self._client.get(index=self._index, id=_COMPLETE, ignore=[404])
            self._through = found.get("_source", {}).get("through", "")
        return self._through
