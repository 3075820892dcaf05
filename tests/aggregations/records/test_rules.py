# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the rules of counting records, each on a small history.

Days are numbers in February 2024: 29 is the leap day, 30 the first of March.
"""

import pytest

from invenio_stats_dashboard.aggregations.records import presence
from invenio_stats_dashboard.aggregations.records.dates import day_text

from .build import Counted, record, text, timeline

ALL_DAY = ["00:00:00", "23:59:59"]


def _numbers(deltas, what="records"):
    """Return day -> (added, removed) of both classes, metadata_only first."""
    return {
        day: tuple(
            tuple(document[what][which].values()) for which in ("added", "removed")
        )
        for (_, day), document in deltas.items()
    }


def _cells(document, key):
    """Return id -> value of a breakdown."""
    return {cell["id"]: cell for cell in document["subcounts"][key]}


def _ids(document, key):
    return [cell["id"] for cell in document["subcounts"][key]]


# -- stays ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ((5,), {5: 1}),
        ((5, 7), {5: 1, 7: -1}),
        ((5, 7, 9), {5: 1, 7: -1, 9: 1}),
        # an addition and a removal on one day change nothing
        ((5, 5), {}),
        ((5, 5, 5), {5: 1}),
        # a stay that starts on the day on which another ends continues it
        ((5, 7, 7), {5: 1}),
        # dates do not decrease along the sequence numbers
        ((7, 5), {}),
        ((7, 5, 3), {7: 1}),
        # nothing after today counts
        ((5, 61), {5: 1}),
        ((61,), {}),
    ],
)
def test_a_record_is_present_at_the_end_of_a_day(days, found):
    counted = Counted([record("a")], timeline("a", *days))
    changes = counted.changes.iter_rows(named=True)
    signs = {day_text(row["day"]): row["sign"] for row in changes}
    assert signs == {text(day): sign for day, sign in found.items()}


def test_a_second_addition_or_an_early_removal_changes_nothing():
    events = timeline("a", 3, 4, 5, 6, 7)
    for event, kind in zip(
        events, ["removed", "added", "added", "removed", "removed"], strict=True
    ):
        event["event_type"] = kind
    counted = Counted([record("a")], events)
    assert _numbers(counted.deltas) == {
        text(4): ((1, 0), (0, 0)),
        text(6): ((0, 0), (1, 0)),
    }


def test_the_last_second_of_a_day_belongs_to_it():
    counted = Counted([record("a")], timeline("a", 29, 30, times=ALL_DAY[::-1]))
    assert list(_numbers(counted.deltas)) == ["2024-02-29", "2024-03-01"]


# -- bases ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("basis", "days"),
    [
        ("created", [3, 12, 15]),
        ("published", [5, 12, 15]),
        ("added", [10, 12, 15]),
    ],
)
def test_the_first_stay_starts_on_the_date_of_the_basis(basis, days):
    known = record("a", created=3, published=text(5))
    counted = Counted([known], timeline("a", 10, 12, 15), basis)
    assert [day for _, day in counted.deltas] == [text(day) for day in days]


def test_a_later_stay_starts_on_the_date_of_the_basis_if_that_is_later():
    known = record("a", created=3, published=text(20))
    counted = Counted([known], timeline("a", 10, 12, 15), "published")
    assert _numbers(counted.deltas) == {text(20): ((1, 0), (0, 0))}


def test_a_record_that_leaves_before_its_publication_date_never_counts():
    known = record("a", published=text(20))
    assert Counted([known], timeline("a", 10, 20), "published").deltas == {}


def test_a_momentary_stay_counts_from_the_creation():
    known = record("a", created=3)
    counted = Counted([known], timeline("a", 10, 10), "created")
    assert [day for _, day in counted.deltas] == [text(3), text(10)]


def test_without_a_readable_date_the_creation_counts():
    known = record("a", created=3, published="in press")
    counted = Counted([known], timeline("a", 10), "published")
    assert [day for _, day in counted.deltas] == [text(3)]


def test_a_record_that_is_due_later_is_reported():
    known = [record("a", published=text(65)), record("b", published=text(70))]
    events = timeline("a", 5) + timeline("b", 5)
    counted = Counted(known, events, "published")
    assert counted.deltas == {}
    found = presence.due(counted.dated, counted.known, counted.today)
    assert {p: day_text(day) for _, p, day in found.iter_rows()} == {
        0: text(65),
        1: text(70),
    }


def test_a_removal_that_is_dated_later_is_due_then():
    counted = Counted([record("a")], timeline("a", 5, 65))
    found = presence.due(counted.dated, counted.known, counted.today)
    assert found.get_column("due").to_list() == [counted.today + 5]


# -- records, files, owners -------------------------------------------------


def test_a_delta_contains_records_files_and_owners():
    known = [
        record("a", files=2, owner="1"),
        record("b", files=1, owner="1"),
        record("c", owner="2"),
        record("d"),
    ]
    events = [e for name in "abcd" for e in timeline(name, 5)] + timeline("e", 5)
    counted = Counted(known, [*events, *timeline("a", 5, 8)[1:]])
    first, second = counted.deltas.values()
    assert first["community_id"] == "c"
    assert first["period_start"] == text(5)
    assert first["records"] == {
        "added": {"metadata_only": 2, "with_files": 2},
        "removed": {"metadata_only": 0, "with_files": 0},
    }
    assert first["files"]["added"] == {"file_count": 3, "data_volume": 30}
    assert first["uploaders"] == 2
    assert second["files"]["removed"] == {"file_count": 2, "data_volume": 20}
    assert (second["uploaders"], second["records"]["removed"]["with_files"]) == (0, 1)


def test_a_snapshot_contains_the_totals():
    known = [
        record("a", files=2, owner="1"),
        record("b", owner="1"),
        record("c", owner="2"),
        record("d"),
    ]
    events = [
        *timeline("a", 5, 9),
        *timeline("b", 5, 8),
        *timeline("c", 6),
        *timeline("d", 6),
    ]
    counted = Counted(known, events)
    totals = {
        day: (
            s["total_records"],
            s["total_files"]["data_volume"],
            s["total_uploaders"],
        )
        for (_, day), s in counted.snapshots.items()
    }
    assert totals == {
        text(5): ({"metadata_only": 1, "with_files": 1}, 20, 1),
        text(6): ({"metadata_only": 3, "with_files": 1}, 20, 2),
        text(8): ({"metadata_only": 2, "with_files": 1}, 20, 2),
        text(9): ({"metadata_only": 2, "with_files": 0}, 0, 1),
    }


def test_a_day_on_which_equal_records_are_swapped_has_a_delta():
    known = [record("a"), record("b")]
    counted = Counted(known, timeline("a", 5, 8) + timeline("b", 8))
    assert _numbers(counted.deltas)[text(8)] == ((1, 0), (1, 0))
    assert set(counted.snapshots) == set(counted.deltas)


def test_a_record_without_facts_is_left_out():
    assert Counted([record("b")], timeline("a", 5)).deltas == {}


def test_communities_are_counted_separately():
    events = timeline("a", 5, community="x") + timeline("a", 7, 8, community="y")
    counted = Counted([record("a")], events)
    assert set(counted.deltas) == {("x", text(5)), ("y", text(7)), ("y", text(8))}


# -- parents ----------------------------------------------------------------


def test_a_parent_counts_once_however_many_versions():
    known = [record(name, parent="p") for name in "abc"]
    events = timeline("a", 5, 9) + timeline("b", 5) + timeline("c", 7, 8)
    counted = Counted(known, events)
    assert _numbers(counted.deltas, "parents") == {
        text(5): ((1, 0), (0, 0)),
        text(7): ((0, 0), (0, 0)),
        text(8): ((0, 0), (0, 0)),
        text(9): ((0, 0), (0, 0)),
    }


def test_a_parent_changes_its_class_with_its_versions():
    known = [record("a", parent="p"), record("b", parent="p", files=1)]
    events = timeline("a", 5, 9) + timeline("b", 6, 8)
    counted = Counted(known, events)
    assert _numbers(counted.deltas, "parents") == {
        text(5): ((1, 0), (0, 0)),
        text(6): ((0, 1), (1, 0)),
        text(8): ((1, 0), (0, 1)),
        text(9): ((0, 0), (1, 0)),
    }
    totals = [s["total_parents"] for s in counted.snapshots.values()]
    assert [tuple(t.values()) for t in totals] == [(1, 0), (0, 1), (1, 0), (0, 0)]


def test_a_parent_counts_for_the_values_of_its_versions():
    known = [
        record("a", parent="p", subjects=["x"]),
        record("b", parent="p", files=1, subjects=["x", "y"]),
    ]
    events = timeline("a", 5) + timeline("b", 6, 8)
    deltas = list(Counted(known, events).deltas.values())
    parents = [
        {id: _both(cell["parents"]) for id, cell in _cells(delta, "subjects").items()}
        for delta in deltas
    ]
    assert parents == [
        {"x": ((1, 0), (0, 0))},
        {"x": ((0, 1), (1, 0)), "y": ((0, 1), (0, 0))},
        {"x": ((1, 0), (0, 1)), "y": ((0, 0), (0, 1))},
    ]


def _both(change):
    return tuple(tuple(change[which].values()) for which in ("added", "removed"))


# -- breakdowns -------------------------------------------------------------


def test_a_record_counts_for_each_of_its_values():
    known = [record("a", subjects=["x", "y"]), record("b", subjects=["x"])]
    (delta,) = Counted(known, timeline("a", 5) + timeline("b", 5)).deltas.values()
    assert _ids(delta, "subjects") == ["x", "y"]
    assert _cells(delta, "subjects")["x"]["records"]["added"]["metadata_only"] == 2


def test_a_record_without_a_value_counts_as_unknown():
    (delta,) = Counted([record("a")], timeline("a", 5)).deltas.values()
    assert _ids(delta, "subjects") == _ids(delta, "languages") == ["unknown"]


def test_empty_values_are_left_out_of_a_snapshot():
    known = [record("a", subjects=["x"]), record("b", subjects=["y"])]
    counted = Counted(known, timeline("a", 5, 9) + timeline("b", 6, 10))
    ids = [_ids(s, "subjects") for s in counted.snapshots.values()]
    assert ids == [["x"], ["x", "y"], ["y"], []]


def test_the_largest_values_come_first_then_by_id():
    known = [
        record("a", subjects=["z", "y"]),
        record("b", subjects=["z", "x"]),
        record("c", subjects=["é", "Y"]),
    ]
    events = [e for name in "abc" for e in timeline(name, 5)]
    counted = Counted(known, events)
    for (found,) in (counted.deltas.values(), counted.snapshots.values()):
        assert _ids(found, "subjects") == ["z", "Y", "x", "y", "é"]


def test_a_snapshot_lists_the_largest_values_of_a_top_breakdown():
    known = [
        record("a", subjects=["x", "y"]),
        record("b", subjects=["y"]),
        record("c", subjects=["z"]),
        record("d", subjects=["z", "w"]),
    ]
    events = [
        *timeline("a", 5),
        *timeline("b", 6, 9),
        *timeline("c", 7),
        *timeline("d", 8),
    ]
    counted = Counted(known, events, limits={"subjects": 2})
    ids = [_ids(s, "subjects") for s in counted.snapshots.values()]
    # on the last day y shrinks to one, like w and x: the first by id stays
    assert ids == [["x", "y"], ["y", "x"], ["y", "x"], ["y", "z"], ["z", "w"]]
    assert len(_ids(list(counted.deltas.values())[3], "subjects")) == 2


def test_parts_of_a_breakdown_with_one_value_add_up_to_the_total():
    known = [
        record(name, files=int(name == "a"), languages=[name] if name < "c" else [])
        for name in "abcd"
    ]
    events = [
        e for number, name in enumerate("abcd") for e in timeline(name, 5 + number)
    ]
    for snapshot in Counted(known, events).snapshots.values():
        cells = snapshot["subcounts"]["languages"]
        for kind in ("metadata_only", "with_files"):
            total = snapshot["total_records"][kind]
            assert sum(cell["records"][kind] for cell in cells) == total
