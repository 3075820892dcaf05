# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Configuration of the resource."""

from functools import cached_property
from urllib.parse import urlsplit

import marshmallow as ma
from flask_resources import ResourceConfig
from invenio_records_resources.services.base.config import ConfiguratorMixin, FromConfig

from . import http
from .errors import ERROR_HANDLERS
from .query_parser import QueryLimits
from .response_handlers import (
    BY_CALLER,
    CompressedHandler,
    FileHandler,
    StreamedHandler,
    TaggedHandler,
    counter_headers,
    file_headers,
    series_headers,
)
from .schema import CounterArguments, RecordsArguments, SeriesArguments
from .serializers.csv import SeriesCSVSerializer
from .serializers.json import (
    CounterJSONSerializer,
    DocumentJSONSerializer,
    RecordsJSONSerializer,
    SeriesJSONSerializer,
)
from .serializers.xlsx import SeriesXLSXSerializer
from .temporary_files import TemporaryFiles


class CommunityStatsResourceConfig(ResourceConfig, ConfiguratorMixin):
    """Routes, parameters, formats and limits; create it with ``build(app)``."""

    blueprint_name = "invenio_stats_dashboard_api"
    url_prefix = "/stats-dashboard"
    routes = {
        "community": "/communities/<pid_value>",
        "community-records": "/communities/<pid_value>/records",
        "community-counter": "/communities/<pid_value>/counter",
        "global": "/global",
        "global-records": "/global/records",
        "global-counter": "/global/counter",
        "openapi": "/openapi.json",
    }
    error_handlers = ERROR_HANDLERS

    request_view_args = {"pid_value": ma.fields.Str()}
    series_arguments = SeriesArguments
    records_arguments = RecordsArguments
    counter_arguments = CounterArguments

    series_handlers = {
        http.JSON: CompressedHandler(SeriesJSONSerializer(), headers=series_headers),
        http.CSV: StreamedHandler(SeriesCSVSerializer(), headers=file_headers("csv")),
        http.XLSX: FileHandler(SeriesXLSXSerializer(), headers=file_headers("xlsx")),
    }
    records_handlers = {
        http.JSON: TaggedHandler(RecordsJSONSerializer(), headers=BY_CALLER)
    }
    counter_handlers = {
        http.JSON: StreamedHandler(CounterJSONSerializer(), headers=counter_headers)
    }
    openapi_handlers = {
        http.JSON: CompressedHandler(
            DocumentJSONSerializer(), headers={"Cache-Control": "public, max-age=3600"}
        )
    }

    site_api_url = FromConfig("SITE_API_URL", default="/api")
    site_ui_url = FromConfig("SITE_UI_URL", default="")
    cache_seconds = FromConfig("STATS_DASHBOARD_CACHE_SECONDS")
    min_visitors = FromConfig("STATS_DASHBOARD_MIN_VISITORS")
    count_robots = FromConfig("STATS_DASHBOARD_COUNT_ROBOTS")
    file_values_guest = FromConfig("STATS_DASHBOARD_FILE_VALUES_GUEST")
    file_values_user = FromConfig("STATS_DASHBOARD_FILE_VALUES_USER")
    counter_events_guest = FromConfig("STATS_DASHBOARD_COUNTER_EVENTS_GUEST")
    counter_events_user = FromConfig("STATS_DASHBOARD_COUNTER_EVENTS_USER")

    @property
    def limits(self) -> QueryLimits:
        """Return the limits of a query."""
        return QueryLimits.of(self._app.config)

    @cached_property
    def temporary_files(self) -> TemporaryFiles:
        """Return the temporary files of this process."""
        return TemporaryFiles(self._app.config)

    @property
    def api(self) -> str:
        """Return the address of all REST APIs, as a page of the site requests it.

        It is a path if the pages are on the same host: then it also works for visitors
        who reach the site under another name.
        """
        api = urlsplit(self.site_api_url)
        if api.netloc in ("", urlsplit(self.site_ui_url).netloc):
            return api.path.rstrip("/")
        return self.site_api_url.rstrip("/")

    def path(self, route: str, pid_value: str = "") -> str:
        """Return the address of a route, as a page of the site requests it.

        Args:
            route: key of the routes.
            pid_value: slug or UUID of the community, for a route that has one.
        """
        return f"{self.api}{self.url_prefix}{self.routes[route]}".replace(
            "<pid_value>", pid_value
        )
