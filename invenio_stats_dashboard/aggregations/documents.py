# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Aggregate documents, and the mappings and templates of their indices.

Fields that are searched or summed are mapped: community, day and totals. ``subcounts``
are returned with their document and never searched. They are not mapped, so OpenSearch
cannot refuse a value of a record, and a document can have any number of values.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import xxhash

from ..search.index_templates import strict, template
from ..search.names import (
    FAMILIES,
    INTERNAL,
    SCHEMA,
    USAGE_DELTA,
    USAGE_MONTH,
    USAGE_SEEN,
    USAGE_SNAPSHOT,
    Names,
)

CHECKSUM, UPDATED = "checksum", "updated_timestamp"
"""Fields that storing adds to a document: a hash of all others, and the write time."""

_Mapping = dict[str, Any]

_ID: _Mapping = {"type": "keyword", "ignore_above": 512}
_DAY: _Mapping = {"type": "date", "format": "strict_date"}
_LONG: _Mapping = {"type": "long"}
_CLASSES: _Mapping = {"metadata_only": _LONG, "with_files": _LONG}
_FILES: _Mapping = {"file_count": _LONG, "data_volume": _LONG}
_VIEWS = ("total_events", "unique_visitors", "unique_records", "unique_parents")
_DOWNLOADS = (*_VIEWS, "unique_files", "total_volume")
_NOT_SEARCHED: _Mapping = {"type": "object", "enabled": False}


@dataclass(frozen=True)
class Document:
    """One aggregate document, for one community and day.

    Attributes:
        community: UUID of the community, or ``global``.
        day: ``YYYY-MM-DD``.
        body: all fields except those that storing adds. Equal bodies must have their
            keys in the same order, because the checksum is computed from the JSON.
    """

    community: str
    day: str
    body: dict[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        """Return the document's ``_id``."""
        return document_id(self.community, self.day)

    @cached_property
    def encoded(self) -> bytes:
        """Return the body as JSON."""
        return msgspec.json.encode(self.body)

    @cached_property
    def checksum(self) -> str:
        """Return the hash of the body."""
        return xxhash.xxh3_64_hexdigest(self.encoded)

    def source(self, now: str) -> bytes:
        """Return the source to store, as JSON.

        Args:
            now: the time of writing, ISO 8601.
        """
        return b'%b,"%b":"%b","%b":"%b"}' % (
            self.encoded[:-1],
            CHECKSUM.encode(),
            self.checksum.encode(),
            UPDATED.encode(),
            now.encode(),
        )


def document_id(community: str, day: str) -> str:
    """Return the ``_id`` of a community's document for a day."""
    return f"{community}:{day}"


def day_field(family: str) -> str:
    """Return the name of the field that contains the day."""
    return "snapshot_date" if "snapshot" in family else "period_start"


def mapping(family: str) -> dict[str, Any]:
    """Return the mapping of an aggregate family.

    Args:
        family: one of :data:`~..search.names.FAMILIES` or ``INTERNAL``.
    """
    if family == USAGE_SEEN:
        return _strict(family, {"seen": _NOT_SEARCHED})
    if family == USAGE_MONTH:
        cells = {"breakdown": _ID, "deltas": _ID, "cells": _NOT_SEARCHED}
        return _strict(family, cells)
    if family in (USAGE_DELTA, USAGE_SNAPSHOT):
        numbers = {
            "totals": _object(
                view=_object(**dict.fromkeys(_VIEWS, _LONG)),
                download=_object(**dict.fromkeys(_DOWNLOADS, _LONG)),
            )
        }
    elif day_field(family) == "snapshot_date":
        numbers = {
            "total_records": _object(**_CLASSES),
            "total_parents": _object(**_CLASSES),
            "total_files": _object(**_FILES),
            "total_uploaders": _LONG,
        }
    else:
        both = {"added": _object(**_CLASSES), "removed": _object(**_CLASSES)}
        files = {"added": _object(**_FILES), "removed": _object(**_FILES)}
        numbers = {
            "records": _object(**both),
            "parents": _object(**both),
            "files": _object(**files),
            "uploaders": _LONG,
        }
    return _strict(family, {**numbers, "subcounts": _NOT_SEARCHED})


def between_runs_mapping() -> dict[str, Any]:
    """Return the mapping of the intermediate results from which the next run continues.

    A document with an ``anchor`` belongs to a running total of usage. All others are
    contributions of records.
    """
    totals = {"anchor": _ID, "day": _DAY, "state": _NOT_SEARCHED}
    contributions = {"due": _DAY, "missing": _ID}
    contributions |= dict.fromkeys(
        ("due_parents", "missing_parents", "kept"), _NOT_SEARCHED
    )
    return strict({"community_id": _ID, **totals, **contributions})


def index_templates(names: Names) -> dict[str, dict[str, Any]]:
    """Return the composable templates of all indices of the aggregation, by name."""
    templates = {}
    for family in (*FAMILIES, *INTERNAL):
        # No alias: an index is added to it when the index is ready.
        templates[f"{names.aggregates(family)}-v{SCHEMA}"] = template(
            [names.aggregates_pattern(family)], mapping(family), one_shard=False
        )
    templates[f"{names.between_runs}-v{SCHEMA}"] = template(
        [names.between_runs], between_runs_mapping(), one_shard=False
    )
    templates[f"{names.bookmarks}-v{SCHEMA}"] = template(
        [names.bookmarks], bookmarks_mapping()
    )
    return templates


def bookmarks_mapping() -> dict[str, Any]:
    """Return the mapping of bookmarks, locks and the correction log."""
    bookmark = {"kind": _ID, "scope": _ID, "index": _ID, "updated_at": {"type": "date"}}
    bookmark |= {"community_id": _ID, "redo": _ID, "due": _DAY}
    # Corrections are searched by the days that they change.
    bookmark |= {"day": _DAY, "last_day": _DAY}
    return {**strict(bookmark), "dynamic": "false"}


def _object(**properties: _Mapping) -> _Mapping:
    return {"properties": properties}


def _strict(family: str, properties: dict[str, _Mapping]) -> _Mapping:
    return strict(
        {
            "community_id": _ID,
            day_field(family): _DAY,
            **properties,
            # Compared through its doc values only.
            CHECKSUM: {"type": "keyword", "index": False},
            UPDATED: {"type": "date"},
        }
    )
