# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Define the mapping of enriched events, with the schema version in its ``_meta``.

Only indices of enriched events have this version. A legacy index has none.
"""

from copy import deepcopy
from typing import Any

from .names import META_KEY, SCHEMA

VALUE_LENGTH = 1024
"""Maximum length of an indexed breakdown value, in characters (``ignore_above``)."""

NATIVE_LENGTH = 8191
"""The same for native keywords: 8191 four-byte characters fit Lucene's 32,766 bytes."""

ENRICHED_FIELDS = ("community_ids", "subcounts", "enriched_at")
"""The fields that enrichment adds to an event, in the order of writing."""

_SUBCOUNTS_TEMPLATE = "stats_dashboard_subcounts"

_ADDED: dict[str, dict[str, Any]] = {
    "community_ids": {"type": "keyword", "ignore_above": 64},
    "subcounts": {"type": "object", "dynamic": "true"},
    "enriched_at": {"type": "date", "index": False},
}


def enriched(native: dict[str, Any]) -> dict[str, Any]:
    """Return the mapping of enriched events for stock or site events.

    The site's fields, dynamic setting and dynamic templates remain. Native keywords
    get an ``ignore_above``, because without it one immense value would block a batch.

    Args:
        native: the ``mappings`` object of an index or a template.

    Returns:
        A new ``mappings`` object with the schema version in its ``_meta``.
    """
    mapping = additive(native)
    properties = {**deepcopy(native.get("properties", {})), **mapping["properties"]}
    for field in properties.values():
        if field.get("type") == "keyword":
            field.setdefault("ignore_above", NATIVE_LENGTH)
    rest = {k: deepcopy(v) for k, v in native.items() if k not in mapping}
    meta = {**native.get("_meta", {}), META_KEY: {"schema": SCHEMA}}
    return {
        "date_detection": False,
        "numeric_detection": False,
        **rest,
        **mapping,
        "properties": properties,
        "_meta": meta,
    }


def additive(native: dict[str, Any]) -> dict[str, Any]:
    """Return the mapping that an existing index needs to accept enriched events.

    Args:
        native: the ``mappings`` object of the index.

    Returns:
        Body of a put-mapping request. It sets no schema version, because the index
        still contains events without enrichment.
    """
    theirs = [
        t for t in native.get("dynamic_templates", []) if _SUBCOUNTS_TEMPLATE not in t
    ]
    ours = {
        _SUBCOUNTS_TEMPLATE: {
            "path_match": "subcounts.*",
            # Doc values serve aggregations and filters. An additional inverted index
            # would cost a sixth of the time of every write.
            "mapping": {
                "type": "keyword",
                "index": False,
                "ignore_above": VALUE_LENGTH,
            },
        }
    }
    return {
        "dynamic_templates": [ours, *deepcopy(theirs)],
        "properties": deepcopy(_ADDED),
    }


def schema_of(mapping: dict[str, Any]) -> str | None:
    """Return the schema version of a mapping, or None for a legacy index."""
    return mapping.get("_meta", {}).get(META_KEY, {}).get("schema")
