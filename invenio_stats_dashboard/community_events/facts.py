# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute the facts of a record that enrichment and aggregation use.

The source is the database, because the search index can lag behind it. Of vocabulary
terms, a record's JSON contains only the ids, no titles.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..subcounts import Subcount, for_records
from .record_rows import RecordRow

MAX_VALUES = 1000
"""Maximum number of values of one breakdown that a record stores: the first ones."""

MAX_LENGTH = 512
"""Maximum number of characters of a stored value; the rest is cut off."""

_REVISION = 2
"""Increase this when a code change computes other facts for the same record."""


PUBLIC, HIDDEN, CLOSED = "public", "hidden", "closed"
"""Who finds a record: everybody; only people with access, such as the members of its
communities; nobody, not even members."""


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """The facts of one record.

    Attributes:
        recid: persistent identifier; also the document's ``_id``.
        record_id: UUID of the record, which is one version.
        parent_id: UUID of the parent, which all versions share.
        parent_recid: persistent identifier of the parent.
        created: when it was published in this instance.
        updated: when it was last changed.
        published: the publication date in its metadata, as given (EDTF).
        subcounts: breakdown key -> distinct ids in the record's order, for every
            breakdown that records have. The lists must not be modified: records share
            equal lists in memory.
        file_types: types of its files, sorted.
        file_count: number of its files.
        data_volume: bytes of its files.
        owner: id of the user who owns it, as text.
        is_deleted: whether it is deleted.
        deleted_date: when it was deleted.
        access: who finds it now: :data:`PUBLIC`, :data:`HIDDEN` or :data:`CLOSED`. None
            in facts that were stored by a version without this field.
        communities: UUIDs of the communities that a hidden record is in now, sorted;
            empty for other records.
        revision: grows with each change of the record or its parent.
        registry: digest of the breakdowns from which ``subcounts`` was computed; see
            :func:`registry_mark`.
        timestamp: when the facts were written; None before the write.
    """

    recid: str
    record_id: str
    parent_id: str
    parent_recid: str | None
    created: str
    updated: str
    published: str | None
    subcounts: dict[str, list[str]]
    file_types: list[str]
    file_count: int
    data_volume: int
    owner: str | None
    is_deleted: bool
    deleted_date: str | None
    revision: int
    registry: str
    timestamp: str | None = None
    access: str | None = None
    communities: list[str] = field(default_factory=list)

    def to_document(self) -> dict[str, Any]:
        """Return the document's source."""
        return {name: getattr(self, name) for name in _FACT_FIELDS}

    @classmethod
    def from_document(cls, source: Mapping[str, Any]) -> "RecordFacts":
        """Return the facts of a document's source; other fields are ignored."""
        values: dict[str, Any] = {name: source.get(name) for name in _FACT_FIELDS}
        values["communities"] = source.get("communities") or []
        return cls(**values)


_FACT_FIELDS = tuple(f.name for f in fields(RecordFacts))


class FactsReader:
    """Computes facts from database rows for one registry of breakdowns.

    Args:
        subcounts: the registry.

    Attributes:
        mark: digest of the registry; see :func:`registry_mark`.
    """

    def __init__(self, subcounts: Mapping[str, Subcount]) -> None:
        self._breakdowns = [
            (s.key, [path.split(".") for path in s.fields], s.text)
            for s in for_records(subcounts)
        ]
        self.mark = registry_mark(subcounts)

    def read(self, row: RecordRow, timestamp: str | None = None) -> RecordFacts:
        """Return the facts of one record.

        Args:
            row: the record.
            timestamp: when the facts will be written.
        """
        indexed = _as_indexed(row)
        access, communities = access_of(row)
        return RecordFacts(
            recid=row.recid,
            record_id=row.record_id,
            parent_id=row.parent_id,
            parent_recid=row.parent.get("id"),
            created=row.created[:19],
            updated=row.updated[:19],
            published=row.published,
            subcounts={
                key: _distinct(indexed, paths, text)
                for key, paths, text in self._breakdowns
            },
            file_types=list(row.files.types),
            file_count=row.files.count,
            data_volume=row.files.volume,
            owner=_owner(row.parent),
            is_deleted=row.is_deleted,
            deleted_date=row.deleted and row.deleted[:19],
            access=access,
            communities=communities,
            revision=row.revision,
            registry=self.mark,
            timestamp=timestamp,
        )


def registry_mark(subcounts: Mapping[str, Subcount]) -> str:
    """Return a digest that changes when records would get other breakdown values.

    Args:
        subcounts: the registry of breakdowns.
    """
    fields = [(s.key, s.fields, s.text) for s in for_records(subcounts)]
    text = json.dumps([_REVISION, sorted(fields, key=lambda t: t[0])])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_type(file_key: str) -> str:
    """Return a file's type: its extension in lower case, without the dot, or ''."""
    return os.path.splitext(file_key)[1].lower()[1:][:MAX_LENGTH]


def access_of(row: RecordRow) -> tuple[str, list[str]]:
    """Return who finds a record now.

    A record is hidden if it is restricted, embargoed as a whole (its embargo restricts
    it until it ends), or only in restricted communities. Restricted files do not hide
    it. A deleted record whose tombstone is not visible is closed.

    Args:
        row: the record, with its current communities.

    Returns:
        :data:`PUBLIC`, :data:`HIDDEN` or :data:`CLOSED`, and, of a hidden record, the
        communities whose members find it, sorted.
    """
    tombstone = row.record.get("tombstone") or {}
    if row.is_deleted and not tombstone.get("is_visible", True):
        return CLOSED, []
    access = row.record.get("access") or {}
    present = [c for c in row.communities if c.deleted is None]
    is_restricted = access.get("record", "public") != "public"
    if is_restricted or (present and all(c.is_restricted for c in present)):
        return HIDDEN, sorted(c.community_id for c in present)
    return PUBLIC, []


def access_status(access: dict[str, Any] | None, has_files: bool) -> str:
    """Return a record's access status as InvenioRDM computes it.

    Args:
        access: the ``access`` object of the record's JSON; None if it has none.
        has_files: whether files are enabled for the record.

    Returns:
        ``open``, ``embargoed``, ``restricted`` or ``metadata-only``.
    """
    access = access or {}
    record, files = access.get("record", "public"), access.get("files", "public")
    if (access.get("embargo") or {}).get("active"):
        return "embargoed"
    if record == "public" and not has_files:
        return "metadata-only"
    return "open" if record == files == "public" else "restricted"


def _as_indexed(row: RecordRow) -> dict[str, Any]:
    """Return the record's JSON with the indexed fields that breakdowns can name."""
    access = row.record.get("access")
    files = row.record.get("files") or {}
    return {
        **row.record,
        "access": {
            **(access or {}),
            "status": access_status(access, files.get("enabled", True)),
        },
        "files": {
            **files,
            "types": row.files.types,
            "count": row.files.count,
            "totalbytes": row.files.volume,
        },
        "parent": row.parent,
    }


def _distinct(
    record: dict[str, Any], paths: list[list[str]], text: str | None
) -> list[str]:
    """Return the distinct values at the paths, in the record's order."""
    found: dict[str, None] = {}
    for path in paths:
        for node in _nodes(record, path):
            value = _value(node, text)
            if value:
                found[value] = None
                if len(found) == MAX_VALUES:
                    return list(found)
    return list(found)


def _nodes(record: dict[str, Any], path: list[str]) -> list[Any]:
    """Return the nodes at a path; lists along it and at its end are expanded."""
    nodes: list[Any] = [record]
    for part in path:
        found: list[Any] = []
        for node in nodes:
            value = node.get(part) if type(node) is dict else None
            if type(value) is list or type(value) is tuple:
                found += value
            elif value is not None:
                found.append(value)
        if not found:
            return found
        nodes = found
    return nodes


def _value(node: Any, text: str | None) -> str | None:
    """Return the id of a node, else its text, else the node itself.

    Args:
        node: a node of the record's JSON.
        text: key of the text in a node without an id.
    """
    if type(node) is dict:
        node = node.get("id") or node.get(text)
    if type(node) is str:
        return node.strip()[:MAX_LENGTH]
    return _text(node)


def _text(value: Any) -> str | None:
    """Return a value as text of bounded length, or None if it is empty.

    A text in several languages is returned in English, or else in the first language
    by code.
    """
    if isinstance(value, dict):
        value = value.get("en") or next((value[k] for k in sorted(value)), None)
    if value is None or isinstance(value, (dict, list)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip()[:MAX_LENGTH] or None


def _owner(parent: dict[str, Any]) -> str | None:
    owner = (parent.get("access") or {}).get("owned_by")
    if isinstance(owner, list):  # InvenioRDM before 11
        owner = owner[0] if owner else None
    return _text((owner or {}).get("user"))
