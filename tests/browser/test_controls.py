# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Each control shows the API's numbers, and works without a mouse."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from .reading import ask, assert_figures, chart, figure, panel, shown_figure

PATH = "/communities/harbour/stats"
COMMUNITY = "communities/harbour"


def table_of(place):
    """Return the rows of the table in an element, as lists of texts."""
    return [
        [cell.strip() for cell in row.split("\t")]
        for row in place.locator("tbody").get_by_role("row").all_inner_texts()
    ]


def numbers(texts):
    """Return texts as whole numbers."""
    return [int("".join(c for c in text if c.isdigit())) for text in texts]


@pytest.mark.parametrize(
    ("choice", "parameter"),
    [("year", "year"), ("none", None), ("previous", "previous")],
)
def test_comparison(site, walk, choice, parameter):
    walker = walk()
    walker.open(f"{PATH}?range=30d")
    page = walker.page
    page.get_by_label("Compare with", exact=True).select_option(choice)
    walker.wait()
    before = figure(page, "Views").locator(".stats-figure-before")
    if parameter is None:
        expect(before).to_have_count(0)
    else:
        answer = ask(site, COMMUNITY, range="30d", metrics="views", compare=parameter)
        total = answer["comparison"]["totals"]["views"]
        expect(before).to_have_text(f"from {total}")


@pytest.mark.parametrize("basis", ["added", "created", "published"])
def test_basis(walk, basis):
    walker = walk()
    walker.open(f"{PATH}?range=30d")
    walker.page.get_by_label("Count records by", exact=True).select_option(basis)
    walker.wait()
    assert_figures(walker, COMMUNITY, range="30d", basis=basis)
    assert ("basis=" in walker.page.url) == (basis != "added")


def test_steps_to_the_previous_and_the_next_period(site, walk):
    walker = walk()
    walker.open(f"{PATH}?range=7d")
    page = walker.page
    expect(page.get_by_role("button", name="Next period")).to_be_disabled()
    page.get_by_role("button", name="Previous period").click()
    walker.wait()
    today = datetime.now(UTC).date()
    days = {"from": today - timedelta(days=13), "to": today - timedelta(days=7)}
    totals = assert_figures(walker, COMMUNITY, **days)
    assert totals["views"]
    page.get_by_role("button", name="Next period").click()
    walker.wait()
    assert_figures(walker, COMMUNITY, range="7d")


def test_all_time(site, walk):
    walker = walk()
    walker.open(PATH)
    walker.page.get_by_label("Period", exact=True).select_option("all")
    walker.wait()
    assert shown_figure(walker.page, "Views") == len(site.events["view"])
    expect(walker.page.get_by_label("Compare with", exact=True)).to_have_count(0)


@pytest.mark.parametrize("interval", ["day", "week", "month", "quarter", "year"])
def test_intervals(site, walk, interval):
    walker = walk()
    walker.open(f"{PATH}?compare=none")
    page = walker.page
    page.get_by_label("Group by", exact=True).select_option(interval)
    chart(page).get_by_role("button", name="Table", exact=True).click()
    walker.wait()
    answer = ask(site, COMMUNITY, range="12mo", metrics="views", interval=interval)
    rows = table_of(chart(page))
    values = answer["series"][0]["values"]
    assert numbers(row[-1] for row in rows[: len(values)]) == values


@pytest.mark.parametrize("breakdown", ["countries", "resource_types", "referrers"])
def test_chart_with_a_breakdown(site, walk, breakdown):
    walker = walk()
    walker.open(f"{PATH}?range=30d&interval=week")
    page = walker.page
    page.get_by_label("Breakdown", exact=True).select_option(breakdown)
    chart(page).get_by_role("button", name="Table", exact=True).click()
    walker.wait()
    answer = ask(
        site,
        COMMUNITY,
        range="30d",
        interval="week",
        metrics="views",
        breakdown=breakdown,
    )
    head = chart(page).get_by_role("columnheader").all_inner_texts()
    rows = table_of(chart(page))
    cells = [s for s in answer["series"] if s["breakdown"] == breakdown]
    assert len(cells) >= 2
    for cell in cells:
        place = head.index(cell["label"])
        column = [row[place] for row in rows[: len(cell["values"])]]
        assert numbers(column) == [value or 0 for value in cell["values"]]


def test_chart_of_running_totals(site, walk):
    walker = walk()
    walker.open(f"{PATH}?range=30d&interval=week&compare=none")
    page = walker.page
    page.get_by_label("Values", exact=True).select_option("cumulative")
    chart(page).get_by_role("button", name="Table", exact=True).click()
    walker.wait()
    answer = ask(
        site,
        COMMUNITY,
        range="30d",
        interval="week",
        metrics="views",
        cumulative="true",
    )
    values = answer["series"][0]["values"]
    assert numbers(row[-1] for row in table_of(chart(page)))[: len(values)] == values
    assert "cumulative=true" in page.url


@pytest.mark.parametrize(
    ("tab", "title", "breakdown", "metric"),
    [
        ("usage", "Countries", "countries", "downloads"),
        ("usage", "Referrers", "referrers", "downloads"),
        ("usage", "File types", "file_types", "downloads"),
        ("usage", "Humans and machines", "agents", "downloads"),
        ("content", "Access", "access_statuses", "records"),
    ],
)
def test_metric_of_a_ranking(site, walk, tab, title, breakdown, metric):
    walker = walk()
    walker.open(f"{PATH}?tab={tab}")
    place = panel(walker.page, title)
    place.get_by_label(f"Metric: {title}").select_option(metric)
    walker.wait()
    answer = ask(site, COMMUNITY, range="12mo", metrics=metric, breakdown=breakdown)
    cells = [s for s in answer["series"] if s["breakdown"] == breakdown]
    assert cells
    found = {row[0]: numbers(row[1:2]) for row in table_of(place)}
    assert found == {cell["label"]: [cell["total"]] for cell in cells}


@pytest.mark.parametrize(
    ("title", "by"),
    [("Most viewed records", "views"), ("Most downloaded records", "downloads")],
)
def test_most_used_records_link_to_their_pages(site, walk, title, by):
    walker = walk()
    walker.open(f"{PATH}?range=30d")
    place = panel(walker.page, title)
    answer = ask(site, f"{COMMUNITY}/records", range="30d", by=by)
    assert [[row[0], *numbers(row[1:])] for row in table_of(place)] == [
        [row["title"], row[by]] for row in answer["records"]
    ]
    first = answer["records"][0]
    place.get_by_role("link", name=first["title"]).click()
    walker.page.wait_for_url(f"**/records/{first['recid']}")
    walker.noted.clear()  # that page is not ours


def test_back_button_undoes_one_choice_after_the_other(walk):
    walker = walk()
    walker.open(PATH)
    page, seen = walker.page, []
    for label, value in (
        ("Period", "90d"),
        ("Group by", "week"),
        ("Breakdown", "countries"),
    ):
        seen.append(page.url)
        page.get_by_label(label, exact=True).select_option(value)
        walker.wait()
    for address in reversed(seen):
        page.go_back()
        walker.wait()
        assert page.url == address
    expect(page.get_by_label("Period", exact=True)).to_have_value("12mo")
    expect(page.get_by_label("Group by", exact=True)).to_have_value("auto")


# -- without a mouse ------------------------------------------------------------


def tab_to(page, place):
    """Press the tab key until an element has the focus."""
    for _ in range(80):
        if place.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the tab key does not reach {place}")


def test_page_works_with_the_keyboard_alone(site, walk):
    walker = walk()
    walker.open(PATH)
    page = walker.page
    # another period
    choice = page.get_by_label("Period", exact=True)
    tab_to(page, choice)
    page.keyboard.press("ArrowUp")
    walker.wait()
    expect(choice).not_to_have_value("12mo")
    expect(choice).to_be_focused()
    name = choice.input_value()
    totals = assert_figures(walker, COMMUNITY, range=name)
    # a file
    menu = page.locator(".stats-toolbar").get_by_role("button", name="Download")
    tab_to(page, menu)
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Key figures, this period (CSV)"))
    with page.expect_download():
        page.keyboard.press("Enter")
    # another figure in the chart
    tab_to(page, figure(page, "Downloads").get_by_role("button").first)
    page.keyboard.press("Space")
    walker.wait()
    expect(chart(page).get_by_role("heading")).to_contain_text("Downloads")
    # the chart, interval by interval
    picture = chart(page).get_by_role("application")
    tab_to(page, picture)
    status = chart(page).locator(".stats-walk [role=status]")
    expect(status).to_have_text("")
    page.keyboard.press("End")
    expect(status).not_to_have_text("")
    last = status.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(status).not_to_have_text(last)
    page.keyboard.press("Escape")
    expect(status).to_have_text("")
    # nothing traps the focus
    page.keyboard.press("Tab")
    expect(picture).not_to_be_focused()
    assert totals["downloads"] == shown_figure(page, "Downloads")
