# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Render the page of the instance, and that of a community."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import abort, current_app, g, render_template, request, url_for
from invenio_administration.permissions import administration_permission
from invenio_base import invenio_url_for
from invenio_communities.views.communities import (
    HEADER_PERMISSIONS,
    render_community_theme_template,
)
from invenio_communities.views.decorators import pass_community
from invenio_records_resources.services.errors import PermissionDeniedError
from werkzeug.exceptions import NotFound

from ..custom_fields import LAYOUT
from ..proxies import current_stats_dashboard
from .data import page_data
from .layout import GLOBAL
from .shown import has_global_page, has_page

if TYPE_CHECKING:
    from invenio_communities.communities.services.results import CommunityItem

_View = TypeVar("_View", bound=Callable[..., str])


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
        **_for_crawlers("global_page"),
    )


def _with_storable_name(view: _View) -> _View:
    """Decorate a view: no community has a name that the database refuses.

    The response is a bare one: the page for 404 looks in the database for banners and
    for a static page with the path of the request, which the database refuses, too.
    """

    @wraps(view)
    def inner(pid_value: str) -> Any:
        if "\x00" in pid_value:
            return NotFound().get_response()
        return view(pid_value=pid_value)

    return cast(_View, inner)


@_with_storable_name
@pass_community(serialize=True)
def community_page(
    pid_value: str, community: "CommunityItem", community_ui: dict[str, Any]
) -> str:
    """Show the statistics of a community.

    Args:
        pid_value: slug or UUID.
        community: the community, as the communities service returns it.
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
        **_for_crawlers("community_page", pid_value=found["slug"]),
    )


def _for_crawlers(view: str, **arguments: str) -> dict[str, Any]:
    """Return what the template needs to make search engines index one address only.

    Each choice on a page has its own address: a crawler would request them all.

    Args:
        view: name of the view.
        **arguments: the arguments of its route.
    """
    tags = list(current_app.config.get("THEME_META_ROBOT_TAGS") or ())
    if request.args:
        tags.append({"name": "robots", "content": "noindex"})
    address = invenio_url_for(f"invenio_stats_dashboard.{view}", **arguments)
    return {"dashboard_canonical": address, "meta_robot_tags": tags}


def _endpoint(route: str, slug: str = "") -> str:
    """Return the address of a route of the REST API."""
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
