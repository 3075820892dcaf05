# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test record facts, which are computed from the database."""

import msgspec
import pytest

from invenio_stats_dashboard import subcounts
from invenio_stats_dashboard.community_events.facts import (
    MAX_LENGTH,
    MAX_VALUES,
    FactsReader,
    RecordFacts,
    file_type,
    registry_mark,
)
from invenio_stats_dashboard.community_events.record_rows import FilesSummary

from .build import REGISTRY, row, second


def _facts(record=None, parent=None, **changes):
    return FactsReader(REGISTRY).read(row(record, parent, **changes))


def _subcounts(**metadata):
    return _facts({"metadata": metadata}).subcounts


def test_every_breakdown_of_records_has_a_list():
    of_records = {k for k, s in REGISTRY.items() if s.of_record}
    assert set(_subcounts()) == of_records
    assert _subcounts()["languages"] == []


def test_terms_count_under_their_ids():
    found = _subcounts(
        resource_type={"id": "dataset"},
        languages=[{"id": "eng"}, {"id": "dan"}],
        rights=[{"id": "cc-by-4.0"}],
        funding=[{"funder": {"id": "00k4n6c32"}, "award": {"id": "1"}}],
        subjects=[{"id": "https://example.org/cats"}],
        publisher="A press",
    )
    assert found["resource_types"] == ["dataset"]
    assert found["languages"] == ["eng", "dan"]
    assert found["rights"] == ["cc-by-4.0"]
    assert found["funders"] == ["00k4n6c32"]
    assert found["subjects"] == ["https://example.org/cats"]
    assert found["publishers"] == ["A press"]


def test_values_without_an_id_count_under_their_text():
    found = _subcounts(
        subjects=[{"subject": " cats "}],
        rights=[{"title": {"de": "Eigene", "en": "My own"}}, {"title": {"de": "Nur"}}],
        funding=[{"funder": {"name": "My aunt"}}],
        creators=[{"affiliations": [{"name": "A garage"}]}],
    )
    assert found["subjects"] == ["cats"]
    assert found["rights"] == ["My own", "Nur"]
    assert found["funders"] == ["My aunt"]
    assert found["affiliations"] == ["A garage"]


def test_an_affiliation_of_creator_and_contributor_counts_once():
    found = _subcounts(
        creators=[
            {"affiliations": [{"id": "x"}, {"name": "A garage"}]},
            {"affiliations": [{"id": "x"}]},
            {"person_or_org": {}},
        ],
        contributors=[{"affiliations": [{"name": "A garage"}, {"id": "y"}]}],
    )
    assert found["affiliations"] == ["x", "A garage", "y"]


def test_a_custom_field_is_read():
    fields = {"journal:journal": {"title": "Annals of tests", "issue": "3"}}
    found = _facts({"custom_fields": fields}).subcounts
    assert found["periodicals"] == ["Annals of tests"]


@pytest.mark.parametrize(
    ("access", "files_enabled", "status"),
    [
        ({"record": "public", "files": "public"}, True, "open"),
        ({"record": "public", "files": "public"}, False, "metadata-only"),
        ({"record": "public", "files": "restricted"}, True, "restricted"),
        ({"record": "public", "files": "restricted"}, False, "metadata-only"),
        ({"record": "restricted", "files": "restricted"}, False, "restricted"),
        (
            {"record": "public", "files": "restricted", "embargo": {"active": True}},
            True,
            "embargoed",
        ),
        (
            {"record": "public", "files": "public", "embargo": {"active": False}},
            True,
            "open",
        ),
    ],
)
def test_the_access_status_is_computed(access, files_enabled, status):
    record = {"access": access, "files": {"enabled": files_enabled}}
    assert _facts(record).subcounts["access_statuses"] == [status]


def test_restricted_files_are_counted():
    record = {"access": {"record": "public", "files": "restricted"}}
    facts = _facts(record, files=FilesSummary(2, 30, ("csv", "pdf")))
    assert (facts.file_count, facts.data_volume) == (2, 30)
    assert facts.file_types == facts.subcounts["file_types"] == ["csv", "pdf"]


def test_a_file_type_is_the_extension_in_lower_case():
    names = ["a.PDF", "archive.tar.gz", "README", ".hidden", "x.y.z/b.Csv"]
    assert [file_type(n) for n in names] == ["pdf", "gz", "", "", "csv"]


def test_what_is_stored_of_a_record():
    facts = _facts(
        {"metadata": {"publication_date": "1939?/1945~"}},
        {"access": {"owned_by": {"user": 7}}},
        created=1,
        updated=2,
        deleted=3,
        revision=9,
    )
    assert (facts.recid, facts.parent_recid) == ("abcde-12345", "fghij-67890")
    assert (facts.created, facts.updated) == (second(1), second(2))
    assert (facts.published, facts.owner) == ("1939?/1945~", "7")
    assert (facts.is_deleted, facts.deleted_date) == (True, second(3))
    assert facts.revision == 9


def test_a_document_is_converted_back_to_the_same_facts():
    facts = _facts({"metadata": {"publisher": "A press"}})
    stored = msgspec.json.decode(msgspec.json.encode(facts))
    assert RecordFacts.from_document(stored) == facts


def test_five_thousand_authors_do_not_make_a_huge_document():
    creators = [
        {"affiliations": [{"name": f"Institute {n} {'x' * 40_000}"}]}
        for n in range(5000)
    ]
    found = _subcounts(creators=creators)["affiliations"]
    assert len(found) == MAX_VALUES
    assert {len(value) for value in found} == {MAX_LENGTH}


def test_an_unusual_record_has_empty_breakdowns_and_raises_no_error():
    found = _subcounts(
        languages=None,
        subjects=[None, {}, {"subject": ""}, {"subject": ["a", "list"]}],
        rights="free",
        creators=[{"affiliations": None}],
        funding=[{"award": {"title": {"en": "x"}}}],
        publisher={"name": "unexpected"},
    )
    assert found["rights"] == ["free"]
    empty = ("languages", "subjects", "affiliations", "funders", "publishers")
    assert all(found[key] == [] for key in empty)


def test_another_registry_has_another_mark():
    config = {
        "languages": {"field": "metadata.languages"},
        "countries": {"event": "country"},
    }
    first = registry_mark(subcounts.load(config))
    other = {**config, "publishers": {"field": "metadata.publisher"}}
    assert registry_mark(subcounts.load(other)) != first
    relabelled = {
        "languages": {"field": "metadata.languages", "vocabulary": "languages"}
    }
    assert registry_mark(subcounts.load(relabelled)) == first
