# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The reference counts as in tables that were computed by hand."""

import pytest
from hypothesis import given, settings

from ..helpers import reference
from ..helpers.first_days import first_day
from ..helpers.histories import histories
from ..helpers.reference import GLOBAL, aggregates

RED, BLUE = "red", "blue"
TODAY = "2024-12-31"
REGISTRY = {
    "types": {"field": "metadata.resource_type"},
    "subjects": {"field": "metadata.subjects", "show": "top"},
    "countries": {"event": "country"},
    "hosts": {"event": "referrer", "extract": "host", "show": "top"},
    "agents": {"event": "is_machine", "extract": "agent"},
    "removed": None,
}
NONE = {"metadata_only": 0, "with_files": 0}
NO_FILES = {"file_count": 0, "data_volume": 0}


# -- first days ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2020", "2020-01-01"),
        ("2020-05", "2020-05-01"),
        ("2020-02-29", "2020-02-29"),
        ("2020-02-29T23:59:59Z", "2020-02-29"),
        ("2020-05-04/2021", "2020-05-04"),
        ("2020-05/..", "2020-05-01"),
        ("2020-05/", "2020-05-01"),
        ("../2020", "2020-01-01"),
        ("/2020-03", "2020-03-01"),
        ("2020?", "2020-01-01"),
        ("2020-05~", "2020-05-01"),
        ("2020-05-04%", "2020-05-04"),
        ("2020-05~-04", "2020-05-04"),
        ("2020~/2021?", "2020-01-01"),
        ("202X", "2020-01-01"),
        ("20XX-05", "2000-05-01"),
        ("2020-XX-XX", "2020-01-01"),
        ("2020-1X", "2020-10-01"),
        ("2020-X1", "2020-01-01"),
        ("2020-05-3X", "2020-05-30"),
        ("2020-22", "2020-06-01"),
        ("2020-34", "2020-04-01"),
        ("[2021,2020-03..]", "2020-03-01"),
        ("{1960,1961-12}", "1960-01-01"),
        ("[..1984]", "1984-01-01"),
        ("0985", "0985-01-01"),
        (" 2020 ", "2020-01-01"),
        *((text, None) for text in ("", "2021-02-29", "2020-02-3X", "2020-00")),
        *((text, None) for text in ("2020-13", "../..", "/", "a/2020", "2020/a/b")),
        *((text, None) for text in ("XXXX", "0000", "-0044", "Y17E8", "199u")),
        *((text, None) for text in ("unpublished", "[]", None, 2020, "20200504")),
    ],
)
def test_first_day(text, day):
    assert first_day(text) == day


# -- records -------------------------------------------------------------------


def fact(recid, parent=None, files=0, **changes):
    """Return facts of a record published on 2024-01-10."""
    return {
        "recid": recid,
        "parent_id": parent or f"parent of {recid}",
        "created": "2024-01-10T08:00:00",
        "published": "2024-01-10",
        "subcounts": {},
        "file_count": files,
        "data_volume": files * 100,
        "owner": "1",
        **changes,
    }


def timeline(recid, community, *dates):
    """Return events that add, remove, add … a record at given dates."""
    return [
        {
            "recid": recid,
            "community_id": community,
            "event_type": "removed" if place % 2 else "added",
            "event_date": date,
            "place": place + 1,
        }
        for place, date in enumerate(dates)
    ]


def counted(
    facts=(),
    events=(),
    views=(),
    downloads=(),
    top=20,
    today=TODAY,
    most=reference.MOST,
):
    """Return the aggregates of documents."""
    stored = {
        "facts": facts,
        "community_events": [event for line in events for event in line],
        "views": views,
        "downloads": downloads,
    }
    return aggregates(stored, REGISTRY, today, top, most)


def days(found, family, community=RED):
    """Return the days on which a community has documents."""
    return sorted(day for who, day in found[family] if who == community)


def test_record_that_is_added_and_removed():
    found = counted(
        [fact("a", files=2, subcounts={"types": ["text"], "subjects": ["x", "y"]})],
        [timeline("a", RED, "2024-01-12T23:59:59", "2024-03-01T00:00:00")],
    )
    cell = {
        "records": {"added": {**NONE, "with_files": 1}, "removed": NONE},
        "parents": {"added": {**NONE, "with_files": 1}, "removed": NONE},
        "files": {"added": {"file_count": 2, "data_volume": 200}, "removed": NO_FILES},
    }
    assert found["records-delta-added"][RED, "2024-01-12"] == {
        "community_id": RED,
        "period_start": "2024-01-12",
        **cell,
        "uploaders": 1,
        "subcounts": {
            "types": [{"id": "text", **cell}],
            "subjects": [{"id": "x", **cell}, {"id": "y", **cell}],
        },
    }
    assert found["records-snapshot-added"][RED, "2024-01-12"] == {
        "community_id": RED,
        "snapshot_date": "2024-01-12",
        "total_records": {"metadata_only": 0, "with_files": 1},
        "total_parents": {"metadata_only": 0, "with_files": 1},
        "total_files": {"file_count": 2, "data_volume": 200},
        "total_uploaders": 1,
        "subcounts": {
            "types": [_state("text", 0, 1, 2)],
            "subjects": [_state("x", 0, 1, 2), _state("y", 0, 1, 2)],
        },
    }
    gone = found["records-delta-added"][RED, "2024-03-01"]
    assert gone["records"] == {"added": NONE, "removed": {**NONE, "with_files": 1}}
    assert gone["files"]["removed"] == {"file_count": 2, "data_volume": 200}
    assert gone["uploaders"] == 0
    empty = found["records-snapshot-added"][RED, "2024-03-01"]
    assert empty["total_records"] == NONE and empty["total_files"] == NO_FILES
    assert empty["total_uploaders"] == 0
    assert empty["subcounts"] == {"types": [], "subjects": []}
    assert days(found, "records-delta-added") == ["2024-01-12", "2024-03-01"]
    assert days(found, "records-delta-created") == ["2024-01-10", "2024-03-01"]
    assert not days(found, "records-delta-added", GLOBAL)


def _state(id, metadata_only, with_files, files):
    """Return a snapshot's breakdown value in which each record is its own parent."""
    classes = {"metadata_only": metadata_only, "with_files": with_files}
    return {
        "id": id,
        "records": classes,
        "parents": classes,
        "files": {"file_count": files, "data_volume": files * 100},
    }


@pytest.mark.parametrize(
    ("dates", "added", "created", "published"),
    [
        # one stay; the dates of the other bases are earlier
        (["02-01"], ["02-01"], ["01-10"], ["01-05"]),
        # two stays: the second one starts with its addition on every basis
        (
            ["02-01", "02-10", "03-01"],
            ["02-01", "02-10", "03-01"],
            ["01-10", "02-10", "03-01"],
            ["01-05", "02-10", "03-01"],
        ),
        # added and removed on one day, and added again later; the first stay has the
        # dates of its basis
        (
            ["02-01T10", "02-01T12", "03-01"],
            ["03-01"],
            ["01-10", "02-01", "03-01"],
            ["01-05", "02-01", "03-01"],
        ),
        # removed and added again on one day
        (["02-01", "02-10T10", "02-10T12"], ["02-01"], ["01-10"], ["01-05"]),
        # removed before the day of its creation: nothing on that basis
        (["01-06", "01-08"], ["01-06", "01-08"], [], ["01-05", "01-08"]),
    ],
)
def test_days_of_each_basis(dates, added, created, published):
    moments = [f"2024-{d if 'T' in d else d + 'T00'}:00:00" for d in dates]
    found = counted([fact("a", published="2024-01-05")], [timeline("a", RED, *moments)])
    for basis, wanted in (
        ("added", added),
        ("created", created),
        ("published", published),
    ):
        wanted = [f"2024-{day}" for day in wanted]
        assert days(found, f"records-delta-{basis}") == wanted, basis
        assert days(found, f"records-snapshot-{basis}") == wanted, basis


def test_publication_in_the_future_counts_when_the_day_has_come():
    facts = [fact("a", published="2024-06")]
    events = [timeline("a", RED, "2024-01-10T08:00:00")]
    found = counted(facts, events, today="2024-05-31")
    assert not days(found, "records-delta-published")
    found = counted(facts, events, today="2024-06-01")
    assert days(found, "records-delta-published") == ["2024-06-01"]


def test_unreadable_publication_date_is_the_day_of_creation():
    found = counted(
        [fact("a", published="in press")], [timeline("a", RED, "2024-02-29T00:00:00")]
    )
    assert days(found, "records-delta-published") == ["2024-01-10"]


def test_parent_of_versions():
    # version 1 without files, version 2 with; version 2 leaves, then version 1
    found = counted(
        [
            fact("a", "p", subcounts={"types": ["text"]}),
            fact("b", "p", files=1, subcounts={"types": ["data"]}, owner="2"),
        ],
        [
            timeline("a", RED, "2024-02-01T00:00:00", "2024-02-04T00:00:00"),
            timeline("b", RED, "2024-02-02T00:00:00", "2024-02-03T00:00:00"),
        ],
    )["records-delta-added"]
    only, files = {**NONE, "metadata_only": 1}, {**NONE, "with_files": 1}
    assert [found[RED, f"2024-02-0{day}"]["parents"] for day in (1, 2, 3, 4)] == [
        {"added": only, "removed": NONE},
        {"added": files, "removed": only},
        {"added": only, "removed": files},
        {"added": NONE, "removed": only},
    ]
    # in a breakdown value, the class of the parent is that of the versions with it
    (cell,) = found[RED, "2024-02-02"]["subcounts"]["types"]
    assert cell["id"] == "data"
    assert cell["parents"] == {"added": files, "removed": NONE}
    assert [found[RED, f"2024-02-0{d}"]["uploaders"] for d in (1, 2, 3, 4)] == [
        1, 1, 0, 0,
    ]  # fmt: skip


def test_owners_are_distinct_and_a_missing_owner_does_not_count():
    found = counted(
        [fact("a"), fact("b"), fact("c", owner="2"), fact("d", owner=None)],
        [timeline(r, RED, "2024-02-01T00:00:00") for r in "abcd"],
    )
    assert found["records-delta-added"][RED, "2024-02-01"]["uploaders"] == 2
    assert found["records-snapshot-added"][RED, "2024-02-01"]["total_uploaders"] == 2


def test_record_without_facts_is_left_out():
    found = counted([], [timeline("a", RED, "2024-02-01T00:00:00")])
    assert not any(found.values())


def test_cells_are_sorted_by_records_then_id():
    found = counted(
        [
            fact("a", subcounts={"subjects": ["y", "z"]}),
            fact("b", subcounts={"subjects": ["z", "x"]}),
            fact("c"),
        ],
        [timeline(r, RED, "2024-02-01T00:00:00") for r in "abc"],
    )
    for family in ("records-delta-added", "records-snapshot-added"):
        cells = found[family][RED, "2024-02-01"]["subcounts"]["subjects"]
        assert [cell["id"] for cell in cells] == ["z", "unknown", "x", "y"]


def test_dates_of_a_timeline_do_not_decrease():
    found = counted(
        [fact("a")],
        [timeline("a", RED, "2024-02-05T00:00:00", "2024-02-01T00:00:00")],
    )
    assert not days(found, "records-delta-added")  # added and removed on the 5th


# -- usage ---------------------------------------------------------------------


def view(at, recid="a", visitor="ann", communities=(RED,), **changes):
    """Return a record view as stored."""
    return {
        "timestamp": at,
        "recid": recid,
        "parent_recid": f"parent of {recid}",
        "visitor_id": visitor,
        "via_api": False,
        "is_robot": False,
        "is_machine": False,
        "country": "DE",
        "referrer": "https://Example.org:80/x",
        "unique_id": f"ui_{recid}",
        "community_ids": list(communities),
        "subcounts": {"types": ["text"]},
        **changes,
    }


def download(at, file="f", size=5, **changes):
    """Return a file download as stored."""
    return {**view(at, **changes), "file_id": file, "size": size}


def uses(events, visitors, records, parents, *files):
    """Return the metrics of one event type."""
    names = "total_events", "unique_visitors", "unique_records", "unique_parents"
    metrics = dict(zip(names, (events, visitors, records, parents), strict=True))
    if files:
        metrics |= {"unique_files": files[0], "total_volume": files[1]}
    return metrics


NO_DOWNLOADS = uses(0, 0, 0, 0, 0, 0)


def test_usage_of_two_days():
    found = counted(
        views=[
            view("2024-02-29T00:00:00"),
            view("2024-02-29T23:59:59", recid="b", parent_recid="parent of a"),
            view("2024-03-01T00:00:00", visitor="bob", country=None),
        ],
        downloads=[
            download("2024-02-29T10:00:00", size=5.0),
            download("2024-02-29T10:00:30", visitor="bob", is_machine=True),
            download("2024-02-29T10:01:00", file="g", communities=[]),
        ],
    )
    delta = found["usage-delta"][RED, "2024-02-29"]
    assert delta["period_start"] == "2024-02-29"
    assert delta["totals"] == {
        "view": uses(2, 1, 2, 1),
        "download": uses(2, 2, 1, 1, 1, 10),
    }
    assert delta["subcounts"]["agents"] == [
        {"id": "human", "view": uses(2, 1, 2, 1), "download": uses(1, 1, 1, 1, 1, 5)},
        {"id": "machine", "download": uses(1, 1, 1, 1, 1, 5)},
    ]
    assert [cell["id"] for cell in delta["subcounts"]["subjects"]] == ["unknown"]
    assert [cell["id"] for cell in delta["subcounts"]["hosts"]] == ["example.org"]
    everywhere = found["usage-delta"][GLOBAL, "2024-02-29"]
    assert everywhere["totals"]["download"] == uses(3, 2, 1, 1, 2, 15)

    snapshot = found["usage-snapshot"][RED, "2024-03-01"]
    assert snapshot["snapshot_date"] == "2024-03-01"
    assert snapshot["totals"] == {
        "view": uses(3, 2, 2, 1),
        "download": uses(2, 2, 1, 1, 1, 10),
    }
    assert snapshot["subcounts"]["countries"] == [
        {
            "id": "DE",
            "view": {"total_events": 2, "unique_visitors": 1},
            "download": {"total_events": 2, "unique_visitors": 2, "total_volume": 10},
        },
        {"id": "unknown", "view": {"total_events": 1, "unique_visitors": 1}},
    ]
    assert [c["id"] for c in snapshot["subcounts"]["hosts"]["by_view"]] == [
        "example.org"
    ]


def test_visitors_of_two_days_are_added_up():
    found = counted(views=[view("2024-02-29T00:00:00"), view("2024-03-01T00:00:00")])[
        "usage-snapshot"
    ]
    assert found[RED, "2024-03-01"]["totals"]["view"] == uses(2, 2, 1, 1)


@pytest.mark.parametrize(
    ("changes", "is_counted"),
    [
        ({}, (True, True)),
        ({"is_robot": True}, (True, False)),
        ({"is_robot": "true"}, (True, False)),
        ({"is_robot": "false"}, (True, True)),
        ({"is_robot": ""}, (True, True)),
        ({"is_robot": ["false", True]}, (True, True)),
        ({"via_api": True}, (False, True)),
        ({"via_api": "false"}, (True, True)),
        ({"is_machine": True}, (True, True)),
        ({"is_robot": None}, (True, False)),
        ({"via_api": None}, (False, True)),
        ({"unique_id": None}, (False, False)),
    ],
)
def test_what_the_stock_statistics_count(changes, is_counted):
    event = {**view("2024-02-29T00:00:00"), **changes}
    assert reference.counts("view", event, count_robots=True) is is_counted[0]
    assert reference.counts("download", event, count_robots=True) is is_counted[1]


@pytest.mark.parametrize(
    ("is_robot", "is_counted"),
    [
        (False, (True, True)),
        ("false", (True, True)),
        (None, (True, False)),
        (True, (False, False)),
        ("true", (False, False)),
        (["false", "true"], (False, False)),
    ],
)
def test_robots_count_only_if_requested(is_robot, is_counted):
    event = {**view("2024-02-29T00:00:00"), "is_robot": is_robot}
    assert reference.counts("view", event) is is_counted[0]
    assert reference.counts("download", event) is is_counted[1]


def test_only_downloads():
    found = counted(downloads=[download("2024-02-29T10:00:00")])
    delta = found["usage-delta"][RED, "2024-02-29"]
    assert delta["totals"]["view"] == uses(0, 0, 0, 0)
    assert delta["subcounts"]["types"] == [
        {"id": "text", "download": uses(1, 1, 1, 1, 1, 5)}
    ]
    by = found["usage-snapshot"][RED, "2024-02-29"]["subcounts"]["hosts"]
    assert by["by_view"] == [] and len(by["by_download"]) == 1


def test_event_without_enrichment_counts_for_all_records():
    event = view("2024-02-29T10:00:00")
    del event["community_ids"], event["subcounts"]
    found = counted(views=[event])["usage-delta"]
    assert list(found) == [(GLOBAL, "2024-02-29")]
    (cell,) = found[GLOBAL, "2024-02-29"]["subcounts"]["types"]
    assert cell["id"] == "unknown"


def test_top_by_views_and_by_downloads():
    sites = ["a", "b", "b", "c", "c"]
    found = counted(
        views=[view("2024-02-29T10:00:00", referrer=f"http://{s}/") for s in sites],
        downloads=[download("2024-02-29T10:00:00", referrer="http://a/")],
        top=2,
    )["usage-snapshot"][RED, "2024-02-29"]["subcounts"]["hosts"]
    assert [cell["id"] for cell in found["by_view"]] == ["b", "c"]
    assert [cell["id"] for cell in found["by_download"]] == ["a"]
    assert found["by_download"][0]["view"]["total_events"] == 1


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.ORG:8443/a?b", "example.org"),
        ("https://user:pass@example.org", "example.org"),
        ("android-app://com.example.app/", "com.example.app"),
        ("https://example.org./", "example.org"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://XN--BCHER-KVA.example/", "xn--bcher-kva.example"),
        (f"https://{'a.' * 126}b/", f"{'a.' * 126}b"),
        (f"https://{'a.' * 126}bc/", None),
        (f"https://{'a' * 64}.example/", None),
        ("https://xn--a.example/", None),
        ("https://a_b.example/", None),
        ("https://-a.example/", None),
        ("https://a..example/", None),
        ("http://192.0.2.7/", None),
        ("http://0x7f.1/", None),
        ("http://[2001:db8::7]/", None),
        ("example.org/a", None),
        ("https://[broken/", None),
        ("", None),
        (None, None),
    ],
)
def test_host(url, host):
    assert reference.host(url) == host


def test_ids_that_the_package_assigns_are_unknown():
    values = {"types": ["_other", "text"], "subjects": ["_hidden", "unknown"]}
    found = counted(
        [fact("a", subcounts=values)],
        [timeline("a", RED, "2024-02-29")],
        [view("2024-02-29T00:00:00", subcounts=values, country="_other")],
    )
    for family in ("records-delta-added", "usage-delta"):
        subcounts = found[family][RED, "2024-02-29"]["subcounts"]
        assert {cell["id"] for cell in subcounts["types"]} == {"text", "unknown"}
        assert [cell["id"] for cell in subcounts["subjects"]] == ["unknown"]
    (cell,) = found["usage-delta"][RED, "2024-02-29"]["subcounts"]["countries"]
    assert cell["id"] == "unknown"


def test_the_smallest_values_of_a_day_are_added_up():
    views = [
        *(view(f"2024-02-29T00:0{n}:00", country="CA") for n in range(3)),
        *(view("2024-02-29T00:00:00", country=None, visitor=who) for who in "abcd"),
        view("2024-02-29T00:10:00", country="DE", visitor="bob"),
        view("2024-02-29T00:11:00", country="DE", visitor="eve"),
        view("2024-02-29T00:12:00", country="FR", visitor="eve"),
        view("2024-02-29T00:13:00", country="US", visitor="bob"),
        view("2024-03-01T00:00:00", country="US", visitor="eve"),
    ]
    downloads = [download("2024-02-29T10:00:00", country="FR", size=7)]
    found = counted(views=views, downloads=downloads, most=(2, 1))
    delta = found["usage-delta"][RED, "2024-02-29"]
    # FR has as many events as DE, with its download
    assert delta["subcounts"]["countries"] == [
        {"id": "unknown", "view": uses(4, 4, 1, 1)},
        {"id": "CA", "view": uses(3, 1, 1, 1)},
        {"id": "DE", "view": uses(2, 2, 1, 1)},
        {
            "id": "_other",
            "view": uses(2, 2, 1, 1),
            "download": uses(1, 1, 1, 1, 1, 7),
        },
    ]
    snapshot = found["usage-snapshot"][RED, "2024-03-01"]["subcounts"]["countries"]
    assert [cell["id"] for cell in snapshot] == ["unknown", "CA", "DE", "US", "_other"]
    assert snapshot[-2]["view"] == {"total_events": 1, "unique_visitors": 1}


def test_a_visitor_of_two_small_values_is_one_visitor_of_the_others():
    values = {"types": ["a", "b", "c"], "subjects": ["a", "b", "c"]}
    one = view("2024-02-29T00:00:00", subcounts=values)
    found = counted(views=[one], most=(1, 1), top=3)
    delta = found["usage-delta"][RED, "2024-02-29"]["subcounts"]
    assert delta["types"] == [
        {"id": "a", "view": uses(1, 1, 1, 1)},
        {"id": "_other", "view": uses(2, 1, 1, 1)},
    ]
    snapshot = found["usage-snapshot"][RED, "2024-02-29"]["subcounts"]
    assert [cell["id"] for cell in snapshot["types"]] == ["a", "_other"]
    assert [cell["id"] for cell in snapshot["subjects"]["by_view"]] == ["a"]


# -- on histories ----------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(histories())
def test_parts_of_a_history_add_up(history):
    found = aggregates(history.end().sources(), REGISTRY, TODAY)
    for basis in reference.BASES:
        deltas = found[f"records-delta-{basis}"]
        snapshots = found[f"records-snapshot-{basis}"]
        assert deltas.keys() == snapshots.keys()
        totals = {}
        for community, day in sorted(deltas):
            delta, snapshot = deltas[community, day], snapshots[community, day]
            for kind in ("records", "parents", "files"):
                for name, value in snapshot[f"total_{kind}"].items():
                    key = community, kind, name
                    change = delta[kind]["added"][name] - delta[kind]["removed"][name]
                    totals[key] = totals.get(key, 0) + change
                    assert totals[key] == value
            types = snapshot["subcounts"]["types"]
            assert sum(sum(cell["records"].values()) for cell in types) == sum(
                snapshot["total_records"].values()
            )
