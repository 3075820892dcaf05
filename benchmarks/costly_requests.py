# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The most expensive requests that the REST API and the pages accept from a guest.

What is accepted depends on the limits of the site. So the parameters are found by HEAD
requests, which check a query and read nothing.
"""

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from .load import Client, Request
from .uwsgi_site import Content

API = "/api/stats-dashboard"
EVERYTHING = {"metrics": "all", "breakdown": "all"}
SEARCH = "application/vnd.inveniordm.v1+json"
"""The format that the search page of InvenioRDM requests."""

_ROWS = {"top": "all", "interval": "day", "basis": "created"}
_MAP = 300
"""Number of countries that the map of a page requests."""

_LARGEST_TOP = 1000


@dataclass(frozen=True)
class Kind:
    """A kind of request.

    Attributes:
        name: its name in the output.
        request: returns the request with a number. Requests whose answers are stored
            in the site's cache differ in their parameters.
    """

    name: str
    request: Callable[[int], Request]


class CostlyRequests:
    """Finds the requests.

    Args:
        client: sends requests to the site.
        site: its content.
    """

    def __init__(self, client: Client, site: Content) -> None:
        """Store the arguments."""
        self._client, self._site = client, site

    def kinds(self) -> list[Kind]:
        """Return all kinds."""
        complete = self._complete(EVERYTHING)
        return [
            *self._files("csv", complete),
            *self._files("xlsx", complete),
            _constant("xlsx, all time", _series("range", "all", EVERYTHING, "xlsx")),
            *self._json(),
            *self._stats_queries(),
            Kind("most used records", self._most_used),
            Kind("COUNTER, large month", lambda _: self._counter(-1, 0)),
            Kind("COUNTER, any month", self._any_counter),
            _constant("page of the instance", "/stats"),
            Kind("page of a community", lambda n: Request(f"{self._path(n)}/stats")),
        ]

    # -- files ------------------------------------------------------------------

    def _files(self, form: str, complete: str) -> Iterator[Kind]:
        """Yield the files with as many values as possible.

        One has all metrics, and one has running totals. Both begin as early as the
        estimate allows, and are refused when they have too many values. The third ends
        before that; ``complete`` is its path as a table.
        """
        running = {**EVERYTHING, "cumulative": "true"}
        yield _constant(f"{form}, all metrics", self._long(EVERYTHING, form))
        yield _constant(f"{form}, running totals", self._long(running, form))
        yield _constant(
            f"{form}, complete", complete.replace("format=csv", f"format={form}")
        )

    def _long(self, query: dict[str, str], form: str) -> str:
        """Return the path of a file that begins as early as possible."""
        period = self._site.period

        def path(days: int) -> str:
            return _series("from", f"{period.last - timedelta(days=days)}", query, form)

        return path(self._largest(path, (period.last - period.first).days))

    def _complete(self, query: dict[str, str]) -> str:
        """Return the path of a table that almost has the maximum number of values."""
        path = self._long(query, "csv")
        table = self._client.send(Request(path), whole=True)
        if not table.complete:
            last = table.text.rstrip(b"\n").rpartition(b"\n")[0].split(b",")[-2]
            path += f"&to={date.fromisoformat(last.decode()) - timedelta(days=1)}"
        return path

    # -- JSON -------------------------------------------------------------------

    def _json(self) -> Iterator[Kind]:
        by_month = {**EVERYTHING, "interval": "month"}
        yield _constant("json, all by month", self._wide(by_month))
        by_day = {"metrics": "views", "breakdown": "all", "interval": "day"}
        yield _constant("json, views by day", self._wide(by_day))
        one = {"filter": "referrers:site-1.example", "metrics": "all"}
        yield _constant("json, one referrer", _series("range", "all", one))

    def _wide(self, query: dict[str, str]) -> str:
        """Return the path of a query with as many values as possible."""

        def path(top: int) -> str:
            whole = {**query, "top": str(top), "other": "true", "basis": "created"}
            return f"{API}/global?range=all&{urlencode(whole)}"

        return path(self._largest(path, _LARGEST_TOP))

    def _largest(self, path: Callable[[int], str], most: int) -> int:
        """Return the largest number whose path is not refused."""

        def allowed(number: int) -> bool:
            return self._client.send(Request(path(number)), method="HEAD").status == 200

        return _largest(allowed, most)

    # -- others -----------------------------------------------------------------

    def _stats_queries(self) -> Iterator[Kind]:
        for name, stat, most in (
            ("POST, all families", "community-stats", 62),
            ("POST, usage snapshots", "community-usage-snapshot", 500),
        ):
            request = self._last_days(stat, most)
            yield Kind(name, lambda _, request=request: request)

    def _last_days(self, stat: str, most: int) -> Request:
        """Return the largest batch of documents up to the last day.

        It has as many days as the limits on documents and on their values allow.
        """
        last = self._site.period.last

        def request(days: int) -> Request:
            params = {
                "community_id": "global",
                "start_date": f"{last - timedelta(days=days - 1)}",
                "end_date": f"{last}",
            }
            return Request("/api/stats", {"all": {"stat": stat, "params": params}})

        def allowed(days: int) -> bool:
            return self._client.send(request(days), whole=True).status == 200

        return request(_largest(allowed, most))

    def _most_used(self, number: int) -> Request:
        """Return a list over almost all time, which the cache does not have yet."""
        period = self._site.period
        first = period.first + timedelta(days=number % 300)
        parameters = {
            "from": f"{first}",
            "to": f"{period.last - timedelta(days=number // 300)}",
            "of": "records",
            "size": "100",
        }
        return Request(f"{API}/global/records?{urlencode(parameters)}")

    def _any_counter(self, number: int) -> Request:
        """Return a report that the cache does not have yet, until all were counted."""
        months = self._site.period.months
        return self._counter(number % len(months), number // len(months))

    def _counter(self, month: int, subject: int) -> Request:
        """Return the report of a month; subject 0 is the instance."""
        slugs = self._site.slugs
        path = f"/communities/{slugs[(subject - 1) % len(slugs)]}" if subject else ""
        month_ = f"{self._site.period.months[month]:%Y-%m}"
        return Request(f"{API}{path or '/global'}/counter?month={month_}")

    def _path(self, number: int) -> str:
        return f"/communities/{self._site.slugs[number % len(self._site.slugs)]}"


def record_page(site: Content) -> Callable[[int], Request]:
    """Return the stock page of each record."""
    return lambda n: Request(f"/records/{site.recids[n * 7 % len(site.recids)]}")


def stock_search(site: Content) -> Callable[[int], Request]:
    """Return searches as the stock search page sends them."""

    def search(number: int) -> Request:
        query = {"q": f"harbour {number % len(site.recids)}", "l": "list"}
        query |= {"p": "1", "s": "10", "sort": "bestmatch"}
        return Request(f"/api/records?{urlencode(query)}", accept=SEARCH)

    return search


def dashboard(client: Client, path: str) -> list[Request]:
    """Return the requests of a visitor who opens all tabs of a page.

    The page names its widgets. What each requests is the same as in
    ``api/questions.js`` of the pages.
    """
    text = client.send(Request(path), whole=True).text.decode()
    found = dict(re.findall(r'data-(\w+)="([^"]*)"', text))
    found |= dict(re.findall(r"data-(\w+)='([^']*)'", text))
    layout, defaults = (json.loads(found[key]) for key in ("layout", "defaults"))
    common = {"range": defaults["range"], "compare": "previous"}
    common["lang"] = found["locale"]
    widgets = [w for tab in layout["tabs"] for row in tab["rows"] for w in row]
    questions = {
        f"{html.unescape(found['endpoint'])}{address}": None
        for widget in widgets
        for address in _addresses(widget, common)
    }
    accepted = (Request(address, accept="application/json") for address in questions)
    return [Request(path, accept="text/html"), *accepted]


def _addresses(widget: dict[str, Any], common: dict[str, str]) -> Iterator[str]:
    """Yield what a widget requests: a path and parameters below the endpoint."""
    kind, metrics = widget["kind"], widget.get("metrics", [])
    whole = {k: v for k, v in common.items() if k != "compare"}
    if kind == "figures":
        yield f"?{urlencode({'metrics': ','.join(metrics), **common})}"
    elif kind == "chart" and widget.get("breakdown"):
        # without a breakdown, a chart shows the numbers of the figures
        cells = {"breakdown": widget["breakdown"], "top": 7, "other": "true"}
        yield f"?{urlencode({'metrics': metrics[0], **whole, **cells})}"
    elif kind in ("breakdown", "map"):
        top = {"breakdown": 10, "map": _MAP}[kind]
        cells = {"breakdown": widget.get("breakdown", "countries"), "top": top}
        cells |= {"other": "true", **common, "interval": "year"}
        yield f"?{urlencode({'metrics': metrics[0], **cells})}"
    elif kind == "records":
        query = {"by": widget["by"], "of": "parents", "size": 10, **whole}
        yield f"/records?{urlencode(query)}"


def _series(name: str, value: str, query: dict[str, str], form: str = "json") -> str:
    """Return the path of a query for series of the instance."""
    rows = _ROWS if form != "json" else {"interval": "day"}
    return f"{API}/global?{urlencode({name: value, **query, **rows, 'format': form})}"


def _largest(allowed: Callable[[int], bool], most: int) -> int:
    """Return the largest allowed number up to ``most``; 1 is allowed."""
    least = 1
    while least < most:
        middle = (least + most + 1) // 2
        if allowed(middle):
            least = middle
        else:
            most = middle - 1
    return least


def _constant(name: str, path: str) -> Kind:
    return Kind(name, lambda _: Request(path))
