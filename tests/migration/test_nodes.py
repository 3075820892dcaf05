# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A migration continues after the cluster has lost nodes, disk space or shards."""

import threading

import pytest

from invenio_stats_dashboard.errors import StatsDashboardError

from ..helpers.cluster import living_on
from ..helpers.faults import until_completed
from ..helpers.usage import Reader, Usage, Writer
from .test_faults import NOW, month_of, on

pytestmark = pytest.mark.cluster

BALANCED = {"number_of_shards": 2, "number_of_replicas": 1}


@pytest.fixture()
def usage(app, cluster, names, monkeypatch):
    """Return usage events on a cluster of their own, of two nodes."""
    patience = "STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT"
    monkeypatch.setitem(app.config, patience, 1.5)
    monkeypatch.setitem(app.config, "STATS_DASHBOARD_REINDEXING_LOCK_TTL", 5)
    with app.app_context(), living_on(app, monkeypatch, cluster.hosts):
        found = Usage(app, cluster.client, names, records=10)
        found.service._check_ready()
        yield found


def wait_for(usage, status):
    """Wait until all indices of usage events have a health."""
    health = usage.client.cluster.health(
        index=f"{usage.names.prefix}*",
        params={"wait_for_status": status, "timeout": "60s", "request_timeout": 90},
    )
    assert not health["timed_out"]


def test_two_shards_with_a_replica_are_migrated_as_they_are(usage):
    events = usage.legacy("view", "2026-03", 400, settings=BALANCED)
    wait_for(usage, "green")
    with (
        Writer(usage, "view", "2026-03") as writer,
        Reader(usage, "view", len(events), writer) as reader,
    ):
        report = usage.migrate(now=NOW, batch_size=50)
    assert report["completed"], report
    # shard copies refresh separately, so a total may drop, but only between these
    # bounds
    assert [w for w in reader.wrong if not len(events) <= w[1] <= w[2]] == []
    ids = [id for id, _ in usage.seen()]
    assert sorted(ids) == sorted({*events, *writer.written})
    target = usage.names.events_target("view", "2026-03")
    settings = usage.client.indices.get_settings(index=target)[target]["settings"]
    assert settings["index"]["number_of_shards"] == "2"
    assert settings["index"]["number_of_replicas"] == "1"
    health = usage.client.cluster.health(index=target)
    assert health["status"] == "green"


def test_a_node_that_is_away_for_a_while_loses_nothing(usage, cluster):
    events = usage.legacy("view", "2026-03", 400, settings=BALANCED)
    wait_for(usage, "green")
    back = threading.Thread(target=lambda: cluster.node("start", 1))

    def away():
        cluster.node("kill", 1)
        back.start()

    first = usage.service.reindex_events(
        step=on("batch written", away), batch_size=50, now=NOW
    )
    back.join()
    wait_for(usage, "green")
    assert first.exit_code in (0, 3), first
    until_completed(usage, now=NOW)
    usage.assert_enriched_once(events)


def test_a_source_that_turns_red_stops_the_run_resumable(usage, cluster):
    lonely = {
        "number_of_replicas": 0,
        "index.routing.allocation.require._name": "node-1",
    }
    events = usage.legacy("view", "2026-03", 200, settings=lonely)
    wait_for(usage, "yellow")
    before = dict(usage.seen())
    usage.migrate(batch_size=50, max_batches=2, now=NOW)
    cluster.node("stop", 1)
    try:
        report = usage.service.reindex_events(now=NOW)
    finally:
        cluster.node("start", 1)
    assert report.exit_code == 3, report.months[0].errors
    assert report.stopped["resumable"]
    wait_for(usage, "yellow")
    assert dict(usage.seen()) == before
    again = until_completed(usage, now=NOW)
    assert sum(report["events_copied"] for report in again) == 100, "it went on"
    usage.assert_enriched_once(events)


def set_cluster(usage, **settings):
    """Change settings of the cluster."""
    named = {name.replace("__", "."): value for name, value in settings.items()}
    usage.client.cluster.put_settings(body={"transient": named})


def test_no_shard_left_is_said_before_anything_changes(usage):
    usage.legacy("view", "2026-03", 50)
    used = usage.client.cluster.health()["active_shards"]
    set_cluster(usage, cluster__max_shards_per_node=(used + 1) // 2)
    with pytest.raises(
        StatsDashboardError, match=r"Raise cluster\.max_shards_per_node"
    ):
        usage.service.reindex_events(now=NOW)
    (blocker,) = usage.service.plan(now=NOW).blockers
    assert "shards; the migration needs 2 more" in blocker
    assert not usage.client.indices.exists(
        index=usage.names.events_target("view", "2026-03")
    )


def test_too_little_disk_is_said_before_anything_changes(usage):
    usage.legacy("view", "2026-03", 50)
    disk = "cluster__routing__allocation__disk__"
    set_cluster(
        usage,
        **{
            f"{disk}threshold_enabled": True,
            f"{disk}watermark__low": "900tb",
            f"{disk}watermark__high": "800tb",
            f"{disk}watermark__flood_stage": "1b",
        },
    )
    with pytest.raises(StatsDashboardError, match="Free disk space, or migrate fewer"):
        usage.service.reindex_events(now=NOW)
    assert not usage.client.indices.exists(
        index=usage.names.events_target("view", "2026-03")
    )


def test_a_disk_that_fills_up_stops_the_run_resumable(usage):
    events = usage.legacy("view", "2026-03", 200)
    disk = "cluster__routing__allocation__disk__"

    def fill():
        set_cluster(
            usage,
            **{
                f"{disk}threshold_enabled": True,
                f"{disk}watermark__low": "900tb",
                f"{disk}watermark__high": "800tb",
                f"{disk}watermark__flood_stage": "1b",
            },
        )

    report = usage.service.reindex_events(step=on("copy", fill), batch_size=50, now=NOW)
    assert report.exit_code == 3, report.months[0].errors
    assert "high watermark" in report.stopped["reason"]
    set_cluster(usage, **{f"{disk}threshold_enabled": False})
    until_completed(usage, now=NOW)
    usage.assert_enriched_once(events)


def test_a_cluster_that_goes_away_stops_the_run_resumable(usage, cluster):
    events = usage.legacy("view", "2026-03", 200, settings=BALANCED)
    wait_for(usage, "green")

    def leave():
        cluster.node("kill", 0)
        cluster.node("kill", 1)

    try:
        report = usage.service.reindex_events(
            step=on("batch written", leave), batch_size=50, now=NOW
        )
        assert report.exit_code == 3, report
        assert report.stopped["resumable"]
    finally:
        cluster.start()
    wait_for(usage, "green")
    reports = until_completed(usage, now=NOW)
    assert month_of(reports[-1])["state"] == "done"
    usage.assert_enriched_once(events)
