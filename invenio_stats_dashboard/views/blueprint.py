# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Routes of the pages, and their error handlers."""

from flask import Blueprint, Flask
from invenio_communities.errors import CommunityDeletedError
from invenio_communities.views.ui import (
    not_found_error,
    record_permission_denied_error,
    record_tombstone_error,
)
from invenio_pidstore.errors import PIDDeletedError, PIDDoesNotExistError
from invenio_records_resources.services.errors import (
    PermissionDeniedError,
    RecordPermissionDeniedError,
)

from .pages import community_page, global_page

ERRORS = {
    PermissionDeniedError: record_permission_denied_error,
    RecordPermissionDeniedError: record_permission_denied_error,
    PIDDeletedError: record_tombstone_error,
    CommunityDeletedError: record_tombstone_error,
    PIDDoesNotExistError: not_found_error,
}
"""Error -> its handler, the same as for other pages of a community."""


def create_blueprint(app: Flask) -> Blueprint:
    """Return the blueprint of the pages; without routes if the extension is disabled.

    Its templates are available in any case.
    """
    blueprint = Blueprint(
        "invenio_stats_dashboard", __name__, template_folder="../templates"
    )
    if app.config["COMMUNITY_STATS_ENABLED"]:
        routes = app.config["STATS_DASHBOARD_ROUTES"]
        blueprint.add_url_rule(routes["global"], view_func=global_page)
        blueprint.add_url_rule(routes["community"], view_func=community_page)
        for error, handler in ERRORS.items():
            blueprint.register_error_handler(error, handler)
    return blueprint
