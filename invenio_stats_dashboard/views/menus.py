# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Links to the pages in the main menu and in the communities' menus."""

from flask import Flask, current_app, g, request
from flask_menu import current_menu

from ..proxies import current_stats_dashboard
from .layout import offer_layouts
from .shown import has_global_page, has_page


def register_menus(app: Flask) -> None:
    """Register the links; each request decides whether they are visible.

    Args:
        app: the application that serves pages.
    """
    if not app.config["COMMUNITY_STATS_ENABLED"]:
        return
    offer_layouts(app)
    current_menu.submenu("main.stats").register(
        endpoint="invenio_stats_dashboard.global_page",
        text=app.config["STATS_DASHBOARD_MENU_TEXT"],
        order=app.config["STATS_DASHBOARD_MENU_ORDER"],
        visible_when=_is_global_link_visible,
    )
    current_menu.submenu("communities.stats").register(
        endpoint="invenio_stats_dashboard.community_page",
        text=app.config["STATS_DASHBOARD_COMMUNITY_MENU_TEXT"],
        order=app.config["STATS_DASHBOARD_COMMUNITY_MENU_ORDER"],
        visible_when=_is_tab_visible,
        expected_args=["pid_value"],
        icon="chart bar",
        permissions="can_read",
    )


def _is_global_link_visible() -> bool:
    config = current_app.config
    if not (config["STATS_DASHBOARD_MENU_ENABLED"] and has_global_page(config)):
        return False
    service = current_stats_dashboard.community_stats_service
    return service.check_permission(g.identity, "read_global_stats")


def _is_tab_visible() -> bool:
    config = current_app.config
    community = getattr(request, "community", None)
    return bool(
        config["STATS_DASHBOARD_MENU_ENABLED"]
        and community
        and has_page(config, community)
    )
