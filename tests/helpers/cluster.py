# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""OpenSearch nodes that one test can stop, fill and limit."""

import time
from contextlib import contextmanager

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException

from invenio_stats_dashboard.services.event_reindexing import EventReindexingService

from .ports import HTTP
from .services import QUICK_START, OwnServices

_EXTENSION = "invenio-stats-dashboard"


class Cluster(OwnServices):
    """An OpenSearch cluster that nobody else uses.

    Args:
        nodes: number of nodes.
    """

    def __init__(self, nodes):
        """Store the arguments; :meth:`start` starts the nodes."""
        super().__init__(
            "cluster",
            SERVICES_OPENSEARCH_HEAP="400m",
            SERVICES_OPENSEARCH_JAVA_OPTS=QUICK_START,
        )
        self._nodes = nodes
        self.hosts = [f"localhost:{HTTP + self.offset + n}" for n in range(nodes)]
        self.client = OpenSearch(self.hosts, timeout=60)

    def start(self):
        """Start all nodes and wait until they are ready."""
        self.call("up", "--only", "search", "--nodes", str(self._nodes))

    def node(self, action, number):
        """Stop, start or kill one node."""
        self.call("node", action, str(number))

    def empty(self):
        """Delete all indices and templates, and reset settings."""
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
        """Remove the block that a full disk leaves, which may be set again once."""
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


@contextmanager
def living_on(app, monkeypatch, hosts):
    """Make an app use another cluster inside the context.

    Args:
        app: the application.
        monkeypatch: changes its configuration.
        hosts: value of ``SEARCH_HOSTS``.
    """
    extension = app.extensions[_EXTENSION]
    with monkeypatch.context() as patch:
        patch.setitem(app.config, "SEARCH_HOSTS", hosts)
        service = EventReindexingService(app, lambda: extension.subcounts)
        patch.setitem(extension.__dict__, "event_reindexing_service", service)
        yield
