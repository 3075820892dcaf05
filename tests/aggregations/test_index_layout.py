# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Aggregates are stored in the right index as data grows and runs are interrupted."""

from datetime import date
from functools import partial

import pytest
from opensearchpy.exceptions import NotFoundError

from invenio_stats_dashboard.aggregations.aggregate_indices import (
    DOCUMENT_ID,
    AggregateIndices,
)
from invenio_stats_dashboard.aggregations.aggregate_reader import DocumentRange
from invenio_stats_dashboard.aggregations.aggregate_store import AggregateStore
from invenio_stats_dashboard.aggregations.documents import mapping
from invenio_stats_dashboard.errors import (
    ClusterNotHealthyError,
    LockLostError,
    StatsDashboardError,
)
from invenio_stats_dashboard.search.names import META_KEY, USAGE_FAMILIES

from ..conftest import remove_statistics
from ..helpers.commands import run
from .kills import killed_at
from .records.build import record, timeline
from .records.conftest import Known
from .test_store import A, document
from .usage.build import RED, Events, changed

TINY = 1e-6
"""A thousand bytes, so that every index with a document is too large."""

DELTA, SNAPSHOT = "usage-delta", "usage-snapshot"
USAGE = (DELTA, "usage-seen", SNAPSHOT, "usage-month")
SETTING = "COMMUNITY_STATS_AGGREGATES_SHARD_GB"


@pytest.fixture()
def events(app, client, names):
    """Return the usage events of an instance without events."""
    remove_statistics(client, names)
    return Events(app, client, names)


@pytest.fixture()
def tiny(events, monkeypatch):
    """Return such an instance; any document makes an index of it too large."""
    monkeypatch.setitem(events.app.config, SETTING, TINY)
    return events


@pytest.fixture()
def known(client, text, names):
    """Return an instance without records and aggregates."""
    remove_statistics(client, names)
    return Known(client, text, names)


@pytest.fixture()
def indices(fresh, client, names):
    """Return a function that creates the view that one run has of the indices."""

    def make(gigabytes=TINY, check=None):
        return AggregateIndices(
            client, names, gigabytes, check, lambda: date(2026, 5, 1)
        )

    return make


def starts(client, names, family):
    """Return the first years of the indices of a family."""
    alias = names.aggregates(family)
    return sorted(
        names.year_from(family, name) for name in client.indices.get_alias(name=alias)
    )


def write(client, text, names, indices, *days):
    """Write a delta on each of some days, as a run does, and refresh."""
    store = AggregateStore(text, names, DELTA, indices)
    for day in days:
        store.replace([document(A, day)], [DocumentRange(day, day)])
    store.refresh()
    return store


def ids(client, names, family=DELTA):
    """Return index and ``_id`` of every document of a family."""
    alias = names.aggregates(family)
    client.indices.refresh(index=alias)
    hits = client.search(index=alias, body={"size": 1000})["hits"]["hits"]
    return sorted((hit["_index"], hit["_id"]) for hit in hits)


# -- number of indices -------------------------------------------------------


def test_years_share_one_index_while_they_are_small(events):
    events.days(["2019-06-01", "2020-12-31", "2023-01-01", "2026-03-01"])
    events.aggregate()
    events.assert_right()
    for family in USAGE:
        assert starts(events.client, events.names, family) == [1]


def test_a_year_without_documents_starts_an_index_when_the_last_is_too_large(tiny):
    tiny.days(["2023-06-01", "2023-12-31", "2024-02-29"])
    tiny.days(["2024-03-01"], kind="download", communities=())
    tiny.aggregate()
    tiny.assert_right()
    assert starts(tiny.client, tiny.names, DELTA) == [1, 2024]
    # the existing years stay where they are; the next one is in a new index
    tiny.days(["2022-05-05", "2024-12-31", "2026-01-01"], first=80)
    tiny.aggregate()
    tiny.assert_right()
    for family in USAGE:
        assert starts(tiny.client, tiny.names, family) == [1, 2024, 2026]
    assert changed(tiny.aggregate(rebuild=True)) == {}


def test_an_index_grows_up_to_the_configured_size(events, monkeypatch):
    events.days(["2023-06-01"])
    events.aggregate()
    index = events.names.aggregates_from(SNAPSHOT, 1)
    segments = events.client.cat.segments(index=index, format="json", bytes="b")
    size = sum(int(segment["size"]) for segment in segments)
    monkeypatch.setitem(events.app.config, SETTING, 2 * size / 10**9)
    events.days(["2024-06-01"])
    events.aggregate()
    assert starts(events.client, events.names, SNAPSHOT) == [1]
    monkeypatch.setitem(events.app.config, SETTING, size / 2 / 10**9)
    events.days(["2025-06-01"])
    events.aggregate()
    assert starts(events.client, events.names, SNAPSHOT) == [1, 2025]
    events.assert_right()


def test_records_of_other_years_go_to_the_index_that_holds_their_day(known, indices):
    def half(today):
        made = known.half(today)
        made._indices = indices()
        made._indices._today = lambda: today
        for store in made._stores.values():
            store._indices = made._indices
        return made

    first, later = date(2024, 4, 1), date(2025, 2, 1)
    known.put(record("a", published="1850"), record("b", created=3, published="0044"))
    known.happen(*timeline("a", 2, community="global"))
    known.happen(*timeline("b", 3, community="global"))
    known.aggregate(first, half(first))
    known.check(first)
    known.put(record("c", created=340, published="1999-12-31"))
    known.happen(*timeline("c", 340, community="global"))
    known.aggregate(later, half(later))
    known.check(later)
    family = "records-snapshot-added"
    assert starts(known.client, known.names, family) == [1, 2025]
    # an edit changes documents of all centuries, each where it is
    known.edit("a", files=7, languages=["deu"])
    known.aggregate(later, half(later))
    known.check(later)


def test_an_event_of_a_distant_year_binds_no_other_year_to_the_old_index(tiny):
    far = tiny.days(["2199-01-01"])
    tiny.days(["2023-06-01"], first=20)
    tiny.aggregate()
    tiny.days(["2024-06-01"], first=50)
    tiny.aggregate()
    assert starts(tiny.client, tiny.names, DELTA) == [1, 2024]
    assert changed(tiny.aggregate(rebuild=True)) == {}
    for id, _ in far:
        tiny.delete(id)
    tiny.aggregate()
    tiny.assert_right()


# -- runs that are interrupted or taken over -------------------------------------


def test_an_announced_year_stays_in_its_index_at_any_size(indices, client, text, names):
    one = indices()
    one.begin([DELTA])
    one.prepare([DELTA], [2023, 2024])  # it is frozen before it writes 2024
    write(client, text, names, one, "2023-06-01")
    other = indices()
    assert other.begin([DELTA]) == []
    other.prepare([DELTA], [2024])
    write(client, text, names, other, "2024-06-01")
    other.prepare([DELTA], [2025])
    write(client, text, names, one, "2024-06-01", "2024-06-02")
    assert starts(client, names, DELTA) == [1, 2025]
    found = ids(client, names)
    assert len(found) == len({id for _, id in found}) == 3


def test_a_run_that_was_taken_over_announces_nothing_and_creates_nothing(
    indices, client, text, names
):
    first = indices()
    first.begin([DELTA])
    first.prepare([DELTA], [2023])
    write(client, text, names, first, "2023-06-01")
    one, other = indices(), indices(gigabytes=20)
    one.begin([DELTA])
    other.begin([DELTA])
    other.prepare([DELTA], [2024])  # the existing index is large enough
    with pytest.raises(LockLostError):
        one.prepare([DELTA], [2024])
    assert starts(client, names, DELTA) == [1]
    assert client.indices.exists(index=names.aggregates_from(DELTA, 2024)) is False


class At:
    """A client of a run that freezes before one of its requests.

    Args:
        client: decodes responses.
        method: name of a method of ``client.indices``.
        do: called without arguments while the run is frozen.
    """

    def __init__(self, client, method, do):
        self._client, self._method, self._do = client, method, do

    def __getattr__(self, name):
        found = getattr(self._client, name)
        if name == "indices":
            return At(found, self._method, self._do)
        if name != self._method:
            return found

        def then(*args, **kwargs):
            self._do()
            return found(*args, **kwargs)

        return then


@pytest.mark.parametrize("method", ["create", "update_aliases"])
def test_an_index_created_late_by_a_frozen_run_is_never_used(
    indices, client, text, names, method
):
    first = indices()
    first.begin([DELTA])
    first.prepare([DELTA], [2023])
    write(client, text, names, first, "2023-06-01")
    lost = []

    def taken_over():
        other = indices(gigabytes=20)
        assert other.begin([DELTA]) == []
        other.prepare([DELTA], [2024, 2025])
        write(client, text, names, other, "2024-06-01")
        lost.append(True)

    def check():
        if lost:
            raise LockLostError("taken over")

    one = indices(check=check)
    one._client = At(client, method, taken_over)
    one.begin([DELTA])
    with pytest.raises((LockLostError, NotFoundError)):
        one.prepare([DELTA], [2024])
    assert starts(client, names, DELTA) == [1]
    assert indices(gigabytes=20).begin([DELTA]) == []
    assert not client.indices.exists(index=names.aggregates_from(DELTA, 2024))
    assert len(ids(client, names)) == 2


@pytest.mark.parametrize("gone", [True, False])
def test_a_frozen_run_writes_nothing_after_a_deletion_of_all_indices(
    indices, client, text, names, gone
):
    one = indices()
    one.begin([DELTA])
    one.prepare([DELTA], [2023])
    store = write(client, text, names, one, "2023-06-01")
    days, documents = ["2023-06-01", "2023-06-02"], []

    def meanwhile(_):
        client.indices.delete(index=f"{names.prefix}stats-community-*")
        if not gone:
            other = indices()
            other.begin([DELTA])
            other.prepare([DELTA], [2023])
            documents.append(document(A, "2023-06-02", 9))
            AggregateStore(text, names, DELTA, other).replace(
                documents, [DocumentRange(days[1])]
            )

    with pytest.raises(LockLostError, match="was deleted since this run started"):
        wanted = [document(A, day, 5) for day in days]
        store.replace(wanted, [DocumentRange(*days)], before=meanwhile)
    there = client.indices.get(index=f"{names.aggregates(DELTA)}*")
    assert list(there) == ([] if gone else [names.aggregates_from(DELTA, 1)])
    if not gone:
        assert [id for _, id in ids(client, names)] == [documents[0].id]


def killed_at_a_change_of_indices(app, number):
    """Aggregate; be killed before a request that announces, creates or uses indices."""
    app.config[SETTING] = TINY
    return killed_at(app, USAGE_FAMILIES, number, at=("layout", "-from-", "_aliases"))


def test_after_a_kill_before_any_change_of_indices_the_next_run_completes_it(
    tiny, zygote
):
    tiny.days(["2000-06-01"], each=2)
    tiny.aggregate()
    number, writes = 0, None
    while writes is None:
        number += 1
        # each kill also leaves work for the next run
        tiny.days([f"{2000 + number}-03-01"], each=2, first=number)
        writes = zygote.run(killed_at_a_change_of_indices, number)
        if number % 4 == 0:
            tiny.aggregate()
            tiny.assert_right()
    assert number > 7
    tiny.aggregate()
    tiny.assert_right()


# -- manual changes of indices -------------------------------------------------------


@pytest.fixture()
def two(tiny):
    """Return counted events of two years, each in its own index."""
    tiny.days(["2023-06-01", "2023-12-31", "2024-02-29"])
    tiny.aggregate()
    assert starts(tiny.client, tiny.names, DELTA) == [1, 2024]
    return tiny


def test_after_a_deletion_of_all_indices_other_years_can_start_indices(
    two, monkeypatch
):
    run(two.app, "destroy-indices", "--yes")
    monkeypatch.setitem(two.app.config, SETTING, 20)
    two.aggregate()
    two.assert_right()
    assert starts(two.client, two.names, DELTA) == [1]


def test_announced_years_are_still_known_after_bookmarks_are_cleared(two):
    assert two.client.exists(index=two.names.bookmarks, id=DOCUMENT_ID)
    run(two.app, "clear-bookmarks", "--yes")
    assert two.client.exists(index=two.names.bookmarks, id=DOCUMENT_ID)
    assert changed(two.aggregate()) == {}
    two.assert_right()


@pytest.mark.parametrize("number", [1, 2024])
def test_an_index_deleted_by_hand_is_filled_by_the_next_run(two, number):
    for family in (DELTA, "usage-month"):
        two.client.indices.delete(index=two.names.aggregates_from(family, number))
    two.aggregate()
    two.assert_right()
    assert changed(two.aggregate()) == {}


def test_bookmarks_deleted_by_hand_are_made_again(two):
    two.client.indices.delete(index=two.names.bookmarks)
    two.days(["2024-03-01", "2025-01-01"], first=40)
    two.aggregate()
    two.assert_right()
    assert starts(two.client, two.names, DELTA) == [1, 2024, 2025]


@pytest.fixture()
def repository(client, names):
    """Return functions that make a snapshot of indices and restore some of them."""
    name = f"{names.prefix}layout"
    node, *_ = client.nodes.info(metric="settings")["nodes"].values()
    base = node["settings"]["path"]["repo"]
    base = base[0] if isinstance(base, list) else base
    settings = {"type": "fs", "settings": {"location": f"{base}/{name}"}}
    client.snapshot.create_repository(repository=name, body=settings)

    def send(method, indices, **options):
        body = {"indices": indices, "include_global_state": False, **options}
        place = {"repository": name, "snapshot": "one"}
        method(body=body, wait_for_completion=True, **place)

    yield (
        partial(send, client.snapshot.create),
        partial(send, client.snapshot.restore),
    )
    client.snapshot.delete(repository=name, snapshot="*", ignore=[404])
    client.snapshot.delete_repository(repository=name)


def test_restored_indices_of_another_layout_count_nothing_twice(
    two, repository, monkeypatch
):
    make, restore = repository
    make(f"{two.names.prefix}stats-community-usage-*")
    run(two.app, "destroy-indices", "--yes")
    monkeypatch.setitem(two.app.config, SETTING, 20)
    two.aggregate()
    restore(",".join(two.names.aggregates_from(family, 2024) for family in USAGE))
    two.aggregate()
    two.assert_right()
    assert starts(two.client, two.names, DELTA) == [1, 2024]
    assert changed(two.aggregate()) == {}


def test_an_index_restored_from_an_old_snapshot_is_counted_again(two, repository):
    make, restore = repository
    index = two.names.aggregates_from(SNAPSHOT, 1)
    make(index)
    two.days(["2023-06-02"], first=60)
    two.aggregate()
    two.client.indices.delete(index=index)
    restore(index)
    two.aggregate()
    two.assert_right()


def test_an_index_restored_without_aliases_does_not_change(two, repository):
    make, restore = repository
    index = two.names.aggregates_from(DELTA, 2024)
    make(index)
    two.client.indices.delete(index=index)
    restore(index, include_aliases=False)
    two.aggregate()
    # its documents are counted in the earlier index; this one is not read
    found = ids(two.client, two.names)
    assert {name for name, _ in found} == {two.names.aggregates_from(DELTA, 1)}
    assert len(found) == len(two.wanted()[DELTA])
    assert two.client.count(index=index)["count"]


def yearly(client, names, family, year, *sources):
    """Create an index as versions before the first release did."""
    index = f"{names.aggregates(family)}-{year}"
    mappings = {**mapping(family), "_meta": {META_KEY: {"schema": "2.0.0"}}}
    aliases = {names.aggregates(family): {}}
    client.indices.create(index=index, body={"mappings": mappings, "aliases": aliases})
    for source in sources:
        client.index(index=index, body=source, refresh=True)
    return index


def test_indices_of_an_earlier_layout_are_named_and_do_not_change(events):
    client, names = events.client, events.names
    source = {"community_id": RED, "period_start": "2026-01-01", "checksum": "x"}
    index = yearly(client, names, DELTA, 2026, source)
    yearly(client, names, "records-delta-added", 1999)
    events.days(["2026-01-01", "2026-03-01"])
    for options in ((), ("--dry-run",)):
        done = run(events.app, "aggregate", *options)
        assert done.exit_code == 2 and "destroy-indices" in done.err
    # its documents are read as before, and nothing is added to them
    assert [name for name, _ in ids(client, names)] == [index]
    assert set(client.indices.get_alias(name=names.aggregates(DELTA))) == {index}
    problems = run(events.app, "status", "--json").document["problems"]
    (problem,) = [text for text in problems if "earlier layout" in text]
    assert "destroy-indices" in problem and "and 1 more" in problem
    run(events.app, "destroy-indices", "--yes")
    events.aggregate()
    events.assert_right()
    problems = run(events.app, "status", "--json").document["problems"]
    assert not [text for text in problems if "earlier layout" in text]


def test_a_foreign_index_is_neither_used_nor_deleted(events):
    client, index = events.client, events.names.aggregates_from(DELTA, 1)
    # like an index that is created without our template
    template = f"{events.names.aggregates(DELTA)}-v2.0.0"
    client.indices.delete_index_template(name=template, ignore=[404])
    client.indices.create(index=index)
    events.days(["2026-03-01"])
    with pytest.raises(StatsDashboardError, match="does not belong to this package"):
        events.aggregate()
    assert client.count(index=index)["count"] == 0
    client.indices.delete(index=index)
    events.aggregate()
    events.assert_right()


# -- permissions of the cluster --------------------------------------------------------


def test_indices_are_created_without_automatic_creation(alone, two):
    settings = {"transient": {"action.auto_create_index": "false"}}
    two.days(["2024-03-01"], first=40)
    events_of_2025 = two.names.events_month("view", "2025-01")
    two.client.indices.create(index=events_of_2025)
    two.days(["2025-01-01"], first=50)
    run(two.app, "destroy-indices", "--yes")
    two.client.cluster.put_settings(body=settings)
    try:
        two.aggregate()
    finally:
        settings["transient"]["action.auto_create_index"] = None
        two.client.cluster.put_settings(body=settings)
    two.assert_right()
    assert starts(two.client, two.names, DELTA) == [1, 2024, 2025]


def test_a_cluster_that_creates_no_indices_stops_the_run(alone, two):
    two.days(["2025-01-01"], first=50)
    block = {"persistent": {"cluster.blocks.create_index": True}}
    two.client.cluster.put_settings(body=block)
    try:
        with pytest.raises(ClusterNotHealthyError, match="creates no new indices"):
            two.aggregate()
    finally:
        block["persistent"]["cluster.blocks.create_index"] = None
        two.client.cluster.put_settings(body=block)
    two.aggregate()
    two.assert_right()


def test_each_index_has_our_metadata_and_is_read_when_it_is_searchable(two):
    names = two.names
    for family in USAGE:
        for year in (1, 2024):
            index = names.aggregates_from(family, year)
            found = two.client.indices.get(index=index)[index]
            assert META_KEY in found["mappings"]["_meta"]
            writing = found["aliases"].keys() - {names.aggregates(family)}
            assert len(writing) == 1
