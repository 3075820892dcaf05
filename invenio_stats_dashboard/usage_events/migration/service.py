# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The service that migrates usage events."""


class EventReindexingService:
    """Moves legacy usage events to enriched indices.

    Args:
        app: the Flask application.
    """

    def __init__(self, app):
        """Keep the application."""
        self.app = app
