# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The Flask extension: connects configuration, services and index templates."""

from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.utils import cached_property

from . import config, config_validation, subcounts, tasks
from .community_events import capture
from .migration.recovery import recover_cutovers
from .package_templates import fixed_templates, record_mapping
from .resources import stats_queries
from .search.names import Names
from .search.site_templates import extend_index_init, register_templates
from .subcounts import Subcount
from .usage_events import connections, indexer, stock_workers
from .views.layout import check_configured as check_configured_layouts

if TYPE_CHECKING:
    from .services import CommunityStatsService, EventReindexingService


class InvenioStatsDashboard:
    """Statistics of communities for an InvenioRDM application."""

    def __init__(self, app: Flask | None = None) -> None:
        if app:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set and check the configuration, and register the extension.

        Raises:
            ConfigurationError: a config variable has an invalid value.
        """
        for key in dir(config):
            if key.startswith(("COMMUNITY_STATS_", "STATS_DASHBOARD_")):
                app.config.setdefault(key, getattr(config, key))
        config_validation.check_config(app.config)
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

    recover_cutovers = staticmethod(recover_cutovers)
    """Take back cut-overs that no run finished in time; the event writer calls it."""

    @property
    def names(self) -> Names:
        """Return the names of indices and aliases of this instance."""
        return Names.of(self.app)

    @cached_property
    def subcounts(self) -> dict[str, Subcount]:
        """Return the registry of breakdowns, checked against the record mapping."""
        return subcounts.load(
            self.app.config["COMMUNITY_STATS_SUBCOUNTS"], record_mapping(self.app)
        )

    @cached_property
    def community_stats_service(self) -> "CommunityStatsService":
        """Return the service for community events and statistics."""
        from .services import CommunityStatsService

        return CommunityStatsService(self.app)

    @cached_property
    def event_reindexing_service(self) -> "EventReindexingService":
        """Return the service that migrates usage events."""
        from .services import EventReindexingService

        return EventReindexingService(self.app)


def finalize_app(app: Flask) -> None:
    """Check the breakdowns and put missing index templates into the cluster."""
    if app.config["COMMUNITY_STATS_ENABLED"]:
        _ = app.extensions["invenio-stats-dashboard"].subcounts
        extend_index_init(app, fixed_templates)
        register_templates(app, fixed_templates)
