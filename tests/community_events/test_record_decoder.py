# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Only the fields that statistics read are decoded."""

import json

import pytest

from invenio_stats_dashboard import subcounts
from invenio_stats_dashboard.community_events.evidence import truth_of
from invenio_stats_dashboard.community_events.facts import FactsReader
from invenio_stats_dashboard.community_events.record_decoder import record_decoder

from .build import REGISTRY, row

RECORD = {
    "id": "abcde-12345",
    "access": {"record": "public", "files": "public", "embargo": {"active": False}},
    "files": {"enabled": True},
    "metadata": {
        "title": "A long title",
        "publication_date": "2024",
        "resource_type": {"id": "dataset"},
        "creators": [{"person_or_org": {"name": "x"}, "affiliations": [{"id": "y"}]}],
        "funding": [{"funder": {"name": "z"}, "award": {"number": "1"}}],
    },
    "custom_fields": {"journal:journal": {"title": "Annals", "pages": "1-2"}},
    "tombstone": {"removal_date": "2024-01-01", "note": "gone"},
}


def test_facts_and_truth_equal_those_of_the_whole_record():
    pruned = record_decoder(REGISTRY)(json.dumps(RECORD))
    reader = FactsReader(REGISTRY)
    assert reader.read(row(pruned)) == reader.read(row(RECORD))
    assert truth_of(row(pruned)) == truth_of(row(RECORD))


def test_unused_fields_are_left_out():
    pruned = record_decoder(REGISTRY)(json.dumps(RECORD))
    assert "title" not in pruned["metadata"]
    assert pruned["metadata"]["creators"] == [{"affiliations": [{"id": "y"}]}]
    assert pruned["custom_fields"] == {"journal:journal": {"title": "Annals"}}
    assert pruned["tombstone"] == {"removal_date": "2024-01-01"}


@pytest.mark.parametrize(
    "odd",
    [
        {"metadata": None},
        {"metadata": "text"},
        {"metadata": {"creators": "text"}},
        {"metadata": {"creators": [None, 1, {"affiliations": "text"}]}},
        {"metadata": {"creators": [[{"affiliations": []}]]}},
        {"custom_fields": []},
    ],
)
def test_a_record_with_an_unexpected_shape_is_still_decoded(odd):
    record = {**RECORD, **odd}
    decoded = record_decoder(REGISTRY)(json.dumps(record))
    reader = FactsReader(REGISTRY)
    assert reader.read(row(decoded)) == reader.read(row(record))


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_breakdown_of_a_field_does_not_hide_that_of_its_object(order):
    fields = {"a": "metadata.resource_type", "b": "metadata.resource_type.id"}
    registry = subcounts.load({key: {"field": fields[key]} for key in order})
    decoded = record_decoder(registry)(json.dumps(RECORD))
    found = FactsReader(registry).read(row(decoded)).subcounts
    assert found == {"a": ["dataset"], "b": ["dataset"]}


def test_computed_fields_and_the_parent_can_be_named():
    registry = subcounts.load(
        {
            "statuses": {"field": "access.status"},
            "parents": {"field": "parent.access.owned_by.user"},
        }
    )
    decoded = record_decoder(registry)(json.dumps(RECORD))
    parent = {"access": {"owned_by": {"user": "7"}}}
    found = FactsReader(registry).read(row(decoded, parent)).subcounts
    assert found == {"statuses": ["open"], "parents": ["7"]}
