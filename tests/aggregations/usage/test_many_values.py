# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A usage delta names a limited number of values, and adds up the others exactly."""

from collections import Counter
from urllib.parse import urlsplit

import pytest

from invenio_stats_dashboard.aggregations.usage import (
    aggregator,
    counting,
    event_columns,
    event_filter,
)
from invenio_stats_dashboard.aggregations.usage.value_limits import (
    OF_EVENTS,
    OF_RECORDS,
)

from .build import BLUE, RED, changed

DAYS = [f"2026-03-{n:02d}" for n in range(1, 11)]
DAY = DAYS[4]


@pytest.fixture()
def few(events, monkeypatch):
    """Return events of which a day names three values, or two of record metadata."""
    monkeypatch.setitem(events.app.config, OF_EVENTS, 3)
    monkeypatch.setitem(events.app.config, OF_RECORDS, 2)
    return events


def visits(events, day, hosts, kind="view", first=0, **changes):
    """Store an event for each of some hosts, and return them."""
    made = [
        events.event(
            first + n,
            f"{day}T{n // 60 % 24:02d}:{n % 60:02d}:00",
            kind,
            **{"referrer": f"https://{host}/page/{n}", **changes},
        )
        for n, host in enumerate(hosts)
    ]
    events.write(made, kind)
    return [source for _, source in made]


def hosts(each):
    """Return each host as often as the dict says."""
    return [host for host, number in each.items() for _ in range(number)]


def cells_of(events, day=DAY, community="global", key="referrers"):
    """Return id -> cell of a breakdown in a delta, in its order."""
    delta = events.found()["usage-delta"][community, day]
    return {cell["id"]: cell for cell in delta["subcounts"][key]}


def test_the_smallest_referrers_of_a_day_are_added_up_exactly(few):
    names = {f"site-{n}.example": 1 + (n % 7 == 0) for n in range(50)}
    sources = visits(few, DAY, hosts({"big.example": 9, "bigger.example": 12, **names}))
    visits(few, DAY, ["big.example", "site-49.example"], "download", first=7)
    few.aggregate()
    found = cells_of(few)
    # site-49 has as many views as seven others, and a download
    assert list(found) == ["bigger.example", "big.example", "site-49.example", "_other"]
    rest = [
        source
        for source in sources
        if urlsplit(source["referrer"]).hostname not in found
    ]
    assert found["_other"]["view"] == {
        "total_events": len(rest),
        "unique_visitors": len({source["visitor_id"] for source in rest}),
        "unique_records": len({source["recid"] for source in rest}),
        "unique_parents": len({source["parent_recid"] for source in rest}),
    }
    total = few.found()["usage-delta"]["global", DAY]["totals"]
    for part in ("view", "download"):
        assert total[part]["total_events"] == sum(
            cell[part]["total_events"] for cell in found.values() if part in cell
        )
    few.assert_right()


def test_unknown_is_always_named_and_not_one_of_the_values(few):
    visits(few, DAY, hosts({"a.example": 5, "b.example": 4, "c.example": 3}))
    visits(few, DAY, ["nobody"], first=40, referrer="no url")
    few.aggregate()
    assert list(cells_of(few)) == ["a.example", "b.example", "c.example", "unknown"]
    visits(few, DAY, ["d.example"], first=50)
    few.aggregate()
    assert list(cells_of(few)) == [
        *("a.example", "b.example", "c.example", "unknown", "_other")
    ]
    few.assert_right()


def test_an_event_counts_for_others_once_for_each_of_its_small_values(few):
    subcounts = {"subjects": ["a", "b", "c", "d"], "resource_types": ["dataset"]}
    visits(few, DAY, ["x.example"] * 2, subcounts=subcounts)
    few.aggregate()
    other = cells_of(few, key="subjects")["_other"]["view"]
    assert (other["total_events"], other["unique_visitors"]) == (4, 2)
    few.assert_right()


def test_each_community_names_its_own_largest_values(few):
    visits(few, DAY, hosts({f"{name}.example": 4 for name in "abc"}))
    visits(few, DAY, ["small.example"], first=20, communities=(BLUE,))
    few.aggregate()
    assert "small.example" not in cells_of(few)
    assert "small.example" not in cells_of(few, community=RED)
    assert list(cells_of(few, community=BLUE)) == ["small.example"]
    few.assert_right()


def test_the_split_of_the_work_does_not_change_which_values_are_named(few, monkeypatch):
    for place, day in enumerate(DAYS):
        visits(few, day, [f"s{n % (place + 2)}.example" for n in range(25)])
    visits(few, DAY, [f"s{n}.example" for n in range(9)], "download", first=3)
    visits(few, DAY, [f"t{n}.example" for n in range(9)], first=60, communities=(BLUE,))
    few.aggregate()
    few.assert_right()
    for chunk, portion, piece in ((1, 7, 50), (25, 20, 5), (10**6, 10**6, 10**6)):
        monkeypatch.setattr(aggregator.units, "__defaults__", (chunk,))
        monkeypatch.setattr(counting, "PORTION", portion)
        monkeypatch.setattr(counting, "ROWS", portion)
        monkeypatch.setattr(counting, "PIECE", piece)
        assert changed(few.aggregate(rebuild=True)) == {}


def test_late_events_can_change_which_values_are_named(few):
    for day in DAYS:
        visits(few, day, hosts({"a.example": 4, "b.example": 3, "c.example": 2}))
    visits(few, DAY, ["late.example"], first=30)
    few.aggregate()
    assert "late.example" not in cells_of(few)
    visits(few, DAY, ["late.example"] * 2, first=40)
    done = few.aggregate()
    assert done.days == 1
    assert "late.example" in cells_of(few) and "c.example" not in cells_of(few)
    few.assert_right()
    assert changed(few.aggregate(rebuild=True)) == {}


def test_others_are_no_value_of_a_snapshot_and_complete_its_totals(few):
    for place, day in enumerate(DAYS):
        visits(few, day, [f"s{n + place}.example" for n in range(12)])
    few.aggregate()
    few.assert_right()
    last = few.found()["usage-snapshot"]["global", DAYS[-1]]["subcounts"]
    listed = last["referrers"]["by_view"]
    assert listed and "_other" not in {cell["id"] for cell in listed}
    deltas = [cells_of(few, day) for day in DAYS]
    for cell in listed:
        # only the days that name it
        assert cell["view"]["total_events"] == sum(
            delta[cell["id"]]["view"]["total_events"]
            for delta in deltas
            if cell["id"] in delta
        )


def test_spellings_of_a_host_are_one_value_and_all_else_is_unknown(events):
    visits(events, DAY, ["bücher.example", "BÜCHER.example.", "xn--bcher-kva.example"])
    odd = ("_other", "192.0.2.7", "[2001:db8::7]", "a_b.example", "xn--a.example")
    visits(events, DAY, odd, first=9)
    events.aggregate()
    assert {
        id: cell["view"]["total_events"] for id, cell in cells_of(events).items()
    } == {
        "unknown": 5,
        "xn--bcher-kva.example": 3,
    }
    events.assert_right()


def test_reserved_ids_from_outside_are_unknown(events):
    values = {"subjects": ["_other", "_hidden", "x"], "resource_types": ["_other"]}
    visits(events, DAY, ["a.example"], subcounts=values, country="_other")
    events.aggregate()
    for key, ids in (
        ("subjects", {"unknown", "x"}),
        ("resource_types", {"unknown"}),
        ("countries", {"unknown"}),
    ):
        assert set(cells_of(events, key=key)) == ids
    events.assert_right()


# -- documents that exist --------------------------------------------------------


def _left(events):
    """Return the number of days that the status shows as pending."""
    service = events.app.extensions["invenio-stats-dashboard"].community_stats_service
    with events.app.app_context():
        return service.status().usage_days_left


def _restate(events, monkeypatch):
    """Count all pending days, some in each run, and return the reports."""
    monkeypatch.setitem(events.app.config, "COMMUNITY_STATS_CATCHUP_INTERVAL", 4)
    reports = []
    assert _left(events) == len(DAYS)
    while left := _left(events):
        reports.append(events.aggregate())
        assert _left(events) == left - reports[-1].days
    return reports


def _corrected(events):
    service = events.app.extensions["invenio-stats-dashboard"].community_stats_service
    with events.app.app_context():
        return Counter(
            (entry["day"], entry["why"]) for entry in service.corrections(size=100)
        )


def test_documents_of_an_earlier_version_are_restated(events, monkeypatch):
    def any_host(referrer):
        return urlsplit(referrer).hostname if referrer else None

    for place, day in enumerate(DAYS):
        odd = ["a_b.example", "192.0.2.7", f"s{place}.example"] if place % 2 else []
        visits(events, day, ["a.example", *odd])
    with monkeypatch.context() as earlier:
        earlier.setitem(event_columns._EXTRACTS, "host", any_host)
        earlier.setattr(event_filter, "_REVISION", 1)
        events.aggregate()
        assert _left(events) == 0
        assert "a_b.example" in cells_of(events, DAYS[1])
    reports = _restate(events, monkeypatch)
    assert [report.days for report in reports] == [4, 4, 2]
    written = sum(changed(report).get("usage-delta", 0) for report in reports)
    assert written == 2 * len(DAYS[1::2]), "only days that hold such values"
    assert _corrected(events) == dict.fromkeys(
        [(day, "restatement") for day in DAYS[1::2]], 1
    )
    events.assert_right()


def test_a_change_of_the_limit_restates_the_days_that_exceed_it(events, monkeypatch):
    for place, day in enumerate(DAYS):
        visits(events, day, [f"s{n}.example" for n in range(place + 1)])
    events.aggregate()
    monkeypatch.setitem(events.app.config, OF_EVENTS, 8)
    reports = _restate(events, monkeypatch)
    written = sum(changed(report).get("usage-delta", 0) for report in reports)
    assert written == 2 * 2, "two days of the instance and of one community"
    assert list(cells_of(events, DAYS[8]))[-1] == "_other"
    events.assert_right()
