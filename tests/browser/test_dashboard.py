# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The pages in a real browser: they show the API's numbers, and every control works."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from invenio_stats_dashboard.aggregations.runner import LAST_RUN
from invenio_stats_dashboard.custom_fields import ENABLED

from ..helpers import content
from .conftest import NARROW, WIDE
from .reading import API, ask, assert_figures, chart, figure, shown_figure

SIDEWAYS = """
(width) => {
  const ours = document.querySelectorAll(".stats-dashboard-header *, #stats-dashboard *");
  const scrolled = (element) =>
    element && element.id !== "stats-dashboard"
      ? /auto|scroll|hidden/.test(getComputedStyle(element).overflowX) ||
        scrolled(element.parentElement)
      : false;
  return [...ours]
    .filter((element) => element.getBoundingClientRect().right > width + 1)
    .filter((element) => !scrolled(element.parentElement))
    .map((element) => element.outerHTML.slice(0, 120));
}
"""
"""Elements that are cut off at the right, outside of frames that scroll."""


# -- who sees them ------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/stats", "global"),
        ("/communities/harbour/stats", "communities/harbour"),
    ],
)
@pytest.mark.parametrize("who", [None, "manager"])
def test_pages_show_the_numbers_of_the_api(site, walk, path, api, who):
    walker = walk()
    if who:
        walker.log_in(who)
    assert walker.open(path).status == 200
    totals = assert_figures(walker, api, range="12mo")
    assert totals["views"] == len(site.events["view"])
    assert totals["downloads"] == len(site.events["download"])
    assert totals["records"] == len(site.records)


def test_menus_lead_to_the_pages(site, walk):
    walker = walk()
    walker.page.goto("/communities/harbour/records")
    walker.page.get_by_role("link", name="Statistics").last.click()
    walker.wait()
    assert walker.page.url == f"{site.url}/communities/harbour/stats"
    walker.page.get_by_role("link", name="Statistics", exact=True).first.click()
    walker.wait()
    assert walker.page.url == f"{site.url}/stats"


def test_hidden_community_requires_a_log_in(walk):
    walker = walk()
    walker.page.goto("/communities/cellar/stats")
    assert "/login/" in walker.page.url
    assert not walker.requested


def test_members_see_the_numbers_of_a_hidden_community(walk):
    walker = walk()
    walker.log_in("manager")
    walker.page.goto("/communities/cellar/stats")
    walker.page.wait_for_load_state("networkidle")
    assert all(f"{API}/communities/cellar" in address for address in walker.requested)
    # that community never had any activity, and the page says so
    expect(walker.page.locator("#stats-dashboard")).to_contain_text("No numbers yet")


def test_menus_that_are_switched_off_lead_nowhere(site, walk, monkeypatch):
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_MENU_ENABLED", False)
    walker = walk()
    walker.page.goto("/communities/harbour/records")
    assert walker.page.get_by_role("link", name="Statistics").count() == 0


def test_manager_switches_the_page_on_in_the_settings(site, walk):
    walker = walk()
    walker.log_in("manager")
    page = walker.page
    assert page.goto("/communities/quiet/stats").status == 404
    walker.noted.clear()  # the browser notes that there was no page
    page.goto("/communities/quiet/settings")
    page.get_by_text("Shown", exact=True).click()
    try:
        with page.expect_event("load"):  # the form reloads the page when it is saved
            page.get_by_role("button", name="Save").first.click()
        assert page.goto("/communities/quiet/stats").status == 200
    finally:
        with site.app.app_context():
            content.set_fields(site.communities["quiet"], {ENABLED: False})


def test_layout_is_that_of_the_configuration(site, walk, monkeypatch):
    layout = {
        "tabs": [
            {
                "key": "only",
                "label": "Only",
                "rows": [
                    [
                        {"kind": "text", "title": "Hello", "text": "<i>Words</i>"},
                        {"kind": "breakdown", "breakdown": "languages", "width": 10},
                    ]
                ],
            }
        ]
    }
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_LAYOUT", layout)
    walker = walk()
    walker.open("/communities/harbour/stats")
    root = walker.page.locator("#stats-dashboard")
    assert root.get_by_role("heading", level=2).all_inner_texts() == [
        "Hello",
        "Languages",
    ]
    expect(root).to_contain_text("<i>Words</i>")
    expect(root.get_by_role("row").filter(has_text="Danish")).to_be_visible()


# -- controls -----------------------------------------------------------------


def test_period_is_part_of_the_address_and_can_be_shared(site, walk):
    walker = walk()
    walker.open("/communities/harbour/stats")
    walker.page.get_by_label("Period", exact=True).select_option("30d")
    walker.wait()
    assert "range=30d" in walker.page.url
    totals = assert_figures(walker, "communities/harbour", range="30d")
    assert totals["views"] < len(site.events["view"])
    shared = walk()
    shared.open(walker.page.url)
    assert shown_figure(shared.page, "Views") == totals["views"]
    walker.page.go_back()
    walker.wait()
    assert shown_figure(walker.page, "Views") == len(site.events["view"])


def test_custom_period(site, walk):
    walker = walk()
    walker.open("/communities/harbour/stats")
    last = datetime.now(UTC).date() - timedelta(days=10)
    first = last - timedelta(days=4)
    page = walker.page
    page.get_by_label("Period", exact=True).select_option("custom")
    page.get_by_label("From", exact=True).fill(first.isoformat())
    page.get_by_label("to", exact=True).fill(last.isoformat())
    page.get_by_role("button", name="Apply", exact=True).click()
    walker.wait()
    days = {"from": first.isoformat(), "to": last.isoformat()}
    assert f"from={days['from']}&to={days['to']}" in page.url
    assert_figures(walker, "communities/harbour", **days)


def test_interval_and_metric_change_the_chart(walk):
    walker = walk()
    walker.open("/communities/harbour/stats?range=30d")
    page = walker.page
    page.get_by_label("Group by", exact=True).select_option("week")
    walker.wait()
    assert "interval=week" in page.url
    button = page.get_by_role("button", name="Downloads", exact=True)
    figure(page, "Downloads").locator(button).click()
    walker.wait()
    expect(chart(page).get_by_role("heading")).to_contain_text("Downloads")
    assert "metric=downloads" in page.url


def test_table_has_the_numbers_of_the_chart(site, walk):
    walker = walk()
    walker.open("/communities/harbour/stats?range=30d&interval=week&compare=none")
    chart(walker.page).get_by_role("button", name="Table", exact=True).click()
    rows = chart(walker.page).get_by_role("row").all_inner_texts()
    answer = ask(
        site,
        "communities/harbour",
        range="30d",
        interval="week",
        metrics="views",
    )
    wanted = [str(value) for value in answer["series"][0]["values"]]
    found = [row.split("\t")[-1].strip() for row in rows[1:]]
    assert found[: len(wanted)] == wanted
    assert found[len(wanted) :] == [str(answer["totals"]["views"])]


def test_breakdowns_rank_what_the_api_ranks(site, walk):
    walker = walk()
    walker.open("/communities/harbour/stats?tab=usage")
    answer = ask(
        site,
        "communities/harbour",
        range="12mo",
        metrics="views",
        breakdown="countries",
    )
    totals = {
        series["label"]: series["total"]
        for series in answer["series"]
        if series["breakdown"] == "countries"
    }
    assert set(totals) == {"Germany", "Canada", "France", "Unknown"}
    table = walker.page.locator("#stats-dashboard").get_by_role("row")
    for label, total in totals.items():
        row = table.filter(has_text=label).first
        assert str(total) in row.inner_text().replace("\n", "\t").split("\t"), label


def test_value_links_to_the_search_for_its_records(site, walk):
    walker = walk()
    walker.open("/communities/harbour/stats?tab=content")
    walker.page.get_by_role("link", name="Danish").first.click()
    walker.page.wait_for_load_state("networkidle")
    assert walker.page.url.startswith(f"{site.url}/communities/harbour/records?q=")
    titles = walker.page.get_by_role("heading", name="Tides of harbour")
    expect(titles).to_have_count(2)


@pytest.mark.parametrize("tab", ["overview", "usage", "content"])
def test_each_tab_shows_its_widgets(walk, tab):
    walker = walk()
    walker.open(f"/communities/harbour/stats?tab={tab}")
    root = walker.page.locator("#stats-dashboard")
    expect(root.get_by_role("tabpanel")).to_be_visible()
    assert root.get_by_role("heading", level=2).count() >= 3
    expect(root).not_to_contain_text("An error occurred")


# -- for everybody ------------------------------------------------------------


def test_german_page_is_german(site, walk):
    walker = walk(locale="de-DE")
    walker.open("/communities/harbour/stats")
    page = walker.page
    title = "Statistik von The harbour <b>&</b> {more}"
    assert page.title() == f"{title} | Test repository"
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.get_by_role("tab", name="Überblick")).to_be_visible()
    expect(page.get_by_label("Zeitraum", exact=True).first).to_be_visible()
    views = page.locator(".stats-figure").filter(
        # as InvenioRDM calls them on the pages of records
        has=page.get_by_text("Ansichten", exact=True)
    )
    expect(views.locator(".stats-figure-value")).to_have_text(
        str(len(site.events["view"]))
    )


@pytest.mark.parametrize("path", ["/stats", "/communities/harbour/stats"])
@pytest.mark.parametrize("tab", ["overview", "usage", "content"])
def test_narrow_page_needs_no_sideways_scrolling(walk, path, tab):
    walker = walk(size=NARROW)
    walker.open(f"{path}?tab={tab}")
    # InvenioRDM's own header and footer are wider, so only what is ours
    assert walker.page.evaluate(SIDEWAYS, NARROW[0]) == []


def test_arrow_keys_move_between_tabs(walk):
    walker = walk()
    walker.open("/stats")
    page = walker.page
    page.get_by_role("tab", name="Overview").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Usage")).to_be_focused()
    expect(page.get_by_role("tab", name="Usage")).to_have_attribute(
        "aria-selected", "true"
    )
    walker.wait()
    assert "tab=usage" in page.url


def test_every_control_is_reached_by_the_tab_key(walk):
    walker = walk()
    walker.open("/communities/harbour/stats")
    page = walker.page
    root = page.locator("#stats-dashboard")
    controls = root.locator("select, button, a[href], input, summary")
    wanted = controls.count()
    assert wanted > 15
    controls.first.focus()
    for _ in range(3 * wanted):
        page.keyboard.press("Tab")
        inside = page.evaluate(
            "document.querySelector('#stats-dashboard').contains(document.activeElement)"
        )
        if not inside:
            break
        page.evaluate("document.activeElement.dataset.reached = 'yes'")
    missed = controls.and_(
        page.locator(":visible:enabled:not([tabindex='-1']):not([data-reached])")
    )
    # the first one was focused without the key
    assert [item.evaluate("e => e.outerHTML") for item in missed.all()[1:]] == []


def test_banner_says_that_numbers_are_late(site, walk):
    bookmarks, client = site.names.bookmarks, site.client
    before = client.get(index=bookmarks, id=LAST_RUN)["_source"]
    old = datetime.now(UTC) - timedelta(hours=9)
    late = {**before, "data_as_of": old.isoformat()}
    client.index(index=bookmarks, id=LAST_RUN, body=late, refresh=True)
    try:
        walker = walk()
        walker.open("/communities/harbour/stats")
        banner = walker.page.locator("#stats-dashboard .stats-late")
        expect(banner).to_contain_text("The numbers are older than usual.")
    finally:
        client.index(index=bookmarks, id=LAST_RUN, body=before, refresh=True)


def test_fresh_numbers_have_no_banner(walk):
    walker = walk()
    walker.open("/communities/harbour/stats")
    assert walker.page.locator("#stats-dashboard .stats-late").count() == 0


def test_a_page_sends_each_request_once(walk):
    walker = walk()
    walker.open("/communities/harbour/stats")
    assert len(walker.requested) == len(set(walker.requested))
    assert len(walker.requested) <= 6


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_print_has_the_numbers(walk, size):
    walker = walk(size=size)
    walker.open("/communities/harbour/stats")
    walker.page.emulate_media(media="print")
    expect(figure(walker.page, "Views")).to_be_visible()
    expect(walker.page.get_by_label("Period", exact=True)).not_to_be_visible()
    # a report has the title and the numbers, and none of the site's menus
    expect(walker.page.get_by_role("heading", level=1)).to_be_visible()
    for menu in (
        ".skip-link",
        "header.theme",
        ".page-subheader-outer",
        "#rdm-footer-element",
    ):
        expect(walker.page.locator(menu)).not_to_be_visible()
