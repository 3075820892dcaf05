# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""OpenSearch nodes of a test's own, to be stopped, filled and limited."""

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException

from invenio_stats_dashboard.usage_events.migration.service import (
    EventReindexingService,
)

from .ports import HTTP, free_offset

_REPOSITORY = Path(__file__).resolve().parents[2]
_NAMED = ("SQLALCHEMY_DATABASE_URI", "SEARCH_HOSTS", "CACHE_REDIS_URL", "BROKER_URL")
_EXTENSION = "invenio-stats-dashboard"


class Cluster:
    """A search cluster that nobody else uses.

    Args:
        nodes: how many nodes it has.
    """

    def __init__(self, nodes):
        """Keep what is needed; :meth:`start` begins."""
        offset = free_offset()
        self._nodes = nodes
        self._home = Path(tempfile.mkdtemp(prefix="cluster-", dir="/var/tmp"))
        self._home.chmod(0o755)
        jars = os.environ.get("SERVICES_OPENSEARCH_DIST") or _shared_jars()
        self._environ = {
            **{
                name: value
                for name, value in os.environ.items()
                if name not in _NAMED and not name.startswith("SERVICES_PORT")
            },
            "SERVICES_HOME": str(self._home),
            "SERVICES_FROM": "native",
            "SERVICES_PORT_OFFSET": str(offset),
            "SERVICES_OPENSEARCH_HEAP": "400m",
            "SERVICES_OPENSEARCH_JAVA_OPTS": "-XX:TieredStopAtLevel=1",
            **({"SERVICES_OPENSEARCH_DIST": jars} if jars else {}),
        }
        self.hosts = [f"localhost:{HTTP + offset + n}" for n in range(nodes)]
        self.client = OpenSearch(self.hosts, timeout=60)

    def start(self):
        """Start all nodes and wait for them."""
        self._call("up", "--only", "search", "--nodes", str(self._nodes))

    def node(self, action, number):
        """Stop, start or kill one node."""
        self._call("node", action, str(number))

    def remove(self):
        """Stop what runs and delete its files."""
        self._call("down", "--remove")
        shutil.rmtree(self._home, ignore_errors=True)

    def empty(self):
        """Delete all indices and templates, and take settings back."""
        client = self.client
        settings = client.cluster.get_settings(params={"flat_settings": "true"})
        found = {scope: dict.fromkeys(names) for scope, names in settings.items()}
        if any(found.values()):
            client.cluster.put_settings(body=found)
        client.indices.delete(index="t*", expand_wildcards="all", ignore=[404])
        self._allow_indices()
        for path in ("_template", "_index_template"):
            client.transport.perform_request(
                "DELETE", f"/{path}/t*", params={"ignore": 404}
            )

    def _allow_indices(self):
        """Lift the block that a full disk leaves, which may be set again once."""
        end = time.monotonic() + 60
        free = {"persistent": {"cluster.blocks.create_index": None}}
        while True:
            self.client.cluster.put_settings(body=free)
            try:
                self.client.indices.create(index="t-probe")
                break
            except AuthorizationException:
                assert time.monotonic() < end
                time.sleep(1)
        self.client.indices.delete(index="t-probe")

    def _call(self, *arguments):
        done = subprocess.run(
            [str(_REPOSITORY / "scripts" / "services"), *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _shared_jars():
    """Return the folder of jars that the session's services were laid out in."""
    home = os.environ.get("SERVICES_HOME") or _REPOSITORY / ".services"
    found = sorted(Path(home).glob("opensearch-*"))
    return str(found[-1]) if found else None


@contextmanager
def living_on(app, monkeypatch, hosts):
    """Let an app use another cluster for as long as it lasts.

    Args:
        app: the application.
        monkeypatch: sets its configuration.
        hosts: the value of ``SEARCH_HOSTS``.
    """
    extension = app.extensions[_EXTENSION]
    with monkeypatch.context() as patch:
        patch.setitem(app.config, "SEARCH_HOSTS", hosts)
        patch.setitem(
            extension.__dict__, "event_reindexing_service", EventReindexingService(app)
        )
        yield
