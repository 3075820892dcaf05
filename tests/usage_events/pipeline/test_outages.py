# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A worker, the broker or OpenSearch stops in the middle of a batch."""

import time

import pytest

from ...helpers.cluster import Cluster, living_on
from ...helpers.faults import until
from ...helpers.sites import DOWNLOAD, VIEW, Beat, downloads, ids_of, views
from ...helpers.usage import Usage

AWAY = 1.0
"""Seconds from the end of the OpenSearch node to its start, which takes some more."""


def stored(usage, event_type):
    """Return the sorted ids that readers see; an id occurs as often as it is seen."""
    return sorted(id for id, _ in usage.seen(event_type))


@pytest.mark.parametrize("kill", ["kill_children", "kill"])
def test_killed_in_mid_batch_loses_nothing_and_counts_nothing_twice(site, kill):
    usage = site.usage
    some, others = views(600, usage.records), downloads(600, usage.records)
    ids, other_ids = ids_of(some), ids_of(others, DOWNLOAD)
    site.publish(some)
    site.publish(others, DOWNLOAD)
    with (
        site.proxy.gate("_bulk", "record-view", after=1) as unsent,
        site.proxy.gate("_bulk", "file-download", after=1, stored=True) as unanswered,
    ):
        site.call(VIEW)
        site.call(DOWNLOAD)
        unsent.wait()
        unanswered.wait()
        getattr(site, kill)()
        assert 0 < len(stored(usage, "view")) < len(ids)
        assert 0 < len(stored(usage, "download")) < len(other_ids)
    site.worker()
    site.work_off()
    assert stored(usage, "view") == sorted(ids)
    assert stored(usage, "download") == sorted(other_ids)


def test_restarted_broker_still_has_its_full_queue(site):
    usage = site.usage
    events = views(1_000, usage.records)
    ids = ids_of(events)
    site.publish(events)
    with site.proxy.gate("_bulk", after=1, stored=True) as unacknowledged:
        site.call(VIEW)
        unacknowledged.wait()
        site.broker.queue("stop")
        site.broker.queue("start")
        assert site.left() >= len(ids) - len(stored(usage, "view"))
    with Beat(site):
        until(lambda: len(stored(usage, "view")) == len(ids), "all is stored")
    site.work_off()
    assert stored(usage, "view") == sorted(ids)


@pytest.fixture()
def node(site, app, names, monkeypatch):
    """Give the site an OpenSearch node of its own, and return the node."""
    cluster = Cluster(nodes=1)
    try:
        cluster.start()
        with living_on(app, monkeypatch, cluster.hosts):
            site.usage = Usage(app, cluster.client, names, records=10)
            site.usage.service._check_ready()
            monkeypatch.setattr(site.proxy, "host", cluster.hosts[0])
            yield cluster
    finally:
        cluster.remove()


@pytest.mark.cluster
def test_stopped_node_stores_all_events_when_it_is_back(site, node):
    usage = site.usage
    events = views(800, usage.records)
    ids = ids_of(events)
    site.publish(events[:600])
    with site.proxy.gate("_bulk", "record-view", after=1) as unsent:
        site.call(VIEW)
        unsent.wait()
        before = stored(usage, "view")
        node.node("stop", 0)
    assert 0 < len(before) < 600
    with Beat(site):
        site.publish(events[600:])
        time.sleep(AWAY)
        node.node("start", 0)
        until(lambda: len(stored(usage, "view")) == len(ids), "all is stored")
    site.work_off()
    assert stored(usage, "view") == sorted(ids)
    assert all(source["enriched_at"] for _, source in usage.seen("view"))
