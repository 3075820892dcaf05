# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test who gets which page of the server, and its content."""

import json
import re
from html.parser import HTMLParser

import pytest
from invenio_records_permissions.generators import Disable

from invenio_stats_dashboard.custom_fields import DASHBOARD_CUSTOM_FIELDS_UI, LAYOUT
from invenio_stats_dashboard.permissions import StatsDashboardPermissionPolicy
from invenio_stats_dashboard.views.layout import offer_layouts

from ..helpers import content
from ..helpers.website import PASSWORD


class NobodyMayRead(StatsDashboardPermissionPolicy):
    """Refuses everybody."""

    can_read_global_stats = [Disable()]
    can_read_community_stats = [Disable()]


BRIEF = {
    "label": "Brief",
    "tabs": [{"key": "all", "label": "All", "rows": [[{"kind": "figures"}]]}],
}


class Element(HTMLParser):
    """Reads the attributes of the element that the JavaScript fills."""

    attributes = None

    def handle_starttag(self, tag, attributes):
        """Store the attributes of the element."""
        if ("id", "stats-dashboard") in attributes:
            self.attributes = dict(attributes)


class Visitor:
    """Requests pages in one session, without a browser."""

    def __init__(self, client):
        """Start an anonymous session."""
        self._client = client

    def log_in(self, email):
        """Log in by the form."""
        answer = self._client.post(
            "/login/", data={"email": email, "password": PASSWORD}
        )
        assert answer.status_code == 302, answer.text

    def get(self, path, **options):
        """Return the answer to a request."""
        return self._client.get(path, **options)

    def data(self, path, **options):
        """Return the data of the element of a page, with JSON decoded."""
        answer = self.get(path, **options)
        assert answer.status_code == 200, answer.text
        reader = Element()
        reader.feed(answer.text)
        return {
            name.removeprefix("data-"): _decoded(value)
            for name, value in reader.attributes.items()
        }


def _decoded(value):
    return json.loads(value) if re.match(r"[{\[]|(null|true|false)$", value) else value


@pytest.fixture()
def visitor(site):
    with site.app.test_client() as client:
        yield Visitor(client)


@pytest.fixture()
def manager(site):
    with site.app.test_client() as client:
        visitor = Visitor(client)
        visitor.log_in(site.users["manager"])
        yield visitor


@pytest.fixture()
def config(site, monkeypatch):
    """Return a function that sets a variable for one test."""
    return lambda name, value: monkeypatch.setitem(site.app.config, name, value)


def links(answer):
    """Return the paths that a page links to."""
    return re.findall(r'href="([^"]*)"', answer.text)


def tabs(answer):
    """Return the texts of the tabs of a community, in their order."""
    found = re.search(
        r"page-subheader pl-0(.*?)<main|page-subheader pl-0(.*)", answer.text, re.S
    )
    return re.findall(r'icon"></i>\s*(.*?)\s*</a>', found[0], re.S)


# -- what is in them ----------------------------------------------------------


def test_instance_page_has_the_data_for_its_javascript(visitor):
    data = visitor.data("/stats")
    assert data["endpoint"] == "/api/stats-dashboard/global"
    assert data["community"] is None
    assert data["defaults"] == {"range": "12mo", "interval": None}
    assert data["locale"] == "en"
    assert data["can-manage"] is False
    assert data["search-url"] == "/search"
    assert data["login-url"] == "/login/"
    assert [tab["key"] for tab in data["layout"]["tabs"]] == [
        "overview",
        "usage",
        "content",
    ]
    assert data["metrics"][0] == {
        "key": "views",
        "of": "usage",
        "kind": "flow",
        "unit": "count",
        "cells": True,
        "label": "Views",
        "definition": "Views of record pages by humans and machines.",
    }
    assert [item["key"] for item in data["metrics"] if not item["cells"]] == [
        "uploaders"
    ]
    breakdowns = {item["key"]: item for item in data["breakdowns"]}
    assert breakdowns["countries"]["event"] is True
    assert breakdowns["subjects"] == {
        "key": "subjects",
        "label": "Subjects",
        "singular": "Subject",
        "event": False,
        "fields": ["metadata.subjects"],
        "text": "subject",
        "vocabulary": "subjects",
    }


def test_page_leaves_robots_to_the_answers(visitor, config):
    # the stored numbers decide whether robots count in them, not the setting
    for value in (False, True):
        config("STATS_DASHBOARD_COUNT_ROBOTS", value)
        data = visitor.data("/stats")
        assert "count-robots" not in data
        assert not any("robots" in metric["definition"] for metric in data["metrics"])


def test_community_page_is_about_the_community(site, visitor):
    data = visitor.data(site.page("harbour"))
    assert data["endpoint"] == "/api/stats-dashboard/communities/harbour"
    assert data["community"] == {
        "id": site.communities["harbour"],
        "slug": "harbour",
        "title": "The harbour <b>&</b> {more}",
    }
    assert data["search-url"] == "/communities/harbour/records"
    assert data["can-manage"] is False
    assert data["settings-url"] == ""


def test_community_page_is_found_by_id_too(site, visitor):
    data = visitor.data(f"/communities/{site.communities['harbour']}/stats")
    assert data["community"]["slug"] == "harbour"


def test_page_says_that_a_visitor_is_a_manager(site, manager):
    data = manager.data(site.page("harbour"))
    assert data["can-manage"] is True
    assert data["settings-url"] == "/communities/harbour/settings"
    assert manager.data("/stats")["can-manage"] is False


def test_title_of_a_community_is_escaped_everywhere(site, visitor):
    answer = visitor.get(site.page("harbour"))
    escaped = "Statistics of The harbour &lt;b&gt;&amp;&lt;/b&gt; {more}"
    assert f"<title>{escaped} | Test repository</title>" in answer.text
    assert f'<h1 class="ui header">{escaped}</h1>' in answer.text
    assert "<b>&" not in answer.text


def test_titles_and_descriptions_are_those_of_the_configuration(site, visitor, config):
    config("STATS_DASHBOARD_TITLE", "Numbers, 100 %")
    config("STATS_DASHBOARD_DESCRIPTION", "All of them.")
    config("STATS_DASHBOARD_COMMUNITY_TITLE", "{community}: {numbers} %s")
    config("STATS_DASHBOARD_COMMUNITY_DESCRIPTION", "")
    text = visitor.get("/stats").text
    assert "<title>Numbers, 100 % | Test repository</title>" in text
    assert '<meta name="description" content="All of them." />' in text
    text = visitor.get(site.page("orchard")).text
    assert "The orchard &lt;b&gt;&amp;&lt;/b&gt; {more}: {numbers} %s</h1>" in text
    assert 'name="description"' not in text


def test_page_has_no_inline_scripts(site, visitor):
    for path in ("/stats", site.page("harbour")):
        scripts = re.findall(r"<script([^>]*)>(.*?)</script>", visitor.get(path).text)
        assert scripts
        assert all("src=" in attributes and not text for attributes, text in scripts)


def test_without_javascript_the_numbers_can_be_downloaded(site, visitor):
    text = visitor.get(site.page("harbour")).text
    hint = re.search(r"<noscript>(.*?)</noscript>", text, re.S)[1]
    assert "/communities/harbour?range=12mo&amp;metrics=all&amp;format=csv" in hint


def test_layout_and_defaults_are_those_of_the_configuration(site, visitor, config):
    config("STATS_DASHBOARD_LAYOUT", BRIEF)
    config("STATS_DASHBOARD_DEFAULT_RANGE", "90d")
    config("STATS_DASHBOARD_DEFAULT_INTERVAL", "week")
    for path in ("/stats", site.page("harbour")):
        data = visitor.data(path)
        (tab,) = data["layout"]["tabs"]
        assert tab["rows"] == [[{"kind": "figures", "width": 16}]]
        assert data["defaults"] == {"range": "90d", "interval": "week"}


def test_instance_can_have_another_layout(site, visitor, config):
    config("STATS_DASHBOARD_LAYOUTS", {"global": BRIEF})
    assert len(visitor.data("/stats")["layout"]["tabs"]) == 1
    assert len(visitor.data(site.page("harbour"))["layout"]["tabs"]) == 3


def test_community_can_choose_a_layout(site, visitor, config):
    path = site.page("orchard")
    assert len(visitor.data(path)["layout"]["tabs"]) == 3
    config("STATS_DASHBOARD_LAYOUTS", {"brief": BRIEF})
    with site.app.app_context():
        content.set_fields(site.communities["orchard"], {LAYOUT: "brief"})
    try:
        assert len(visitor.data(path)["layout"]["tabs"]) == 1
    finally:
        with site.app.app_context():
            content.set_fields(site.communities["orchard"], {LAYOUT: None})


def heads(visitor, path):
    """Return the canonical addresses and the robots tags of a page."""
    text = visitor.get(path).text
    links = re.findall(r'<link rel="canonical" href="([^"]*)"', text)
    tags = [t for t in re.findall(r"<meta ([^>]*)>", text) if 'name="robots"' in t]
    return links, [re.search(r'content="([^"]*)"', tag)[1] for tag in tags]


@pytest.mark.parametrize("path", ["/stats", "/communities/harbour/stats"])
def test_only_the_address_without_parameters_is_for_search_engines(
    site, visitor, config, path
):
    canonical = [f"{site.url}{path}"]
    assert heads(visitor, path) == (canonical, [])
    for query in ("?range=7d", "?tab=usage&subjects.top=more", "?unknown"):
        assert heads(visitor, path + query) == (canonical, ["noindex"])
    config("THEME_META_ROBOT_TAGS", [{"name": "robots", "content": "nofollow"}])
    assert heads(visitor, path) == (canonical, ["nofollow"])
    assert heads(visitor, f"{path}?tab=usage")[1] == ["nofollow", "noindex"]


def test_canonical_address_of_a_community_has_its_slug(site, visitor):
    path = f"/communities/{site.communities['harbour']}/stats"
    canonical, _ = heads(visitor, path)
    assert canonical == [f"{site.url}/communities/harbour/stats"]


# -- who gets them ------------------------------------------------------------


def test_hidden_community_answers_as_its_own_pages_do(site, visitor):
    own = visitor.get("/communities/cellar/about")
    found = visitor.get("/communities/cellar/stats")
    assert (own.status_code, found.status_code) == (302, 302)
    assert found.location == own.location.replace("about", "stats")
    visitor.log_in(site.users["visitor"])
    own = visitor.get("/communities/cellar/about")
    found = visitor.get("/communities/cellar/stats")
    assert (own.status_code, found.status_code) == (403, 403)
    assert "cellar" not in found.text.replace("communities/cellar/stats", "")


def test_members_see_the_page_of_a_hidden_community(manager):
    assert manager.data("/communities/cellar/stats")["community"]["slug"] == "cellar"


def test_community_that_was_deleted_shows_its_tombstone(visitor):
    assert visitor.get("/communities/gone/about").status_code == 410
    assert visitor.get("/communities/gone/stats").status_code == 410


def test_community_that_never_was_is_not_found(visitor):
    assert visitor.get("/communities/nothere/stats").status_code == 404


@pytest.mark.parametrize("name", ["%00", "harbour%00", "%00harbour", "a%00b"])
def test_community_with_a_name_that_no_database_takes_is_not_found(visitor, name):
    assert visitor.get(f"/communities/{name}/stats").status_code == 404


def test_page_is_refused_without_permission_to_read_the_numbers(site, visitor, config):
    config("STATS_DASHBOARD_PERMISSION_POLICY", NobodyMayRead)
    for path in ("/stats", site.page("harbour")):
        assert visitor.get(path).status_code == 302
    assert "/stats" not in links(visitor.get("/"))
    visitor.log_in(site.users["visitor"])
    for path in ("/stats", site.page("harbour")):
        assert visitor.get(path).status_code == 403


# -- where they are -----------------------------------------------------------


def test_menus_lead_to_the_pages(site, visitor):
    assert "/stats" in links(visitor.get("/"))
    answer = visitor.get("/communities/harbour/records")
    assert "/communities/harbour/stats" in links(answer)
    assert tabs(visitor.get(site.page("harbour")))[-1] == "Statistics"


def test_tab_of_the_page_is_the_active_one(site, visitor):
    text = visitor.get(site.page("harbour")).text
    active = re.findall(r'class="item active\s*"\s*href="([^"]*)"', text)
    assert active == ["/communities/harbour/stats"]


def test_menus_can_be_switched_off_and_the_pages_stay(site, visitor, config):
    config("STATS_DASHBOARD_MENU_ENABLED", False)
    assert "/stats" not in links(visitor.get("/"))
    answer = visitor.get("/communities/harbour/records")
    assert "/communities/harbour/stats" not in links(answer)
    assert visitor.get("/stats").status_code == 200
    assert visitor.get(site.page("harbour")).status_code == 200


def test_instance_page_can_be_switched_off(site, visitor, config):
    config("STATS_DASHBOARD_GLOBAL_ENABLED", False)
    assert visitor.get("/stats").status_code == 404
    assert "/stats" not in links(visitor.get("/"))
    assert visitor.get(site.page("harbour")).status_code == 200


@pytest.mark.parametrize(
    ("which", "shown"),
    [
        ("all", {"harbour", "orchard"}),
        ("opt-in", {"orchard"}),
        ("none", set()),
    ],
)
def test_communities_have_pages_as_configured_and_chosen(
    site, visitor, config, which, shown
):
    config("STATS_DASHBOARD_COMMUNITIES", which)
    for name in ("harbour", "orchard", "quiet"):
        found = visitor.get(site.page(name)).status_code == 200
        linked = site.page(name) in links(visitor.get(f"/communities/{name}/records"))
        assert found == linked == (name in shown), name


def test_choice_of_a_community_is_part_of_its_settings(site, manager, config):
    config("COMMUNITIES_CUSTOM_FIELDS_UI", [DASHBOARD_CUSTOM_FIELDS_UI])
    config("STATS_DASHBOARD_LAYOUTS", {"global": BRIEF, "brief": BRIEF})
    offer_layouts(site.app)
    text = manager.get("/communities/harbour/settings").text
    found = json.loads(re.search(r"data-custom-fields='(.*?)'", text)[1])
    (section,) = found["ui"]
    assert section["section"] == "Statistics"
    enabled, layout = section["fields"]
    assert enabled["field"] == "stats:dashboard_enabled"
    assert layout["props"]["options"] == [{"id": "brief", "title_l10n": "Brief"}]


def test_form_has_no_choice_of_layouts_without_further_layouts(manager):
    text = manager.get("/communities/harbour/settings").text
    assert "stats:dashboard_enabled" in text
    assert "stats:dashboard_layout" not in text


def test_about_page_of_a_community_leads_to_its_statistics(site, visitor):
    text = visitor.get("/communities/orchard/about").text
    assert "Statistics page" not in text
    assert text.count(f'href="{site.page("orchard")}"') == 2
