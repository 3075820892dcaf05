# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What the indices that belong to this package alone have in common."""

from opensearchpy.exceptions import RequestError

from .names import META_KEY, SCHEMA

PRIORITY = 500
"""Priority of their templates: above a site's for all indices of statistics."""

_SETTINGS = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}


def strict(properties):
    """Return a mapping that takes these fields and no other.

    Args:
        properties: field -> its mapping.
    """
    return {
        "dynamic": "strict",
        "date_detection": False,
        "numeric_detection": False,
        "properties": properties,
        "_meta": {META_KEY: {"schema": SCHEMA}},
    }


def template(patterns, mapping, aliases=None):
    """Return a composable template.

    Args:
        patterns: list of index patterns.
        mapping: of the indices.
        aliases: alias -> its options, that the indices get; None for no alias.
    """
    return {
        "index_patterns": patterns,
        "priority": PRIORITY,
        "_meta": {META_KEY: {"schema": SCHEMA}},
        "template": {
            "settings": _SETTINGS,
            "mappings": mapping,
            "aliases": aliases or {},
        },
    }


def put_missing_templates(send, pattern, wanted):
    """Put the templates that are missing, in one request where none is.

    Args:
        send: called with method and path, and by name with ``body`` and ``params``;
            returns the decoded answer.
        pattern: that their names match.
        wanted: template name -> body.
    """
    only_names = {"filter_path": "index_templates.name", "ignore": 404}
    found = send("GET", f"/_index_template/{pattern}", params=only_names)
    there = {template["name"] for template in found.get("index_templates", ())}
    for name, body in wanted.items():
        if name not in there:
            send("PUT", f"/_index_template/{name}", body=body)


def make(client, index, mapping):
    """Make an index where it is missing, even where its template is, too.

    Args:
        client: of either kind.
        index: its name.
        mapping: of the index.

    Raises:
        RequestError: OpenSearch refuses to make it.
    """
    if client.indices.exists(index=index):
        return
    try:
        client.indices.create(
            index=index, body={"settings": _SETTINGS, "mappings": mapping}
        )
    except RequestError:
        # another worker may have made it just now
        if not client.indices.exists(index=index):
            raise
