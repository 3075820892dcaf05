# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The Flask extension: wires configuration, services and templates to the app."""

import json

from werkzeug.utils import cached_property

from . import config, config_validation, subcounts, tasks
from .aggregations.documents import index_templates as aggregates_templates
from .community_events import capture
from .community_events.documents import index_templates as community_events_templates
from .resources import stats_queries
from .search.names import Names
from .search.site_templates import (
    extend_index_init,
    put_all_missing,
    register_templates,
    reindexing_template,
)
from .usage_events import (
    connections,
    dead_letters,
    indexer,
    redelivery_journal,
    stock_workers,
)
from .views.layout import check_configured as check_configured_layouts


class InvenioStatsDashboard:
    """Statistics of communities for an InvenioRDM application."""

    def __init__(self, app=None):
        """Initialise the extension, and the app if there is one already."""
        if app:
            self.init_app(app)

    def init_app(self, app):
        """Set the default configuration and put the extension in its place.

        Args:
            app: the Flask application.

        Raises:
            ConfigurationError: a config variable has a value that cannot work.
        """
        for key in dir(config):
            if key.startswith(("COMMUNITY_STATS_", "STATS_DASHBOARD_")):
                app.config.setdefault(key, getattr(config, key))
        config_validation.check(app.config)
        check_configured_layouts(app.config)
        if app.config["COMMUNITY_STATS_ENABLED"]:
            if indexer.install(app):
                stock_workers.announce()
            capture.install(tasks.send_capture)
            connections.install(app)
            stats_queries.register(app)
        tasks.extend_beat_schedule(app)
        self.app = app
        app.extensions["invenio-stats-dashboard"] = self

    @property
    def names(self):
        """Return the :class:`~.search.names.Names` of this instance."""
        return Names.of(self.app)

    @cached_property
    def subcounts(self):
        """Return the registry of breakdowns, checked against the record mapping."""
        return subcounts.load(
            self.app.config["COMMUNITY_STATS_SUBCOUNTS"], _record_mapping(self.app)
        )

    @cached_property
    def community_stats_service(self):
        """Return the service for community events and statistics."""
        from .services import CommunityStatsService

        return CommunityStatsService(self.app)

    @cached_property
    def event_reindexing_service(self):
        """Return the service that migrates usage events."""
        from .services import EventReindexingService

        return EventReindexingService(self.app)


def finalize_app(app):
    """Check the breakdowns and see that the index templates are in the cluster."""
    if app.config["COMMUNITY_STATS_ENABLED"]:
        _ = app.extensions["invenio-stats-dashboard"].subcounts
        extend_index_init(app, fixed_templates)
        register_templates(app, fixed_templates)


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


def _record_mapping(app):
    """Return the properties of the newest record mapping, or None without one."""
    mappings = app.extensions["invenio-search"].mappings
    paths = [v for k, v in mappings.items() if k.startswith("rdmrecords-records-")]
    if not paths:
        return None
    with open(sorted(paths)[-1]) as file:
        return json.load(file)["mappings"]["properties"]
