# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The blueprint of the REST API."""

from flask import Blueprint

from .config import StatsDashboardResourceConfig
from .resource import StatsDashboardResource


def create_api_blueprint(app):
    """Return the resource as a blueprint.

    Args:
        app: the Flask application.

    Returns:
        Blueprint: without routes where the extension is switched off.
    """
    config = StatsDashboardResourceConfig()
    if not app.config["COMMUNITY_STATS_ENABLED"]:
        return Blueprint(config.blueprint_name, __name__)
    return StatsDashboardResource(config).as_blueprint()
