# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Proxies to the extension's state on the current application."""

from flask import current_app
from werkzeug.local import LocalProxy

current_stats_dashboard = LocalProxy(
    lambda: current_app.extensions["invenio-stats-dashboard"]
)
"""The :class:`~invenio_stats_dashboard.ext.InvenioStatsDashboard` in use."""
