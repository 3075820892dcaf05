# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the stored documents of community events and their indices."""

from dataclasses import fields
from fnmatch import fnmatchcase

from invenio_stats_dashboard.community_events.documents import (
    CommunityEvent,
    event_mapping,
    facts_mapping,
    index_templates,
)
from invenio_stats_dashboard.community_events.evidence import truth_of
from invenio_stats_dashboard.community_events.facts import RecordFacts
from invenio_stats_dashboard.community_events.timeline import Timeline, compare
from invenio_stats_dashboard.search.names import Names

from .build import row, second

NAMES = Names("foo-")


def _event():
    return compare(truth_of(row()), Timeline(), "backfill", second(1))[0]


def test_a_document_is_converted_back_to_the_same_event():
    event = _event()
    assert CommunityEvent.from_document(event.to_document()) == event


def test_every_field_is_mapped_and_nothing_else():
    assert set(event_mapping()["properties"]) == {
        f.name for f in fields(CommunityEvent)
    }
    assert set(facts_mapping()["properties"]) == {f.name for f in fields(RecordFacts)}


def test_the_index_can_refuse_no_value():
    for mapping in (event_mapping(), facts_mapping()):
        assert mapping["dynamic"] == "strict"
        assert not mapping["date_detection"] and not mapping["numeric_detection"]
        for field in mapping["properties"].values():
            if field["type"] == "keyword":
                assert field["ignore_above"] <= 8191


def test_templates_match_their_own_indices_and_no_others():
    patterns = {
        name: body["index_patterns"] for name, body in index_templates(NAMES).items()
    }
    others = [
        NAMES.reindexing,
        "foo-stats-community-events",
        "foo2-stats-community-events-2024",
        "stats-community-events-2024",
    ]
    own = [NAMES.community_events_year(2024), NAMES.record_facts]
    for index in own + others:
        matched = [
            name
            for name, of_template in patterns.items()
            if any(fnmatchcase(index, pattern) for pattern in of_template)
        ]
        assert len(matched) == (1 if index in own else 0), index


def test_all_events_of_a_record_are_in_the_index_of_its_creation():
    late = truth_of(row(deleted=800))
    events = compare(late, Timeline(), "backfill", second(900))
    assert {e.event_date[:4] for e in events} == {"2024", "2026"}
    assert {e.year for e in events} == {2024}
