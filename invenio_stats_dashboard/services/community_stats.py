# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The service for community events and statistics."""


class CommunityStatsService:
    """Everything about communities' statistics, as methods.

    Args:
        app: the Flask application.
    """

    def __init__(self, app):
        """Keep the application."""
        self.app = app
