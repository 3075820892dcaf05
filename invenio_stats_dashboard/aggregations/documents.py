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

from ..search.index_templates import strict, template
from ..search.names import (
    FAMILIES,
    INTERNAL,
    SCHEMA,
    USAGE_DELTA,
    USAGE_MONTH,
    USAGE_SEEN,
    USAGE_SNAPSHOT,
)

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


def between_runs_mapping() -> dict:
    """Return the mapping of what the next run goes on from.

    A document with an ``anchor`` is a part of a running total of usage; all others are
    what records contribute.
    """
    totals = {"anchor": _ID, "day": _DAY, "state": _NOT_SEARCHED}
    contributions = {"due": _DAY, "missing": _ID}
    contributions |= dict.fromkeys(
        ("due_parents", "missing_parents", "kept"), _NOT_SEARCHED
    )
    return strict({"community_id": _ID, **totals, **contributions})


def index_templates(names):
    """Return the composable templates of all that the aggregation writes.

    Args:
        names: the instance's :class:`~..search.names.Names`.

    Returns:
        dict: template name -> body.
    """
    templates = {}
    for family in (*FAMILIES, *INTERNAL):
        # no alias: an index is put into it when it is ready
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


def bookmarks_mapping() -> dict:
    """Return the mapping of bookmarks, locks and the correction log."""
    bookmark = {"kind": _ID, "scope": _ID, "index": _ID, "updated_at": {"type": "date"}}
    bookmark |= {"community_id": _ID, "redo": _ID, "due": _DAY}
    # corrections are found by the days that they concern
    bookmark |= {"day": _DAY, "last_day": _DAY}
    return {**strict(bookmark), "dynamic": "false"}


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
