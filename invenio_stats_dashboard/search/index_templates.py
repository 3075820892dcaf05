# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Define and create the indices that only this package uses, and their templates."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from .names import META_KEY, SCHEMA

PRIORITY = 500
"""Priority of the templates: higher than that of a site for all statistics indices."""

SHARDS = "number_of_shards"
"""The index setting for the number of primary shards."""

REPLICAS = ("number_of_replicas", "auto_expand_replicas")
"""The index settings for the number of replicas. An index uses one of them."""

_REPLICAS = {"auto_expand_replicas": "0-1"}


class Send(Protocol):
    """Sends a request to OpenSearch and returns the decoded response."""

    def __call__(
        self,
        method: str,
        path: str,
        /,
        *,
        body: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        """Return the decoded response."""


def strict(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping that rejects all fields except these.

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
    mapping: dict[str, Any],
    aliases: dict[str, Any] | None = None,
    one_shard: bool = True,
) -> dict[str, Any]:
    """Return a composable template.

    Args:
        patterns: index patterns.
        mapping: mapping of the indices.
        aliases: alias -> its options, for all indices of the template.
        one_shard: give each index one shard on every site, because it stays small.
            False leaves the number to :func:`with_settings`.
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


def with_settings(
    templates: Mapping[str, dict[str, Any]], settings: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return templates of :func:`template` with the site's shards and replicas.

    The template's own number of shards has precedence over the site's.

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


def put_missing_templates(
    send: Send,
    pattern: str,
    wanted: Mapping[str, dict[str, Any]],
    settings: Callable[[], Mapping[str, Any]] | None = None,
) -> None:
    """Put the index templates that are missing.

    If all templates exist, this sends only one request.

    Args:
        send: sends a request.
        pattern: matches the names of all templates in ``wanted``.
        wanted: template name -> body.
        settings: returns the site's shards and replicas; called only if a template
            is missing.
    """
    only_names = {"filter_path": "index_templates.name", "ignore": 404}
    found = send("GET", f"/_index_template/{pattern}", params=only_names)
    there = {template["name"] for template in found.get("index_templates", ())}
    missing = {name: body for name, body in wanted.items() if name not in there}
    if missing and settings:
        missing = with_settings(missing, settings())
    for name, body in missing.items():
        send("PUT", f"/_index_template/{name}", body=body)


def make(client: OpenSearch, index: str, mapping: dict[str, Any]) -> None:
    """Create an index if it is missing.

    The index gets its mapping even if its template is missing. The numbers of shards
    and replicas come from the template, or else from the cluster's defaults.

    Args:
        client: may or may not decode responses.
        index: name of the index.
        mapping: mapping of the index.

    Raises:
        RequestError: OpenSearch refuses to create it.
    """
    if client.indices.exists(index=index):
        return
    try:
        client.indices.create(index=index, body={"mappings": mapping})
    except RequestError:
        # Another worker may have created it at the same time.
        if not client.indices.exists(index=index):
            raise
