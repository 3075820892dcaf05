# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The downloads of the pages can be opened, and have the API's numbers."""

import csv
import io
import re
from xml.etree import ElementTree

import pytest
from PIL import Image
from python_calamine import CalamineWorkbook

from .reading import ask, chart, panel

PATH = "/communities/harbour/stats"
COMMUNITY = "communities/harbour"

MENU = re.compile("^Download(:|$)")
"""The name of the menu. Figures and rankings of downloads have similar names."""


@pytest.fixture()
def page(walk):
    walker = walk()
    walker.open(f"{PATH}?range=30d")
    return walker.page


def take(page, where, item):
    """Choose an item of a menu; return the path of the downloaded file."""
    where.get_by_role("button", name=MENU).click()
    with page.expect_download() as download:
        where.locator(".stats-downloads-list").get_by_text(item, exact=True).click()
    assert download.value.failure() is None
    return download.value.path()


def of_csv(path):
    """Return the lines of a CSV file for the current period."""
    lines = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    return [line for line in lines if line["period"] == "current"]


def of_xlsx(path, sheet):
    """Return the lines of a sheet of a workbook for the current period."""
    head, *rows = CalamineWorkbook.from_path(path).get_sheet_by_name(sheet).to_python()
    lines = [dict(zip(head, row, strict=True)) for row in rows]
    return [line for line in lines if line["period"] == "current"]


def by_metric(lines):
    """Return metric -> values by interval."""
    found = {}
    for line in lines:
        found.setdefault(line["metric"], []).append(int(line["value"] or 0))
    return found


def wanted(site, **question):
    """Return metric -> values by interval, from the API."""
    answer = ask(site, COMMUNITY, **question)
    return {
        series["metric"]: [value or 0 for value in series["values"]]
        for series in answer["series"]
        if series["breakdown"] is None
    }


def test_key_figures(site, page):
    menu = page.locator(".stats-toolbar .stats-downloads")
    figures = "records,views,downloads,view_visitors,downloaded_volume,uploaders"
    expected = wanted(site, range="30d", metrics=figures)
    lines = of_csv(take(page, menu, "Key figures, this period (CSV)"))
    assert by_metric(lines) == expected
    book = take(page, menu, "Key figures, this period (Excel)")
    assert by_metric(of_xlsx(book, "Totals")) == expected


def test_all_data_since_the_beginning(site, page):
    menu = page.locator(".stats-toolbar .stats-downloads")
    lines = of_csv(take(page, menu, "All data since the beginning (CSV)"))
    wholes = by_metric(line for line in lines if not line["breakdown"])
    assert sum(wholes["views"]) == len(site.events["view"])
    assert sum(wholes["downloads"]) == len(site.events["download"])
    assert {"countries", "languages"} <= {line["breakdown"] for line in lines}
    book = take(page, menu, "All data since the beginning (Excel)")
    assert sum(by_metric(of_xlsx(book, "Totals"))["views"]) == len(site.events["view"])


def test_chart_as_a_table(site, page):
    expected = wanted(site, range="30d", metrics="views")["views"]
    lines = by_metric(of_csv(take(page, chart(page), "Table (CSV)")))
    assert lines["views"] == expected
    book = take(page, chart(page), "Table (Excel)")
    assert by_metric(of_xlsx(book, "Totals"))["views"] == expected


def test_chart_with_a_breakdown_as_a_table(site, walk):
    walker = walk()
    walker.open(f"{PATH}?range=30d&breakdown=languages&metric=downloads")
    answer = ask(
        site, COMMUNITY, range="30d", metrics="downloads", breakdown="languages"
    )
    expected = {
        series["label"]: series["total"]
        for series in answer["series"]
        if series["breakdown"] == "languages"
    }
    assert expected
    found = {}
    for line in of_csv(take(walker.page, chart(walker.page), "Table (CSV)")):
        if line["breakdown"] == "languages":
            found[line["label"]] = found.get(line["label"], 0) + int(line["value"])
    assert found == expected


def test_chart_as_an_image(page):
    svg = ElementTree.parse(take(page, chart(page), "Image (SVG)")).getroot()
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "Views" in texts
    assert any((text or "").startswith("The harbour <b>&</b>") for text in texts)
    with Image.open(take(page, chart(page), "Image (PNG)")) as picture:
        assert (picture.format, picture.size) == ("PNG", (2400, 1260))
        # something is painted on the white
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 10


def test_map_as_an_image_and_its_numbers(site, walk):
    walker = walk()
    walker.open(f"{PATH}?tab=usage")
    page = walker.page
    countries = panel(page, "Countries")
    countries.locator(".stats-world").wait_for()
    svg = ElementTree.parse(take(page, countries, "Image (SVG)")).getroot()
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}path"))) > 100
    with Image.open(take(page, countries, "Image (PNG)")) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 3
    answer = ask(site, COMMUNITY, range="12mo", metrics="views", breakdown="countries")
    expected = {
        series["label"]: series["total"]
        for series in answer["series"]
        if series["breakdown"] == "countries"
    }
    found = {}
    for line in of_csv(take(page, countries, "Table (CSV)")):
        if line["breakdown"] == "countries":
            found[line["label"]] = found.get(line["label"], 0) + int(line["value"])
    assert found == expected


def test_most_used_records(site, page):
    text = take(page, panel(page, "Most viewed records"), "Table (CSV)").read_text(
        encoding="utf-8-sig"
    )
    lines = list(csv.DictReader(io.StringIO(text)))
    answer = ask(site, f"{COMMUNITY}/records", range="30d", by="views")
    assert [int(line["Views"]) for line in lines] == [
        row["views"] for row in answer["records"]
    ]
    assert [line["Record"] for line in lines] == [
        row["title"] for row in answer["records"]
    ]
    assert all(line["URL"].startswith(f"{site.url}/records/") for line in lines)
