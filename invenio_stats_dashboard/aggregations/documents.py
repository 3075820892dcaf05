# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Aggregate documents and the templates of their indices.

What is searched or summed is mapped: community, day, totals. ``subcounts`` are
fetched with their document and never searched, so no value of a record can be one
that the index refuses, and a document may have as many as it takes.
"""

from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import xxhash

from ..search.names import (
    FAMILIES,
    INTERNAL,
    SCHEMA,
    USAGE_DELTA,
    USAGE_MONTH,
    USAGE_SEEN,
    USAGE_SNAPSHOT,
    yearly_patterns,
)
from ..search.own_indices import strict, template

CHECKSUM, UPDATED = "checksum", "updated_timestamp"
"""What storing adds to a document: a hash of all the rest, and when it was written."""

_ID = {"type": "keyword", "ignore_above": 512}
_DAY = {"type": "date", "format": "strict_date"}
_LONG = {"type": "long"}
_CLASSES = {"metadata_only": _LONG, "with_files": _LONG}
_FILES = {"file_count": _LONG, "data_volume": _LONG}
_VIEWS = ("total_events", "unique_visitors", "unique_records", "unique_parents")
_DOWNLOADS = (*_VIEWS, "unique_files", "total_volume")
_NOT_SEARCHED = {"type": "object", "enabled": False}


@dataclass(frozen=True)
class Document:
    """One aggregate document: of one community and day.

    Attributes:
        community: UUID of the community, or ``global``.
        day: ``YYYY-MM-DD``.
        body: all that is stored but what storing adds; equal bodies must have
            their keys in the same order.
    """

    community: str
    day: str
    body: dict = field(repr=False)

    @property
    def id(self):
        """Return the document's ``_id``."""
        return document_id(self.community, self.day)

    @cached_property
    def encoded(self):
        """Return the body as JSON."""
        return msgspec.json.encode(self.body)

    @cached_property
    def checksum(self):
        """Return what tells the body from every other one."""
        return xxhash.xxh3_64_hexdigest(self.encoded)

    def source(self, now):
        """Return the source to store, as bytes.

        Args:
            now: the moment of writing, ISO 8601.
        """
        return b'%b,"%b":"%b","%b":"%b"}' % (
            self.encoded[:-1],
            CHECKSUM.encode(),
            self.checksum.encode(),
            UPDATED.encode(),
            now.encode(),
        )


def document_id(community, day):
    """Return the ``_id`` of a community's document of a day."""
    return f"{community}:{day}"


def day_field(family):
    """Return the name of a family's field that holds the day."""
    return "snapshot_date" if "snapshot" in family else "period_start"


def mapping(family):
    """Return the mapping of an aggregate family.

    Args:
        family: one of :data:`~..search.names.FAMILIES`.
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


def counted_mapping():
    """Return the mapping of what records contribute to the aggregates."""
    searched = {"community_id": _ID, "due": _DAY, "missing": _ID}
    kept = dict.fromkeys(("due_parents", "missing_parents", "kept"), _NOT_SEARCHED)
    return strict({**searched, **kept})


def index_templates(names):
    """Return the composable templates of all that the aggregation writes.

    Args:
        names: the instance's :class:`~..search.names.Names`.

    Returns:
        dict: template name -> body.
    """
    templates = {}
    for family in (*FAMILIES, *INTERNAL):
        alias = names.aggregates(family)
        templates[f"{alias}-v{SCHEMA}"] = template(
            yearly_patterns(alias), mapping(family), {alias: {}}
        )
    state = {"community_id": _ID, "anchor": _ID, "day": _DAY, "state": _NOT_SEARCHED}
    templates[f"{names.usage_state}-v{SCHEMA}"] = template(
        [names.usage_state], strict(state)
    )
    templates[f"{names.records_counted}-v{SCHEMA}"] = template(
        [names.records_counted], counted_mapping()
    )
    bookmark = {"kind": _ID, "scope": _ID, "index": _ID, "updated_at": {"type": "date"}}
    bookmark |= {"community_id": _ID, "redo": _ID, "due": _DAY}
    # corrections are found by the days that they concern
    bookmark |= {"day": _DAY, "last_day": _DAY}
    templates[f"{names.bookmarks}-v{SCHEMA}"] = template(
        [names.bookmarks], {**strict(bookmark), "dynamic": "false"}
    )
    return templates


def _object(**properties):
    return {"properties": properties}


def _strict(family, properties):
    return strict(
        {
            "community_id": _ID,
            day_field(family): _DAY,
            **properties,
            # compared through its doc values only
            CHECKSUM: {"type": "keyword", "index": False},
            UPDATED: {"type": "date"},
        }
    )
