# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""No rule of WCAG 2.1 AA that axe can check is broken in what this package shows."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from .conftest import NARROW, WIDE

OURS = {"include": [[".stats-dashboard-header"], ["#stats-dashboard"]]}
"""The header, menus and footer are InvenioRDM's."""

RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    },
    "resultTypes": ["violations"],
}


def broken_rules(page):
    """Return each rule that is broken, with the elements that break it."""
    found = Axe().run(page, context=OURS, options=RULES).response["violations"]
    return {
        rule["id"]: [node["target"] for node in rule["nodes"]][:5] for rule in found
    }


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("tab", ["overview", "usage", "content"])
@pytest.mark.parametrize("path", ["/stats", "/communities/harbour/stats"])
def test_page_breaks_no_rule(walk, path, tab, size):
    walker = walk(size=size)
    walker.open(f"{path}?tab={tab}")
    assert broken_rules(walker.page) == {}


def test_tables_of_charts_break_no_rule(walk):
    walker = walk()
    walker.open("/communities/harbour/stats?view=table")
    for button in walker.page.get_by_role("button", name="Table", exact=True).all():
        button.click()
    walker.page.get_by_role("button", name="Download").first.click()
    assert broken_rules(walker.page) == {}


def test_names_of_parts_are_short(walk):
    walker = walk()
    walker.open("/communities/harbour/stats?tab=usage")
    for title in ("Countries", "Referrers", "File types"):
        for role in ("heading", "region"):
            part = walker.page.get_by_role(role, name=title, exact=True)
            assert part.count() == 1, (role, title)


def test_open_form_and_help_break_no_rule(walk):
    walker = walk()
    walker.open("/communities/harbour/stats")
    walker.page.get_by_label("Period", exact=True).select_option("custom")
    walker.page.get_by_label("From", exact=True).fill("2030-01-01")
    walker.page.get_by_role("button", name="Apply", exact=True).click()
    assert walker.page.get_by_role("alert").filter(has_text="day").count() == 1
    walker.page.locator(".stats-help button").first.focus()
    assert broken_rules(walker.page) == {}


def test_page_of_a_community_without_numbers_breaks_no_rule(walk):
    walker = walk()
    walker.page.goto("/communities/orchard/stats")
    walker.page.wait_for_load_state("networkidle")
    assert broken_rules(walker.page) == {}
