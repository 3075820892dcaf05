# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test indices that were restored from a snapshot, and those of other instances."""

import json
import re
from pathlib import Path

import pytest

from invenio_stats_dashboard.search.names import Names

from ..helpers.faults import assert_no_marks, killed_at
from ..helpers.usage import native

MONTH = "2026-03"
ARGUMENTS = {"batch_size": 20, "ignore_stock_workers": True}
EVENTS = 60
PAGE = Path(__file__).parents[2] / "docs" / "migrate.md"


@pytest.fixture()
def snapshots(alone, events_of):
    """Return functions that make a snapshot of an index and restore it."""
    client, name = events_of.client, f"{events_of.names.prefix}repository"
    node, *_ = client.nodes.info(metric="settings")["nodes"].values()
    base = node["settings"]["path"]["repo"]
    base = base[0] if isinstance(base, list) else base
    client.snapshot.create_repository(
        repository=name, body={"type": "fs", "settings": {"location": f"{base}/{name}"}}
    )

    def make(index):
        client.snapshot.create(
            repository=name,
            snapshot="one",
            body={"indices": index, "include_global_state": False},
            wait_for_completion=True,
        )

    def restore(index, new=None, aliases=True):
        body = {
            "indices": index,
            "include_global_state": False,
            "include_aliases": aliases,
        }
        if new:
            body |= {"rename_pattern": ".+", "rename_replacement": new}
        client.snapshot.restore(
            repository=name, snapshot="one", body=body, wait_for_completion=True
        )

    yield make, restore
    client.snapshot.delete(repository=name, snapshot="*", ignore=[404])
    client.snapshot.delete_repository(repository=name)


def test_source_restored_under_its_name_is_copied_again(events_of, snapshots):
    usage, (make, restore) = events_of, snapshots
    stock = usage.names.events_month("view", MONTH)
    events = usage.legacy("view", MONTH, EVENTS)
    make(stock)
    usage.add("view", MONTH, 40, seed=31)  # lost by what follows
    killed_at(usage, "bookmark written", 3, **ARGUMENTS)
    usage.client.indices.delete(index=stock)
    restore(stock)
    events.update(usage.add("view", MONTH, 10, seed=32))
    report = usage.migrate(**ARGUMENTS)
    assert report["completed"], report
    assert report["event_types"]["view"]["months"][MONTH]["copied"] == len(events)
    usage.assert_enriched_once(events)


def test_source_recreated_with_its_name_is_copied_again(events_of):
    usage = events_of
    stock = usage.names.events_month("view", MONTH)
    usage.legacy("view", MONTH, EVENTS)
    killed_at(usage, "verify", **ARGUMENTS)
    usage.client.indices.delete(index=stock)
    events = usage.legacy("view", MONTH, EVENTS, seed=33)
    report = usage.migrate(**ARGUMENTS)
    assert report["completed"], report
    usage.assert_enriched_once(events)


def test_target_recreated_with_its_name_is_filled_again(events_of):
    usage = events_of
    events = usage.legacy("view", MONTH, EVENTS)
    killed_at(usage, "verify", **ARGUMENTS)
    target = usage.names.events_target("view", MONTH)
    usage.client.indices.delete(index=target)
    report = usage.migrate(**ARGUMENTS)
    assert report["completed"], report
    usage.assert_enriched_once(events)


def test_index_restored_beside_the_enriched_one_is_reported_and_merged(
    events_of, snapshots
):
    usage, (make, restore) = events_of, snapshots
    stock = usage.names.events_month("view", MONTH)
    events = usage.legacy("view", MONTH, EVENTS)
    make(stock)
    assert usage.migrate(**ARGUMENTS)["completed"]
    lost = list(events)[:5]  # what the restored one has and the enriched one has not
    for id in lost:
        usage.client.delete(index=stock, id=id, refresh=True)
    beside = f"{stock}-restored"
    restore(stock, new=beside)
    assert len(usage.seen()) == 2 * EVENTS - len(lost)
    status = usage.service.status()
    assert status.needs_attention
    (month,) = status.months
    assert beside in month.problem and "events twice" in month.problem
    report = usage.migrate(**ARGUMENTS)
    assert report["completed"], report
    usage.assert_enriched_once(events)
    assert usage.client.indices.get_alias(index=beside)[beside]["aliases"] == {}
    assert not usage.service.status().needs_attention
    assert_no_marks(usage)


def test_index_restored_beside_the_legacy_one_is_merged_after_the_switch(
    events_of, snapshots
):
    usage, (make, restore) = events_of, snapshots
    stock = usage.names.events_month("view", MONTH)
    events = usage.legacy("view", MONTH, EVENTS)
    make(stock)
    restore(stock, new=f"{stock}-restored")
    assert len(usage.seen()) == 2 * EVENTS
    report = usage.migrate(**ARGUMENTS)
    assert report["completed"], report
    usage.assert_enriched_once(events)


def test_index_restored_under_a_strange_name_is_reported_and_left_alone(
    events_of, snapshots
):
    usage, (make, restore) = events_of, snapshots
    stock = usage.names.events_month("view", MONTH)
    events = usage.legacy("view", MONTH, EVENTS)
    make(stock)
    strange = f"{usage.names.prefix}restored"
    restore(stock, new=strange)
    try:
        status = usage.service.status()
        assert status.needs_attention
        assert strange in status.problems[0] and "seen twice" in status.problems[0]
        report = usage.migrate(**ARGUMENTS)
        assert any(strange in problem for problem in report["problems"])
        assert usage.client.count(index=strange)["count"] == len(events)
    finally:
        usage.client.indices.delete(index=strange)
    usage.assert_enriched_once(events)


@pytest.mark.parametrize("other", ["{}2-", "{}-other-"])
def test_events_of_another_instance_on_the_cluster_stay_untouched(events_of, other):
    usage = events_of
    theirs = Names(other.format(usage.names.prefix.rstrip("-")))
    ours = usage.legacy("view", MONTH, EVENTS)
    stock, alias = theirs.events_month("view", MONTH), theirs.events_alias("view")
    usage.client.indices.create(index=stock, body={"aliases": {alias: {}}})
    try:
        for id, source in list(ours.items())[:10]:
            usage.client.index(index=stock, id=id, body=source)
        usage.client.indices.refresh(index=stock)
        before = _whole(usage.client, stock)
        report = usage.migrate(delete_old_indices=True, **ARGUMENTS)
        assert report["completed"], report
        usage.service.cleanup()
        usage.service.rollback(months=[MONTH])
        assert _whole(usage.client, stock) == before
        names = usage.client.indices.get(index=f"{theirs.prefix}*events-stats-*")
        assert [n for n in names if n.startswith(theirs.prefix)] == [stock]
    finally:
        usage.client.indices.delete(index=stock)
    assert {id: native(s) for id, s in usage.seen()} == ours


def _whole(client, index):
    hits = client.search(
        index=index, body={"size": 1000, "version": True, "sort": ["_seq_no"]}
    )["hits"]["hits"]
    return client.indices.get(index=index), hits


def test_index_of_somebody_else_that_shows_nothing_of_itself_does_no_harm(events_of):
    usage = events_of
    usage.legacy("view", MONTH, EVENTS)
    theirs = f"{usage.names.prefix.rstrip('-')}2-private"
    body = {"settings": {"index.blocks.metadata": True}}
    usage.client.indices.create(index=theirs, body=body)
    try:
        assert not usage.service.status().problems
        assert usage.migrate(**ARGUMENTS)["completed"]
    finally:
        shown = {"index.blocks.metadata": None}
        usage.client.indices.put_settings(index=theirs, body=shown)
        usage.client.indices.delete(index=theirs)


def test_month_that_nobody_reads_is_not_made_visible(events_of):
    usage = events_of
    usage.legacy("view", MONTH, EVENTS)
    index = usage.names.events_month("view", MONTH)
    read = usage.names.events_alias("view")
    usage.client.indices.delete_alias(index=index, name=read)
    assert any(read in w for w in usage.service.plan().warnings)
    report = usage.migrate(**ARGUMENTS)
    assert not report["completed"]
    month = report["event_types"]["view"]["months"][MONTH]
    assert f"not in the alias {read}" in month["errors"][0]
    assert not usage.client.indices.exists(
        index=usage.names.events_target("view", MONTH)
    )


def test_legacy_index_beside_a_month_that_never_was_legacy_is_reported(events_of):
    usage = events_of
    _with_legacy_index_beside_an_enriched_one(usage)
    report = usage.migrate(**ARGUMENTS)
    month = report["event_types"]["view"]["months"][MONTH]
    stock = usage.names.events_month("view", MONTH)
    assert f"exists besides {stock}" in month["errors"][0]
    assert len(usage.seen()) == EVENTS


def test_documented_request_copies_the_events_of_a_legacy_index_beside(events_of):
    usage, client = events_of, events_of.client
    events = _with_legacy_index_beside_an_enriched_one(usage)
    stock = usage.names.events_month("view", MONTH)
    both = next(iter(events))
    client.index(index=stock, id=both, body=events[both], refresh=True)
    client.indices.put_settings(index=stock, body={"default_pipeline": "missing"})
    [body] = re.findall(r"/_reindex\?.*? -d '(.*?)'", PAGE.read_text(), re.DOTALL)
    body = body.replace("LEGACY", f"{stock}-restored").replace("ENRICHED", stock)
    answer = client.reindex(body=json.loads(body), refresh=True)
    assert (answer["failures"], answer["created"]) == ([], EVENTS - 1)
    client.indices.delete(index=f"{stock}-restored")
    usage.service.fill_usage_events()
    client.indices.refresh(index=stock)
    usage.assert_enriched_once(events)
    assert usage.migrate(**ARGUMENTS)["completed"]


def _with_legacy_index_beside_an_enriched_one(usage):
    """Write legacy events, let the template make their month, and return them."""
    events = usage.legacy("view", MONTH, EVENTS)
    stock = usage.names.events_month("view", MONTH)
    read = usage.names.events_alias("view")
    client = usage.client
    client.indices.put_settings(index=stock, body={"index.blocks.write": True})
    client.indices.clone(index=stock, target=f"{stock}-restored")
    client.cluster.health(index=f"{stock}-restored", wait_for_status="yellow")
    client.indices.put_alias(index=f"{stock}-restored", name=read)
    client.indices.delete(index=stock)
    client.indices.create(index=stock)  # by the template, enriched
    return events


def test_month_in_an_alias_of_the_sites_own_is_not_taken_out_of_it(events_of):
    usage = events_of
    usage.legacy("view", MONTH, EVENTS)
    index = usage.names.events_month("view", MONTH)
    alias = f"{usage.names.prefix}dashboard"
    usage.client.indices.put_alias(index=index, name=alias)
    report = usage.migrate(**ARGUMENTS)
    month = report["event_types"]["view"]["months"][MONTH]
    assert f"is in the alias {alias}" in month["errors"][0]
    assert usage.client.count(index=alias)["count"] == EVENTS
    usage.client.indices.delete_alias(index=index, name=alias)
    assert usage.migrate(**ARGUMENTS)["completed"]


def test_of_two_legacy_indices_the_one_that_is_read_is_the_source(events_of):
    usage = events_of
    events = usage.legacy("view", MONTH, EVENTS)
    stock = usage.names.events_month("view", MONTH)
    read = usage.names.events_alias("view")
    client = usage.client
    client.indices.put_settings(index=stock, body={"index.blocks.write": True})
    for suffix in ("-bak", "-v2"):
        client.indices.clone(index=stock, target=stock + suffix)
        client.cluster.health(index=stock + suffix, wait_for_status="yellow")
    client.indices.put_settings(index=f"{stock}-v2", body={"index.blocks.write": None})
    client.indices.update_aliases(
        body={
            "actions": [
                {"remove_index": {"index": stock}},
                {"add": {"index": f"{stock}-v2", "alias": read}},
            ]
        }
    )
    gone = next(iter(events))
    client.delete(index=f"{stock}-v2", id=gone, refresh=True)
    report = usage.migrate(**ARGUMENTS)
    assert report["event_types"]["view"]["months"][MONTH]["source_index"] in (
        f"{stock}-v2",
        usage.names.events_backup("view", MONTH),
    )
    assert {id for id, _ in usage.seen()} == set(events) - {gone}
