# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Run tests in several processes that do not affect each other.

Each process has its own database, index prefix and folder, like any test instance. It
also has its own Redis database and RabbitMQ virtual host. A test that touches what all
of them share, such as settings of the cluster or its snapshots, uses the fixture
``alone``, which marks it ``exclusive``. It waits until no other test runs, and no other
test starts before it has ended.
"""

import ast
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from amqp.exceptions import NotAllowed
from kombu import Connection
from kombu.exceptions import OperationalError
from opensearchpy.client.cluster import ClusterClient
from xdist.scheduler import LoadScopeScheduling

EXCLUSIVE, ALONE = "exclusive", "alone"

TOGETHER = (
    "tests/queries/",
    "tests/resources/",
    "tests/usage_events/pipeline/",
    ("tests/browser/", "tests/views/"),
)
"""Folders whose tests share slow preparations; one process runs each folder."""

FIRST = ("tests/usage_events/pipeline/",)
"""Groups that take longest, so that none of them starts last."""

_REDIS_DATABASES = 16


def number() -> int | None:
    """Return the number of this xdist worker, or None without xdist."""
    name = os.environ.get("PYTEST_XDIST_WORKER")
    return int(name.removeprefix("gw")) if name else None


def have_services_of_its_own(environ: dict[str, str]) -> None:
    """Make this process use its own Redis database and RabbitMQ virtual host.

    Args:
        environ: variables that name the services; they are changed.
    """
    mine = number()
    if mine is None:
        return
    if url := environ.get("CACHE_REDIS_URL"):
        parts = urlsplit(url)
        first = int(parts.path.strip("/") or 0)
        # an instance uses the earlier ones; see ``scripts/services env``
        database = (first + 8 + mine) % _REDIS_DATABASES
        environ["CACHE_REDIS_URL"] = urlunsplit(parts._replace(path=f"/{database}"))
    url = environ.get("BROKER_URL", "")
    if url.startswith("amqp"):
        environ["BROKER_URL"] = urlunsplit(urlsplit(url)._replace(path=f"/gw{mine}"))


def group_of(nodeid: str) -> str:
    """Return the group of a test; all tests of a group run in one process."""
    for folders in TOGETHER:
        folders = (folders,) if isinstance(folders, str) else folders
        if nodeid.startswith(folders):
            return folders[0]
    return nodeid.split("::")[0]


class Scheduling(LoadScopeScheduling):
    """Gives groups of tests to processes, the longest groups first."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        """Use the order of the collection, which :func:`in_order` has made."""
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def mark(item: pytest.Item) -> None:
    """Mark a test that uses the fixture for running alone."""
    if ALONE in getattr(item, "fixturenames", ()):
        item.add_marker(EXCLUSIVE)


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return tests in the order in which processes run them.

    Exclusive tests come last: by then, the other processes have ended or wait.
    """

    def place(item: pytest.Item) -> tuple[bool, int]:
        group = group_of(item.nodeid)
        return (
            item.get_closest_marker(EXCLUSIVE) is not None,
            FIRST.index(group) if group in FIRST else len(FIRST),
        )

    return sorted(items, key=place)


@contextmanager
def turn(exclusive: bool) -> Iterator[None]:
    """Run while no exclusive test runs; run an exclusive test while no test runs.

    This applies to all processes that use the same services. While an exclusive test
    waits, no other test can start, so it does not starve.
    """
    digest = hashlib.sha256(os.environ.get("SEARCH_HOSTS", "").encode()).hexdigest()
    path = Path(tempfile.gettempdir()) / f"stats-dashboard-tests-{digest[:8]}"
    with path.open("a") as room, path.with_suffix(".gate").open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # processes that were forked meanwhile have the file open, too
            fcntl.flock(room, fcntl.LOCK_UN)


def refuse_changes_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a test fail that changes settings of the cluster which all tests share."""
    ports = {host.rpartition(":")[2] for host in _hosts()}
    put_settings = ClusterClient.put_settings

    def checked(self: ClusterClient, *args: object, **kwargs: object) -> object:
        mine = {str(host.get("port")) for host in self.transport.hosts}
        assert not mine & ports, (
            "A test changes settings of the cluster that all tests share: use the "
            f"fixture {ALONE!r}."
        )
        return put_settings(self, *args, **kwargs)

    monkeypatch.setattr(ClusterClient, "put_settings", checked)


def _hosts() -> list[str]:
    return ast.literal_eval(os.environ.get("SEARCH_HOSTS", "[]"))


def processes() -> int:
    """Return the number of processes that can run tests; 0 is this one alone.

    A broker that ``scripts/services`` has not started has no virtual hosts for them.
    """
    url = os.environ.get("BROKER_URL", "")
    if (os.cpu_count() or 1) < 2 or not url.startswith("amqp"):
        return 0
    try:
        with Connection(urlunsplit(urlsplit(url)._replace(path="/gw1"))) as connection:
            connection.ensure_connection(max_retries=1)
    except (OSError, OperationalError, NotAllowed):
        return 0
    return 2


if __name__ == "__main__":
    print(processes())
