# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the rules of the health gate before each piece of work."""

import pytest

from invenio_stats_dashboard.errors import ClusterNotHealthyError
from invenio_stats_dashboard.search.client import json_client
from invenio_stats_dashboard.search.health import HealthGate, HealthLimits

DISK = "cluster.routing.allocation.disk"


def red(client, index):
    """Create an index whose shard has no node."""
    client.indices.create(
        index=index,
        body={"settings": {"index.routing.allocation.require._name": "nowhere"}},
        params={"wait_for_active_shards": "0"},
    )


def set_watermarks(client, low, high, flood):
    """Set the disk watermarks of a cluster that only this test uses."""
    values = {
        f"{DISK}.threshold_enabled": True,
        f"{DISK}.watermark.low": low,
        f"{DISK}.watermark.high": high,
        f"{DISK}.watermark.flood_stage": flood,
    }
    client.cluster.put_settings(body={"transient": values})


def test_a_healthy_cluster_opens_the_gate_without_a_message(client, index):
    client.indices.create(index=index)
    messages = []
    HealthGate(client, HealthLimits(memory_percent=100), messages.append).wait([index])
    assert messages == []


def test_a_requested_red_index_closes_the_gate(client, index):
    red(client, index)
    gate = HealthGate(client, HealthLimits(memory_percent=100))
    assert gate.problem([index]) == f"The index {index} is red"


def test_any_other_red_index_does_not_close_the_gate(client, index, names):
    mine = f"{names.prefix}some-other"
    client.indices.create(index=mine)
    red(client, index)
    try:
        assert (
            HealthGate(client, HealthLimits(memory_percent=100)).problem([mine]) is None
        )
    finally:
        client.indices.delete(index=mine)


def test_a_full_heap_closes_the_gate_until_the_patience_ends(client, index):
    client.indices.create(index=index)
    messages, slept = [], []
    limits = HealthLimits(memory_percent=1, patience=0.3)
    gate = HealthGate(client, limits, messages.append, slept.append)
    with pytest.raises(ClusterNotHealthyError) as raised:
        gate.wait([index])
    assert "The heap of node" in str(raised.value) and "(limit 1)" in str(raised.value)
    assert "Run the same command again" in str(raised.value)
    assert messages and messages[0].startswith("The heap of node")


def test_the_gate_opens_when_the_cluster_is_healthy(client, index):
    red(client, index)
    messages = []

    def heal(_):
        client.indices.put_settings(
            index=index, body={"index.routing.allocation.require._name": None}
        )
        client.cluster.health(index=index, wait_for_status="yellow")

    gate = HealthGate(client, HealthLimits(memory_percent=100), messages.append, heal)
    gate.wait([index])
    assert messages == [f"The index {index} is red"]


def test_an_unreachable_cluster_closes_the_gate(app, monkeypatch):
    monkeypatch.setitem(app.config, "SEARCH_HOSTS", ["localhost:1"])
    away = json_client(app, timeout=1, max_retries=0)
    with pytest.raises(ClusterNotHealthyError, match="OpenSearch does not answer"):
        HealthGate(away, HealthLimits(patience=0.3)).wait(["any"])


@pytest.mark.cluster
@pytest.mark.parametrize(
    "watermarks",
    [("0.001%", "0.002%", "0.003%"), ("900tb", "800tb", "700tb")],
    ids=["percent", "size"],
)
def test_a_disk_above_the_high_watermark_closes_the_gate(watermarks, cluster):
    client = cluster.client
    client.indices.create(index="t-some")
    gate = HealthGate(client, HealthLimits(memory_percent=100))
    assert gate.problem(["t-some"]) is None
    set_watermarks(client, *watermarks)
    assert "to stay below the high watermark" in gate.problem(["t-some"])


@pytest.mark.cluster
def test_a_cluster_without_watermarks_needs_no_free_space(cluster):
    client = cluster.client
    client.indices.create(index="t-some")
    set_watermarks(client, "0.001%", "0.002%", "0.003%")
    off = {f"{DISK}.threshold_enabled": False}
    client.cluster.put_settings(body={"transient": off})
    assert (
        HealthGate(client, HealthLimits(memory_percent=100)).problem(["t-some"]) is None
    )
