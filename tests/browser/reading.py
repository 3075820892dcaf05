# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read numbers from the API, and from the page that shows them."""

import json
from urllib.request import urlopen

API = "/api/stats-dashboard"


def ask(site, path, **parameters):
    """Return an answer of the API to an anonymous request."""
    query = "&".join(f"{key}={value}" for key, value in parameters.items())
    with urlopen(f"{site.url}{API}/{path}?{query}") as answer:
        return json.load(answer)


def figure(page, label):
    """Return the element of a key figure by its exact label."""
    figures = page.get_by_role("region", name="Key figures").get_by_role("listitem")
    return figures.filter(has=page.get_by_text(label, exact=True))


def shown_figure(page, label):
    """Return the number of a key figure."""
    value = figure(page, label).locator(".stats-figure-value").get_attribute("title")
    return int("".join(c for c in value if c.isdigit()))


def chart(page):
    """Return the panel of the time chart."""
    return page.locator(".stats-time")


def assert_figures(walker, path, **parameters):
    """Check that the key figures are the API's totals."""
    answer = ask(walker.site, path, metrics="records,views,downloads", **parameters)
    totals = answer["totals"]
    for key, label in (("views", "Views"), ("downloads", "Downloads")):
        assert shown_figure(walker.page, label) == totals[key]
    assert shown_figure(walker.page, "Records") == totals["records"]
    return totals


def panel(page, title):
    """Return the panel of a widget by its heading."""
    heading = page.get_by_role("heading", name=title, exact=True, level=2)
    return page.locator(".stats-panel").filter(has=heading)
