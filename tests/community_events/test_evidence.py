# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Each date comes from the best evidence that exists, and names it."""

from invenio_stats_dashboard.community_events.evidence import truth_of
from invenio_stats_dashboard.community_events.record_rows import DeletedSpan
from invenio_stats_dashboard.community_events.timeline import Timeline, compare

from .build import added, community, day, ended, removed, row, second


def _stays(record, community_id="a"):
    return [
        (
            stay.added,
            stay.removed,
            stay.added_by if stay.removed is None else (stay.added_by, stay.removed_by),
        )
        for stay in truth_of(record).stays
        if stay.community_id == community_id
    ]


def test_a_record_exists_from_its_publication_in_the_instance():
    assert _stays(row(created=4), "global") == [(second(4), None, "created")]


def test_a_request_dates_the_addition():
    record = row(communities=(community("a", accepted=3, requested=2),))
    assert _stays(record) == [(second(3), None, "request")]


def test_without_a_request_the_later_of_record_and_community_dates_it():
    old = row(created=5, communities=(community("a", created=-1),))
    assert _stays(old) == [(second(5), None, "created")]
    young = row(created=5, communities=(community("a", created=8),))
    assert _stays(young) == [(second(8), None, "created")]


def test_a_later_version_is_added_when_it_is_published():
    record = row(created=9, communities=(community("a", accepted=3, requested=2),))
    assert _stays(record) == [(second(9), None, "created")]


def test_an_accepted_request_without_a_row_shows_an_ended_stay():
    record = row(parent_updated=20, ended=(ended("a", 3, 2),))
    assert _stays(record) == [(second(3), second(20), ("request", "parent"))]


def test_two_accepted_requests_show_a_removal_in_between():
    record = row(
        communities=(community("a", accepted=12, requested=10),),
        ended=(ended("a", 3, 2),),
    )
    assert _stays(record) == [
        (second(3), second(10), ("request", "next-request")),
        (second(12), None, "request"),
    ]


def test_a_row_without_a_request_after_an_accepted_one_counts_as_one_stay():
    record = row(communities=(community("a"),), ended=(ended("a", 3, 2),))
    assert _stays(record) == [(second(3), None, "request")]


def test_a_stay_that_ended_before_a_version_was_published_does_not_count_for_it():
    assert _stays(row(created=30, parent_updated=20, ended=(ended("a", 3, 2),))) == []


def test_the_tombstone_of_a_community_ends_the_stay():
    record = row(communities=(community("a", deleted=15),))
    assert _stays(record) == [(second(0), second(15), ("created", "tombstone"))]


def test_the_tombstone_of_a_record_ends_all_stays():
    record = row(deleted=15, communities=(community("a"),))
    assert _stays(record) == [(second(0), second(15), ("created", "tombstone"))]
    assert _stays(record, "global") == _stays(record)


def test_an_earlier_deletion_leaves_a_gap():
    record = row(
        communities=(community("a"),), deletions=(DeletedSpan(day(5), day(7)),)
    )
    assert _stays(record) == [
        (second(0), second(5), ("created", "history")),
        (second(7), None, "history"),
    ]


def test_a_record_accepted_while_deleted_is_added_when_it_is_restored():
    record = row(
        communities=(community("a", accepted=6, requested=6),),
        deletions=(DeletedSpan(day(5), day(7)),),
    )
    assert _stays(record) == [(second(7), None, "history")]


def test_the_bound_of_the_current_state_is_the_last_change_of_any_row():
    record = row(parent_updated=4, updated=3, communities=(community("a", updated=6),))
    truth = truth_of(record)
    assert (truth.bounds["a"].date, truth.bounds["a"].evidence) == (
        second(6),
        "community",
    )
    assert (truth.bound.date, truth.bound.evidence) == (second(4), "parent")


def _events(record, written, known=()):
    events = compare(truth_of(record, written), Timeline(known), None, second(99))
    return [
        (e.event_type, e.event_date, e.cause, e.evidence)
        for e in events
        if e.community_id == "a"
    ]


def test_a_noticed_deletion_of_a_row_ends_the_stay():
    record = row(parent_updated=20, ended=(ended("a", 3, 2),))
    known = [added("global", 1, 0), added("a", 1, 3)]
    gone = {"a": (False, day(9))}
    assert _events(record, gone, known) == [("removed", second(9), "removed", "row")]
    record = row(parent_updated=20)  # it was added without a request
    assert _events(record, gone, known) == [("removed", second(9), "removed", "row")]


def test_a_noticed_insertion_of_a_row_dates_an_addition_without_a_request():
    record = row(parent_updated=20, communities=(community("a"),))
    written = {"a": (True, day(9))}
    expected = [("added", second(9), "bulk", "row")]
    assert _events(record, written) == expected  # the record was never compared before
    assert _events(record, written, [added("global", 1, 0)]) == expected
    out = [added("global", 1, 0), added("a", 1, 3), removed("a", 2, 5)]
    assert _events(record, written, out) == expected


def test_a_noticed_row_does_not_change_the_date_of_a_request():
    record = row(communities=(community("a", accepted=3, requested=2),))
    for written in ({"a": (True, day(9))}, {"a": (False, day(2))}):
        assert _events(record, written) == [
            ("added", second(3), "accepted", "request"),
        ]


def test_an_existing_row_is_not_a_removal():
    record = row(parent_updated=20, communities=(community("a"),))
    known = [added("global", 1, 0), added("a", 1, 3)]
    assert _events(record, {"a": (False, day(9))}, known) == []


def test_a_noticed_deletion_ends_the_right_one_of_two_stays():
    record = row(
        communities=(community("a", accepted=12, requested=10),),
        ended=(ended("a", 3, 2),),
    )
    stays = [
        (stay.added, stay.removed, stay.removed_by)
        for stay in truth_of(record, {"a": (False, day(7))}).stays
        if stay.community_id == "a"
    ]
    assert stays == [(second(3), second(7), "row"), (second(12), None, None)]
