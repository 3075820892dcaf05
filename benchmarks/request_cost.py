#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure what the package costs a request: record page, download, inclusion.

Two processes serve one instance, one with the package enabled and one with it disabled,
both with their own real RabbitMQ. They take turns, in changing order:

    eval "$(scripts/services env)"
    python benchmarks/request_cost.py [--pairs N]

The time of a request ends with its response; what is sent after it is reported
separately. Compare the ratio and its spread, not the times, with the ratio of the
disabled process to itself, which is the noise. On a machine that is busy with other
things, the ratio of processor time, which is also printed, says more. Everything is
removed at the end.
"""

import argparse
import logging
import multiprocessing
import statistics
import sys
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.helpers import instance
from tests.helpers.services import RabbitMQ

WARM_UP, RECORDS = 5, 10
ACTIONS = ("record page", "file download", "accepted inclusion")


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=60, help="pairs of each action")
    arguments = parser.parse_args()
    with instance.place() as place, broker() as url:
        with_it = Server(place, url, enabled=True)
        with_it.ask("initialise")
        without = Server(place, url, enabled=False)
        try:
            for action in ACTIONS:
                compare(action, with_it, without, arguments.pairs)
        finally:
            with_it.end()
            without.end()


def compare(action, with_it, without, pairs):
    """Time pairs of one action, and print their ratios."""
    found = {with_it: [], without: []}
    records = [with_it.ask("record") for _ in range(RECORDS)]
    what = [records[n % RECORDS] for n in range(2 * (WARM_UP + pairs))]
    if action == "accepted inclusion":
        what = [with_it.ask("request", recid) for recid in what]
    for number in range(WARM_UP + pairs):
        for server in (with_it, without) if number % 2 else (without, with_it):
            found[server].append(server.ask(action, what.pop()))
    ours, stock = (taken[WARM_UP:] for taken in found.values())
    print(f"{action}, {pairs} pairs:")
    for kind in ("wall", "processor"):
        ratios = [a[kind] / b[kind] for a, b in zip(ours, stock, strict=True)]
        noise = [a[kind] / b[kind] for a, b in zip(stock[1:], stock, strict=False)]
        median = statistics.median(taken[kind] for taken in stock)
        print(
            f"  {kind} time: with to without {spread(ratios)}; without to itself "
            f"{spread(noise)}; {1000 * median:.1f} ms without"
        )
    after = statistics.median(taken["after"] for taken in ours)
    print(f"  after the response: {1000 * after:.1f} ms with", flush=True)


def spread(ratios):
    """Return the median of ratios, and the range of the middle half."""
    low, _, high = statistics.quantiles(ratios, n=4)
    return f"{statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})"


@contextmanager
def broker():
    """Start a RabbitMQ for this benchmark alone, and yield its URL."""
    found = RabbitMQ()
    try:
        found.start()
        yield found.url
    finally:
        found.remove()


class Server:
    """A process that serves the instance.

    Args:
        place: the resources of the instance.
        url: URL of the broker.
        enabled: whether the package is enabled.
    """

    def __init__(self, place, url, enabled):
        """Start the process."""
        self._pipe, other = multiprocessing.Pipe()
        arguments = (other, place, url, enabled)
        self._process = multiprocessing.Process(target=serve, args=arguments)
        self._process.start()

    def ask(self, *what):
        """Make the process do something, and return the result."""
        self._pipe.send(what)
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self):
        """End the process."""
        self._pipe.send(None)
        self._process.join(timeout=30)


def serve(pipe, place, url, enabled):
    """Do what is requested through a pipe until None is received."""
    from invenio_app.factory import create_ui

    logging.disable(logging.WARNING)  # no warnings about missing statistics
    app = instance.create(
        place,
        create_ui,
        BROKER_URL=url,
        CELERY_BROKER_URL=url,
        CELERY_TASK_ALWAYS_EAGER=False,
        COMMUNITY_STATS_ENABLED=enabled,
        WEBPACKEXT_MANIFEST_LOADER=NoAssets,
    )
    worker = Work(app, place)
    while (asked := pipe.recv()) is not None:
        name, *arguments = asked
        try:
            with app.app_context():
                answer = getattr(worker, name.replace(" ", "_"))(*arguments)
        except Exception as error:  # noqa: BLE001 - reported to the other process
            answer = RuntimeError(repr(error))
        pipe.send(answer)


class Work:
    """The actions of one of the processes.

    Args:
        app: its application.
        place: the resources of the instance.
    """

    def __init__(self, app, place):
        """Store the arguments, without logging in."""
        self._app, self._place = app, place
        self._browser = app.test_client()

    def initialise(self):
        """Create tables, indices, vocabularies and queues."""
        from invenio_queues.proxies import current_queues

        from tests.helpers.vocabularies import make_vocabularies

        instance.initialise(self._app, self._place)
        make_vocabularies()
        current_queues.declare()

    def record(self):
        """Publish a record with a file, and return its recid."""
        from tests.helpers import content

        return content.make_record(files={"a.txt": b"text" * 1000})

    def request(self, recid):
        """Request a record's inclusion in a new community; return the request."""
        from tests.helpers import content

        return content.request_inclusion(recid, content.make_community())

    def record_page(self, recid):
        """Time the page of a record."""
        return self._get(f"/records/{recid}")

    def file_download(self, recid):
        """Time the download of a file."""
        return self._get(f"/records/{recid}/files/a.txt?download=1")

    def accepted_inclusion(self, request):
        """Time the acceptance of a request, as its view does it."""
        from tests.helpers import content

        start = _clocks()
        with self._app.test_request_context():
            content.accept(request)
            response = self._app.process_response(self._app.response_class())
            return _closed(start, response)

    def _get(self, path):
        start = _clocks()
        response = self._browser.get(path, base_url="https://127.0.0.1:5000")
        assert response.status_code == 200, (path, response.status_code)
        assert response.data
        return _closed(start, response)


def _clocks():
    return time.perf_counter(), time.process_time()


def _closed(start, response):
    """Return the seconds until a response by two clocks, and until it was closed."""
    wall, processor = _clocks()
    response.close()
    after = time.perf_counter() - wall
    return {"wall": wall - start[0], "processor": processor - start[1], "after": after}


class NoAssets:
    """Stands in for the built assets, on which the server's work does not depend.

    Args:
        arguments: arguments of a loader of manifests.
    """

    def __init__(self, *arguments, **options):
        """Ignore the path of the assets."""

    def load(self, path):
        """Return a manifest with every name."""
        return self

    def __getitem__(self, name):
        """Return a tag for any name."""
        return f"<!-- {name} -->"

    def __getattr__(self, name):
        """Return a tag for any name."""
        return f"<!-- {name} -->"


if __name__ == "__main__":
    main()
