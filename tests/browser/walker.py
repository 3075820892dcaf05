# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A visitor with a browser window, who records its errors."""

from dataclasses import dataclass, field

from ..helpers.website import PASSWORD, Website

PATIENCE = 60_000
"""Milliseconds until a page times out, also on a busy machine."""


_NEXT_FRAME = """() => new Promise(
    done => requestAnimationFrame(() => requestAnimationFrame(done))
)"""


@dataclass
class Walker:
    """One visitor: a browser context of its own, with one page.

    Attributes:
        site: where the visitor walks.
        context: of the browser.
        page: what is seen.
        noted: errors of the console, of scripts, and answers of 500 and above.
        asked: addresses of the API that were asked, with their query.
    """

    site: Website
    context: object
    page: object
    noted: list = field(default_factory=list)
    asked: list = field(default_factory=list)

    @classmethod
    def enter(cls, browser, site, size, locale, **options):
        """Open a window.

        Args:
            browser: of Playwright.
            site: the :class:`~tests.helpers.website.Website`.
            size: width and height in pixels.
            locale: language of the browser, such as ``de-DE``.
            options: of a context of Playwright.
        """
        width, height = size
        context = browser.new_context(
            base_url=site.url,
            viewport={"width": width, "height": height},
            locale=locale,
            **options,
        )
        context.set_default_timeout(PATIENCE)
        walker = cls(site, context, context.new_page())
        walker._listen()
        return walker

    def leave(self):
        """Close the window."""
        self.context.close()

    def log_in(self, name):
        """Log in by the form."""
        self.page.goto("/login/")
        self.log_in_here(name)

    def log_in_here(self, name):
        """Log in by the form that is shown."""
        self.page.fill("input[name=email]", self.site.users[name])
        self.page.fill("input[name=password]", PASSWORD)
        self.page.click("form[name=login_user_form] button[type=submit]")
        self.page.wait_for_load_state("networkidle")

    def open(self, path):
        """Open a page of statistics and wait until it shows numbers.

        Returns:
            the answer of Playwright.
        """
        answer = self.page.goto(path)
        self.wait()
        return answer

    def wait(self):
        """Wait until the page shows numbers and no request is running."""
        # what was clicked has an effect in the next frame
        self.page.evaluate(_NEXT_FRAME)
        self.page.wait_for_selector(
            ".stats-dashboard[data-ready=true]:not(:has([aria-busy=true]))"
        )
        self.page.wait_for_load_state("networkidle")

    def _listen(self):
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.noted.append(str(error)))
        self.page.on("response", self._look)

    def _hear(self, message):
        # a picture that a community does not have is no error of ours
        if message.type == "error" and "/logo" not in message.location.get("url", ""):
            self.noted.append(message.text)

    def _look(self, answer):
        if "/api/stats-dashboard/" in answer.url:
            self.asked.append(answer.url)
        if answer.status >= 500:
            self.noted.append(f"{answer.status} {answer.url}")
