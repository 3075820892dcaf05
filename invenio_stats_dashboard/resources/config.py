# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Configuration of the resource."""

from flask_resources import ResourceConfig

from .errors import ERROR_HANDLERS
from .schema import CounterArguments, RecordsArguments, SeriesArguments


class StatsDashboardResourceConfig(ResourceConfig):
    """Routes, parameters and error handlers of the resource."""

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
    series_arguments = SeriesArguments
    records_arguments = RecordsArguments
    counter_arguments = CounterArguments
    error_handlers = ERROR_HANDLERS
