# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What the indices that belong to this package alone have in common."""

from opensearchpy.exceptions import RequestError

from .names import META_KEY, SCHEMA

PRIORITY = 500
"""Priority of their templates: above a site's for all indices of statistics."""

SHARDS = "number_of_shards"
"""Setting of an index: how many primary shards it has."""

REPLICAS = ("number_of_replicas", "auto_expand_replicas")
"""Settings that say how many copies of a shard there are; one of them applies."""

_REPLICAS = {"auto_expand_replicas": "0-1"}


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


def template(
    patterns: list[str],
    mapping: dict,
    aliases: dict | None = None,
    one_shard: bool = True,
) -> dict:
    """Return a composable template.

    Args:
        patterns: list of index patterns.
        mapping: of the indices.
        aliases: alias -> its options, that the indices get; None for no alias.
        one_shard: the indices stay small, so they have one shard on every site; False
            leaves the number to :func:`with_settings`.
    """
    return {
        "index_patterns": patterns,
        "priority": PRIORITY,
        "_meta": {META_KEY: {"schema": SCHEMA}},
        "template": {
            "settings": {**({SHARDS: 1} if one_shard else {}), **_REPLICAS},
            "mappings": mapping,
            "aliases": aliases or {},
        },
    }


def with_settings(templates: dict[str, dict], settings: dict) -> dict[str, dict]:
    """Return templates of :func:`template` with the site's shards and replicas.

    Args:
        templates: template name -> body.
        settings: some of :data:`SHARDS` and :data:`REPLICAS`, with their values.
    """
    found = {}
    for name, body in templates.items():
        own = dict(body["template"]["settings"])
        if any(setting in settings for setting in REPLICAS):
            own = {k: v for k, v in own.items() if k not in REPLICAS}
        inner = {**body["template"], "settings": {**settings, **own}}
        found[name] = {**body, "template": inner}
    return found


def put_missing_templates(send, pattern, wanted, settings=None):
    """Put the templates that are missing, in one request where none is.

    Args:
        send: called with method and path, and by name with ``body`` and ``params``;
            returns the decoded answer.
        pattern: that their names match.
        wanted: template name -> body.
        settings: returns the site's shards and replicas; called without arguments when
            a template is missing.
    """
    only_names = {"filter_path": "index_templates.name", "ignore": 404}
    found = send("GET", f"/_index_template/{pattern}", params=only_names)
    there = {template["name"] for template in found.get("index_templates", ())}
    missing = {name: body for name, body in wanted.items() if name not in there}
    if missing and settings:
        missing = with_settings(missing, settings())
    for name, body in missing.items():
        send("PUT", f"/_index_template/{name}", body=body)


def make(client, index, mapping):
    """Create an index where it is missing, even where its template is, too.

    Its template says how many shards and replicas it has; without one the cluster's
    defaults do.

    Args:
        client: of either kind.
        index: its name.
        mapping: of the index.

    Raises:
        RequestError: OpenSearch refuses to create it.
    """
    if client.indices.exists(index=index):
        return
    try:
        client.indices.create(index=index, body={"mappings": mapping})
    except RequestError:
        # another worker may have created it just now
        if not client.indices.exists(index=index):
            raise
