# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""How far the back-fill of community events is: one document that outlives it."""

from dataclasses import asdict, dataclass, fields

from .responses import decoded

DOCUMENT_ID = "community-events-backfill"
"""The document's ``_id`` in the index of bookmarks."""


@dataclass(frozen=True)
class BackfillState:
    """How far the back-fill is.

    Attributes:
        complete: every record was seen once, and the events are still there.
        records: records that the last complete back-fill saw.
        events: community events that there are now.
        finished_at: when the last complete back-fill ended; naive UTC.
        started_at: when the unfinished one began, or the last one.
        position: UUID of the record up to which the unfinished one has come;
            None if none is unfinished.
        seen: records that the unfinished one has seen.
    """

    complete: bool = False
    records: int = 0
    events: int = 0
    finished_at: str | None = None
    started_at: str | None = None
    position: str | None = None
    seen: int = 0


def backfill_state(client, names):
    """Return how far the back-fill of community events is.

    Args:
        client: an OpenSearch client, whether it decodes its answers or not.
        names: the instance's :class:`~..search.names.Names`.

    Returns:
        BackfillState: also when nothing was ever written.

    Raises:
        OpenSearchException: the cluster does not answer.
    """
    stored = _read(client, names)
    count = decoded(
        client.transport.perform_request(
            "GET",
            f"/{names.community_events}/_count",
            params={"ignore_unavailable": "true"},
        )
    )["count"]
    finished = stored.finished_at is not None
    return BackfillState(
        **{
            **asdict(stored),
            "events": count,
            "complete": finished and (count > 0 or stored.records == 0),
        }
    )


def save_state(client, names, **changes):
    """Store how far the back-fill is; what is not given stays as it is.

    So a run that goes on while another one finishes does not undo its mark.

    Args:
        client: an OpenSearch client.
        names: the instance's :class:`~..search.names.Names`.
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


def _read(client, names):
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
