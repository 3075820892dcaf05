# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Render the page of the instance, and that of a community."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import abort, current_app, g, render_template, url_for
from invenio_administration.permissions import administration_permission
from invenio_communities.views.communities import (
    HEADER_PERMISSIONS,
    render_community_theme_template,
)
from invenio_communities.views.decorators import pass_community
from invenio_records_resources.services.errors import PermissionDeniedError

from ..custom_fields import LAYOUT
from ..proxies import current_stats_dashboard
from .data import page_data
from .layout import GLOBAL
from .shown import has_global_page, has_page

if TYPE_CHECKING:
    from invenio_communities.communities.services.results import CommunityItem


def global_page() -> str:
    """Show the statistics of the whole instance.

    Raises:
        GlobalNotReadableError: the visitor may not read them.
        NotFound: the page is switched off.
    """
    config = current_app.config
    if not has_global_page(config):
        abort(404)
    current_stats_dashboard.community_stats_service.read_global(g.identity)
    return render_template(
        "invenio_stats_dashboard/global.html",
        dashboard=page_data(
            endpoint=_endpoint("global"),
            layout=GLOBAL,
            can_manage=administration_permission.allows(g.identity),
            search_url=url_for("invenio_search_ui.search"),
        ),
        dashboard_title=config["STATS_DASHBOARD_TITLE"],
        dashboard_description=config["STATS_DASHBOARD_DESCRIPTION"],
    )


@pass_community(serialize=True)
def community_page(
    pid_value: str, community: "CommunityItem", community_ui: dict[str, Any]
) -> str:
    """Show the statistics of a community.

    Args:
        pid_value: slug or UUID.
        community: as the communities service returns it.
        community_ui: the same, serialized for templates.

    Raises:
        PermissionDeniedError: the visitor may not see the community.
        NotReadableError: the visitor may not read its statistics.
        NotFound: the community has no page.
    """
    config = current_app.config
    permissions = community.has_permissions_to(HEADER_PERMISSIONS)
    if not permissions["can_read"]:
        raise PermissionDeniedError()
    found = community.to_dict()
    if not has_page(config, found):
        abort(404)
    service = current_stats_dashboard.community_stats_service
    service.read_community(g.identity, found["id"])
    title = found["metadata"]["title"]
    return render_community_theme_template(
        "invenio_stats_dashboard/community.html",
        theme=community_ui.get("theme", {}),
        community=community,
        community_ui=community_ui,
        permissions=permissions,
        active_community_header_menu_item="stats",
        dashboard=page_data(
            endpoint=_endpoint("community", found["slug"]),
            layout=(found.get("custom_fields") or {}).get(LAYOUT),
            can_manage=permissions["can_update"],
            search_url=_records_url(found["slug"]),
            community={"id": found["id"], "slug": found["slug"], "title": title},
            settings_url=_settings_url(found["slug"], permissions),
        ),
        dashboard_title=_about(config["STATS_DASHBOARD_COMMUNITY_TITLE"], title),
        dashboard_description=_about(
            config["STATS_DASHBOARD_COMMUNITY_DESCRIPTION"], title
        ),
    )


def _endpoint(route: str, slug: str = "") -> str:
    """Return the path of a route of the REST API."""
    return current_stats_dashboard.community_stats_resource.config.path(route, slug)


def _about(text: object, title: str) -> str:
    """Insert the title of a community into a text.

    ``format()`` would fail on other braces in the text.
    """
    return str(text).replace("{community}", title)


def _records_url(slug: str) -> str:
    return url_for("invenio_app_rdm_communities.communities_detail", pid_value=slug)


def _settings_url(slug: str, permissions: Mapping[str, bool]) -> str | None:
    if not permissions["can_update"]:
        return None
    return url_for("invenio_communities.communities_settings", pid_value=slug)
