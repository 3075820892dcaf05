# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Events of robots count or not, and a change of the setting counts their days again."""

from dataclasses import asdict

import pytest

from invenio_stats_dashboard.aggregations.source_positions import SourcePositions
from invenio_stats_dashboard.aggregations.usage import event_filter
from invenio_stats_dashboard.aggregations.usage.robots import RobotEvents

from .build import RED, changed
from .test_usage_rules import DAY, corrections

COUNT_ROBOTS = "STATS_DASHBOARD_COUNT_ROBOTS"
DAYS = [f"2026-02-{n:02d}" for n in range(25, 29)] + [
    f"2026-03-{n:02d}" for n in range(1, 7)
]
WITH_ROBOTS = [DAYS[1], DAYS[6], DAYS[8]]


@pytest.fixture()
def service(events):
    """Return the service, in an application context."""
    with events.app.app_context():
        yield events.app.extensions["invenio-stats-dashboard"].community_stats_service


def set_robots(events, monkeypatch, value):
    monkeypatch.setitem(events.app.config, COUNT_ROBOTS, value)


def totals(events, community="global", day=DAY):
    """Return the views and the downloads of a day."""
    found = events.found()["usage-delta"].get((community, day))
    if found is None:
        return (0, 0)
    return tuple(found["totals"][kind]["total_events"] for kind in ("view", "download"))


def write(events, flag, number=1):
    """Store as many views and downloads with this flag; none if it is empty."""
    for kind, first in (("view", 100), ("download", 200)):
        made = []
        for n in range(number):
            id, source = events.event(first + n, f"{DAY}T10:00:00", kind)
            del source["is_robot"]
            made.append((id, {**source, **flag}))
        events.write(made, kind)


@pytest.mark.parametrize(
    ("flag", "without", "with_robots"),
    [
        # views and downloads that count if no robots count, and if they count as stock
        ({"is_robot": False}, (2, 2), (2, 2)),
        ({"is_robot": "false"}, (2, 2), (2, 2)),
        ({"is_robot": ""}, (2, 2), (2, 2)),
        ({"is_robot": True}, (0, 0), (2, 0)),
        ({"is_robot": "true"}, (0, 0), (2, 0)),
        ({"is_robot": ["true"]}, (0, 0), (2, 0)),
        ({"is_robot": [False, True]}, (0, 0), (2, 2)),
        ({}, (2, 0), (2, 0)),
        ({"is_robot": None}, (2, 0), (2, 0)),
    ],
    ids=str,
)
def test_a_flag_is_counted_by_the_setting(
    events, monkeypatch, flag, without, with_robots
):
    write(events, flag, 2)
    for value, wanted in ((False, without), (True, with_robots), (False, without)):
        set_robots(events, monkeypatch, value)
        events.aggregate()
        assert totals(events) == totals(events, RED) == wanted
        events.assert_right()
        assert changed(events.aggregate(rebuild=True)) == {}


def fill(events):
    """Store events on all days, and events of robots on some of them."""
    events.days(DAYS)
    events.days(DAYS[::2], each=3, kind="download")
    for day in WITH_ROBOTS[:2]:
        events.days([day], each=2, first=500, is_robot=True)
    events.days(WITH_ROBOTS[2:], each=1, first=600, is_robot="true")
    # neither counts in any case
    events.days(DAYS[:2], each=2, first=700, kind="download", is_robot=True)
    events.days(DAYS[2:3], each=2, first=800, is_robot=True, via_api=True)


@pytest.mark.parametrize("before", [False, True])
def test_a_change_of_the_setting_counts_the_days_with_robots_again(
    events, service, monkeypatch, before
):
    set_robots(events, monkeypatch, before)
    fill(events)
    events.aggregate(families=None)
    events.assert_right()
    assert service.status().usage_days_left == 0
    set_robots(events, monkeypatch, not before)
    monkeypatch.setitem(events.app.config, "COMMUNITY_STATS_CATCHUP_INTERVAL", 2)
    left = []
    while days := service.status().usage_days_left:
        left.append(days)
        events.aggregate(families=None)
    assert left == [3, 1], "only days with robots, at most two in each run"
    events.assert_right()
    assert sorted((day, why) for day, why, *_ in corrections(events)) == [
        (day, "restatement") for day in WITH_ROBOTS
    ]
    assert changed(events.aggregate(rebuild=True)) == {}


def test_a_change_back_before_all_days_are_counted_is_right(events, monkeypatch):
    fill(events)
    events.aggregate()
    set_robots(events, monkeypatch, True)
    monkeypatch.setitem(events.app.config, "COMMUNITY_STATS_CATCHUP_INTERVAL", 1)
    assert events.aggregate().days_left == 2
    set_robots(events, monkeypatch, False)
    while events.aggregate().days_left:
        pass
    events.assert_right()


def test_other_changes_are_found_with_the_change_of_the_setting(events, monkeypatch):
    fill(events)
    events.aggregate()
    set_robots(events, monkeypatch, True)
    events.days(["2026-03-09"], each=2, first=900, is_robot=True)
    events.days(DAYS[3:4], each=2, first=910)
    events.delete(f"{DAYS[4]}T00:00:00-{4 * 6}")
    id, source = events.event(600, f"{WITH_ROBOTS[2]}T00:00:00", is_robot=False)
    assert id in events.stored["view"]
    events.write([(id, source)])  # it was one of a robot
    done = events.aggregate()
    assert done.days == len({"2026-03-09", DAYS[3], DAYS[4], *WITH_ROBOTS})
    events.assert_right()
    assert changed(events.aggregate(rebuild=True)) == {}


def test_documents_of_a_version_without_the_setting_are_restated(
    events, service, monkeypatch
):
    fill(events)
    with monkeypatch.context() as earlier:
        earlier.setattr(event_filter.CountingRules, "__str__", lambda its: its.others)
        set_robots(events, earlier, True)
        events.aggregate()
    positions = SourcePositions(events.client, events.names, "usage").read()
    rules = {position.uuid.partition(" ")[2] for position in positions.values()}
    (text,) = rules - {""}
    assert " " not in text, "that version stored the hash alone"
    assert service.status().usage_days_left == len(WITH_ROBOTS)
    assert events.aggregate().days == len(WITH_ROBOTS)
    events.assert_right()


def test_a_change_of_the_setting_and_of_other_rules_counts_all_days_again(
    events, service, monkeypatch
):
    fill(events)
    events.aggregate()
    set_robots(events, monkeypatch, True)
    monkeypatch.setattr(event_filter, "_REVISION", event_filter._REVISION + 1)
    assert service.status().usage_days_left == len(DAYS)
    assert events.aggregate().days == len(DAYS)
    events.assert_right()


def test_the_setting_of_a_site_that_excludes_robots_itself_changes_nothing(
    events, service, monkeypatch
):
    aggregation = events.app.extensions["invenio-stats"].aggregations["record-view-agg"]
    # without modifiers, the stock aggregation leaves robots out
    monkeypatch.setitem(aggregation.params, "query_modifiers", None)
    fill(events)
    events.aggregate()
    set_robots(events, monkeypatch, True)
    assert service.status().usage_days_left == 0
    assert events.aggregate().days == 0


def test_the_report_of_a_run_has_the_number_of_events_that_are_left_out(
    events, service, monkeypatch
):
    fill(events)
    done = events.aggregate(families=None)
    assert done.robots_left_out == {"view": 5 + 2, "download": 4}
    assert service.status().last_run["robots_left_out"] == done.robots_left_out
    # an idle run has the numbers, and one that does not read usage events retains them
    assert events.aggregate(families=None).robots_left_out == done.robots_left_out
    assert events.aggregate(families=["records-delta-added"]).robots_left_out == {}
    assert service.status().last_run["robots_left_out"] == done.robots_left_out
    set_robots(events, monkeypatch, True)
    done = events.aggregate(families=None)
    assert done.robots_left_out == {"view": 2, "download": 4}
    index = events.names.events_month("download", DAYS[0][:7])
    events.client.indices.delete(index=index)
    assert events.aggregate().robots_left_out == {"view": 2, "download": 0}


def test_an_upgrade_to_the_same_rules_counts_what_is_left_out(events, monkeypatch):
    set_robots(events, monkeypatch, True)
    fill(events)
    wanted = events.aggregate().robots_left_out
    events.client.indices.refresh(index=events.names.bookmarks)
    for hit in events.client.search(
        index=events.names.bookmarks,
        body={"query": {"term": {"kind": "source"}}},
    )["hits"]["hits"]:
        del hit["_source"]["robots_left_out"]  # an earlier version has not stored it
        events.client.index(index=hit["_index"], id=hit["_id"], body=hit["_source"])
    done = events.aggregate()
    assert (done.robots_left_out, done.days) == (wanted, 0)


def test_the_status_shows_what_is_left_out_and_what_the_record_pages_count(
    events, service, monkeypatch
):
    assert service.status().as_json()["robots"] == {
        "count_robots": False,
        "events": {"view": asdict(RobotEvents()), "download": asdict(RobotEvents())},
    }
    fill(events)
    events.aggregate()
    found = service.status().as_json()["robots"]
    assert found["count_robots"] is False
    assert found["events"] == {
        "view": {"counted": 0, "left_out": 7, "on_record_pages": 5},
        "download": {"counted": 0, "left_out": 4, "on_record_pages": 0},
    }
    set_robots(events, monkeypatch, True)
    found = service.status().as_json()["robots"]
    assert found["count_robots"] is True
    assert found["events"] == {
        "view": {"counted": 5, "left_out": 2, "on_record_pages": 5},
        "download": {"counted": 0, "left_out": 4, "on_record_pages": 0},
    }


@pytest.fixture(params=["closed", "red"])
def unreadable(request, events):
    """Return a function that adds an unreadable index, until the test is over."""
    index = events.names.events_month("view", "2026-05")

    def add():
        nowhere = {"index.routing.allocation.require._name": "no-such-node"}
        events.client.indices.create(
            index=index,
            body={"settings": nowhere if request.param == "red" else {}},
            params={"wait_for_active_shards": "0"},
        )
        if request.param == "closed":
            events.client.indices.close(index=index)

    yield add
    events.client.indices.delete(index=index)


def test_the_status_does_not_fail_if_an_index_cannot_be_read(
    events, service, monkeypatch, unreadable
):
    fill(events)
    events.aggregate(families=None)
    unreadable()
    found = service.status().as_json()
    assert found["robots"] == {"count_robots": False, "events": None}
    assert found["usage_days_left"] == 0
    # the days with events of robots are pending now, and unknown
    set_robots(events, monkeypatch, True)
    found = service.status().as_json()
    assert found["usage_days_left"] is None
    families = found["communities"][0]["families"]
    usage = [f for f in families if f["family"].startswith("usage-")]
    assert [f["percent"] for f in usage] == [None] * len(usage)


@pytest.mark.parametrize(
    "mapping",
    [{"type": "long"}, {"type": "boolean", "index": False, "doc_values": False}],
    ids=str,
)
def test_an_index_that_cannot_be_searched_for_robots_is_counted(events, mapping):
    properties = {"is_robot": mapping}
    events.client.indices.create(
        index=events.names.events_month("view", DAY[:7]),
        body={"mappings": {"properties": properties}},
    )
    made = [events.event(n, f"{DAY}T10:00:00") for n in range(3)]
    for _, source in made:
        del source["is_robot"]
    events.write(made)
    assert events.aggregate(families=None).robots_left_out["view"] == 0
    assert totals(events) == (3, 0)
