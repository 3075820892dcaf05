# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A query sends few requests; rows contain one bucket; both strategies agree."""

import tracemalloc
from dataclasses import replace
from datetime import date, timedelta

import pytest
from opensearchpy import Transport

from invenio_stats_dashboard.errors import UsageError
from invenio_stats_dashboard.queries import breakdown_sources, series_reader, totals
from invenio_stats_dashboard.queries.metrics import METRICS
from invenio_stats_dashboard.queries.query import INTERVALS, SeriesQuery

from ..helpers.search_requests import sent_requests
from ..helpers.simulation import COMMUNITIES
from .conftest import FIRST, LAST

FRESHNESS = 1
USAGE = tuple(key for key, metric in METRICS.items() if metric.of == "usage")
QUERY = SeriesQuery("global", FIRST, LAST, "month", tuple(METRICS))


@pytest.fixture()
def sent():
    """Return a list of the requests that are sent."""
    with sent_requests() as requests:
        yield requests


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("cumulative", [False, True])
def test_totals_of_all_metrics_take_one_request(
    service, instance, sent, interval, cumulative
):
    service.readers.series.read(
        replace(QUERY, interval=interval, cumulative=cumulative)
    )
    assert len(sent) == 1 + FRESHNESS
    sent.clear()
    query = replace(QUERY, interval=interval, cumulative=cumulative, compare="year")
    service.readers.series.read(query)
    assert len(sent) == 2 + FRESHNESS


@pytest.mark.parametrize("interval", [i for i in INTERVALS if i != "day"])
@pytest.mark.parametrize("cumulative", [False, True])
def test_breakdowns_that_snapshots_have_take_one_request_more(
    service, instance, sent, interval, cumulative
):
    keys = ("countries", "resource_types", "rights")
    metrics = ("views", "downloaded_volume")
    query = replace(QUERY, interval=interval, cumulative=cumulative, metrics=metrics)
    service.readers.series.read(replace(query, breakdowns=keys))
    assert len(sent) == 2 + FRESHNESS
    sent.clear()
    service.readers.series.read(replace(query, breakdowns=keys, metrics=("records",)))
    assert len(sent) == 2 + FRESHNESS


def test_other_breakdowns_take_a_request_for_a_year_of_months(service, instance, sent):
    query = replace(QUERY, metrics=("views",), breakdowns=("subjects", "funders"))
    service.readers.series.read(replace(query, first=date(2023, 12, 1)))
    assert len(sent) == 2 + FRESHNESS
    sent.clear()
    service.readers.series.read(query)
    # the first month has too few days to be summed up: its deltas are read
    assert len(sent) == 3 + FRESHNESS


def test_other_breakdowns_take_a_request_a_page_of_days(service, instance, sent):
    breakdowns = ("subjects", "funders")
    query = replace(QUERY, interval="week", metrics=("views",), breakdowns=breakdowns)
    service.readers.series.read(query)
    # of about a hundred days 40 at first, then as many as eight megabytes have
    assert len(sent) == 3 + FRESHNESS


def test_the_version_takes_one_request(service, instance, sent):
    service.readers.freshness.version("global")
    assert len(sent) == 1


def test_a_request_follows_for_each_page_of_days(service, instance, sent, monkeypatch):
    whole = service.readers.series.read(replace(QUERY, interval="week")).periods
    sent.clear()
    monkeypatch.setattr(totals, "PAGE", 25)
    assert service.readers.series.read(replace(QUERY, interval="week")).periods == whole
    assert len(sent) > 1 + FRESHNESS


def test_no_source_is_read_for_totals(service, instance, monkeypatch):
    answers, perform = [], Transport.perform_request

    def recorded(self, *args, **kwargs):
        answers.append(perform(self, *args, **kwargs))
        return answers[-1]

    monkeypatch.setattr(Transport, "perform_request", recorded)
    service.readers.series.read(QUERY)
    assert "subcounts" not in answers[-1]
    assert "_id" not in answers[-1]


# -- two ways to the same numbers --------------------------------------------------


@pytest.mark.parametrize("interval", [i for i in INTERVALS if i != "day"])
@pytest.mark.parametrize("cumulative", [False, True])
@pytest.mark.parametrize("community", ["global", *COMMUNITIES])
def test_snapshots_and_deltas_have_the_same_cells(
    service, instance, monkeypatch, interval, cumulative, community
):
    query = replace(
        QUERY,
        community_id=community,
        first=FIRST + timedelta(days=17),
        interval=interval,
        cumulative=cumulative,
        breakdowns=("countries", "resource_types", "file_types", "agents"),
        top=None,
    )
    from_snapshots = service.readers.series.read(query).periods
    with monkeypatch.context() as patch:
        patch.setattr(
            breakdown_sources.SnapshotLists, "part", lambda self: set(self._breakdowns)
        )
        from_deltas = service.readers.series.read(query).periods
    assert from_snapshots == from_deltas


def test_groups_of_buckets_and_pages_have_the_same_cells(
    service, instance, monkeypatch
):
    query = replace(
        QUERY,
        interval="week",
        breakdowns=("countries", "resource_types", "subjects"),
        top=None,
    )
    whole = service.readers.series.read(query).periods
    with monkeypatch.context() as patch:
        patch.setattr(breakdown_sources, "TOGETHER", 3)
        patch.setattr(breakdown_sources, "FIRST_PAGE", 4)
        patch.setattr(breakdown_sources, "PAGE_BYTES", 1)
        assert service.readers.series.read(query).periods == whole


def test_cells_that_are_too_many_to_buffer_are_read_again(
    service, instance, monkeypatch
):
    query = replace(QUERY, breakdowns=("subjects", "countries"), top=2, other=True)
    whole, rows = service.readers.series.read(query).periods, list(
        service.readers.series.rows(query)
    )
    monkeypatch.setattr(series_reader, "KEPT", 3)
    assert service.readers.series.read(query).periods == whole
    assert list(service.readers.series.rows(query)) == rows


# -- documents of two kinds ---------------------------------------------------------


@pytest.fixture()
def changed(client, names, instance, prepared):
    """Return a function that changes snapshots of usage, and puts them back."""
    alias = names.aggregates("usage-snapshot")
    with prepared.restored(alias):
        yield from _changing(client, alias)


def _changing(client, alias):
    put = []

    def change(how):
        body = {"size": 1000, "query": {"term": {"community_id": "global"}}}
        for hit in client.search(index=alias, body=body)["hits"]["hits"]:
            source = hit["_source"]
            put.append((hit["_index"], hit["_id"], source))
            other = {**source, "subcounts": how(source)}
            client.index(index=hit["_index"], id=hit["_id"], body=other)
        client.indices.refresh(index=alias)

    yield change
    for index, id, source in put:
        client.index(index=index, id=id, body=source)
    client.indices.refresh(index=alias)


@pytest.mark.parametrize("kind", ["missing", "top"])
@pytest.mark.parametrize("until", ["2024-02-10", "9999-12-31"])
def test_snapshots_that_do_not_have_all_cells_are_not_used(
    service, changed, kind, until
):
    query = replace(
        QUERY, metrics=("views",), breakdowns=("countries", "agents"), top=None
    )
    whole = service.readers.series.read(query).periods

    def how(source):
        subcounts = dict(source["subcounts"])
        if source["snapshot_date"] <= until:
            cells = subcounts.pop("countries")
            if kind == "top":
                subcounts["countries"] = {
                    "by_view": cells[:1],
                    "by_download": [],
                }
        return subcounts

    changed(how)
    assert service.readers.series.read(query).periods == whole


# -- rows -----------------------------------------------------------------------------


def test_rows_hold_a_bucket_of_cells(service, instance):
    query = replace(
        QUERY,
        interval="day",
        metrics=USAGE,
        breakdowns=("countries", "subjects"),
        top=None,
    )
    list(service.readers.series.rows(query))
    tracemalloc.start()
    try:
        rows = service.readers.series.rows(query)
        next(rows)
        begin = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        number = sum(1 for _ in rows)
        peak = tracemalloc.get_traced_memory()[1] - begin
    finally:
        tracemalloc.stop()
    assert number > 2000
    # a page of documents, which is small here; the rows would have two megabytes
    assert peak < 1_000_000


# -- what cannot be answered ------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metrics": ("visits",)}, "no metric 'visits'"),
        ({"breakdowns": ("colours",)}, "no breakdown 'colours'"),
        ({"only": ("colours", "red")}, "no breakdown 'colours'"),
        ({"interval": "hour"}, "no interval 'hour'"),
        ({"compare": "month"}, "no comparison 'month'"),
        ({"last": date(2020, 1, 1)}, "before the first"),
    ],
)
def test_what_there_is_not_is_refused(service, instance, changes, sentence):
    query = replace(QUERY, **changes)
    with pytest.raises(UsageError, match=sentence):
        service.readers.series.read(query)
    with pytest.raises(UsageError, match=sentence):
        list(service.readers.series.rows(query))


def test_a_community_without_documents_has_zeros(service, instance):
    query = replace(
        QUERY,
        community_id="00000000-0000-4000-8000-0000000000ff",
        breakdowns=("countries", "subjects"),
    )
    (period,) = service.readers.series.read(query).periods
    assert {s.breakdown for s in period.series} == {None}
    assert {v for s in period.series for v in s.values} == {0, None}
    assert period.cells == {"countries": 0, "subjects": 0}
