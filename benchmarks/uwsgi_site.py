# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create a site with years of numbers, and serve it under uWSGI.

The options of uWSGI are those of the cookiecutter of InvenioRDM, with two differences:
requests arrive by HTTP, because no nginx is in front, and one server has the pages and
the REST API, where the cookiecutter starts one server for each. So work for the API
competes with the pages for the same threads.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import text

from scripts.demo.backdate import STATEMENTS
from tests.helpers import content, instance, website
from tests.helpers.vocabularies import make_vocabularies

from .aggregation import Instance, Made
from .request_cost import NoAssets

REPOSITORY = Path(__file__).resolve().parents[1]

OPTIONS = """\
[uwsgi]
http-socket = {address}
stats = {stats}
module = benchmarks.uwsgi_site:served()
pythonpath = {repository}
virtualenv = {environment}
master = true
die-on-term = true
processes = {processes}
threads = {threads}
single-interpreter = true
buffer-size = 8192
wsgi-disable-file-wrapper = true
reload-on-rss = 666
"""
"""``uwsgi.ini``; from ``master`` on as in the cookiecutter, apart from the numbers."""

STARTED_WITHIN = 180
"""Seconds after which a server that does not answer has failed."""

_SITE = "BENCHMARK_SITE"
"""Environment variable with the resources of the site, for the server."""


@dataclass(frozen=True)
class Sizes:
    """The size of a site.

    Attributes:
        records: number of records.
        communities: number of communities.
        years: number of years with usage.
        events: number of usage events of a month.
        large_month: number of usage events of the last month.
    """

    records: int
    communities: int
    years: int
    events: int
    large_month: int


@dataclass(frozen=True)
class Period:
    """The days with usage: whole months, up to the last one that has ended."""

    first: date
    last: date

    @classmethod
    def of(cls, years: int) -> "Period":
        """Return a period of some years."""
        last = date.today().replace(day=1) - timedelta(days=1)
        after = last + timedelta(days=1)
        return cls(after.replace(year=after.year - years), last)

    @property
    def months(self) -> list[date]:
        """The first days of the months."""
        months = [self.first]
        while (following := _next_month(months[-1])) <= self.last:
            months.append(following)
        return months


@dataclass(frozen=True)
class Content:
    """What a site contains.

    Attributes:
        recids: its records.
        slugs: its communities, the most active first.
        period: the days with usage.
    """

    recids: list[str]
    slugs: list[str]
    period: Period


def make_site(where: instance.Place, settings: dict[str, Any], sizes: Sizes) -> Content:
    """Create records, communities and usage, and aggregate them.

    Args:
        where: an empty place.
        settings: ``url`` and ``broker`` of the site.
        sizes: how much to create.
    """
    from invenio_queues.proxies import current_queues

    app = create(where, settings)
    instance.initialise(app, where)
    website.map_custom_fields(app)
    period, made = Period.of(sizes.years), Made(
        sizes.communities, records=sizes.records
    )
    with app.app_context():
        current_queues.declare()
        make_vocabularies()
        slugs = _make_content(made, period)
        _make_usage(Instance(where.prefix, made), period, sizes)
        _aggregate(app, sizes.years)
    recids = [record["recid"] for record in made._records]
    return Content(recids, slugs, period)


def create(where: instance.Place, settings: dict[str, Any]) -> Flask:
    """Build the application of the site."""
    return website.create(
        where,
        settings["url"],
        Path(where.folder, "static"),
        BROKER_URL=settings["broker"],
        CELERY_BROKER_URL=settings["broker"],
        STATS_DASHBOARD_CACHE_SECONDS=300,
        # an exception is answered with 500, as on a real site
        TESTING=False,
        WEBPACKEXT_MANIFEST_LOADER=NoAssets,
    )


def served() -> Flask:
    """Return the application that uWSGI serves; uWSGI calls this."""
    settings = json.loads(os.environ[_SITE])
    return create(instance.Place(**settings["place"]), settings)


# -- content ------------------------------------------------------------------


def _make_content(made: Made, period: Period) -> list[str]:
    """Create the generated records and communities; return the slugs.

    The generated records get the identifiers of the real ones.
    """
    from invenio_db import db

    slugs = [f"community-{n}" for n in range(len(made.communities))]
    ids = {
        generated: content.make_community(slug=slug)
        for generated, slug in zip(made.communities, slugs, strict=True)
    }
    step = (period.last - period.first) / len(made._records)
    rows: dict[str, list[dict[str, Any]]] = {"records": [], "parents": []}
    for number, record in enumerate(made._records):
        created = period.first + number * step
        recid = content.make_record(**_draft(number, created, record["subcounts"]))
        parent = content.parent_of(recid)
        record |= {"recid": recid, "parent_recid": parent}
        record["community_ids"] = [ids[id_] for id_ in record["community_ids"]]
        for kind, pid in (("records", recid), ("parents", parent)):
            rows[kind].append({"pid": pid, "made": created, "changed": created})
        db.session.remove()
    for id_ in ids.values():
        inside = [r["recid"] for r in made._records if id_ in r["community_ids"]]
        if inside:
            content.include_in_bulk(inside, id_)
    for kind, its in (*rows.items(), ("pids", [{}])):
        db.session.execute(text(STATEMENTS[kind]), its)
    db.session.commit()
    return slugs


def _draft(number: int, created: date, values: dict[str, list[str]]) -> dict[str, Any]:
    """Return the arguments of :func:`content.make_record` for a generated record."""
    creators = [{**content.METADATA["creators"][0]}]
    creators[0]["affiliations"] = [{"name": v} for v in values.get("affiliations", ())]
    files = {f"table-{number}.csv": b"a,b\n1,2\n"} if number % 3 == 0 else None
    journals = values.get("periodicals", ())
    custom = {"journal:journal": {"title": journals[0]}} if journals else {}
    return {
        "files": files,
        "custom": custom,
        "title": f"Tides of harbour {number}",
        "publication_date": created.isoformat(),
        "resource_type": {"id": ("dataset", "publication-article")[number % 2]},
        "languages": [{"id": ("eng", "dan")[number % 2]}],
        "subjects": [{"subject": v} for v in values.get("subjects", ())],
        "rights": [{"title": {"en": v}} for v in values.get("rights", ())],
        "funding": [{"funder": {"name": v}} for v in values.get("funders", ())],
        "publisher": values["publishers"][0],
        "creators": creators,
    }


def _make_usage(events: Instance, period: Period, sizes: Sizes) -> None:
    *months, large = period.months
    if months:
        events.fill(months, sizes.events)
    events.fill([large], sizes.large_month)


def _aggregate(app: Flask, years: int) -> None:
    service = app.extensions["invenio-stats-dashboard"].community_stats_service
    service.generate_record_community_events()
    for _ in range(years + 5):  # a run counts a year at most
        if service.aggregate().completed:
            return
    raise RuntimeError("The aggregation has not counted everything.")


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


# -- server -------------------------------------------------------------------


class Server:
    """The site under uWSGI.

    Args:
        program: path of uWSGI, built for this version of Python.
        where: the resources of the site.
        settings: ``url`` and ``broker`` of the site.
        processes: number of worker processes.
        threads: number of threads of each.

    Attributes:
        address: host and port.
        temporary: the folder for temporary files of the workers.
    """

    def __init__(
        self,
        program: str,
        where: instance.Place,
        settings: dict[str, Any],
        processes: int,
        threads: int,
    ) -> None:
        """Store the arguments; :meth:`run` starts the server."""
        self._folder = Path(where.folder)
        self._program, self._where, self._settings = program, where, settings
        self._processes, self._threads = processes, threads
        self.temporary = self._folder / "temporary"
        host, _, port = settings["url"].rpartition("/")[2].partition(":")
        self.address = (host, int(port))
        self._stats = (host, free_port())
        self._log = self._folder / "uwsgi.log"

    @contextmanager
    def run(self) -> Iterator[None]:
        """Serve the site inside the context.

        Raises:
            RuntimeError: the server does not answer; with the end of its log.
        """
        self.temporary.mkdir(exist_ok=True)
        options = self._folder / "uwsgi.ini"
        options.write_text(self._options())
        place = {"place": asdict(self._where), **self._settings}
        environment = {_SITE: json.dumps(place), "TMPDIR": str(self.temporary)}
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [self._program, "--ini", str(options)],
                cwd=REPOSITORY,
                env={**os.environ, **environment, "PYTHONWARNINGS": "ignore"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait(process)
            yield
        finally:
            _end(process)

    def workers(self) -> dict[int, bool]:
        """Return the process id of each worker, and whether it works on a request."""
        return {
            worker["pid"]: any(core["in_request"] for core in worker["cores"])
            for worker in self._read_stats()["workers"]
            if worker["pid"]
        }

    def wait_until_idle(self, patience: float = 900) -> float:
        """Wait until no worker works on a request, and return the seconds.

        Raises:
            TimeoutError: one still works after this time.
        """
        start = time.monotonic()
        while any(self.workers().values()):
            if time.monotonic() - start > patience:
                raise TimeoutError(f"A worker still works after {patience:.0f} s.")
            time.sleep(0.02)
        return time.monotonic() - start

    def kill_busy(self) -> None:
        """Kill the workers that work on a request, as ``kill -9`` does."""
        for pid, is_busy in self.workers().items():
            if is_busy:
                os.kill(pid, signal.SIGKILL)

    def processor_seconds(self) -> float:
        """Return the processor time that the workers have used."""
        return sum(map(_processor_seconds, self.workers()))

    def reset_peaks(self) -> float:
        """Forget the peaks of memory; return the largest worker in MB, as it is now."""
        for pid in self.workers():
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        return self._memory("VmRSS")

    def peak(self) -> float:
        """Return the largest memory of a worker since :meth:`reset_peaks`, in MB."""
        return self._memory("VmHWM")

    def temporary_bytes(self) -> int:
        """Return the size of all temporary files, also of those without a name."""
        sizes: dict[tuple[int, int], int] = {}
        paths = [*self.temporary.rglob("*"), *self._nameless()]
        for path in paths:
            try:
                found = path.stat()
            except OSError:  # removed meanwhile
                continue
            if not path.is_dir():
                sizes[found.st_dev, found.st_ino] = found.st_size
        return sum(sizes.values())

    def _nameless(self) -> Iterator[Path]:
        """Yield the open files in the folder of temporary files that have no name."""
        for pid in self.workers():
            for path in Path(f"/proc/{pid}/fd").glob("*"):
                try:
                    target = os.readlink(path)
                except OSError:  # closed meanwhile
                    continue
                if target.startswith(str(self.temporary)):
                    yield path

    def _memory(self, field: str) -> float:
        sizes = []
        for pid in self.workers():
            status = Path(f"/proc/{pid}/status").read_text()
            found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
            sizes.append(int(found[1]) / 1024 if found else 0.0)
        return max(sizes)

    def _options(self) -> str:
        return OPTIONS.format(
            address=f"{self.address[0]}:{self.address[1]}",
            stats=f"{self._stats[0]}:{self._stats[1]}",
            repository=REPOSITORY,
            environment=sys.prefix,
            processes=self._processes,
            threads=self._threads,
        )

    def _read_stats(self) -> dict[str, Any]:
        with socket.create_connection(self._stats, timeout=30) as connection:
            pieces = iter(lambda: connection.recv(65536), b"")
            return json.loads(b"".join(pieces))

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + STARTED_WITHIN
        while time.monotonic() < end and process.poll() is None:
            try:
                socket.create_connection(self.address, timeout=1).close()
                if len(self.workers()) == self._processes:
                    return
            except OSError:
                time.sleep(0.2)
        lines = self._log.read_text(errors="replace").splitlines()[-20:]
        raise RuntimeError("\n".join(["uWSGI does not answer:", *lines]))


def free_port() -> int:
    """Return a port that nothing uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _processor_seconds(pid: int) -> float:
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server and its workers."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
