# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The mapping of enriched events, and the mark that tells them from legacy ones."""

from copy import deepcopy

from .names import META_KEY, SCHEMA

VALUE_LENGTH = 1024
"""Characters of a breakdown value beyond which it is not searchable."""

NATIVE_LENGTH = 8191
"""The same for native keywords: 8191 four-byte characters fit Lucene's 32,766 bytes."""

ENRICHED_FIELDS = ("community_ids", "subcounts", "enriched_at")
"""What enrichment adds to an event, in the order in which it is written."""

_SUBCOUNTS_TEMPLATE = "stats_dashboard_subcounts"

_ADDED = {
    "community_ids": {"type": "keyword", "ignore_above": 64},
    "subcounts": {"type": "object", "dynamic": "true"},
    "enriched_at": {"type": "date", "index": False},
}


def enriched(native):
    """Return a mapping of stock or site events with what enrichment adds.

    What the site has stays: its fields, its dynamic setting, its templates. Native
    keywords get an ``ignore_above``, since one immense value must not block a
    batch.

    Args:
        native: the ``mappings`` object of an index or a template.

    Returns:
        dict: a new ``mappings`` object that carries the mark.
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


def additive(native):
    """Return what must be put on an existing index so that it takes enriched events.

    Args:
        native: the ``mappings`` object of the index.

    Returns:
        dict: body of a put-mapping request; it sets no mark, since the index
        still holds events without enrichment.
    """
    theirs = [
        t for t in native.get("dynamic_templates", []) if _SUBCOUNTS_TEMPLATE not in t
    ]
    ours = {
        _SUBCOUNTS_TEMPLATE: {
            "path_match": "subcounts.*",
            # doc values serve aggregations and filters; an inverted index beside
            # them costs a sixth of the time of every write
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


def schema_of(mapping):
    """Return the schema version in a mapping's mark, or None for a legacy index."""
    return mapping.get("_meta", {}).get(META_KEY, {}).get("schema")
