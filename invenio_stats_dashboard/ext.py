# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The Flask extension: sets defaults, and creates the services and the resource."""

from flask import Flask
from werkzeug.utils import cached_property

from . import config, config_validation, subcounts, tasks
from .community_events import capture
from .migration.recovery import recover_cutovers
from .package_templates import fixed_templates, record_mapping
from .queries.compute_once import warn_if_not_shared
from .resources import (
    CommunityStatsResource,
    CommunityStatsResourceConfig,
    stats_queries,
)
from .search.names import Names
from .search.template_composition import extend_index_init, register_templates
from .services import (
    CommunityStatsService,
    CommunityStatsServiceConfig,
    EventReindexingService,
)
from .subcounts import Subcount
from .usage_events import connections, indexer, stock_workers
from .views.layout import check_configured as check_configured_layouts


class InvenioStatsDashboard:
    """Statistics of communities for an InvenioRDM application.

    Attributes:
        event_reindexing_service: migrates usage events.
        community_stats_service: community events and statistics.
        community_stats_resource: the REST API.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set and check the configuration, and register the extension.

        Raises:
            ConfigurationError: a config variable has an invalid value.
        """
        self.app = app
        self.init_config(app)
        self.init_hooks(app)
        self.init_services(app)
        self.init_resources(app)
        app.extensions["invenio-stats-dashboard"] = self

    def init_config(self, app: Flask) -> None:
        """Set the defaults of the configuration, and check it.

        Variables that have no effect are logged, such as those of the earlier
        extension.

        Raises:
            ConfigurationError: a config variable has an invalid value.
        """
        for key in dir(config):
            if key.startswith(("COMMUNITY_STATS_", "STATS_DASHBOARD_")):
                app.config.setdefault(key, getattr(config, key))
        config_validation.warn_of_unknown(app.config, app.logger)
        config_validation.check_config(app.config)
        check_configured_layouts(app.config)

    def init_hooks(self, app: Flask) -> None:
        """Install what InvenioRDM calls: indexer, session listeners, queries, tasks."""
        if app.config["COMMUNITY_STATS_ENABLED"]:
            if indexer.install(app):
                stock_workers.announce()
            capture.install(tasks.send_capture)
            connections.install(app)
            stats_queries.register(app)
        tasks.extend_beat_schedule(app)

    def init_services(self, app: Flask) -> None:
        """Create the services, which opens no connection."""
        self.event_reindexing_service = EventReindexingService(
            app, lambda: self.subcounts
        )
        self.community_stats_service = CommunityStatsService(
            CommunityStatsServiceConfig.build(app),
            app,
            self.event_reindexing_service,
            lambda: self.subcounts,
        )

    def init_resources(self, app: Flask) -> None:
        """Create the REST API; an entry point registers its blueprint."""
        self.community_stats_resource = CommunityStatsResource(
            CommunityStatsResourceConfig.build(app), self.community_stats_service
        )

    recover_cutovers = staticmethod(recover_cutovers)
    """Abort cut-overs that no run finished in time; for the event indexer."""

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


def finalize_app(app: Flask) -> None:
    """Register the service, check the breakdowns, and put missing index templates.

    invenio-records-resources may be initialised after this extension, so its registry
    is not available earlier.
    """
    extension = app.extensions["invenio-stats-dashboard"]
    _register(app, extension.community_stats_service)
    if app.config["COMMUNITY_STATS_ENABLED"]:
        _ = extension.subcounts
        extend_index_init(app, fixed_templates)
        register_templates(app, fixed_templates)
        warn_if_not_shared(app)
        warn_of_hidden_records(app)


def warn_of_hidden_records(app: Flask) -> None:
    """Log a warning if public numbers show metadata of hidden records."""
    if app.config["STATS_DASHBOARD_SHOW_HIDDEN_RECORDS"]:
        app.logger.warning(
            "STATS_DASHBOARD_SHOW_HIDDEN_RECORDS is True: public statistics show "
            "metadata of restricted records, such as their subjects and funders. Set "
            "it to False to count these records as 'Restricted records'."
        )


def _register(app: Flask, service: CommunityStatsService) -> None:
    """Register a service, unless this was done before.

    Raises:
        RuntimeError: another service has its id.
    """
    registry = app.extensions["invenio-records-resources"].registry
    try:
        registry.get_service_id(service)
    except KeyError:
        registry.register(service)
