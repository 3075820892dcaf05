# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test which aggregates of records are written, and which are counted again."""

import contextlib
import json
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta

import pytest

from invenio_stats_dashboard.aggregations.aggregate_store import WriteCounts
from invenio_stats_dashboard.aggregations.records import (
    aggregator,
    change_detection,
    contribution_updates,
    documents,
    spill_file,
)
from invenio_stats_dashboard.aggregations.records.contribution_store import (
    ContributionStore,
)
from invenio_stats_dashboard.aggregations.runner import AggregationOptions
from invenio_stats_dashboard.errors import ClusterNotHealthyError, NotReadyError
from invenio_stats_dashboard.search.health import HealthGate, HealthLimits
from invenio_stats_dashboard.search.names import RECORD_FAMILIES

from ...conftest import remove_statistics
from ...helpers.search_requests import before_requests, sent_requests
from .build import day, record, text, timeline
from .conftest import REGISTRY, TODAY, Known

A, B, C = "community-a", "community-b", "community-c"


@pytest.fixture()
def some(known):
    """Return records of several communities, versions, days and owners."""
    return put_some(known)


@pytest.fixture()
def aggregated(client, text, names, prepared):
    """Return the same records and their aggregates.

    They are made once. What a test writes is put back before the next one.
    """

    def make():
        remove_statistics(client, names)
        known = put_some(Known(client, text, names))
        known.aggregate()
        known.check()
        return known.facts, known.events

    facts, events = deepcopy(prepared.get(__name__, make, restore=True))
    known = Known(client, text, names)
    known.facts, known.events = facts, events
    return known


def put_some(known):
    """Store records of several communities, versions, days and owners."""
    known.put(
        record(
            "r1", "p1", created=1, files=2, owner="1", published="2023", subjects=["x"]
        ),
        record("r2", "p1", created=5, owner="1", published="2024-02-29"),
        record("r3", "p2", created=29, owner="2", subjects=["x", "y"]),
        record(
            "r4", "p3", created=30, files=1, published="2019/2020", languages=["eng"]
        ),
        record("r5", "p4", created=30, published="in press"),
    )
    known.happen(
        *timeline("r1", 1, community="global"),
        *timeline("r2", 5, community="global"),
        *timeline("r3", 29, 40, 45, community="global"),
        *timeline("r4", 30, community="global"),
        *timeline("r5", 30, 50, community="global"),
        *timeline("r1", 2, community=A),
        *timeline("r2", 6, 29, community=A),
        *timeline("r3", 29, 30, 31, community=A),
        *timeline("r3", 29, community=B),
        *timeline("r4", 31, community=B),
    )
    return known


def test_documents_equal_those_of_the_reference(some):
    written = some.aggregate()
    some.check()
    found = some.found()
    assert written == WriteCounts(created=sum(map(len, found.values())))
    assert all(found[family] for family in RECORD_FAMILIES)


def test_unchanged_records_are_not_counted_again(aggregated):
    assert aggregated.aggregate() == WriteCounts()
    assert aggregated.labels == []


def test_a_rebuild_finds_nothing_to_change(aggregated):
    written = aggregated.aggregate(rebuild=True)
    assert written == WriteCounts(equal=sum(map(len, aggregated.found().values())))
    assert aggregated.counted == ["records of global", "records of 2 communities"]


@pytest.mark.parametrize(
    "changes",
    [
        {"subcounts": {"subjects": ["z"], "access_statuses": ["open"]}},
        {"published": "2024-03-02"},
        {"file_count": 0, "data_volume": 0},
        {"owner": "9"},
        {"created": "2024-02-20T00:00:00"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_edited_record_changes_the_documents_of_its_communities(aggregated, changes):
    aggregated.edit("r4", **changes)
    aggregated.aggregate()
    # no document of A, in which the record never was
    assert aggregated.read == ["changes of 1 records"]
    assert aggregated.counted == ["records of global", f"records of {B}"]
    aggregated.check()


def test_the_end_of_an_embargo_moves_the_record(some):
    some.edit("r4", subcounts={"access_statuses": ["embargoed"]})
    some.aggregate()
    some.edit("r4", subcounts={"access_statuses": ["open"]})
    some.aggregate()
    some.check()
    (last,) = [
        document
        for (community, day), document in some.found()["records-snapshot-added"].items()
        if community == B and day == text(31)
    ]
    cells = {cell["id"] for cell in last["subcounts"]["access_statuses"]}
    assert cells == {"open", "unknown"}


def test_new_events_of_any_date_change_the_documents(aggregated):
    aggregated.happen(
        *timeline("r3", 29, 35, community=B)[1:],
        *timeline("r1", 3, community=C),
        *timeline("r5", 30, 50, 52, community="global")[2:],
    )
    aggregated.aggregate()
    assert aggregated.counted == ["records of global", "records of 2 communities"]
    aggregated.check()


def test_a_new_version_and_a_change_of_its_parents_class(aggregated):
    aggregated.put(record("r6", "p2", created=47, files=3, owner="2"))
    aggregated.happen(
        *timeline("r6", 47, 49, community="global"), *timeline("r6", 48, community=B)
    )
    aggregated.aggregate()
    aggregated.check()


def test_a_date_of_the_next_year_has_its_own_index_of_events(aggregated):
    aggregated.put(record("r7", created=400))
    aggregated.happen(*timeline("r7", 400, community="global"))
    aggregated.aggregate(today=date(2026, 1, 1))
    assert aggregated.counted == ["records of global"]
    aggregated.check(today=date(2026, 1, 1))


def test_a_record_counts_from_its_publication_date_without_any_change(some):
    due = TODAY + timedelta(days=3)
    some.edit("r4", published=due.isoformat())
    some.aggregate()
    some.check()
    assert some.aggregate(today=due - timedelta(days=1)) == WriteCounts()
    written = some.aggregate(today=due)
    # a delta and a snapshot for the instance and for B
    assert (written.created, written.changed, written.deleted) == (4, 0, 0)
    some.check(today=due)
    assert some.aggregate(today=due + timedelta(days=400)) == WriteCounts()


def test_centuries_of_publication_dates_take_one_index(some, client, names):
    some.edit("r1", published="1455")
    some.edit("r2", published="0800")
    some.edit("r3", published="1999-12-31")
    some.aggregate()
    some.check()
    family = "records-snapshot-published"
    indices = client.indices.get_alias(name=names.aggregates(family))
    assert list(indices) == [names.aggregates_from(family, 1)]


def test_a_deleted_event_is_noticed(aggregated):
    aggregated.forget_event(aggregated.events[f"id of r3:{A}:3"])
    aggregated.aggregate()
    aggregated.check()


def test_deleted_facts_are_noticed_and_their_records_left_out(aggregated):
    aggregated.forget_facts("r4")
    aggregated.aggregate()
    assert aggregated.counted == ["records of global", f"records of {B}"]
    assert aggregated.without_facts == 1
    aggregated.check()
    aggregated.put(record("r4", "p3", files=1))
    aggregated.aggregate()
    assert aggregated.without_facts == 0
    aggregated.check()


def test_facts_written_twice_are_not_a_deletion(aggregated):
    for owner in ("7", "8"):
        aggregated.edit("r4", owner=owner)
    aggregated.aggregate()
    assert aggregated.counted == ["records of global", f"records of {B}"]
    aggregated.check()


def test_a_recreated_index_is_counted_again(aggregated, client, names):
    client.indices.delete(index=names.record_facts)
    aggregated.put(*aggregated.facts.values())
    aggregated.edit("r1", owner="5")
    aggregated.aggregate()
    assert aggregated.counted == ["records of global", "records of 2 communities"]
    aggregated.check()


def test_documents_stay_when_all_their_sources_are_missing(aggregated, client, names):
    before = aggregated.found()
    client.indices.delete(index=names.record_facts)
    with pytest.raises(NotReadyError, match="is missing"):
        aggregated.aggregate()
    assert aggregated.found() == before


def test_other_breakdowns_cause_a_complete_recount(aggregated):
    registry = {"subjects": {**REGISTRY["subjects"], "show": "top"}}
    aggregated.aggregate(half=aggregated.half(registry=registry, top=1))
    aggregated.check(registry=registry, top=1)


def test_a_community_that_lost_its_events_loses_its_documents(aggregated):
    for event in [e for e in aggregated.events.values() if e["community_id"] == B]:
        aggregated.forget_event(event)
    aggregated.aggregate()
    aggregated.check()


# -- stored contributions ---------------------------------------------------


def test_only_what_has_changed_is_read_and_written(aggregated):
    aggregated.edit("r3", owner="5", data_volume=77)
    with sent_requests() as sent:
        written = aggregated.aggregate(families=("records-delta-added",))
    path = f"{aggregated.names.record_facts}/_mget"
    bodies = [request.body for request in sent if request.path.endswith(path)]
    # the days on which it was added or removed: three globally, three in A, one in B
    assert [json.loads(body)["ids"] for body in bodies] == [["r3"]]
    assert written == WriteCounts(changed=7)
    aggregated.aggregate()
    aggregated.check()


@pytest.mark.parametrize("lost", ["all", "some"])
def test_missing_contributions_are_made_again(aggregated, client, names, lost):
    if lost == "all":
        client.indices.delete(index=names.between_runs)
    else:
        client.delete(index=names.between_runs, id=f"{B}:0/1", refresh=True)
    aggregated.edit("r4", owner="5")
    aggregated.aggregate()
    aggregated.check()
    aggregated.edit("r3", owner="6")
    aggregated.aggregate()
    assert aggregated.read == ["changes of 1 records"]
    aggregated.check()


def test_contributions_that_are_deleted_before_they_are_added_up(
    aggregated, client, names
):
    aggregated.edit("r4", owner="5")
    half = aggregated.half()
    phases = half.phases(AggregationOptions())
    for step in next(phases):
        step.do()
    client.delete(index=names.between_runs, id=f"{B}:0/1", refresh=True)
    for phase in phases:
        for step in phase:
            step.do()
    aggregated.check()


def test_another_run_notes_a_change_of_the_same_day(aggregated):
    for owner in ("6", "7"):
        aggregated.edit("r4", owner=owner)
        # the work is noted twice, and not written in between
        for step in next(aggregated.half().phases(AggregationOptions())):
            step.do()
    aggregated.aggregate()
    aggregated.check()


def test_a_run_interrupted_before_any_write_is_completed_by_the_next(
    known, monkeypatch
):
    """Each write of one step; for runs of several steps, see :mod:`.test_kills`."""
    known.put(record("a", files=1, owner="1"), record("b", created=3))
    known.happen(
        *timeline("a", 2, community=A),
        *timeline("b", 3, 6, community=A),
    )
    known.aggregate()
    number, done = 0, False
    while not done:
        number += 1
        known.edit("a", owner=f"owner {number}", published=f"2024-02-{number:02d}")
        known.put(record(f"n{number}", created=number, owner="1"))
        known.happen(
            *timeline(f"n{number}", number, community=A),
            *timeline(f"n{number}", number, community=f"new-{number}"),
        )
        done = _cut_before(known, number)
        known.aggregate()
        known.check()
    # two notes, the contributions, six families, the bookmarks
    assert number > 10


class CutError(Exception):
    """Ends a run before a request."""


def _cut_before(known, number):
    """Aggregate up to a number of write requests; return whether the run ended."""
    writes = []

    def count(request):
        if request.writes:
            writes.append(request)
            if len(writes) >= number:
                raise CutError

    with contextlib.suppress(CutError), before_requests(count):
        known.aggregate()
    return len(writes) < number


def test_records_without_facts_are_known_in_any_number(some, monkeypatch):
    events = [e for n in range(30) for e in timeline(f"x{n}", 5, community=A)]
    some.happen(*events)
    some.aggregate()
    some.check()
    some.put(record("x7", "nobody", owner="7"))
    some.aggregate()
    some.check()
    some.forget_facts("x7")
    some.forget_facts("r3")
    some.aggregate()
    some.check()
    assert some.read == ["changes of 2 records"]


@pytest.mark.parametrize(
    ("values", "others", "left"),
    [
        ("abcde", ("bd", "a"), "ce"),
        ("bc", ("abcd", ""), ""),
        ("abc", ("", ""), "abc"),
        ("", ("ab", "c"), ""),
        ("ac", ("b", "bc"), "a"),
    ],
)
def test_sorted_values_without_others(values, others, left):
    assert list(change_detection._without(iter(values), *map(iter, others))) == list(
        left
    )


# -- corrections ------------------------------------------------------------


def test_a_change_of_complete_days_is_logged(aggregated):
    assert _corrections(aggregated) == []
    aggregated.edit("r4", file_count=7)
    aggregated.happen(*timeline("r1", 3, community=C))
    aggregated.aggregate()
    logged = {
        tuple(entry["communities"]): (entry["day"], entry["last_day"], entry["days"])
        for entry in _corrections(aggregated)
    }
    assert logged == {
        ("global",): (text(30), text(30), 1),
        (B,): (text(31), text(31), 1),
        (C,): (text(3), text(3), 1),
    }
    assert {entry["why"] for entry in _corrections(aggregated)} == {
        f"{aggregated.names.community_events_year(2024)} has new events; "
        "1 record facts have changed"
    }


def test_a_day_that_is_not_over_is_not_a_correction(some):
    some.aggregate(today=day(59))
    some.put(record("r8", created=60))
    some.happen(*timeline("r8", 60, community="global"))
    some.aggregate(today=day(60))
    some.happen(*timeline("r8", 60, community=A))
    some.aggregate(today=day(61))
    assert _corrections(some) == []


def test_a_correction_that_is_written_again_is_logged_once(aggregated, monkeypatch):
    aggregated.edit("r3", file_count=7)
    half = aggregated.half()
    monkeypatch.setattr(half._stores["records-delta-added"], "write", _cut)
    with pytest.raises(CutError):
        aggregated.aggregate(half=half)
    logged = _corrections(aggregated)
    assert [entry["days"] for entry in logged] == [3]
    aggregated.aggregate()
    aggregated.check()
    again = _corrections(aggregated)
    assert len(again) == 3
    assert [{**e, "updated_at": None} for e in logged] == [
        {**e, "updated_at": None} for e in again if e["communities"] == ["global"]
    ]


def _cut(*_):
    raise CutError


def test_old_corrections_are_deleted(aggregated):
    for days in (5, 800):
        written = datetime.now(UTC) - timedelta(days=days)
        body = {"kind": "correction", "updated_at": written.isoformat(), "n": days}
        aggregated.client.index(
            index=aggregated.names.bookmarks, body=body, refresh=True
        )
    aggregated.aggregate(today=TODAY + timedelta(days=1))
    assert [entry["n"] for entry in _corrections(aggregated)] == [5]


def _corrections(known):
    known.client.indices.refresh(index=known.names.bookmarks)
    body = {"query": {"term": {"kind": "correction"}}, "size": 100}
    hits = known.client.search(index=known.names.bookmarks, body=body)["hits"]["hits"]
    return [hit["_source"] for hit in hits]


# -- restricted runs --------------------------------------------------------


def test_a_dry_run_writes_nothing_and_reports_what_it_would_write(some):
    would = some.aggregate(dry_run=True)
    assert not any(some.found().values())
    assert would == some.aggregate()
    assert some.aggregate(dry_run=True, rebuild=True).created == 0


@pytest.mark.parametrize("family", ["records-delta-added", "records-snapshot-added"])
def test_families_and_communities_left_out_remain_pending(some, family):
    some.aggregate(communities=(A,), families=(family,))
    found = {family for family, documents in some.found().items() if documents}
    assert found == {family}
    assert {c for c, _ in some.found()[family]} == {A}
    some.aggregate()
    some.check()


def test_days_left_out_remain_pending(some):
    some.aggregate(first=text(30), last=text(31))
    days = {day for documents in some.found().values() for _, day in documents}
    assert days == {text(30), text(31)}
    some.aggregate()
    some.check()


def test_a_community_that_changes_during_a_run_is_counted_again(
    aggregated, monkeypatch
):
    aggregated.edit("r4", owner="7")
    half, late = aggregated.half(), []
    close = half._pending.close

    def edited_before(*arguments):
        # its documents are written, but the community is not closed yet
        if not late:
            late.append(aggregated.edit("r4", file_count=5))
            phases = aggregated.half().phases(AggregationOptions())
            for step in next(phases):
                step.do()
        close(*arguments)

    monkeypatch.setattr(half._pending, "close", edited_before)
    aggregated.aggregate(half=half)
    assert late
    aggregated.check()


def test_an_unhealthy_cluster_stops_the_work_and_nothing_is_lost(some, client):
    gate = HealthGate(client, HealthLimits(memory_percent=1, patience=0.1, interval=0))
    with pytest.raises(ClusterNotHealthyError):
        some.aggregate(half=some.half(gate=gate))
    assert not any(some.found().values())
    some.aggregate()
    some.check()


# -- size -------------------------------------------------------------------


def test_parts_and_slices_make_no_difference(some, monkeypatch):
    monkeypatch.setattr(contribution_updates, "EVENTS", 1)
    monkeypatch.setattr(contribution_updates, "PARTS", 1)
    monkeypatch.setattr(aggregator, "_COUNTED_TOGETHER", 1)
    monkeypatch.setattr(spill_file, "ROWS", 3)
    monkeypatch.setattr(documents, "ROWS", 2)
    for number, facts in enumerate(some.facts.values()):
        # parents begin with random digits
        facts["parent_id"] = f"{number * 4096:04x}-{facts['parent_id']}"
    some.put(*some.facts.values())
    for event in list(some.events.values()):
        some.forget_event(event)
        parent = some.facts[event["recid"]]["parent_id"]
        some.happen({**event, "parent_id": parent})
    some.aggregate(half=some.half(top=1))
    some.check(top=1)
    assert f"records of {A}" in some.counted
    some.edit("r4", subcounts={"subjects": ["z"]})
    some.edit("r1", owner="2", file_count=0)
    some.aggregate(half=some.half(top=1))
    some.check(top=1)
    assert "changes of 2 records" in some.read


def test_a_growing_community_is_divided_further(aggregated, monkeypatch):
    monkeypatch.setattr(contribution_updates, "EVENTS", 2)
    monkeypatch.setattr(contribution_updates, "MOST", 2)
    aggregated.put(record("r6", "p6", created=8), record("r7", "p7", created=9))
    aggregated.happen(
        *timeline("r6", 8, community="global"), *timeline("r7", 9, community="global")
    )
    aggregated.aggregate()
    assert aggregated.read == ["changes of 2 records", "reading global"]
    aggregated.check()
    aggregated.edit("r6", owner="7")
    aggregated.aggregate()
    assert aggregated.read == ["changes of 1 records"]
    aggregated.check()


def test_ten_thousand_additions_in_a_day(known):
    known.put(
        *(
            record(f"r{n}", files=n % 2, owner=str(n % 700), subjects=[f"s{n % 1500}"])
            for n in range(10_500)
        )
    )
    known.happen(*(e for n in range(10_500) for e in timeline(f"r{n}", 3, community=A)))
    known.aggregate()
    found = known.found()
    (delta,) = found["records-delta-added"].values()
    assert delta["records"]["added"] == {"metadata_only": 5250, "with_files": 5250}
    assert delta["parents"] == delta["records"]
    assert delta["files"]["added"] == {"file_count": 5250, "data_volume": 52_500}
    assert delta["uploaders"] == 700
    assert len(delta["subcounts"]["subjects"]) == 1500
    assert {
        sum(cell["records"]["added"].values())
        for cell in delta["subcounts"]["subjects"]
    } == {7}
    (snapshot,) = found["records-snapshot-added"].values()
    assert snapshot["total_uploaders"] == 700
    assert len(snapshot["subcounts"]["subjects"]) == 20


def test_an_idle_run_sends_the_same_requests_for_any_number_of_communities(
    aggregated, monkeypatch
):
    few = _requests(aggregated)
    aggregated.happen(
        *(e for n in range(40) for e in timeline("r1", 3, community=f"x{n}"))
    )
    aggregated.aggregate()
    assert _requests(aggregated) == few


def _requests(known):
    with sent_requests() as sent:
        half = known.half()
        assert not [
            step for phase in half.phases(AggregationOptions()) for step in phase
        ]
    return [(request.method, request.path.split("?")[0]) for request in sent]


def test_running_totals_of_usage_stay_when_contributions_are_removed(aggregated, names):
    index, total = names.between_runs, f"{B}:latest"
    body = {"community_id": B, "anchor": "latest", "day": "2024-02-01", "state": {}}
    aggregated.client.index(index=index, id=total, body=body, refresh=True)
    ContributionStore(aggregated.client, aggregated.text, names).forget([B])
    assert aggregated.client.exists(index=index, id=total)
    assert not aggregated.client.exists(index=index, id=f"{B}:0/1")
    aggregated.aggregate(rebuild=True)
    aggregated.check()
