# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Labels come from the vocabularies in a language; without one, the id is shown."""

import pytest
from invenio_cache import current_cache
from opensearchpy import OpenSearch

from invenio_stats_dashboard.queries.labels import Labels


@pytest.fixture(autouse=True)
def no_cache(app):
    """Forget the labels of other tests."""
    with app.app_context():
        current_cache.clear()


@pytest.fixture()
def counted(monkeypatch):
    """Count the searches that are sent."""
    sent, perform = [], OpenSearch.search

    def search(self, *args, **kwargs):
        sent.append(kwargs.get("index"))
        return perform(self, *args, **kwargs)

    monkeypatch.setattr(OpenSearch, "search", search)
    return sent


@pytest.mark.parametrize(
    ("breakdown", "id", "label"),
    [
        ("resource_types", "publication-article", "Article"),
        ("languages", "dan", "Danish"),
        ("rights", "cc-by-4.0", "Creative Commons Attribution 4.0 International"),
        ("subjects", "https://example.org/cats", "Cats"),
        ("subjects", "a subject of free text", "a subject of free text"),
        ("funders", "00k4n6c32", "European Commission"),
        ("affiliations", "01ggx4157", "CERN"),
        ("publishers", "A Press", "A Press"),
        ("countries", "DE", "Germany"),
        ("countries", "XX", "XX"),
        ("agents", "machine", "Machines"),
        ("access_statuses", "embargoed", "Embargoed"),
        ("file_types", "csv", "CSV"),
        ("resource_types", "unknown", "Unknown"),
        ("countries", "_other", "Others"),
        ("no_breakdown", "x", "x"),
    ],
)
def test_labels(service, breakdown, id, label):
    assert service.labels(breakdown, [id], "en") == {id: label}


def test_labels_are_in_the_requested_language(service):
    assert service.labels("countries", ["DE"], "de") == {"DE": "Deutschland"}
    assert service.labels("countries", ["US"], "pt-BR") == {"US": "Estados Unidos"}
    # what is open, not what opens
    assert service.labels("access_statuses", ["open"], "fr") == {"open": "Ouvert"}
    # the vocabulary has English alone
    assert service.labels("languages", ["dan"], "de") == {"dan": "Danish"}


def test_a_language_that_is_none_is_english(service):
    assert service.labels("countries", ["DE"], "no language") == {"DE": "Germany"}


def test_many_labels_are_requested_at_once_and_then_cached(service, counted):
    ids = ["eng", "dan", *(f"id {n}" for n in range(1500))]
    found = service.labels("languages", ids, "en")
    assert (found["eng"], found["id 1499"]) == ("English", "id 1499")
    assert len(counted) == 2
    assert service.labels("languages", ids, "en") == found
    assert len(counted) == 2


def test_a_vocabulary_that_is_away_leaves_ids(service, monkeypatch):
    monkeypatch.setattr(
        "invenio_stats_dashboard.queries.labels.TOGETHER", 10**9
    )  # more ids than a search takes
    ids = ["eng", *(f"id {n}" for n in range(70_000))]
    assert service.labels("languages", ids, "en")["eng"] == "eng"
    assert service.labels("languages", ["eng"], "en") == {"eng": "English"}


def test_breakdowns_have_labels(service):
    labels = service.breakdown_labels(["file_types", "our_own_key"], "en")
    assert labels == {"file_types": "File types", "our_own_key": "Our own key"}


def test_a_vocabulary_that_there_is_not_leaves_ids(service):
    subcounts = dict(service.app.extensions["invenio-stats-dashboard"].subcounts)
    subcount = subcounts["languages"]
    changed = type(subcount)(key="languages", fields=subcount.fields, vocabulary="none")
    labels = Labels({"languages": changed})
    assert labels.of("languages", ["eng"], "en") == {"eng": "eng"}
