# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Take the pictures of docs/dashboards.md from a running instance.

./run-demo.sh --serve
python -m scripts.screenshots [--url http://127.0.0.1:5000]
"""

import argparse
import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"

PICTURES = {
    "overview": ("/stats?range=12mo&metric=records", 1280),
    "usage": ("/communities/climate/stats?tab=usage&range=12mo", 1280),
    "narrow": ("/communities/climate/stats?tab=content&range=12mo", 360),
}
"""Name -> (address, width of the window)."""

TALLEST = 1300
"""Height of a picture in pixels; the page below it is cut off."""


def main():
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:5000")
    url = parser.parse_args().url
    FOLDER.mkdir(exist_ok=True)
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (address, width) in PICTURES.items():
            take(browser, url + address, width, FOLDER / f"{name}.png")
        browser.close()


def take(browser, address, width, file):
    """Save a picture of a page from its heading on."""
    page = browser.new_page(viewport={"width": width, "height": TALLEST})
    page.emulate_media(reduced_motion="reduce")
    page.goto(address)
    page.wait_for_selector(".stats-dashboard[data-ready=true]")
    page.wait_for_load_state("networkidle")
    box = page.locator(".stats-dashboard-header").bounding_box()
    end = page.locator(".stats-dashboard").bounding_box()
    page.screenshot(
        path=file,
        full_page=True,
        clip={
            "x": 0,
            "y": box["y"] - 16,
            "width": width,
            "height": min(end["y"] + end["height"] - box["y"] + 32, TALLEST),
        },
    )
    page.close()
    print(file)


if __name__ == "__main__":
    main()
