# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Define and create the indices that only this package uses, and their templates."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException, TransportError

from .client import is_transient
from .names import META_KEY, SCHEMA

PRIORITY = 500
"""Lowest priority of a template; :func:`adapted` sets that of the site if it is higher."""

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
            False leaves the number to :func:`adapted`.
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


def adapted(
    templates: Mapping[str, dict[str, Any]], settings: Mapping[str, Any], priority: int
) -> dict[str, dict[str, Any]]:
    """Return templates of :func:`template` with the site's settings and priority.

    The template's own number of shards has precedence over the site's.

    Args:
        templates: template name -> body.
        settings: some of :data:`SHARDS` and :data:`REPLICAS`, with their values.
        priority: ``STATS_DASHBOARD_TEMPLATE_PRIORITY``.
    """
    found = {}
    for name, body in templates.items():
        own = dict(body["template"]["settings"])
        if any(setting in settings for setting in REPLICAS):
            own = {k: v for k, v in own.items() if k not in REPLICAS}
        inner = {**body["template"], "settings": {**settings, **own}}
        rank = max(priority, PRIORITY)
        found[name] = {**body, "priority": rank, "template": inner}
    return found


def put_each(
    templates: Mapping[str, dict[str, Any]],
    put: Callable[[str, dict[str, Any]], Any],
) -> dict[str, OpenSearchException]:
    """Put templates one by one; one that is refused does not prevent the others.

    Args:
        templates: template name -> body.
        put: puts a template, given its name and body.

    Returns:
        Name -> error of each template that OpenSearch refuses.

    Raises:
        OpenSearchException: the cluster does not answer.
    """
    refused = {}
    for name, body in templates.items():
        try:
            put(name, body)
        except OpenSearchException as error:
            if is_transient(error):
                raise
            refused[name] = error
    return refused


Adapt = Callable[[Mapping[str, dict[str, Any]]], dict[str, dict[str, Any]]]
"""Returns templates with the site's settings and priority; see :func:`adapted`."""


def put_missing_templates(
    send: Send,
    pattern: str,
    wanted: Mapping[str, dict[str, Any]],
    adapt: Adapt | None = None,
) -> dict[str, OpenSearchException]:
    """Put the index templates that are missing.

    If all templates exist, this sends only one request.

    Args:
        send: sends a request.
        pattern: matches the names of all templates in ``wanted``.
        wanted: template name -> body.
        adapt: changes the templates before they are put; called only if one is
            missing.

    Returns:
        Name -> error of each template that OpenSearch refuses. The caller creates its
        indices with their mappings, so it can continue.
    """
    only_names = {"filter_path": "index_templates.name", "ignore": 404}
    found = send("GET", f"/_index_template/{pattern}", params=only_names)
    there = {template["name"] for template in found.get("index_templates", ())}
    missing = {name: body for name, body in wanted.items() if name not in there}
    if missing and adapt:
        missing = adapt(missing)
    return put_each(
        missing, lambda name, body: send("PUT", f"/_index_template/{name}", body=body)
    )


def make(
    client: OpenSearch,
    index: str,
    mapping: dict[str, Any],
    aliases: Mapping[str, Any] | None = None,
) -> None:
    """Create an index if it is missing.

    The index gets its mapping and aliases even if its template is missing, and exists
    even if the cluster creates no indices for writes. The numbers of shards and
    replicas come from the template, or else from the cluster's defaults.

    Args:
        client: may or may not decode responses.
        index: name of the index.
        mapping: mapping of the index.
        aliases: alias -> its options.

    Raises:
        TransportError: OpenSearch refuses to create it.
    """
    if client.indices.exists(index=index):
        return
    body = {"mappings": mapping, **({"aliases": aliases} if aliases else {})}
    try:
        client.indices.create(index=index, body=body)
    except TransportError:
        # Another worker may have created it, or the response to a first attempt was
        # lost.
        if not client.indices.exists(index=index):
            raise
