# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Control browser windows, and record their errors.

Most of a page's cost is InvenioRDM's JavaScript, which a browser compiles once if it
may cache it. Therefore one browser context serves all visitors of a language, one after
the other. Cookies and all that scripts can store are deleted after each visitor. What
stays is the HTTP cache: the static files, and responses of the API that the browser
validates each time, because the site sends ``max-age=0``.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..helpers.website import PASSWORD, Website

PATIENCE = 60_000
"""Milliseconds until a page times out, also on a busy machine."""


_NEXT_FRAME = """() => new Promise(
    done => requestAnimationFrame(() => requestAnimationFrame(done))
)"""

_READY = ".stats-dashboard[data-ready=true]:not(:has([aria-busy=true]))"

_STORED_BY_SCRIPTS = (
    "file_systems,indexeddb,local_storage,websql,service_workers,cache_storage"
)


class Browsers:
    """Browser contexts for visitors.

    Args:
        chromium: a browser of Playwright.
        site: the :class:`~tests.helpers.website.Website`.
    """

    def __init__(self, chromium, site):
        """Start without contexts."""
        self.site, self._chromium = site, chromium
        self._shared, self._used = {}, []

    def enter(self, locale, own=False):
        """Return a context without cookies.

        Args:
            locale: language of the browser, such as ``de-DE``.
            own: whether to begin with an empty HTTP cache, too.
        """
        context = None if own else self._shared.get(locale)
        if context is None or context in self._used:
            context = self._chromium.new_context(base_url=self.site.url, locale=locale)
            context.set_default_timeout(PATIENCE)
            if not own:
                self._shared.setdefault(locale, context)
        self._used.append(context)
        return context

    def leave(self, context, page):
        """Delete what a visitor has left in a context, and close the page."""
        self._used.remove(context)
        if context not in self._shared.values():
            context.close()
            return
        context.new_cdp_session(page).send(
            "Storage.clearDataForOrigin",
            {"origin": self.site.url, "storageTypes": _STORED_BY_SCRIPTS},
        )
        page.close()
        context.clear_cookies()

    def close(self):
        """Close all contexts."""
        for context in self._shared.values():
            context.close()


@dataclass
class Walker:
    """One visitor with one page.

    Attributes:
        browsers: where contexts come from.
        context: the browser's context.
        page: what is seen.
        noted: errors of the console, of scripts, and answers of 500 and above.
        requested: addresses of the API that were requested, with their query.
        running: requests of the page without a complete response.
    """

    browsers: Browsers
    context: object
    page: object
    noted: list = field(default_factory=list)
    requested: list = field(default_factory=list)
    running: set = field(default_factory=set)

    @classmethod
    def enter(cls, browsers, size, locale, reduced_motion=None, own=False):
        """Open a window.

        Args:
            browsers: the :class:`Browsers`.
            size: width and height in pixels.
            locale: language of the browser, such as ``de-DE``.
            reduced_motion: ``reduce`` if the visitor wants no animations.
            own: whether the browser has an empty HTTP cache.
        """
        context = browsers.enter(locale, own)
        page = context.new_page()
        walker = cls(browsers, context, page)
        width, height = size
        page.set_viewport_size({"width": width, "height": height})
        if reduced_motion:
            page.emulate_media(reduced_motion=reduced_motion)
        walker._listen()
        return walker

    @property
    def site(self) -> Website:
        """Return the site where the visitor walks."""
        return self.browsers.site

    def leave(self):
        """Close the window."""
        self.browsers.leave(self.context, self.page)

    def log_in(self, name):
        """Log in by the form."""
        self.page.goto("/login/")
        self.log_in_here(name)

    def log_in_here(self, name):
        """Log in by the form that is shown."""
        self.page.fill("input[name=email]", self.site.users[name])
        self.page.fill("input[name=password]", PASSWORD)
        with self.page.expect_event("load"):
            self.page.click("form[name=login_user_form] button[type=submit]")
        self.wait_for_requests()

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
        end = time.monotonic() + PATIENCE / 1000
        while True:
            # what was clicked, or received, has an effect in the next frame
            self.page.evaluate(_NEXT_FRAME)
            self.page.wait_for_selector(_READY)
            if not self.running:
                return
            self._pause(end)

    def wait_for_requests(self):
        """Wait until no request is running."""
        end = time.monotonic() + PATIENCE / 1000
        self.page.evaluate(_NEXT_FRAME)
        while self.running:
            self._pause(end)
            self.page.evaluate(_NEXT_FRAME)

    def intercept(self, pattern, react):
        """Let a function decide about requests; see :class:`Interception`."""
        return Interception(self, pattern, react)

    def _pause(self, end):
        assert time.monotonic() < end, [request.url for request in self.running]
        self.page.wait_for_timeout(5)

    def _listen(self):
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.noted.append(str(error)))
        self.page.on("response", self._look)
        self.page.on("request", self._begin)
        self.page.on("requestfinished", self._end)
        self.page.on("requestfailed", self._end)

    def _begin(self, request):
        if request.is_navigation_request() and request.frame == self.page.main_frame:
            self.running.clear()
        self.running.add(request)

    def _end(self, request):
        self.running.discard(request)

    def _hear(self, message):
        # a picture that a community does not have is no error of ours
        if message.type == "error" and "/logo" not in message.location.get("url", ""):
            self.noted.append(message.text)

    def _look(self, answer):
        if "/api/stats-dashboard/" in answer.url:
            self.requested.append(answer.url)
        if answer.status >= 500:
            self.noted.append(f"{answer.status} {answer.url}")


class Interception:
    """Requests of a page that a function answers, aborts or holds.

    Playwright can do this by routes, which make the browser use no cache, so that it
    compiles all of InvenioRDM's JavaScript again.

    Args:
        walker: the :class:`Walker` with the page.
        pattern: a pattern of addresses; ``*`` stands for any characters.
        react: called with this object and the id of each request.

    Attributes:
        held: ids of the requests that wait for :meth:`stop`.
        urls: addresses of all intercepted requests.
    """

    def __init__(self, walker: Walker, pattern: str, react: Callable) -> None:
        """Start to intercept requests."""
        self.held, self.urls, self._react = [], [], react
        self._session = walker.context.new_cdp_session(walker.page)
        self._session.on("Fetch.requestPaused", self._paused)
        self._session.send("Fetch.enable", {"patterns": [{"urlPattern": pattern}]})

    def _paused(self, event):
        self.urls.append(event["request"]["url"])
        self._react(self, event["requestId"])

    def answer(self, request, status, body):
        """Answer a request with a status and a JSON object."""
        content = base64.b64encode(json.dumps(body).encode()).decode()
        kind = {"name": "Content-Type", "value": "application/json"}
        self._session.send(
            "Fetch.fulfillRequest",
            {
                "requestId": request,
                "responseCode": status,
                "responseHeaders": [kind],
                "body": content,
            },
        )

    def abort(self, request):
        """Let a request fail as without a connection."""
        self._session.send(
            "Fetch.failRequest",
            {"requestId": request, "errorReason": "InternetDisconnected"},
        )

    def hold(self, request):
        """Let a request wait."""
        self.held.append(request)

    def stop(self):
        """Intercept no more requests; the site answers those that wait."""
        self._session.send("Fetch.disable")
        self._session.detach()


def answer_with(status, **body):
    """Return a reaction that answers requests with a status and a JSON object."""
    return lambda interception, request: interception.answer(request, status, body)
