# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test months that are refused, closed, incomplete or missing."""

import json
import time
from datetime import UTC, datetime

import pytest

from ..helpers.usage import Writer, native, stock_body


def NOW():
    """Return a moment at which every month of these tests is past."""
    return datetime(2026, 11, 20, tzinfo=UTC)


def month_of(report, event_type="view", month="2026-03"):
    """Return what a report says of one month."""
    return report["event_types"][event_type]["months"][month]


def on(step, action, times=1):
    """Return a step callback that does something before a named step."""
    left = [times]

    def callback(name):
        if name == step and left[0]:
            left[0] -= 1
            action()

    return callback


def strange(id, **fields):
    """Return an event with unusual fields, by id."""
    source = {
        "timestamp": "2026-03-20T10:00:00",
        "recid": "nobody-knows",
        "unique_id": id,
        "country": "DK",
    }
    return {id: {**source, **fields}}


def write(usage, events, event_type="view", month="2026-03"):
    """Write single events to a month."""
    actions = []
    for id, source in events.items():
        actions += [{"index": {"_id": id}}, source]
    answer = usage.client.bulk(
        index=usage.names.events_month(event_type, month), body=actions
    )
    assert not answer["errors"], answer["items"]
    usage.client.indices.refresh(index=usage.names.events_alias(event_type))


def assert_legacy_serves(usage, events, event_type="view", month="2026-03"):
    """Check that the month is as it was for readers and writers."""
    stock = usage.names.events_month(event_type, month)
    assert stock in usage.client.indices.get(index=stock)
    assert usage.client.indices.get_settings(
        index=stock, name="index.blocks.write"
    ) in ({}, None)
    seen = dict(usage.seen(event_type, index=stock))
    assert {id: native(s) for id, s in seen.items()} == events


# -- events that are refused --------------------------------------------------


def refuse_some(usage, count):
    """Make a month whose last event our mapping refuses, and another month.

    The site wrote a field by the name of one of ours, with another meaning.
    """
    mappings = stock_body(usage.app, "view")["mappings"]
    mappings["dynamic"] = False
    events = usage.legacy("view", "2026-03", count, mappings=mappings)
    events.update(strange("odd", updated_timestamp="2026-03-20T10:00:00"))
    write(usage, {"odd": events["odd"]})
    return events


@pytest.mark.parametrize("batch_size", [1000, 50], ids=["first", "later"])
def test_a_refused_batch_fails_its_month_and_no_other(usage, batch_size):
    events = refuse_some(usage, 200)
    after = usage.legacy("view", "2026-04", 100)
    target = usage.names.events_target("view", "2026-03")

    def forbid():
        # a mapping that the site tightened, as it is seen by the bulk request
        usage.client.indices.put_mapping(index=target, body={"dynamic": "strict"})

    write(usage, extra := strange("field of nobody", nobody="knows"))
    events.update(extra)
    report = usage.service.reindex_events(
        batch_size=batch_size, step=on("copy", forbid), now=NOW
    )
    assert report.exit_code == 1
    month = month_of(report.as_json())
    assert month["state"] == "failed" and not month["switched"]
    assert "strict_dynamic_mapping_exception" in month["errors"][0]
    assert month["retry"] == (
        "invenio community-stats usage-events migrate --event-types view "
        "--months 2026-03"
    )
    assert_legacy_serves(usage, events)
    assert month_of(report.as_json(), month="2026-04")["state"] == "done"
    assert len(usage.seen()) == len(events) + len(after)


def test_the_next_run_completes_a_refused_month_after_the_mapping_is_fixed(usage):
    events = refuse_some(usage, 100)
    target = usage.names.events_target("view", "2026-03")
    write(usage, extra := strange("field of nobody", nobody="knows"))
    events.update(extra)

    def dynamic(value):
        usage.client.indices.put_mapping(index=target, body={"dynamic": value})

    failed = usage.migrate(
        batch_size=50, step=on("copy", lambda: dynamic("strict")), now=NOW
    )
    assert month_of(failed)["copied"] >= 50
    dynamic("false")
    report = usage.migrate(now=NOW)
    assert report["completed"], report
    assert month_of(report)["copied"] < len(events), "it went on where it was"
    usage.assert_enriched_once({id: e for id, e in events.items()})


# -- verification --------------------------------------------------------------


def test_a_copy_that_cannot_be_repaired_is_deleted_and_the_next_run_copies_again(
    usage,
):
    events = usage.legacy("view", "2026-03", 300)
    target = usage.names.events_target("view", "2026-03")

    def spoil():
        # enriched by something else, as an index restored over it would be
        actions = []
        for id in events:
            actions += [{"update": {"_id": id}}, {"doc": {"community_ids": ["nobody"]}}]
        assert not usage.client.bulk(index=target, body=actions)["errors"]

    report = usage.service.reindex_events(step=on("verify", spoil), now=NOW)
    assert report.exit_code == 1
    month = month_of(report.as_json())
    assert month["state"] == "failed" and "nobody" in month["errors"][0]
    assert "the next run copies this month from the beginning" in month["errors"][0]
    assert month["retry"]
    assert not usage.client.indices.exists(index=target)
    assert usage.state("view", "2026-03")["shards"] == {}
    assert_legacy_serves(usage, events)
    again = usage.migrate(now=NOW)
    assert again["completed"] and month_of(again)["copied"] == len(events)
    usage.assert_enriched_once(events)


def test_missing_and_surplus_events_of_the_copy_are_repaired(usage):
    events = usage.legacy("view", "2026-03", 300)
    target = usage.names.events_target("view", "2026-03")

    def spoil():
        client = usage.client
        # as if a node had lost the last of its translog: without a trace
        client.indices.put_settings(index=target, body={"index.gc_deletes": "0s"})
        for id in sorted(events)[:3]:
            client.delete(index=target, id=id)
        time.sleep(1)
        client.indices.refresh(index=target)
        client.index(index=target, id="too many", body=strange("x")["x"])

    report = usage.migrate(step=on("verify", spoil), now=NOW)
    assert report["completed"], month_of(report)["errors"]
    usage.assert_enriched_once(events)


# -- a cluster in a bad state ----------------------------------------------------


def test_a_full_heap_stops_the_run_resumable_and_says_why(usage, monkeypatch):
    patience = "STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT"
    monkeypatch.setitem(usage.app.config, patience, 0.5)
    events = usage.legacy("view", "2026-03", 100)
    report = usage.service.reindex_events(max_memory_percent=1, now=NOW)
    assert report.exit_code == 3
    assert report.stopped["resumable"]
    assert report.stopped["reason"].startswith("The heap of node")
    assert_legacy_serves(usage, events)
    assert usage.migrate(max_memory_percent=100, now=NOW)["completed"]
    usage.assert_enriched_once(events)


def test_the_most_batches_of_a_run_stop_each_month_and_the_next_run_goes_on(usage):
    views = usage.legacy("view", "2026-03", 250)
    downloads = usage.legacy("download", "2026-03", 250)
    first = usage.service.reindex_events(batch_size=100, max_batches=2, now=NOW)
    assert first.exit_code == 3 and first.stopped["resumable"]
    assert "this run has written 2 batches" in first.stopped["reason"]
    assert [m.copied for m in first.months] == [200, 200]
    second = usage.migrate(batch_size=100, max_batches=2, now=NOW)
    assert second["completed"] and second["events_copied"] == 100
    usage.assert_enriched_once(views)
    usage.assert_enriched_once(downloads, "download")


# -- odd events -------------------------------------------------------------------


def test_events_of_unknown_records_are_counted_and_stored_enriched_with_nothing(
    usage,
):
    usage.legacy("view", "2026-03", 50)
    write(usage, strange("ghost 1") | strange("ghost 2"))
    report = usage.migrate(now=NOW)
    assert report["completed"]
    assert month_of(report)["unknown_records"] == 2
    ghosts = [s for id, s in usage.seen() if id.startswith("ghost")]
    assert len(ghosts) == 2
    for ghost in ghosts:
        assert ghost["community_ids"] == [] and ghost["subcounts"] == {}
        assert ghost["enriched_at"]


def test_overlong_and_date_like_values_are_copied_as_they_are(usage):
    mappings = stock_body(usage.app, "view")["mappings"]
    mappings["dynamic"] = False
    usage.legacy("view", "2026-03", 20, mappings=mappings)
    odd = strange("long", remark="x" * 40_000)
    odd |= strange("date", remark="2024-01-01", other={"2024": ["12", "twelve"]})
    odd |= strange("text", remark="no date", other={"2024": [True]})
    odd |= strange("unicode", remark='\u2028 \U0001f600 } " { \\ é')
    write(usage, odd)
    assert usage.migrate(now=NOW)["completed"]
    seen = dict(usage.seen())
    assert {id: native(seen[id]) for id in odd} == odd


def test_an_event_counts_for_a_community_only_while_the_record_was_in_it(usage):
    by_kind = {}
    for record in usage.records:
        by_kind.setdefault(len(by_kind), record.recid)
    moments = (
        "2026-03-05T09:59:59", "2026-03-05T10:00:00", "2026-03-10T00:00:00",
        "2026-03-15T11:59:59", "2026-03-15T12:00:00", "2026-03-19T23:59:59",
        "2026-03-20T00:00:00",
    )  # fmt: skip
    usage.legacy("view", "2026-03", 10)
    odd = {}
    for number in range(5):
        for moment in moments:
            odd |= strange(
                f"{number} {moment}", recid=by_kind[number], timestamp=moment
            )
    write(usage, odd)
    assert usage.migrate(now=NOW)["completed"]
    seen = dict(usage.seen())
    red, blue = "…a", "…b"
    short = {
        id: "".join({"a": red, "b": blue}[c[-1]][-1] for c in seen[id]["community_ids"])
        for id in odd
    }
    wanted = {0: [""] * 7, 1: ["a"] * 7}
    wanted[2] = ["a", "a", "a", "a", "ab", "ab", "ab"]
    wanted[3] = ["b", "b", "", "", "", "", ""]
    wanted[4] = ["a", "", "", "", "", "", "a"]
    assert short == {
        f"{number} {moment}": values[place]
        for number, values in wanted.items()
        for place, moment in enumerate(moments)
    }


# -- odd indices ------------------------------------------------------------------


def test_no_legacy_events_means_templates_only(usage):
    name = f"{usage.names.events_alias('view')}-v2.0.0"
    usage.client.indices.delete_index_template(name=name)
    report = usage.migrate(now=NOW)
    assert report["completed"] and report["events_copied"] == 0
    assert report["event_types"] == {}
    assert usage.client.indices.exists_index_template(name=name)


def test_a_month_without_events_is_migrated_as_well(usage):
    usage.legacy_index("view", "2026-03")
    report = usage.migrate(now=NOW)
    assert report["completed"] and month_of(report)["state"] == "done"
    stock = usage.names.events_month("view", "2026-03")
    assert usage.names.events_target("view", "2026-03") in usage.client.indices.get(
        index=stock
    )


def test_a_natively_enriched_month_is_left_alone(usage):
    usage.add("view", "2026-03", 50)
    stock = usage.names.events_month("view", "2026-03")
    before = usage.client.indices.get(index=stock)
    report = usage.migrate(now=NOW)
    assert report["completed"] and month_of(report)["state"] == "enriched"
    assert usage.client.indices.get(index=stock) == before


def test_a_closed_index_fails_with_what_to_do_and_no_other_month(usage):
    usage.legacy("view", "2026-03", 50)
    usage.legacy("view", "2026-04", 50)
    stock = usage.names.events_month("view", "2026-03")
    usage.client.indices.close(index=stock)
    report = usage.service.reindex_events(now=NOW)
    assert report.exit_code == 1
    month = month_of(report.as_json())
    assert month["state"] == "failed" and f"POST /{stock}/_open" in month["errors"][0]
    assert month_of(report.as_json(), month="2026-04")["state"] == "done"
    usage.client.indices.open(index=stock)
    assert usage.migrate(now=NOW)["completed"]


def test_an_index_of_the_family_without_a_month_is_named_and_left_alone(usage):
    name = f"{usage.names.events_alias('view')}-old"
    usage.legacy_index("view", "2026-03", name=name)
    usage.legacy("view", "2026-03", 50)
    report = usage.migrate(now=NOW)
    assert report["completed"]
    assert any(name in problem for problem in report["problems"])
    assert any(name in problem for problem in usage.service.status().problems)
    assert name in usage.client.indices.get(index=name)


def test_an_incomplete_target_without_a_bookmark_is_created_again(usage):
    events = usage.legacy("view", "2026-03", 100)
    target = usage.names.events_target("view", "2026-03")
    usage.client.index(index=target, id="left over", body=strange("x")["x"])
    report = usage.migrate(now=NOW)
    assert report["completed"], report
    usage.assert_enriched_once(events)


def test_a_source_with_async_translog_loses_nothing_while_it_is_written(usage):
    translog = {"translog": {"durability": "async", "sync_interval": "1h"}}
    events = usage.legacy("view", "2026-03", 500, settings={"index": translog})
    with Writer(usage, "view", "2026-03") as writer:
        report = usage.migrate(now=NOW)
        assert report["completed"], report
    ids = [id for id, _ in usage.seen()]
    assert sorted(ids) == sorted({*events, *writer.written})
    target = usage.names.events_target("view", "2026-03")
    settings = usage.client.indices.get_settings(index=target)[target]["settings"]
    assert settings["index"]["translog"]["durability"] == "async"


def test_a_month_that_ends_during_the_run_retains_its_late_events(usage):
    events = usage.legacy("view", "2026-03", 200)
    moments = [datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)]

    def turn():
        moments[0] = datetime(2026, 4, 1, 0, 0, 1, tzinfo=UTC)
        april = dict(usage.events("view", "2026-04", 5, 4))
        late = strange("late", timestamp="2026-03-31T23:59:59.9")
        write(usage, april, month="2026-04")
        write(usage, late)
        events.update(april | late)

    report = usage.migrate(
        step=on("replicas", turn),
        now=lambda: moments[0],
        delete_old_indices=True,
        ignore_stock_workers=True,
    )
    assert report["completed"], report
    assert {id for id, _ in usage.seen()} == set(events)
    backup = usage.names.events_backup("view", "2026-03")
    assert usage.client.indices.exists(index=backup), "its month may still be written"
    again = usage.migrate(now=lambda: moments[0], ignore_stock_workers=True)
    assert month_of(again, month="2026-04")["state"] == "enriched"


def test_the_report_is_json_all_through(usage):
    usage.legacy("view", "2026-03", 20)
    report = usage.migrate(now=NOW)
    assert json.loads(json.dumps(report)) == report


def test_a_name_that_is_taken_fails_the_month_and_deletes_nothing(usage):
    events = usage.legacy("view", "2026-03", 50)
    backup = usage.names.events_backup("view", "2026-03")
    usage.client.index(index=backup, id="precious", body={"a": 1}, refresh=True)
    report = usage.service.reindex_events(now=NOW)
    assert report.exit_code == 1
    assert "already" in month_of(report.as_json())["errors"][0]
    assert usage.client.count(index=backup)["count"] == 1
    assert_legacy_serves(usage, events)


def test_an_index_template_that_lets_a_target_be_read_is_refused(usage):
    events = usage.legacy("view", "2026-03", 50)
    name = f"{usage.names.prefix}site"
    read = usage.names.events_alias("view")
    usage.client.indices.put_index_template(
        name=name,
        body={
            "index_patterns": [f"{read}-*"],
            "priority": 900,
            "template": {"aliases": {read: {}}},
        },
    )
    try:
        report = usage.service.reindex_events(now=NOW)
        assert "STATS_DASHBOARD_TEMPLATE_PRIORITY" in report.months[0].errors[0]
        assert len(usage.seen()) == len(events)
    finally:
        usage.client.indices.delete_index_template(name=name)
