# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The stored documents become the wanted ones, and only differences are written."""

import pytest

from invenio_stats_dashboard.aggregations import aggregate_reader
from invenio_stats_dashboard.aggregations import aggregate_store as module
from invenio_stats_dashboard.aggregations.aggregate_indices import AggregateIndices
from invenio_stats_dashboard.aggregations.aggregate_reader import DocumentRange
from invenio_stats_dashboard.aggregations.aggregate_store import (
    AggregateStore,
    DocumentChange,
    WriteCounts,
)
from invenio_stats_dashboard.aggregations.documents import Document, index_templates
from invenio_stats_dashboard.errors import StatsDashboardError
from invenio_stats_dashboard.search.names import FAMILIES

FAMILY = "usage-delta"


def document(community, day, events=1, **subcounts):
    """Return a delta."""
    return Document(
        community,
        day,
        {
            "community_id": community,
            "period_start": day,
            "totals": {"view": {"total_events": events}, "download": {}},
            "subcounts": subcounts,
        },
    )


@pytest.fixture()
def indices(fresh, client, names):
    """Return the indices of an instance with one index for usage deltas."""
    indices = AggregateIndices(client, names)
    indices.prepare([FAMILY])
    return indices


@pytest.fixture()
def store(indices, text, names):
    """Return an empty store of usage deltas."""
    return AggregateStore(text, names, FAMILY, indices, limit=5)


@pytest.fixture()
def stored(client, names):
    """Return a function that returns all stored documents as (index, source)."""

    def read(family=FAMILY):
        alias = names.aggregates(family)
        client.indices.refresh(index=alias)
        hits = client.search(index=alias, body={"size": 1000})["hits"]["hits"]
        return {hit["_id"]: (hit["_index"], hit["_source"]) for hit in hits}

    return read


A, B = "aaaa", "global"


def test_only_differences_are_written(store, stored, names):
    first = [
        document(A, "2025-12-31"),
        document(B, "2025-12-31"),
        document(A, "2026-01-01"),
    ]
    assert store.replace(first, [DocumentRange()]) == WriteCounts(created=3)
    before = stored()
    assert {index for index, _ in before.values()} == {names.aggregates_from(FAMILY, 1)}
    changes = []
    then = [
        document(A, "2025-12-31"),
        document(A, "2026-01-01", 2),
        document(B, "2026-01-01"),
    ]
    done = store.replace(then, [DocumentRange()], before=changes.extend)
    assert done == WriteCounts(created=1, changed=1, deleted=1, equal=1)
    assert changes == [
        DocumentChange(B, "2025-12-31", "deleted"),
        DocumentChange(A, "2026-01-01", "changed"),
        DocumentChange(B, "2026-01-01", "created"),
    ]
    after = stored()
    assert set(after) == {d.id for d in then}
    assert after[f"{A}:2025-12-31"] == before[f"{A}:2025-12-31"]
    assert after[f"{A}:2026-01-01"][1]["totals"]["view"]["total_events"] == 2
    assert store.dry([], [DocumentRange()]) == WriteCounts(deleted=3)
    assert set(stored()) == set(after)


def test_only_the_given_ranges_change(store, stored):
    days = ["2026-01-01", "2026-01-02", "2026-01-03"]
    store.replace([document(c, d) for d in days for c in (A, B)], [DocumentRange()])
    assert store.replace([], [DocumentRange("2026-01-02", "2026-01-02")]).deleted == 2
    assert store.replace([], [DocumentRange("2026-01-02", community=A)]).deleted == 1
    parts = [
        DocumentRange("2026-01-03", community=B),
        DocumentRange("2026-01-01", "2026-01-01", A),
    ]
    remaining = [document(A, "2026-01-01"), document(B, "2026-01-03", 5)]
    done = store.replace(remaining, parts, by_community=True)
    assert done == WriteCounts(equal=1, changed=1)
    left = {f"{A}:2026-01-01", f"{B}:2026-01-01", f"{B}:2026-01-03"}
    assert set(stored()) == left


def test_pages_and_batches_are_bounded_and_nothing_is_left_out(
    store, stored, monkeypatch
):
    monkeypatch.setattr(aggregate_reader, "PAGE", 7)
    monkeypatch.setattr(module, "MAX_ACTIONS", 5)
    monkeypatch.setattr(aggregate_reader, "MAX_PARTS", 3)
    days = [f"2026-01-{n:02d}" for n in range(1, 31)]
    everything = [document(c, d) for d in days for c in (A, B)]
    assert store.replace(everything, [DocumentRange()]).created == 60
    assert store.replace(everything, [DocumentRange()]) == WriteCounts(equal=60)
    by_community = sorted(everything, key=lambda d: (d.community, d.day))
    parts = [DocumentRange(d, d, c) for d in days for c in (A, B)]
    done = store.replace(by_community, parts, by_community=True)
    assert done == WriteCounts(equal=60)
    sources = list(store.sources([DocumentRange(days[3], days[7])], size=3))
    assert len(sources) == 10
    assert store.replace(everything[::2], [DocumentRange()]).deleted == 30
    assert len(stored()) == 30


def test_a_run_that_wakes_late_cannot_overwrite_a_newer_document(
    store, stored, text, names, indices
):
    store.replace([document(A, "2026-01-01", 1)], [DocumentRange()])
    other = AggregateStore(text, names, FAMILY, indices)

    def meanwhile(_):
        other.replace([document(A, "2026-01-01", 3)], [DocumentRange()])

    store.replace([document(A, "2026-01-01", 2)], [DocumentRange()], before=meanwhile)
    (source,) = [source for _, source in stored().values()]
    assert source["totals"]["view"]["total_events"] == 3


def test_a_breakdown_may_contain_anything_and_a_foreign_field_is_refused(store, stored):
    cells = [{"id": "x" * 40_000, "view": {"total_events": 1}}, {"id": "2026-01-01"}]
    store.replace([document(A, "2026-01-01", 1, subjects=cells)], [DocumentRange()])
    assert stored()[f"{A}:2026-01-01"][1]["subcounts"]["subjects"] == cells
    wrong = document(A, "2026-01-02")
    wrong.body["foreign"] = 1
    with pytest.raises(StatsDashboardError, match="strict_dynamic_mapping_exception"):
        store.replace([wrong], [DocumentRange("2026-01-02")])


def test_two_documents_of_one_day_are_an_error(store):
    with pytest.raises(ValueError, match="two documents"):
        store.replace(
            [document(A, "2026-01-01"), document(A, "2026-01-01")], [DocumentRange()]
        )


def test_each_family_has_a_template_that_matches_no_other(names, client, fresh):
    bodies = index_templates(names)
    for family in FAMILIES:
        index = names.aggregates_from(family, 2026)
        answer = client.indices.simulate_index_template(name=index)
        assert not answer["template"]["aliases"], "it would be read before it is ready"
        wanted = bodies[f"{names.aggregates(family)}-v2.0.0"]["template"]["mappings"]
        assert set(answer["template"]["mappings"]["properties"]) == set(
            wanted["properties"]
        )
    for index in (names.bookmarks, names.between_runs):
        answer = client.indices.simulate_index_template(name=index)
        assert not answer["template"]["aliases"]
