# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Timelines show in which communities a record was, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invenio_stats_dashboard.community_events.timeline import Timeline

from .build import added, removed, second


def test_a_record_is_included_from_the_second_of_its_addition():
    timeline = Timeline([added("a", 1, 1)])
    assert timeline.communities_at("2024-01-01T23:59:59") == ()
    assert timeline.communities_at("2024-01-02T00:00:00") == ("a",)


def test_a_record_is_not_included_from_the_second_of_its_removal():
    timeline = Timeline([added("a", 1, 1), removed("a", 2, 2)])
    assert timeline.communities_at("2024-01-02T23:59:59") == ("a",)
    assert timeline.communities_at("2024-01-03T00:00:00") == ()


def test_addition_removal_and_addition_make_three_segments():
    timeline = Timeline([added("a", 1, 1), removed("a", 2, 3), added("a", 3, 5)])
    assert timeline.communities_at(second(2)) == ("a",)
    assert timeline.communities_at(second(4)) == ()
    assert timeline.communities_at(second(6)) == ("a",)
    assert timeline.intervals("a") == [(second(1), second(3)), (second(5), None)]


def test_the_order_in_which_events_are_read_does_not_matter():
    events = [added("a", 3, 5), added("b", 1, 0), removed("a", 2, 3), added("a", 1, 1)]
    timeline = Timeline(events)
    assert timeline.communities_at(second(2)) == ("a", "b")
    assert timeline.communities_at(second(4)) == ("b",)


def test_communities_are_sorted_and_do_not_contain_global():
    timeline = Timeline([added("b", 1, 0), added("global", 1, 0), added("a", 1, 0)])
    assert timeline.communities_at(second(1)) == ("a", "b")
    assert timeline.communities() == ("a", "b")


def test_global_shows_when_the_record_existed():
    timeline = Timeline(
        [added("global", 1, 1), removed("global", 2, 3), added("global", 3, 5)]
    )
    assert timeline.intervals("global") == [(second(1), second(3)), (second(5), None)]


def test_a_removal_and_an_addition_in_the_same_second_mean_included():
    timeline = Timeline([added("a", 1, 1), removed("a", 2, 3), added("a", 3, 3)])
    assert timeline.communities_at(second(3)) == ("a",)


def test_an_addition_and_a_removal_in_the_same_second_mean_never_included():
    timeline = Timeline([added("a", 1, 3), removed("a", 2, 3)])
    assert timeline.communities_at(second(3)) == ()


@pytest.mark.parametrize(
    "moment",
    [
        "2024-01-02T00:00:00.900",
        "2024-01-02T00:00:00Z",
        "2024-01-02T00:00:00+00:00",
        "2024-01-02T02:00:00.000001+02:00",
        "2024-01-01T19:00:00-05:00",
        "2024-01-02T00:00+00",
        "2024-01-02 00:00:00",
        "2024-01-02",
    ],
)
def test_fractions_and_zones_are_understood(moment):
    timeline = Timeline([added("a", 1, 1), removed("b", 2, 1), added("b", 1, 0)])
    assert timeline.communities_at(moment) == ("a",)


def test_a_text_that_is_not_a_timestamp_is_an_error():
    with pytest.raises(ValueError):
        Timeline([added("a", 1, 1)]).communities_at("yesterday")


def test_an_unknown_record_is_in_no_community():
    assert Timeline.empty().communities_at(second(0)) == ()
    assert Timeline.empty().last("a") == (0, False, "")
    assert not Timeline.empty()


_changes = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 20)), max_size=20
).map(lambda changes: sorted(changes, key=lambda c: c[1]))


@given(_changes, st.integers(-1, 21))
def test_segments_agree_with_the_intervals_of_each_community(changes, moment):
    events, places = [], {"a": 0, "b": 0, "c": 0}
    for community_id, number in changes:
        places[community_id] += 1
        make = added if places[community_id] % 2 else removed
        events.append(make(community_id, places[community_id], number))
    timeline, when = Timeline(events), second(moment)
    assert timeline.communities_at(when) == tuple(
        community_id
        for community_id in "abc"
        if any(
            start <= when and (end is None or when < end)
            for start, end in timeline.intervals(community_id)
        )
    )
