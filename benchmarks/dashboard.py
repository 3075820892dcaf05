#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure the cost of the pages in a browser: additional bytes, and time to a chart.

The benchmark uses a running instance, such as the one that the demonstration starts:

    ./run-demo.sh --serve
    python benchmarks/dashboard.py [--url http://127.0.0.1:5000] [--community SLUG]

The bytes are those of all scripts and styles that the page loads, on every tab, and
that a page of InvenioRDM without an application does not load, each compressed by gzip.
The time is measured from the start of the navigation to the first line or bar of the
chart, each time in a new browser with an empty cache, after the server is warmed up.
"""

import argparse
import gzip
import os
import shutil
import statistics
import sys
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

STOCK = {"/stats": "/help/search", "/communities/{}/stats": "/communities/{}/about"}
"""Page -> a page with the same menus, header, styles and scripts, and nothing else."""

BUDGET, PATIENCE = 250_000, 1.5
"""Bytes, and seconds to the first chart."""

CHART = ".stats-chart-box svg path"

WATCH = f"""
const seen = new MutationObserver(() => {{
  if (window.firstChart === undefined && document.querySelector("{CHART}")) {{
    window.firstChart = performance.now();
    seen.disconnect();
  }}
}});
seen.observe(document, {{ childList: true, subtree: true }});
"""


def main():
    """Run the benchmark; return 1 if the budget is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:5000")
    parser.add_argument("--community", default="climate", help="slug of a community")
    parser.add_argument("--runs", type=int, default=9, help="number of runs per page")
    arguments = parser.parse_args()
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        pages = {
            page.format(arguments.community): stock.format(arguments.community)
            for page, stock in STOCK.items()
        }
        largest = max(
            tell_bytes(browser, arguments.url, *item) for item in pages.items()
        )
        slowest = max(
            tell_times(browser, arguments.url, page, arguments.runs) for page in pages
        )
        browser.close()
    return int(largest > BUDGET or slowest > PATIENCE)


def tell_bytes(browser, url, path, other):
    """Print the files of a page that another page does not load; return their bytes."""
    stock = loaded(browser, url + other)
    beyond = {
        name: len(gzip.compress(body, 9))
        for name, body in loaded(browser, url + path).items()
        if name not in stock
    }
    print(f"{path}: {sum(beyond.values()):,} bytes beyond {other}, compressed")
    for name, size in sorted(beyond.items(), key=lambda item: -item[1]):
        print(f"  {size:>9,}  {name}")
    return sum(beyond.values())


def loaded(browser, address):
    """Return name -> content of the scripts and styles of a page and its tabs."""
    answers = []
    page = browser.new_page()
    page.on("response", lambda answer: answers.append(answer))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    for tab in page.get_by_role("tab").all():
        tab.click()
        page.wait_for_load_state("networkidle")
    found = {
        PurePosixPath(urlsplit(answer.url).path).name: answer.body()
        for answer in answers
        if answer.ok and answer.request.resource_type in ("script", "stylesheet")
    }
    page.close()
    return found


def tell_times(browser, url, path, runs):
    """Print the time until a chart appears; return the median, in seconds."""
    taken = []
    for number in range(runs + 1):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(url + path)
        page.wait_for_selector(CHART, state="attached", timeout=60_000)
        if number:  # the first run warms up the server
            taken.append(page.evaluate("window.firstChart") / 1000)
        context.close()
    median = statistics.median(taken)
    print(
        f"{path}: first chart after {median:.2f} s (median of {runs}; "
        f"{min(taken):.2f} to {max(taken):.2f} s), cold browser cache"
    )
    return median


if __name__ == "__main__":
    sys.exit(main())
