# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The actions of the commands: start services, stop them, and report their state."""

from __future__ import annotations

import fcntl
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from . import docker, opensearch_layout, packages
from .addresses import (
    PROBES,
    SINGLE,
    VARIABLES,
    Source,
    docker_source,
    forget_record,
    named_source,
    native_source,
    read_record,
    write_record,
)
from .errors import NoAnswer, ServicesError
from .memory import folder_in_memory
from .native import NativeService
from .opensearch import OpenSearch
from .settings import MAX_NODES, Settings

FOLDERS = ("database", "search", "cache", "queue", "docker")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """The current state of one service."""

    service: str
    kind: str
    address: str
    answers: bool
    version: str
    pid: int | None
    reason: str


class Stack:
    """One set of services, in one folder."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], say: Say):
        """Describe the set, without touching anything."""
        self.settings = settings
        self.environ = environ
        self._say = say
        self._printing = threading.Lock()

    def say(self, text: str) -> None:
        """Report progress; may be called from several threads."""
        with self._printing:
            self._say(text)

    def laid_out_nodes(self) -> int:
        """Return the number of search nodes in this folder."""
        folder = self.settings.home / "search"
        present = [n for n in range(MAX_NODES) if (folder / f"node-{n}").exists()]
        return len(present)

    def in_use(self) -> list[str]:
        """Return the services that were started or named; all if none was."""
        started = read_record(self.settings.home)
        if not started:
            return list(VARIABLES)
        named = {purpose for purpose, name in VARIABLES.items() if name in self.environ}
        return [purpose for purpose in VARIABLES if purpose in started.keys() | named]

    def native(self, purpose: str) -> list[NativeService]:
        """Return the processes of a native service."""
        if purpose == "search":
            count = self.laid_out_nodes() or 1
            return [OpenSearch(self.settings, number) for number in range(count)]
        return [SINGLE[purpose](self.settings)]

    def sources(self, purposes: Iterable[str], nodes: int = 0) -> dict[str, Source]:
        """Decide where each service comes from.

        The order is: what the environment names, what was started last, and Docker if
        an engine is running.
        """
        recorded = read_record(self.settings.home)
        nodes = nodes or self.laid_out_nodes() or 1
        containers: bool | None = None
        decided = {}
        for purpose in purposes:
            named = named_source(self.settings, self.environ, purpose, recorded)
            if named:
                decided[purpose] = named
                continue
            kind = self.settings.source
            if kind == "auto" and purpose == "search" and nodes > 1:
                kind = "native"
            if kind == "auto" and purpose in recorded:
                kind = recorded[purpose].kind
            if kind in ("auto", "environment"):
                if containers is None:
                    containers = docker.available()
                kind = "docker" if containers else "native"
            decided[purpose] = (
                docker_source(purpose)
                if kind == "docker"
                else native_source(self.settings, purpose, nodes)
            )
        return decided

    def up(self, purposes: Iterable[str], nodes: int) -> None:
        """Start the services that are not running, and wait until all answer.

        Raises:
            ServicesError: a service cannot be started.
        """
        self._check_nodes(nodes)
        sources = self.sources(purposes, nodes)
        self._check_named(sources.values())
        containers = [p for p, source in sources.items() if source.kind == "docker"]
        if containers:
            docker.up(self.settings, containers, self.say)
            in_parallel(self._wait_for, [sources[name] for name in containers])
        native = [p for p, source in sources.items() if source.kind == "native"]
        self._up_native(native, nodes)
        recorded = read_record(self.settings.home)
        write_record(self.settings.home, {**recorded, **sources})

    def _check_nodes(self, nodes: int) -> None:
        present = self.laid_out_nodes()
        if nodes and nodes < present:
            raise ServicesError(
                f"{self.settings.home} contains a cluster of {present} nodes, which "
                f"does not work with {nodes}: run `scripts/services down --remove` "
                "first, or set SERVICES_HOME to another folder."
            )

    def _check_named(self, sources: Iterable[Source]) -> None:
        for source in sources:
            if source.kind == "environment":
                variable = VARIABLES[source.purpose]
                try:
                    version = PROBES[source.purpose](source.address)
                except NoAnswer as error:
                    raise ServicesError(
                        f"{variable} names {source.address}, which does not answer "
                        f"({error}): start it, or unset {variable} to have one started."
                    ) from None
                self.say(f"{source.purpose}: {variable} is set, {version or 'answers'}")

    def _wait_for(self, source: Source) -> None:
        deadline = time.monotonic() + self.settings.timeout
        while True:
            try:
                version = PROBES[source.purpose](source.address)
                break
            except NoAnswer as error:
                if time.monotonic() > deadline:
                    raise ServicesError(
                        f"The container of the {source.purpose} does not answer at "
                        f"{source.address} ({error}): check `docker ps`, or set "
                        "SERVICES_FROM=native to use no containers."
                    ) from None
            time.sleep(0.5)
        self.say(f"{source.purpose}: container, {version or 'answers'}")

    def _up_native(self, purposes: list[str], nodes: int) -> None:
        services = [
            service
            for purpose in purposes
            if purpose != "search"
            for service in self.native(purpose)
        ]
        if "search" in purposes:
            count = nodes or self.laid_out_nodes() or 1
            services += [OpenSearch(self.settings, n) for n in range(count)]
        stopped = [service for service in services if service.running() is None]
        # Before minutes are spent on fetching.
        in_parallel(lambda service: service.check_ports(), stopped)
        lay_out = self._must_lay_out(services)
        needed = {service.purpose for service in stopped}
        packages.install(packages.missing(sorted(needed), lay_out), self.say)
        self._start_all(services, lay_out)

    def _must_lay_out(self, services: list[NativeService]) -> bool:
        nodes = [service for service in services if service.purpose == "search"]
        if any(service.running() for service in nodes):
            return False  # never replace the jars of a running node
        complete = opensearch_layout.is_complete(
            self.settings.distribution, self.settings.opensearch
        )
        return bool(nodes) and not complete

    def _start_all(self, services: list[NativeService], lay_out: bool) -> None:
        def start(service: NativeService) -> None:
            began = time.monotonic()
            was_running = service.running() is not None
            version = service.start()
            took = f"ready after {time.monotonic() - began:.1f} s"
            state = "is already running" if was_running else took
            self.say(f"{service.purpose}: {service.label} {version} {state}")

        def start_nodes(nodes: list[NativeService]) -> None:
            if lay_out:
                opensearch_layout.lay_out(
                    self.settings.distribution, self.settings.opensearch, self.say
                )
            in_parallel(start, nodes)

        nodes = [service for service in services if service.purpose == "search"]
        others = [service for service in services if service.purpose != "search"]
        jobs = [partial(start, service) for service in others]
        if nodes:
            jobs.append(partial(start_nodes, nodes))
        in_parallel(lambda job: job(), jobs)

    def down(self, remove: bool) -> None:
        """Stop everything that was started from this folder."""
        services = [s for purpose in VARIABLES for s in self.native(purpose)]

        def stop(service: NativeService) -> None:
            if service.stop():
                self.say(f"{service.purpose}: {service.label} stopped")

        in_parallel(stop, services)
        shutil.rmtree(folder_in_memory(self.settings.home), ignore_errors=True)
        recorded = read_record(self.settings.home)
        if any(source.kind == "docker" for source in recorded.values()):
            docker.down(self.settings, self.say)
            self.say("containers stopped")
        forget_record(self.settings.home)
        if remove:
            self._remove()

    def _remove(self) -> None:
        home = self.settings.home
        # By name, so that other things in a SERVICES_HOME stay.
        for folder in [*(home / name for name in FOLDERS), *home.glob("opensearch-*")]:
            shutil.rmtree(folder, ignore_errors=True)
        (home / "lock").unlink(missing_ok=True)
        if home.exists() and not any(home.iterdir()):
            home.rmdir()
        self.say(f"{home} removed")

    def service(self, purpose: str, number: int = 0) -> NativeService:
        """Return one process, to be stopped or started alone.

        Raises:
            ServicesError: this script did not start the service.
        """
        source = self.sources([purpose])[purpose]
        if source.kind != "native":
            raise ServicesError(
                f"The {purpose} at {source.address} comes from {source.kind}, so it "
                "cannot be stopped or started here: set SERVICES_FROM=native."
            )
        services = self.native(purpose)
        if number >= len(services):
            raise ServicesError(
                f"There is no {purpose} node {number}: this folder contains "
                f"{len(services)}; `scripts/services up --nodes N` adds more."
            )
        return services[number]

    def status(self) -> list[Report]:
        """Return the state of every service in use."""
        reports = []
        for purpose, source in self.sources(self.in_use()).items():
            if source.kind == "native":
                reports += [_report_native(s) for s in self.native(purpose)]
            else:
                reports.append(_report(source))
        return reports


def _report_native(service: NativeService) -> Report:
    name = service.purpose
    if name == "search":
        name += f" {service.number}"
    process = service.running()
    if process is None:
        reason = "not started"
        return Report(name, "native", service.address, False, "", None, reason)
    version = reason = ""
    try:
        service.check_same_port()  # otherwise another clone's service would answer
        version = service.probe()
    except (NoAnswer, ServicesError) as error:
        reason = str(error)
    return Report(
        name, "native", service.address, not reason, version, process.pid, reason
    )


def _report(source: Source) -> Report:
    version = reason = ""
    try:
        version = PROBES[source.purpose](source.address)
    except NoAnswer as error:
        reason = str(error)
    name, address = source.purpose, source.address
    return Report(name, source.kind, address, not reason, version, None, reason)


def in_parallel(function: Callable, items: list) -> None:
    """Call a function for all items in parallel; raise all errors together."""
    if not items:
        return
    with ThreadPoolExecutor(len(items)) as pool:
        calls = [pool.submit(function, item) for item in items]
    errors = [error for call in calls if (error := call.exception())]
    for error in errors:
        if not isinstance(error, ServicesError):
            raise error
    if errors:
        raise ServicesError("\n".join(str(error) for error in errors))


@contextmanager
def locked(settings: Settings, say: Say) -> Iterator[None]:
    """Prevent two calls from working on the same folder at the same time."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        handle = (settings.home / "lock").open("w")
    except OSError as error:
        raise ServicesError(
            f"{error.filename} cannot be written ({error.strerror}): set SERVICES_HOME "
            "to a folder of yours."
        ) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another call of scripts/services to finish")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
