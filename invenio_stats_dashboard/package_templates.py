# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which index templates this package puts into the cluster, and putting them."""

import json

from .aggregations.documents import index_templates as aggregates_templates
from .community_events.documents import index_templates as community_events_templates
from .search.site_templates import put_all_missing, reindexing_template
from .usage_events import dead_letters, redelivery_journal


def put_templates(app, client):
    """Put the index templates that are missing or older.

    Args:
        app: the Flask application.
        client: an ordinary client.

    Returns:
        list[str]: names of the templates that were put.

    Raises:
        OpenSearchException: the cluster did not answer, or refused.
    """
    return put_all_missing(app, client, fixed_templates)


def fixed_templates(names):
    """Return the templates that depend on nothing but the instance's names.

    Args:
        names: the instance's :class:`~.search.names.Names`.

    Returns:
        dict: template name -> body of a composable template.
    """
    return {
        **reindexing_template(names),
        **community_events_templates(names),
        **dead_letters.index_templates(names),
        **aggregates_templates(names),
        **redelivery_journal.index_templates(names),
    }


def record_mapping(app):
    """Return the properties of the newest record mapping, or None without one."""
    mappings = app.extensions["invenio-search"].mappings
    paths = [v for k, v in mappings.items() if k.startswith("rdmrecords-records-")]
    if not paths:
        return None
    with open(sorted(paths)[-1]) as file:
        return json.load(file)["mappings"]["properties"]
