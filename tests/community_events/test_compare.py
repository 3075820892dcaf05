# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the function that decides which events are written."""

from hypothesis import given, settings
from hypothesis import strategies as st

from invenio_stats_dashboard.community_events.evidence import truth_of
from invenio_stats_dashboard.community_events.record_rows import DeletedSpan
from invenio_stats_dashboard.community_events.timeline import (
    Bound,
    Stay,
    Timeline,
    Truth,
    compare,
)

from .build import added, community, day, removed, row, second

NOW = second(100)


def _missing(truth, *events, community_id="a"):
    """Return the events that one community's timeline lacks, in a short form."""
    lacking = compare(truth, Timeline(events), "reconciled", NOW)
    return [
        (e.place, e.event_type, e.event_date, e.evidence)
        for e in lacking
        if e.community_id == community_id
    ]


def test_a_record_without_events_gets_its_whole_history():
    truth = truth_of(row(communities=(community("a", accepted=3, requested=2),)))
    lacking = compare(truth, Timeline(), "backfill", NOW)
    assert [(e.id, e.event_type, e.event_date) for e in lacking] == [
        ("00000000-0000-0000-0000-000000000001:a:1", "added", second(3)),
        ("00000000-0000-0000-0000-000000000001:global:1", "added", second(0)),
    ]


def test_a_timeline_that_agrees_with_the_database_lacks_nothing():
    truth = truth_of(row(communities=(community("a", accepted=3, requested=2),)))
    events = compare(truth, Timeline(), "backfill", NOW)
    assert compare(truth, Timeline(events), "backfill", second(101)) == []


def test_a_timeline_is_never_contradicted():
    truth = truth_of(row(communities=(community("a", accepted=3, requested=2),)))
    assert _missing(truth, added("a", 1, 8)) == []


def test_a_missed_removal_is_dated_by_the_last_change_of_the_parent():
    truth = truth_of(row(parent_updated=50))
    expected = [(2, "removed", second(50), "parent")]
    assert _missing(truth, added("a", 1, 3)) == expected


def test_a_removal_without_evidence_is_dated_now():
    truth = truth_of(row(parent_updated=2))
    assert _missing(truth, added("a", 1, 3)) == [(2, "removed", NOW, "now")]


def test_a_bound_in_the_future_is_ignored():
    truth = truth_of(row(parent_updated=200))
    assert _missing(truth, added("a", 1, 3)) == [(2, "removed", NOW, "now")]


def test_a_record_accepted_again_is_added_at_the_second_acceptance():
    truth = truth_of(row(communities=(community("a", accepted=20, requested=19),)))
    events = (added("a", 1, 3), removed("a", 2, 10))
    assert _missing(truth, *events) == [(3, "added", second(20), "request")]


def test_a_record_added_again_without_a_request_is_dated_by_the_last_changes():
    truth = truth_of(row(parent_updated=30, communities=(community("a"),)))
    events = (added("a", 1, 3), removed("a", 2, 10))
    assert _missing(truth, *events) == [(3, "added", second(30), "parent")]


def test_a_missed_deletion_and_restore_are_both_written():
    truth = truth_of(
        row(
            communities=(community("a", accepted=3, requested=2),),
            deletions=(DeletedSpan(day(10), day(12)),),
        )
    )
    assert _missing(truth, added("a", 1, 3)) == [
        (2, "removed", second(10), "history"),
        (3, "added", second(12), "history"),
    ]


def test_a_deletion_closes_every_stay_and_the_existence():
    truth = truth_of(row(deleted=9, communities=(community("a"), community("b"))))
    events = (added("a", 1, 0), added("b", 1, 0), added("global", 1, 0))
    for community_id in ("a", "b", "global"):
        assert _missing(truth, *events, community_id=community_id) == [
            (2, "removed", second(9), "tombstone")
        ]


def test_a_restored_community_gets_its_records_back():
    truth = truth_of(row(communities=(community("a", updated=40),)))
    events = (added("a", 1, 3), removed("a", 2, 10))
    assert _missing(truth, *events) == [(3, "added", second(40), "community")]


def test_publication_and_deletion_in_the_same_second_are_in_order():
    truth = truth_of(row(deleted=0))
    assert _missing(truth, community_id="global") == [
        (1, "added", second(0), "created"),
        (2, "removed", second(0), "tombstone"),
    ]
    assert _missing(truth, added("global", 1, 0), community_id="global") == [
        (2, "removed", second(0), "tombstone")
    ]


def test_an_event_contains_the_state_of_its_record():
    published = {"metadata": {"publication_date": "2020/2021-05"}}
    truth = truth_of(row(published, deleted=9))
    event = compare(truth, Timeline(), "deleted", NOW)[-1]
    assert (event.cause, event.timestamp) == ("deleted", NOW)
    assert (event.is_deleted, event.deleted_date) == (True, second(9))
    assert event.record_published_date == "2020/2021-05"
    assert event.year == 2024


# A simulation in which memberships change and are compared now and then. At each
# comparison the database shows the current state and, of the past, as much as it
# happens to store.

_steps = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "global"]),
        st.booleans(),  # whether the database can date the current stay
        st.booleans(),  # whether it stores the earlier stays
        st.booleans(),  # whether a comparison follows this step
    ),
    min_size=1,
    max_size=25,
)


def _truth(history, number, dated, retained):
    """Return what the database shows of a history of (community, day) changes."""
    stays = []
    for community_id, changes in history.items():
        spans = [changes[i : i + 2] for i in range(0, len(changes), 2)]
        present = spans.pop() if len(changes) % 2 else None
        if retained:
            stays += [Stay(community_id, second(a), second(b)) for a, b in spans]
        if present and dated:
            stays.append(Stay(community_id, second(present[0]), added_by="request"))
        elif present:
            start = 0 if not retained or not spans else present[0]
            stays.append(Stay(community_id, second(start)))
    return Truth(
        record_id="r",
        recid="r",
        parent_id="p",
        created=second(0),
        published=None,
        deleted=None,
        stays=tuple(stays),
        bounds={},
        bound=Bound(second(number), "parent"),
    )


@settings(max_examples=300, deadline=None)
@given(_steps)
def test_with_rare_comparisons_the_timeline_ends_in_the_current_state(steps):
    history, events = {"global": [0]}, []
    for number, (community_id, dated, retained, compared) in enumerate(steps, start=1):
        history.setdefault(community_id, []).append(number)
        if not compared and number < len(steps):
            continue
        truth = _truth(history, number, dated, retained)
        lacking = compare(truth, Timeline(events), "reconciled", second(number))
        before = {c: Timeline(events).intervals(c) for c in history}
        events += lacking
        timeline = Timeline(events)
        for changed, changes in history.items():
            inside = len(changes) % 2 == 1
            assert timeline.last(changed)[1] == inside
            closed = [span for span in before[changed] if span[1] is not None]
            assert timeline.intervals(changed)[: len(closed)] == closed
        assert len({e.id for e in events}) == len(events)
        assert compare(truth, timeline, "reconciled", second(number + 1)) == []


@settings(max_examples=300, deadline=None)
@given(_steps)
def test_with_a_comparison_after_every_change_the_timeline_has_every_stay(steps):
    history, events = {"global": [0]}, []
    for number, (community_id, *_) in enumerate(steps, start=1):
        history.setdefault(community_id, []).append(number)
        truth = _truth(history, number, dated=True, retained=True)
        events += compare(truth, Timeline(events), "removed", second(number))
    timeline = Timeline(events)
    for community_id, changes in history.items():
        assert [d for span in timeline.intervals(community_id) for d in span if d] == [
            second(number) for number in changes
        ]


def test_a_change_without_evidence_is_not_dated_before_the_last_verification():
    known = [added("global", 1, 0), added("a", 1, 3)]
    truth = truth_of(row(parent_updated=5, communities=(community("b"),)))
    for verified, when, evidence in (
        (second(50), NOW, "now"),
        (second(4), second(5), "parent"),
    ):
        events = compare(truth, Timeline(known), "reconciled", NOW, verified)
        assert [(e.community_id, e.event_type) for e in events] == [
            ("a", "removed"),
            ("b", "added"),
        ]
        assert {(e.event_date, e.evidence) for e in events} == {(when, evidence)}
    accepted = truth_of(
        row(parent_updated=5, communities=(community("a"), community("b", accepted=4)))
    )
    (event,) = compare(accepted, Timeline(known), "reconciled", NOW, second(50))
    assert (event.event_date, event.evidence) == (second(4), "request")
