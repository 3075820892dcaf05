# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Remember the usage events whose fields cannot be read as expected.

Such an event is copied and counted, but a field of it counts as unknown. One document
for each event type and month holds the ``_id`` of its odd events, so that reading the
same events again does not report them again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError

from ..errors import StatsDashboardError
from ..search.compare_and_set import put_version, version_of
from ..search.names import Names
from ..search.paging import pages
from ..search.template_composition import make_reindexing_index

KIND = "odd-events"

OddFields = Mapping[str, Sequence[str]]
"""``_id`` of an event -> names of the fields that cannot be read."""

_MOST = 1000
"""Maximum number of events that are stored for an event type and month."""

_TRIES, _PAGE, _EXAMPLES = 10, 100, 10


@dataclass(frozen=True)
class OddMonth:
    """The odd events of one event type and month.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``; None for indices without a month in their name.
        events: the fields that cannot be read, by ``_id`` of the event.
        acknowledged: number of events that an operator has acknowledged.
        has_more: more events are odd than are stored.
    """

    event_type: str
    month: str | None
    events: OddFields
    acknowledged: int = 0
    has_more: bool = False

    @property
    def new(self) -> int:
        """Return the number of events that nobody has acknowledged."""
        return len(self.events) - self.acknowledged

    def as_json(self) -> dict[str, Any]:
        """Return the events as a JSON object."""
        return {
            "event_type": self.event_type,
            "month": self.month,
            "acknowledged": self.acknowledged,
            "has_more": self.has_more,
            "events": [
                {"id": id, "fields": list(fields)} for id, fields in self.events.items()
            ],
        }


@dataclass(frozen=True)
class OddEventsSummary:
    """A summary of all odd events.

    Attributes:
        count: number of odd events.
        new: number of these that nobody has acknowledged.
        ids: the first ten ``_id`` of each event type and month.
    """

    count: int = 0
    new: int = 0
    ids: list[str] = field(default_factory=list)


class OddEventStore:
    """Stores odd events; it knows which of them it has stored before.

    Args:
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, client: OpenSearch, names: Names) -> None:
        self._client, self._names = client, names
        self._stored: dict[str, set[str]] = {}

    def add(self, event_type: str, month: str | None, found: OddFields) -> None:
        """Add odd events.

        Args:
            event_type: view or download.
            month: ``YYYY-MM``; None for indices without a month in their name.
            found: the events.

        Raises:
            OpenSearchException: OpenSearch refuses the document or does not answer.
        """
        id = f"{KIND}-{event_type}-{month or 'undated'}"
        if found.keys() <= self._stored.get(id, set()):
            return
        for _ in range(_TRIES):
            document, version = self._read(id)
            events = dict(document.get("events", ()))
            new = {key: value for key, value in found.items() if key not in events}
            room = _MOST - len(events)
            events.update(dict(list(new.items())[:room]))
            known = {*found, *events}
            if not new or (room <= 0 and document.get("has_more")):
                self._stored.setdefault(id, set()).update(known)
                return
            body = {
                "kind": KIND,
                "event_type": event_type,
                "month": month,
                "events": [[key, list(fields)] for key, fields in events.items()],
                "acknowledged": document.get("acknowledged", 0),
                "has_more": document.get("has_more", False) or len(new) > room,
                "updated_at": datetime.now(UTC).isoformat(),
            }
            try:
                put_version(self._client, self._names.reindexing, id, body, version)
            except ConflictError:
                continue
            self._stored.setdefault(id, set()).update(known)
            return
        raise StatsDashboardError(
            f"The document {id} is written by other processes again and again. Run the "
            "same command again."
        )

    def _read(self, id: str) -> tuple[dict[str, Any], tuple[int, int] | None]:
        try:
            found = self._client.get(index=self._names.reindexing, id=id)
        except NotFoundError:
            make_reindexing_index(self._client, self._names)
            return {}, None
        return found["_source"], version_of(found)


def read_odd_events(
    client: OpenSearch, names: Names, acknowledge: bool = False
) -> Iterator[OddMonth]:
    """Yield the stored odd events of each event type and month.

    Args:
        client: decodes responses.
        names: the instance's index names.
        acknowledge: record that an operator knows the events that are yielded.

    Raises:
        ConflictError: another process has added events meanwhile.
    """
    for hit in list(_documents(client, names)):
        source = hit["_source"]
        events = dict(source["events"])
        if acknowledge and source["acknowledged"] < len(events):
            source["acknowledged"] = len(events)
            put_version(client, names.reindexing, hit["_id"], source, version_of(hit))
        yield OddMonth(
            source["event_type"],
            source["month"],
            events,
            source["acknowledged"],
            source["has_more"],
        )


def summarize_odd_events(client: OpenSearch, names: Names) -> OddEventsSummary:
    """Return the number of odd events, and the first of each month."""
    count = new = 0
    ids: list[str] = []
    for month in read_odd_events(client, names):
        count, new = count + len(month.events), new + month.new
        ids += list(month.events)[:_EXAMPLES]
    return OddEventsSummary(count, new, ids)


def _documents(client: OpenSearch, names: Names) -> Iterator[dict[str, Any]]:
    """Yield the hits of all documents, sorted by month."""
    if not client.indices.exists(index=names.reindexing):
        return
    client.indices.refresh(index=names.reindexing)
    body = {
        "size": _PAGE,
        "query": {"term": {"kind": KIND}},
        "sort": [
            {"month": {"order": "asc", "missing": "_last"}},
            {"event_type": "asc"},
        ],
        "seq_no_primary_term": True,
    }

    def search(page: dict[str, Any]) -> list[dict[str, Any]]:
        return client.search(index=names.reindexing, body=page)["hits"]["hits"]

    for hits in pages(search, body):
        yield from hits
