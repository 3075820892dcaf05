# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures of the tests in a real browser.

The browser is a Chromium that the machine has, or the one that ``CHROMIUM`` names.
Without one these tests are skipped, except in continuous integration, where they fail.
"""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from .walker import Browsers, Walker

PROGRAMS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
)

MISSING = (
    "There is no Chromium for the tests in a browser: install one (on Debian: "
    "apt-get install chromium-headless-shell), or set CHROMIUM to where it is."
)

WIDE, NARROW = (1440, 900), (360, 740)


@pytest.fixture(scope="session")
def chromium():
    """Return a running browser."""
    program = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, PROGRAMS)), None
    )
    if program is None:
        if os.environ.get("CI", "false").lower() in ("", "0", "false"):
            pytest.skip(MISSING)
        pytest.fail(MISSING, pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(website):
    """Return the site whose pages are tested."""
    return website


@pytest.fixture(scope="session")
def browsers(chromium, site):
    """Return the browser contexts of all visitors."""
    browsers = Browsers(chromium, site)
    yield browsers
    browsers.close()


@pytest.fixture()
def walk(browsers):
    """Return a function that opens a window of a new visitor.

    Errors in a window fail the test that opened it.
    """
    walkers = []

    def open_window(size=WIDE, locale="en-GB", **options):
        walkers.append(Walker.enter(browsers, size, locale, **options))
        return walkers[-1]

    yield open_window
    for walker in walkers:
        walker.leave()
    assert [note for walker in walkers for note in walker.noted] == []
