# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A page without numbers explains why, and sends no unnecessary request."""

from contextlib import contextmanager

import pytest
from flask import request, request_finished
from playwright.sync_api import expect

from invenio_stats_dashboard import config

from .conftest import NARROW, WIDE
from .reading import API, chart, shown_figure
from .test_accessibility import broken_rules
from .walker import Interception, answer_with

PATH = "/communities/harbour/stats"

ALL = f"*{API}/*"


def root(walker):
    """Return the root element of the page."""
    return walker.page.locator("#stats-dashboard")


@contextmanager
def answered(site):
    """Collect (path with query, status) of the API's answers during the block."""
    found = []

    def note(sender, response, **_):
        if "/stats-dashboard/" in request.path:
            found.append((request.full_path, response.status_code))

    with request_finished.connected_to(note):
        yield found


FAILURES = [
    (401, {"message": "x"}, "You cannot see these statistics.", False),
    (403, {"message": "x"}, "You cannot see these statistics.", False),
    (404, {"message": "x"}, "You cannot see these statistics.", False),
    (400, {"message": "The range is too long."}, "The range is too long.", False),
    (429, {"message": "x"}, "The statistics are not available right now.", True),
    (503, {"message": "x"}, "The statistics are not available right now.", True),
    (500, {"message": "x"}, "An error occurred.", True),
    (None, {}, "No connection.", True),
]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize(("status", "body", "words", "again"), FAILURES)
def test_failure_is_explained(site, walk, status, body, words, again, size):
    walker = walk(size=size)
    page = walker.page
    refuse = answer_with(status, **body) if status else Interception.abort
    interception = walker.intercept(ALL, refuse)
    page.goto(PATH)
    notice = root(walker).get_by_role("alert").filter(has_text=words)
    expect(notice).to_have_count(1)
    assert broken_rules(page) == {}
    button = notice.get_by_role("button", name="Try again")
    expect(button).to_have_count(int(again))
    interception.stop()
    if again:
        button.click()
        walker.wait()
        assert shown_figure(page, "Views") == len(site.events["view"])
    walker.noted.clear()  # the browser notes each failed request


def test_expired_session_leads_to_the_log_in_form(walk):
    walker = walk()
    walker.log_in("manager")
    page = walker.page
    page.goto("/communities/cellar/stats")
    expect(root(walker)).to_contain_text("No numbers yet")
    walker.context.clear_cookies()
    page.get_by_label("Period", exact=True).select_option("30d")
    expect(root(walker)).to_contain_text("You cannot see these statistics.")
    link = root(walker).get_by_role("link", name="Log in")
    address = link.get_attribute("href")
    link.click()
    page.wait_for_load_state("networkidle")
    assert "/login/" in page.url, address
    page.fill("input[name=email]", walker.site.users["manager"])
    walker.log_in_here("manager")
    assert page.url.endswith("/communities/cellar/stats?range=30d")
    walker.noted.clear()


def test_other_widgets_work_when_one_fails(site, walk):
    walker = walk()
    page = walker.page
    walker.intercept(f"*{API}/*/records?*", answer_with(500, message="x"))
    walker.open(PATH)
    assert shown_figure(page, "Views") == len(site.events["view"])
    expect(root(walker).get_by_role("alert")).to_have_count(2)
    walker.noted.clear()


def test_period_without_data_says_where_data_is_available(site, walk):
    walker = walk()
    walker.open(f"{PATH}?from=2001-01-01&to=2001-01-31")
    expect(chart(walker.page)).to_contain_text(
        "No views from Jan 1, 2001 to Jan 31, 2001."
    )
    assert broken_rules(walker.page) == {}
    chart(walker.page).get_by_role("button", name="Show all time").click()
    walker.wait()
    assert shown_figure(walker.page, "Views") == len(site.events["view"])


def test_loading_and_its_end_are_announced_once(walk):
    walker = walk()
    page = walker.page
    interception = walker.intercept(ALL, Interception.hold)
    page.goto(PATH)
    status = root(walker).locator(".stats-dashboard > [role=status]")
    expect(status).to_have_text("Loading …")
    assert root(walker).get_by_role("status").filter(has_text="Loading").count() == 1
    assert broken_rules(page) == {}
    assert interception.held
    interception.stop()
    walker.wait()
    expect(status).to_contain_text("Numbers for ")


def test_unwanted_requests_are_aborted(walk):
    walker = walk()
    page, given_up = walker.page, []
    walker.open(PATH)
    page.on("requestfailed", lambda request: given_up.append(request.url))
    # these requests get no answer
    interception = walker.intercept("*range=90d*", Interception.hold)
    with page.expect_request("**range=90d**"):
        page.get_by_label("Period", exact=True).select_option("90d")
    page.get_by_label("Period", exact=True).select_option("30d")
    walker.wait()
    assert given_up
    assert {url for url in given_up if "range=90d" in url} == set(given_up)
    assert set(interception.urls) <= set(given_up)


def test_cached_answers_are_not_sent_again(site, walk, monkeypatch):
    seconds = config.STATS_DASHBOARD_CACHE_SECONDS
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_CACHE_SECONDS", seconds)
    walker = walk(own=True)
    with answered(site) as first:
        walker.open(PATH)
    assert first
    assert {status for _, status in first} == {200}
    with answered(site) as second:
        walker.open(PATH)
        assert shown_figure(walker.page, "Views") == len(site.events["view"])
    assert [status for _, status in second if status != 304] == []
    # when the cached answers have expired
    with answered(site) as third:
        for address in sorted(set(walker.requested)):
            walker.page.evaluate(
                "(url) => fetch(url, { cache: 'no-cache' }).then((a) => a.text())",
                address,
            )
    assert third
    assert {status for _, status in third} == {304}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_moves_with_reduced_motion(walk, size):
    walker = walk(size=size, reduced_motion="reduce")
    page = walker.page
    interception = walker.intercept(ALL, Interception.hold)
    page.goto(PATH)
    line = page.locator(".stats-loading-line").first
    line.wait_for()
    name = "element => getComputedStyle(element).animationName"
    assert line.evaluate(name) == "none"
    assert interception.held
    interception.stop()
    walker.wait()
    moving = page.locator("#stats-dashboard").evaluate(
        "root => root.getAnimations({ subtree: true }).length"
    )
    assert moving == 0


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "fr-FR"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("tab", ["overview", "usage", "content"])
def test_no_text_overlaps_another(walk, locale, size, tab):
    walker = walk(locale=locale, size=size)
    walker.open(f"{PATH}?tab={tab}")
    assert walker.page.locator("html").get_attribute("lang") == locale[:2]
    wide = walker.page.evaluate("""() => [...document.querySelectorAll(
             "#stats-dashboard th, #stats-dashboard td, #stats-dashboard button"
           )].filter((element) => element.offsetParent)
             .filter((element) => element.scrollWidth > element.clientWidth + 1)
             .map((element) => element.textContent)""")
    assert wide == []
    if size == WIDE:
        broken = walker.page.evaluate(
            """() => [...document.querySelectorAll("#stats-dashboard thead th")]
                 .filter((head) => {
                   const range = document.createRange();
                   range.selectNodeContents(head);
                   const one = !/\\s/.test(head.textContent.trim());
                   return one && range.getClientRects().length > 1;
                 }).map((head) => head.textContent)"""
        )
        assert broken == []
