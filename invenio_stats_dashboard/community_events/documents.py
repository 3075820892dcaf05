# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Community events and record facts as documents, and the templates of their indices.

All events of a record are in the index of the year in which the record was created.
That year never changes. The ``_id`` alone therefore decides whether an event exists,
even if a second writer gives it another date, and an event can be read in real time
without a search.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..search.index_templates import strict, template
from ..search.names import SCHEMA, Names, yearly_patterns

GLOBAL = "global"
"""The pseudo community of all records: its timeline shows when a record existed."""

ADDED, REMOVED = "added", "removed"

CAUSES = (
    "publish",
    "accepted",
    "bulk",
    "removed",
    "deleted",
    "restored",
    "backfill",
    "reconciled",
)
"""Why an event was written."""

_KEYWORD: dict[str, Any] = {"type": "keyword", "ignore_above": 1024}
_ID: dict[str, Any] = {"type": "keyword", "ignore_above": 512}
_DATE: dict[str, Any] = {"type": "date", "format": "strict_date_optional_time"}
_NOT_SEARCHED: dict[str, Any] = {"index": False}


@dataclass(frozen=True, slots=True)
class CommunityEvent:
    """A record was added to a community, or removed from it.

    Attributes:
        record_id: UUID of the record, which is one version.
        recid: persistent identifier of the record.
        parent_id: UUID of the parent, which all versions share.
        community_id: UUID of the community, or ``global``.
        event_type: ``added`` or ``removed``.
        event_date: when it happened; see :mod:`.timestamps` for the format.
        place: sequence number among the events of this record and community; the first
            is 1.
        cause: why the event was written, one of :data:`CAUSES`.
        evidence: the source of the date; see :mod:`.evidence`.
        record_created_date: when the record was published in this instance.
        record_published_date: the publication date in its metadata (EDTF).
        is_deleted: whether the record was deleted when the event was written.
        deleted_date: when it was deleted.
        timestamp: when the event was written.
    """

    record_id: str
    recid: str
    parent_id: str
    community_id: str
    event_type: str
    event_date: str
    place: int
    cause: str
    evidence: str
    record_created_date: str
    record_published_date: str | None
    is_deleted: bool
    deleted_date: str | None
    timestamp: str

    @property
    def id(self) -> str:
        """Return the document's ``_id``."""
        return event_id(self.record_id, self.community_id, self.place)

    @property
    def year(self) -> int:
        """Return the year whose index contains the event."""
        return int(self.record_created_date[:4])

    def to_document(self) -> dict[str, Any]:
        """Return the document's source."""
        return {name: getattr(self, name) for name in _EVENT_FIELDS}

    @classmethod
    def from_document(cls, source: Mapping[str, Any]) -> "CommunityEvent":
        """Return the event of a document's source, ignoring other fields."""
        values: dict[str, Any] = {name: source.get(name) for name in _EVENT_FIELDS}
        return cls(**values)


_EVENT_FIELDS = tuple(field.name for field in fields(CommunityEvent))


def event_id(record_id: str, community_id: str, place: int) -> str:
    """Return the ``_id`` of an event: its record, community and sequence number."""
    return f"{record_id}:{community_id}:{place}"


def event_mapping() -> dict[str, Any]:
    """Return the mapping of community events."""
    return strict(
        {
            "record_id": _ID,
            "recid": _ID,
            "parent_id": _ID,
            "community_id": _ID,
            "event_type": _ID,
            "event_date": _DATE,
            "place": {"type": "integer"},
            "cause": {**_ID, **_NOT_SEARCHED},
            "evidence": {**_ID, **_NOT_SEARCHED},
            "record_created_date": {**_DATE, **_NOT_SEARCHED},
            "record_published_date": {**_KEYWORD, **_NOT_SEARCHED},
            "is_deleted": {"type": "boolean", **_NOT_SEARCHED},
            "deleted_date": {**_DATE, **_NOT_SEARCHED},
            "timestamp": _DATE,
        }
    )


def facts_mapping() -> dict[str, Any]:
    """Return the mapping of record facts.

    Breakdown values are read with the document and never searched. They are therefore
    not indexed, and the index cannot refuse any value of a record.
    """
    return strict(
        {
            "recid": _ID,
            "record_id": _ID,
            "parent_id": _ID,
            "parent_recid": _ID,
            "created": _DATE,
            "updated": _DATE,
            "published": {**_KEYWORD, **_NOT_SEARCHED},
            "subcounts": {"type": "object", "enabled": False},
            "file_types": _KEYWORD,
            "file_count": {"type": "long", **_NOT_SEARCHED},
            "data_volume": {"type": "long", **_NOT_SEARCHED},
            "owner": _ID,
            "is_deleted": {"type": "boolean"},
            "deleted_date": _DATE,
            "access": _ID,
            "communities": {**_ID, **_NOT_SEARCHED},
            "revision": {"type": "long"},
            "registry": _ID,
            "timestamp": _DATE,
        }
    )


def index_templates(names: Names) -> dict[str, dict[str, Any]]:
    """Return the composable templates of community events and record facts, by name."""
    return {
        f"{names.community_events}-v{SCHEMA}": template(
            yearly_patterns(names.community_events),
            event_mapping(),
            aliases={names.community_events: {}},
            one_shard=False,
        ),
        f"{names.record_facts}-v{SCHEMA}": template(
            [names.record_facts], facts_mapping(), one_shard=False
        ),
    }
