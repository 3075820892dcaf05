# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store the progress of the back-fill of community events, in one document."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from opensearchpy import OpenSearch

from ..search.client import count, decoded
from ..search.names import Names

DOCUMENT_ID = "community-events-backfill"
"""The document's ``_id`` in the index of bookmarks."""


@dataclass(frozen=True)
class BackfillState:
    """The progress of the back-fill.

    Attributes:
        complete: whether every record was processed once and the events still exist.
        records: number of records that the last complete back-fill processed.
        events: number of community events that are stored now.
        finished_at: when the last complete back-fill ended; naive UTC.
        started_at: when the unfinished back-fill started, or else the last one; naive
            UTC.
        position: UUID of the last record that the unfinished back-fill has processed;
            None if no back-fill is unfinished.
        seen: number of records that the unfinished back-fill has processed.
    """

    complete: bool = False
    records: int = 0
    events: int = 0
    finished_at: str | None = None
    started_at: str | None = None
    position: str | None = None
    seen: int = 0


def backfill_state(client: OpenSearch, names: Names) -> BackfillState:
    """Return the progress of the back-fill, even if none was ever started.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.

    Raises:
        OpenSearchException: the cluster does not respond, or not completely.
    """
    stored = _read(client, names)
    events = count(client, names.community_events)
    finished = stored.finished_at is not None
    return BackfillState(
        **{
            **asdict(stored),
            "events": events,
            "complete": finished and (events > 0 or stored.records == 0),
        }
    )


def save_state(client: OpenSearch, names: Names, **changes: Any) -> None:
    """Store the progress of the back-fill; attributes that are not given do not change.

    A run that continues while another one finishes therefore does not erase the other
    run's end.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.
        **changes: attributes of :class:`BackfillState` and their values.
    """
    document = {
        "kind": DOCUMENT_ID,
        "state": "running" if changes.get("position") else "complete",
        **changes,
    }
    client.transport.perform_request(
        "POST",
        f"/{names.reindexing}/_update/{DOCUMENT_ID}",
        params={"retry_on_conflict": 5},
        body={"doc": document, "doc_as_upsert": True},
    )


def _read(client: OpenSearch, names: Names) -> BackfillState:
    answer = decoded(
        client.transport.perform_request(
            "GET",
            f"/{names.reindexing}/_doc/{DOCUMENT_ID}",
            params={"ignore": 404},
        )
    )
    source = answer.get("_source") or {}
    return BackfillState(**{name: source[name] for name in _STORED if name in source})


_STORED = tuple(
    f.name for f in fields(BackfillState) if f.name not in ("complete", "events")
)
