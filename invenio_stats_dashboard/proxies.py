# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Proxies to the extension of the current application."""

from typing import TYPE_CHECKING, cast

from flask import current_app
from werkzeug.local import LocalProxy

if TYPE_CHECKING:
    from .ext import InvenioStatsDashboard

# typed as the object behind it, as Flask types its own proxies
current_stats_dashboard = cast(
    "InvenioStatsDashboard",
    LocalProxy(lambda: current_app.extensions["invenio-stats-dashboard"]),
)
"""The extension of the current application."""
