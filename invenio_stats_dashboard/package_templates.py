# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Collect the index templates of this package and put them into the cluster."""

import json
from typing import Any

from flask import Flask
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from .aggregations.documents import index_templates as aggregates_templates
from .community_events.documents import index_templates as community_events_templates
from .search.failures import explain
from .search.foreign_indices import foreign_problems
from .search.names import Names
from .search.template_composition import (
    TemplatesPut,
    put_all_missing,
    reindexing_template,
)
from .search.template_conflicts import template_problems
from .usage_events import dead_letters, redelivery_journal


def put_templates(app: Flask, client: OpenSearch) -> TemplatesPut:
    """Put the index templates that are missing or outdated, one by one.

    Raises:
        OpenSearchException: the cluster did not answer, or refuses to list templates.
    """
    return put_all_missing(app, client, fixed_templates)


def cluster_problems(app: Flask, client: OpenSearch) -> list[str]:
    """Return sentences about problems with index templates, and foreign indices.

    A template can be missing or overridden. An index is foreign if another extension
    created it under a name of this package.
    """
    names = Names.of(app)
    try:
        foreign = foreign_problems(client, names)
    except OpenSearchException as error:
        foreign = [
            "It is unknown whether another extension uses names of this one. "
            f"{explain(error)}"
        ]
    return [*foreign, *template_problems(app, client, fixed_templates(names))]


def fixed_templates(names: Names) -> dict[str, dict[str, Any]]:
    """Return the templates that depend only on the instance's names.

    Returns:
        Template name -> body of a composable template.
    """
    return {
        **reindexing_template(names),
        **community_events_templates(names),
        **dead_letters.index_templates(names),
        **aggregates_templates(names),
        **redelivery_journal.index_templates(names),
    }


def record_mapping(app: Flask) -> dict[str, Any] | None:
    """Return the properties of the newest record mapping; None if no mapping exists."""
    mappings = app.extensions["invenio-search"].mappings
    paths = [v for k, v in mappings.items() if k.startswith("rdmrecords-records-")]
    if not paths:
        return None
    with open(sorted(paths)[-1]) as file:
        return json.load(file)["mappings"]["properties"]
