# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Live capture through a real broker, a real worker, and an OpenSearch that stops.

One test stops and starts the node itself. In the others, the relay through which the
site reaches the node stops, which its clients cannot distinguish and which takes no
time.
"""

import secrets
import time
from contextlib import contextmanager

import pytest
import urllib3
from flask import has_request_context
from invenio_db import db
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from invenio_stats_dashboard.community_events import capture
from invenio_stats_dashboard.community_events.database_indexes import (
    REMEMBERED,
    DatabaseIndexes,
)
from invenio_stats_dashboard.community_events.scan_budget import DOCUMENT_ID
from tests.helpers import content
from tests.helpers.capturing import without_listeners
from tests.helpers.cluster import Cluster, living_on
from tests.helpers.faults import until
from tests.helpers.proxies import Relay
from tests.helpers.statistics import community_events
from tests.helpers.workers import SiteWorker, delete_queue

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

PATIENCE = 120
ACCEPTED = [("added", "accepted", "request")]


class Site:
    """An instance whose statistics are on their own OpenSearch node.

    The stock parts of InvenioRDM stay on the node that all tests share, because a
    user's action fails if that node is unavailable.
    """

    def __init__(self, app, node, relay, worker, names):
        """Store the fixtures that a test uses."""
        self.app, self.node, self.relay = app, node, relay
        self.worker, self.names = worker, names
        self.service = app.extensions["invenio-stats-dashboard"].community_stats_service

    def stored_events(self, recid, community):
        """Return (type, cause, evidence) of a record's events in a community."""
        return [
            (e["event_type"], e["cause"], e["evidence"])
            for e in community_events(self.node.client, self.names, recid)
            if e["community_id"] == community
        ]

    def request_inclusion(self):
        """Create a record that requests inclusion; return recid, community, request."""
        community, recid = content.make_community(), content.make_record()
        until(
            lambda: self.stored_events(recid, "global"), "the record's event", PATIENCE
        )
        return recid, community, content.request_inclusion(recid, community)


@pytest.fixture(scope="module")
def node():
    """Return an OpenSearch node that only this module uses."""
    node = Cluster(nodes=1)
    try:
        node.start()
        yield node
    finally:
        node.remove()


@pytest.fixture(scope="module")
def relay(node):
    """Return the relay through which the site reaches the node."""
    relay = Relay(*node.hosts)
    yield relay
    relay.stop()


@pytest.fixture(scope="module")
def worker(zygote, where, relay):
    """Return a worker of the instance that uses that node."""
    worker = SiteWorker(zygote, where, SEARCH_HOSTS=[relay.address])
    try:
        worker.start()
        yield worker
    finally:
        worker.remove()


@pytest.fixture()
def site(capturing, node, relay, worker, names, monkeypatch):
    """Return the instance after a back-fill without records."""
    if not node.client.ping():
        node.start()
    node.empty()
    relay.start()
    hosts = [relay.address]
    with living_on(capturing, monkeypatch, hosts), worker.used_by(monkeypatch):
        worker.wait()
        site = Site(capturing, node, relay, worker, names)
        site.service.generate_record_community_events()
        yield site


def answered(site, monkeypatch, request):
    """Accept a request as a web server does.

    Returns:
        tuple: the error that the user gets, if any, and how often the site's node was
        contacted before the response.
    """
    error = None
    tried, urlopen = [], urllib3.HTTPConnectionPool.urlopen

    def watched(pool, *args, **kwargs):
        tried.append(pool.port == site.relay.port)
        return urlopen(pool, *args, **kwargs)

    with (
        monkeypatch.context() as patch,
        site.app.app_context(),
        site.app.test_request_context(),
    ):
        patch.setattr(urllib3.HTTPConnectionPool, "urlopen", watched)
        patch.setattr(capture, "has_request_context", has_request_context)
        try:
            content.accept(request)
        except OpenSearchException as raised:  # a web server responds with 500
            error = type(raised)
        response = site.app.process_response(site.app.response_class())
        before_the_answer = sum(tried)
        response.close()
    assert tried  # the stock index was written
    return error, before_the_answer


@contextmanager
def everything_on(site, monkeypatch):
    """Make the stock parts of InvenioRDM use the site's node, too."""
    with monkeypatch.context() as patch:
        client = OpenSearch([site.relay.address])
        patch.setattr(site.app.extensions["invenio-search"], "_client", client)
        yield


def test_a_worker_writes_the_events_of_an_action(site):
    community, recid = content.make_community(), content.make_record()
    content.include(recid, community)
    until(lambda: site.stored_events(recid, community), "the event", PATIENCE)
    content.remove(recid, community)
    until(
        lambda: len(site.stored_events(recid, community)) == 2,
        "the second event",
        PATIENCE,
    )
    assert site.stored_events(recid, "global") == [("added", "publish", "created")]
    assert site.stored_events(recid, community) == [
        *ACCEPTED,
        ("removed", "removed", "row"),
    ]
    assert site.service.reconcile_community_events().events == 0


def test_without_the_database_indexes_a_worker_captures_in_batches(site):
    community, recids = content.make_community(), [content.make_record() for _ in "123"]
    db.session.rollback()
    indexes = DatabaseIndexes(db.engine)
    indexes.drop()
    time.sleep(REMEMBERED)
    try:
        for recid in recids:
            content.include(recid, community)
        for recid in recids:
            until(
                lambda r=recid: site.stored_events(r, community), "the event", PATIENCE
            )
            assert site.stored_events(recid, community) == ACCEPTED
        until(lambda: not site.worker.waiting(), "the last batch", PATIENCE)
        assert site.service.status().deferred_captures.waiting == 0
        # the worker has used the budget of scans
        assert site.node.client.exists(index=site.names.reindexing, id=DOCUMENT_ID)
    finally:
        db.session.rollback()
        indexes.create()
    assert site.service.reconcile_community_events().events == 0


def test_opensearch_is_stopped_during_an_action_and_started_again(site, monkeypatch):
    recid, community, request = site.request_inclusion()
    site.node.node("stop", 0)
    assert answered(site, monkeypatch, request) == (None, 0)
    until(site.worker.waiting, "the worker has tried in vain", PATIENCE)
    site.node.node("start", 0)
    until(lambda: site.stored_events(recid, community), "the event", PATIENCE)
    assert site.stored_events(recid, community) == ACCEPTED
    assert site.service.reconcile_community_events().events == 0


def test_without_opensearch_an_action_ends_as_without_the_extension(site, monkeypatch):
    recid, community, request = site.request_inclusion()
    unwatched = site.request_inclusion()
    site.relay.stop()
    with everything_on(site, monkeypatch):
        with without_listeners():
            stock = answered(site, monkeypatch, unwatched[-1])
        assert answered(site, monkeypatch, request) == stock
    assert stock[1] > 0  # the stock indexing contacts it
    site.relay.start()
    until(lambda: site.stored_events(recid, community), "the event", PATIENCE)
    assert site.stored_events(recid, community) == ACCEPTED
    assert site.service.reconcile_community_events().causes == {"accepted": 1}


def test_a_worker_is_killed_while_it_waits_for_opensearch(site, monkeypatch):
    recid, community, request = site.request_inclusion()
    site.relay.stop()
    answered(site, monkeypatch, request)
    until(site.worker.waiting, "the worker has tried in vain", PATIENCE)
    site.worker.kill()
    site.relay.start()
    site.worker.start()
    until(lambda: site.stored_events(recid, community), "the event", PATIENCE)
    assert site.stored_events(recid, community) == ACCEPTED


def test_opensearch_is_stopped_and_the_message_is_lost(site, monkeypatch):
    recid, community, request = site.request_inclusion()
    site.relay.stop()
    lost = f"test-{secrets.token_hex(6)}"
    with site.worker.used_by(monkeypatch, queue=lost):
        assert answered(site, monkeypatch, request) == (None, 0)
    assert delete_queue(lost) > 0
    site.relay.start()
    assert site.stored_events(recid, community) == []
    assert site.service.reconcile_community_events(changed_only=True).events == 1
    assert site.stored_events(recid, community) == [("added", "reconciled", "request")]
    assert site.service.reconcile_community_events().events == 0
