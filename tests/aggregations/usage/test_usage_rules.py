# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the rules of counting usage, with amounts of data that reveal shortcuts."""

import gc
from array import array

import pytest
from opensearchpy import NotFoundError

from invenio_stats_dashboard.aggregations.usage import aggregator, counting
from invenio_stats_dashboard.aggregations.usage.aggregator import DayBatch, units
from invenio_stats_dashboard.aggregations.usage.corrections import UsageCorrections
from invenio_stats_dashboard.aggregations.usage.event_columns import day_of
from invenio_stats_dashboard.search.names import USAGE_FAMILIES

from ...helpers import reference
from ...helpers.stored import assert_same
from ...helpers.usage import Usage
from .build import BLUE, RED, changed

DAY = "2026-03-05"


def test_more_than_ten_thousand_events_in_a_day_with_1500_values(events, monkeypatch):
    monkeypatch.setattr(counting, "PORTION", 5000)
    monkeypatch.setattr(counting, "PIECE", 2500)
    made = []
    for n in range(12_000):
        id, source = events.event(
            n, f"{DAY}T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}"
        )
        source |= {"visitor_id": f"visitor-{n % 4001}", "recid": f"rec-{n % 2003}"}
        source["subcounts"] = {"subjects": [f"subject {n % 1500}", f"s {n % 7}"]}
        made.append((id, source))
    events.write(made)
    assert events.aggregate().events == 12_000
    found = events.found()["usage-delta"]["global", DAY]
    assert found["totals"]["view"] == {
        "total_events": 12_000,
        "unique_visitors": 4001,
        "unique_records": 2003,
        "unique_parents": 4,
    }
    subjects = found["subcounts"]["subjects"]
    assert len(subjects) == 1507
    assert sum(cell["view"]["total_events"] for cell in subjects) == 24_000
    wanted = {"subject 1499": 8, "s 0": 1715}
    cells = {cell["id"]: cell["view"]["total_events"] for cell in subjects}
    assert {id: cells[id] for id in wanted} == wanted


def test_the_split_of_the_work_does_not_matter(events, monkeypatch):
    days = [f"2026-03-{n:02d}" for n in range(1, 6)]
    events.days(days, each=9)
    events.days(days[2:5], each=5, kind="download", communities=(BLUE, RED))
    events.aggregate()
    events.assert_right()
    for chunk, portion, piece in ((1, 7, 50), (25, 20, 5), (10**6, 10**6, 10**6)):
        monkeypatch.setattr(aggregator.units, "__defaults__", (chunk,))
        monkeypatch.setattr(counting, "PORTION", portion)
        monkeypatch.setattr(counting, "ROWS", portion)
        monkeypatch.setattr(counting, "PIECE", piece)
        assert changed(events.aggregate(rebuild=True)) == {}


@pytest.mark.parametrize("kind", ["view", "download"])
def test_an_instance_with_one_event_type_only(events, kind):
    events.days([DAY, "2026-04-01"], kind=kind)
    events.aggregate()
    events.assert_right()
    other = {"view": "download", "download": "view"}[kind]
    assert not events.client.indices.exists(index=events.names.events_alias(other))


def test_an_instance_without_events(events):
    done = events.aggregate()
    assert (done.days, changed(done), done.completed) == (0, {}, True)
    assert changed(events.aggregate(rebuild=True)) == {}


def test_events_that_the_record_pages_leave_out_and_robots_are_left_out(events):
    events.days([DAY], each=3)
    events.days([DAY], each=2, first=10, via_api=True)
    events.days([DAY], each=2, first=20, is_robot=True)
    events.days([DAY], each=2, first=30, kind="download", is_robot=True)
    events.days([DAY], each=4, first=40, kind="download", via_api=True)
    events.aggregate()
    events.assert_right()
    totals = events.found()["usage-delta"]["global", DAY]["totals"]
    assert totals["view"]["total_events"] == 3
    assert totals["download"]["total_events"] == 4


def test_changed_rules_of_the_site_apply_to_all_days(events, monkeypatch):
    events.days([DAY, "2026-03-06"], each=4)
    events.aggregate()
    totals = events.found()["usage-delta"]["global", DAY]["totals"]
    assert totals["view"]["total_events"] == 4
    aggregation = events.app.extensions["invenio-stats"].aggregations["record-view-agg"]
    modifiers = [
        lambda query, **_: query.filter("term", via_api=False),
        lambda query, **_: query.filter("term", is_machine=False),
    ]
    monkeypatch.setitem(aggregation.params, "query_modifiers", modifiers)
    done = events.aggregate()
    assert done.days == 2
    totals = events.found()["usage-delta"]["global", DAY]["totals"]
    assert totals["view"]["total_events"] == 2


def test_an_event_without_enrichment_counts_for_the_instance(events):
    made = []
    for n in range(3):
        id, source = events.event(n, f"{DAY}T00:00:0{n}")
        for field in ("community_ids", "subcounts", "enriched_at"):
            del source[field]
        made.append((id, source))
    events.write(made)
    events.aggregate()
    events.assert_right()
    found = events.found()["usage-delta"]
    assert list(found) == [("global", DAY)]
    cells = found["global", DAY]["subcounts"]["resource_types"]
    assert [cell["id"] for cell in cells] == ["unknown"]


def test_a_month_is_counted_again_after_its_cutover(events, app, client, names):
    with app.app_context():
        usage = Usage(app, client, names)
        views = usage.legacy("view", "2026-03", 120)
        downloads = usage.legacy("download", "2026-03", 60)
        before = events.aggregate()
        assert {c for c, _ in events.found()["usage-delta"]} == {"global"}
        usage.migrate()
        after = events.aggregate()
    assert after.days == before.days
    assert_same(events.found(), _wanted(app, usage))
    assert len({c for c, _ in events.found()["usage-delta"]}) == 3
    assert changed(events.aggregate(rebuild=True)) == {}
    assert len(views) + len(downloads) == 180


def _wanted(app, usage):
    stored = [
        [source for _, source in usage.seen(kind)] for kind in ("view", "download")
    ]
    documents = reference.usage_documents(
        *stored, app.config["COMMUNITY_STATS_SUBCOUNTS"], 20
    )
    return dict(zip(USAGE_FAMILIES, documents, strict=True))


def corrections(events):
    """Return the correction log as (day, reason, views before, views after)."""
    found = UsageCorrections(events.client, events.names, None).read()

    def views(totals):
        return totals and totals["view"]["total_events"]

    return [
        (f["day"], f["why"], *(views(f["global"][k]) for k in ("before", "after")))
        for f in found
    ]


def test_a_change_of_a_complete_day_is_logged_with_the_reason(events):
    with pytest.raises(NotFoundError):
        events.client.get(index=events.names.bookmarks, id="complete:usage")
    events.days([DAY, "2026-03-07"])
    events.aggregate()
    events.days(["2026-03-06"], first=30)  # the day had no document
    events.days([DAY], each=2, first=50)
    events.aggregate()
    assert corrections(events)[::-1] == [
        (DAY, "new events", 6, 8),
        ("2026-03-06", "new events", None, 6),
    ]
    id, source = next(iter(events.stored["view"].items()))
    events.write([(id, {**source, "country": "XX"})])
    events.delete("2026-03-07T00:00:00-6")
    events.aggregate()
    assert sorted(corrections(events)[:2]) == [
        (DAY, "changed events", 8, 8),
        ("2026-03-07", "deleted events", 6, 5),
    ]
    # today is never complete; counting a day again without a change is no correction
    assert len(corrections(events)) == 4
    events.aggregate(rebuild=True)
    assert len(corrections(events)) == 4
    events.assert_right()


@pytest.mark.parametrize(
    "timestamp, day",
    [
        ("2026-03-05T23:59:59", "2026-03-05"),
        ("2026-03-05T23:59:59.999999", "2026-03-05"),
        ("2026-03-05T23:59:59Z", "2026-03-05"),
        ("2026-03-05T23:59:59+00:00", "2026-03-05"),
        ("2026-03-05T23:59:59.5-02:00", "2026-03-06"),
        ("2026-03-05T00:30:00+01:00", "2026-03-04"),
    ],
)
def test_the_day_of_an_event_is_in_utc(timestamp, day):
    assert day_of(timestamp) == day


def test_days_are_batched_within_a_month_up_to_a_number_of_events():
    days = ["2026-03-30", "2026-03-31", "2026-04-01", "2026-04-02", "2026-04-04"]
    counts = {**dict.fromkeys(days, 4), "2026-04-04": 99}
    assert units(days, counts, limit=8) == [
        DayBatch("2026-03-30", "2026-03-31", 8),
        DayBatch("2026-04-01", "2026-04-02", 8),
        DayBatch("2026-04-04", "2026-04-04", 99),
    ]
    assert [u.first for u in units(days, counts, limit=1)] == days
    assert DayBatch("2026-02-28", "2026-03-01", 1).days == ["2026-02-28", "2026-03-01"]


def test_counted_columns_are_freed_without_the_garbage_collector(events):
    """Otherwise the columns of many steps would wait for a rare garbage collection."""
    events.days([f"2026-03-{n:02d}" for n in range(1, 5)])
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        events.aggregate()
        gc.collect()
        leaked = [thing for thing in gc.garbage if isinstance(thing, array)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not leaked
