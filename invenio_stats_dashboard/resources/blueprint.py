# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The blueprint of the REST API."""

from flask import Blueprint, Flask


def create_api_blueprint(app: Flask) -> Blueprint:
    """Return the blueprint; it has no routes if the extension is disabled."""
    resource = app.extensions["invenio-stats-dashboard"].community_stats_resource
    if not app.config["COMMUNITY_STATS_ENABLED"]:
        return Blueprint(resource.config.blueprint_name, __name__)
    return resource.as_blueprint()
