# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The blueprint of the REST API."""

from flask import Blueprint, Flask

from .config import StatsDashboardResourceConfig
from .resource import StatsDashboardResource


def create_api_blueprint(app: Flask) -> Blueprint:
    """Return the blueprint; it has no routes if the extension is disabled."""
    config = StatsDashboardResourceConfig()
    if not app.config["COMMUNITY_STATS_ENABLED"]:
        return Blueprint(config.blueprint_name, __name__)
    return StatsDashboardResource(config).as_blueprint()
