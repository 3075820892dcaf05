#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure what an anonymous caller can cost a site, and how many readers it serves.

The benchmark creates a site with years of usage and serves it under uWSGI, with the
options of the cookiecutter of InvenioRDM. uWSGI is no dependency of the package; build
it for the same version of Python, in an environment of its own:

    python -m venv .uwsgi && .uwsgi/bin/pip install uwsgi
    eval "$(scripts/services env)"
    python -m benchmarks.abuse --uwsgi .uwsgi/bin/uwsgi [--json FILE]

It has three parts, of which ``--parts`` selects some:

``alone``
    The most expensive requests that the limits allow, one at a time: seconds, processor
    time of the workers, bytes of the response, growth of the largest worker, and bytes of
    temporary files. Then the client leaves after a third of that time: for how
    many seconds do the workers still work, and what do they leave? At last a worker that
    writes a workbook is killed.
``beside``
    The stock record page beside four expensive requests at once, compared with
    the same page beside four stock searches. Both are measured in turns. The ratio of
    the 95th percentiles is the result. The limits are effective if it is at most 2.
``readers``
    Fifty visitors at once who open all tabs of a dashboard, and fifty who open stock
    record pages, in turns: requests per second, percentiles and errors.

Read the ratios, not the seconds: the clients, the services and the workers share the
machine. The limit on the rate of requests is disabled, to measure the worst case.
Everything is removed at the end.
"""

import argparse
import itertools
import json
import logging
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.helpers import instance

from .costly_requests import (
    CostlyRequests,
    Kind,
    dashboard,
    record_page,
    stock_search,
)
from .load import Client, Load, Request, Sampler, Timings, endless, timed
from .request_cost import broker
from .uwsgi_site import Content, Server, Sizes, free_port, make_site

PARTS = ("alone", "beside", "readers")
SEARCHES, PAGE = "stock searches", "stock record page"
DEAREST = "the dearest"
"""Name of the load of the most expensive kinds together."""

AT_ONCE = 4
LEFT_AFTER = 1 / 3
"""Share of the time of a request after which its client leaves."""

_SHORT = 0.2
"""Seconds below which no client leaves, because the work ends anyway."""


@dataclass
class Cost:
    """The cost of a request.

    Attributes:
        name: its kind.
        status: HTTP status.
        complete: whether the response did not end early.
        seconds: until the last byte.
        processor: processor time of the workers, in seconds.
        size: bytes of the response.
        memory: growth of the largest worker at its peak, in MB.
        temporary: bytes of temporary files at the most.
        after: seconds of work after the client has left; None if it did not leave.
        remaining: bytes of temporary files when this work has ended.
    """

    name: str
    status: int
    complete: bool
    seconds: float
    processor: float
    size: int
    memory: float
    temporary: int
    after: float | None = None
    remaining: int = 0


class Benchmark:
    """The measurements of a running site.

    Args:
        server: the server.
        site: the content of the site.
        options: of the command line.
    """

    def __init__(
        self, server: Server, site: Content, options: argparse.Namespace
    ) -> None:
        """Find the requests to measure."""
        self._server, self._site, self._options = server, site, options
        self._client = Client(server.address)
        self._warm_up()
        kinds = CostlyRequests(self._client, site).kinds()
        self._kinds = {kind.name: kind for kind in kinds}
        self._numbers = itertools.count(1)
        self.figures: dict[str, Any] = {}

    def run(self, costs: list[Cost]) -> None:
        """Execute the selected parts.

        Args:
            costs: those that an earlier run has measured. They are not measured again;
                if there are none, they are added.
        """
        if "alone" in self._options.parts and not costs:
            print(_COLUMNS)
            costs += map(self._alone, self._kinds.values())
            self.figures["alone"] = [asdict(cost) for cost in costs]
            self.figures["killed"] = self._killed()
        if "beside" in self._options.parts:
            self.figures["beside"] = self._beside(self._loads(costs))
        if "readers" in self._options.parts:
            self.figures["readers"] = self._readers()

    def _warm_up(self) -> None:
        """Let each thread of each worker serve pages and searches."""
        for request in (record_page(self._site), stock_search(self._site)):
            load = Load(
                self._client.address, [endless("", request, n, 8) for n in range(8)]
            )
            with load.running():
                time.sleep(10)

    # -- alone ------------------------------------------------------------------

    def _alone(self, kind: Kind) -> Cost:
        """Measure and print the cost of a request."""
        server, request = self._server, kind.request(0)
        server.wait_until_idle()
        before, worked = server.reset_peaks(), server.processor_seconds()
        with Sampler(server.temporary_bytes, 0.2).running() as sampler:
            response = self._client.send(request, whole=True)
        cost = Cost(
            kind.name,
            response.status,
            response.complete,
            response.seconds,
            server.processor_seconds() - worked,
            response.size,
            server.peak() - before,
            int(sampler.most),
        )
        if cost.seconds > _SHORT:
            number = next(self._numbers)
            self._client.leave(kind.request(number), cost.seconds * LEFT_AFTER)
            cost.after = server.wait_until_idle()
        cost.remaining = server.temporary_bytes()
        _print_cost(cost)
        return cost

    def _killed(self) -> dict[str, int]:
        """Kill a worker that writes a workbook; return the bytes that it leaves."""
        server, kind = self._server, self._kinds["xlsx, complete"]
        load = Load(self._client.address, [iter([(kind.name, kind.request(0))])])
        with load.running():
            end = time.monotonic() + 60
            while not server.temporary_bytes() and time.monotonic() < end:
                time.sleep(0.05)
            server.kill_busy()
        left = server.temporary_bytes()
        server.wait_until_idle()
        self._client.send(Request("/api/stats-dashboard/global?format=xlsx"))
        found = {"left": left, "after_next": server.temporary_bytes()}
        print(
            f"a worker was killed: {left:,} bytes of temporary files are left, "
            f"{found['after_next']:,} after the next request for a workbook",
            flush=True,
        )
        return found

    # -- beside -----------------------------------------------------------------

    def _loads(self, costs: Sequence[Cost]) -> dict[str, list[Kind]]:
        """Return the loads to compare: name -> the kind of each client."""
        found: dict[str, list[Kind]] = {}
        if costs:
            dearest = sorted(costs, key=lambda cost: -cost.processor)[:AT_ONCE]
            found[DEAREST] = [self._kinds[cost.name] for cost in dearest]
        for name in self._kinds if self._options.kinds is None else self._options.kinds:
            found[name] = [self._kinds[name]] * AT_ONCE
        return found

    def _beside(self, loads: dict[str, list[Kind]]) -> dict[str, Any]:
        """Time the record page beside each load and beside stock searches, in turns."""
        searches = [Kind(SEARCHES, stock_search(self._site))] * AT_ONCE
        pages = {name: Timings() for name in loads}
        stock = {name: Timings() for name in loads}
        others: dict[str, Timings] = {}
        idle = timed(self._client, self._pages(), self._options.seconds)
        for number in range(self._options.rounds):
            for name, kinds in loads.items():
                turns = [(stock, searches), (pages, kinds)]
                for into, its in turns[:: -1 if number % 2 else 1]:
                    into[name] += self._page_beside(its, others)
        figures = {
            "idle": _percentiles(idle),
            "loads": {
                name: {
                    "kinds": [kind.name for kind in loads[name]],
                    "ratio": pages[name].percentile(95) / stock[name].percentile(95),
                    "page": _percentiles(pages[name]),
                    "beside_searches": _percentiles(stock[name]),
                }
                for name in loads
            },
            "responses": {
                name: {**_percentiles(its), "statuses": dict(its.statuses)}
                for name, its in others.items()
            },
        }
        _print_beside(figures)
        return figures

    def _page_beside(
        self, kinds: Sequence[Kind], others: dict[str, Timings]
    ) -> Timings:
        """Return the timings of the record page beside one client of each kind."""
        requests = [
            endless(kind.name, kind.request, next(self._numbers) * 97 + n, AT_ONCE)
            for n, kind in enumerate(kinds)
        ]
        load = Load(self._client.address, requests)
        with load.running():
            time.sleep(1)
            found = timed(self._client, self._pages(), self._options.seconds)
        for name, its in load.kinds.items():
            others[name] = others.get(name, Timings()) + its
        self._server.wait_until_idle()
        return found

    def _pages(self) -> Iterator[Request]:
        return map(record_page(self._site), itertools.count(next(self._numbers)))

    # -- readers ----------------------------------------------------------------

    def _readers(self) -> dict[str, Any]:
        """Serve many visitors at once, of dashboards and of stock pages in turns."""
        paths = ["/stats", *(f"/communities/{s}/stats" for s in self._site.slugs)]
        visits = [dashboard(self._client, path) for path in paths]
        page = record_page(self._site)
        visitors: dict[str, Callable[[int], Iterator[tuple[str, Request]]]] = {
            PAGE: lambda n: endless(PAGE, page, n * 11),
            "dashboard": lambda n: _visitor(visits, n),
        }
        found: dict[str, Timings] = {}
        seconds = dict.fromkeys(visitors, 0.0)
        for _ in range(self._options.rounds):
            for name, requests in visitors.items():
                clients = [requests(n) for n in range(self._options.visitors)]
                load, start = Load(self._client.address, clients), time.monotonic()
                with load.running():
                    time.sleep(self._options.seconds)
                seconds[name] += time.monotonic() - start
                for kind, its in load.kinds.items():
                    found[kind] = found.get(kind, Timings()) + its
        figures = {
            "visitors": self._options.visitors,
            "requests_per_visit": len(visits[0]),
            "seconds": seconds,
            "kinds": {
                kind: {**_percentiles(its), "statuses": dict(its.statuses)}
                for kind, its in found.items()
            },
        }
        _print_readers(figures)
        return figures


def _visitor(
    visits: Sequence[Sequence[Request]], number: int
) -> Iterator[tuple[str, Request]]:
    """Yield the requests of a visitor who opens one dashboard after the other."""
    rng = random.Random(number)
    while True:
        page, *requests = rng.choice(visits)
        yield "page of a dashboard", page
        for request in requests:
            yield "numbers of a dashboard", request


# -- output -------------------------------------------------------------------

_COLUMNS = (
    "request                  status  seconds  processor        bytes  memory MB"
    "   temporary  after leaving  remaining"
)


def _print_cost(cost: Cost) -> None:
    status = f"{cost.status}{'' if cost.complete else '*'}"
    after = "-" if cost.after is None else f"{cost.after:.1f} s"
    print(
        f"{cost.name:24} {status:>6} {cost.seconds:8.2f} {cost.processor:10.2f} "
        f"{cost.size:12,} {cost.memory:10.0f} {cost.temporary:11,} {after:>14} "
        f"{cost.remaining:10,}",
        flush=True,
    )


def _percentiles(timings: Timings) -> dict[str, float]:
    found = {f"p{n}": round(timings.percentile(n), 4) for n in (50, 95, 99)}
    return {"responses": len(timings.seconds), **found}


def _print_beside(figures: dict[str, Any]) -> None:
    print(f"{PAGE}, beside nothing: {_told(figures['idle'])}")
    for name, found in figures["loads"].items():
        print(
            f"{PAGE} beside {AT_ONCE} of {name}: {_told(found['page'])}; beside "
            f"{AT_ONCE} {SEARCHES}: {_told(found['beside_searches'])}; ratio of the "
            f"P95 {found['ratio']:.2f}"
        )
    for name, found in figures["responses"].items():
        print(f"  {name}: {_told(found)}, {_statuses(found['statuses'])}")
    sys.stdout.flush()


def _print_readers(figures: dict[str, Any]) -> None:
    print(
        f"{figures['visitors']} visitors at once; a visit of a dashboard has "
        f"{figures['requests_per_visit']} requests"
    )
    stock = figures["kinds"][PAGE]
    for kind, found in figures["kinds"].items():
        seconds = figures["seconds"][PAGE if kind == PAGE else "dashboard"]
        print(
            f"  {kind}: {found['responses'] / seconds:.1f} per second, {_told(found)}, "
            f"P95 {found['p95'] / stock['p95']:.2f} times that of the {PAGE}, "
            f"{_statuses(found['statuses'])}"
        )
    sys.stdout.flush()


def _told(found: dict[str, Any]) -> str:
    times = ", ".join(f"P{n} {1000 * found[f'p{n}']:.0f} ms" for n in (50, 95, 99))
    return f"{times} of {found['responses']}"


def _statuses(found: dict[int, int]) -> str:
    return "status " + ", ".join(f"{s}: {n}" for s, n in sorted(found.items()))


# -- command line -------------------------------------------------------------


def main() -> None:
    """Run the benchmark."""
    options = _options()
    logging.disable(logging.WARNING)  # no warnings about missing stock statistics
    # also a terminated benchmark removes everything
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sizes = Sizes(
        options.records,
        options.communities,
        options.years,
        options.events,
        options.large_month,
    )
    with instance.place() as where, broker() as url:
        settings = {"url": f"http://127.0.0.1:{free_port()}", "broker": url}
        start = time.monotonic()
        site = make_site(where, settings, sizes)
        print(f"{sizes}, created in {time.monotonic() - start:.0f} s", flush=True)
        server = Server(
            options.uwsgi, where, settings, options.processes, options.threads
        )
        found: list[dict[str, Any]] = []
        costs: list[Cost] = []
        for number in range(options.runs):
            print(f"\nrun {number + 1} of {options.runs}", flush=True)
            with server.run():
                benchmark = Benchmark(server, site, options)
                benchmark.run(costs)
                found.append(benchmark.figures)
    if options.json:
        figures = {"sizes": asdict(sizes), "runs": found}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uwsgi", default=shutil.which("uwsgi"), help="program")
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--communities", type=int, default=8)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--events", type=int, default=2000, help="number per month")
    parser.add_argument(
        "--large-month", type=int, default=150_000, help="events of the last month"
    )
    parser.add_argument("--processes", type=int, default=2, help="of uWSGI")
    parser.add_argument("--threads", type=int, default=4, help="of each process")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--kinds",
        nargs="*",
        help="to measure beside pages, apart from the dearest; default: all",
    )
    parser.add_argument("--rounds", type=int, default=3, help="number of turns")
    parser.add_argument("--seconds", type=float, default=15, help="of each turn")
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument(
        "--runs", type=int, default=1, help="of the comparisons, each with a new server"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    if not options.uwsgi:
        parser.error(
            "uWSGI is not installed. Build it in an environment of its own, and name "
            "the program with --uwsgi."
        )
    return options


if __name__ == "__main__":
    main()
