# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Month sums are read instead of deltas, and only where both agree."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from invenio_stats_dashboard.aggregations.usage.month_sums import LEAST
from invenio_stats_dashboard.queries import breakdown_sources, month_sums_reader
from invenio_stats_dashboard.queries.metrics import METRICS
from invenio_stats_dashboard.queries.query import SeriesQuery

from ..helpers.simulation import COMMUNITIES
from .conftest import FIRST, LAST

SUMMED = ("views", "view_visitors", "downloads", "downloaded_volume")
QUERY = SeriesQuery(
    "global",
    FIRST,
    LAST,
    "month",
    SUMMED,
    breakdowns=("subjects", "referrers"),
    top=None,
)


@pytest.fixture()
def from_deltas(service, monkeypatch):
    """Return a function that answers a question without sums of months."""

    def read(query):
        with monkeypatch.context() as patch:
            patch.setattr(month_sums_reader, "INTERVALS", frozenset())
            return service.readers.series.read(query).periods

    return read


@pytest.fixture()
def change(client, names, instance, prepared):
    """Return a function that changes documents, and puts them back."""
    with prepared.restored(f"{names.prefix}stats-community-usage-*"):
        yield from _changing(client, names)


def _changing(client, names):
    put = []

    def change(family, how, query):
        alias = names.aggregates(family)
        body = {"size": 1000, "query": query}
        hits = client.search(index=alias, body=body)["hits"]["hits"]
        for hit in hits:
            put.append((alias, hit["_index"], hit["_id"], hit["_source"]))
            changed = how(hit["_source"])
            if changed is None:
                client.delete(index=hit["_index"], id=hit["_id"])
            else:
                client.index(index=hit["_index"], id=hit["_id"], body=changed)
        client.indices.refresh(index=alias)
        return len(hits)

    yield change
    for alias, index, id, source in put:
        client.index(index=index, id=id, body=source)
        client.indices.refresh(index=alias)


def of(community, month, **terms):
    """Return a query of documents of a community's month."""
    last = (date.fromisoformat(f"{month}-01") + timedelta(days=27)).isoformat()
    days = {"range": {"period_start": {"gte": f"{month}-01", "lte": last}}}
    terms = [{"term": {k: v}} for k, v in {**terms, "community_id": community}.items()]
    return {"bool": {"filter": [days, *terms]}}


def doubled(source):
    """Return the sums of a month, each twice as large."""
    cells = source["cells"]
    twice = {
        part: {
            field: [2 * n for n in numbers] for field, numbers in cells[part].items()
        }
        for part in ("view", "download")
    }
    return {**source, "cells": {**cells, **twice}}


@pytest.mark.parametrize("community", ["global", *COMMUNITIES])
@pytest.mark.parametrize("interval", ["month", "quarter", "year"])
@pytest.mark.parametrize("cumulative", [False, True])
@pytest.mark.parametrize("first", [FIRST, FIRST + timedelta(days=17), date(2024, 1, 1)])
def test_sums_of_months_and_deltas_have_the_same_cells(
    service, instance, from_deltas, community, interval, cumulative, first
):
    query = replace(
        QUERY,
        community_id=community,
        interval=interval,
        cumulative=cumulative,
        first=first,
        compare="previous",
    )
    assert service.readers.series.read(query).periods == from_deltas(query)
    one = replace(query, breakdowns=(), only=("subjects", "cats"))
    assert service.readers.series.read(one).periods == from_deltas(one)


def test_months_are_read_in_place_of_their_deltas(
    service, instance, from_deltas, change
):
    right = from_deltas(QUERY)
    assert change("usage-month", doubled, of("global", "2024-02")) > 2
    period = service.readers.series.read(QUERY).periods[0]
    february = [bucket.start for bucket in period.buckets].index(date(2024, 2, 1))
    others = {(s.metric, s.breakdown, s.id): s.values for s in right[0].series}
    assert len(others) == len(period.series)
    for series in period.series:
        twice = series.breakdown is not None
        # doubled numbers can have another order
        its_values = others[series.metric, series.breakdown, series.id]
        for place, (value, its) in enumerate(
            zip(series.values, its_values, strict=True)
        ):
            assert value == (2 * its if twice and place == february else its)


@pytest.mark.parametrize("what", ["changed", "gone"])
def test_month_sums_that_differ_from_the_deltas_are_not_used(
    service, instance, from_deltas, change, what
):
    """While a late event is counted, the delta is written before the sums."""

    def another(source):
        cells = [{"id": "late", "view": {"total_events": 7, "unique_visitors": 7}}]
        subcounts = {**source["subcounts"], "subjects": cells}
        return {**source, "subcounts": subcounts, "checksum": "another"}

    before = service.readers.series.read(QUERY).periods
    number = change(
        "usage-delta",
        another if what == "changed" else lambda source: None,
        of("global", "2024-02"),
    )
    assert number >= LEAST
    after = service.readers.series.read(QUERY).periods
    assert after != before
    assert after == from_deltas(QUERY)


def test_a_month_sum_that_lacks_a_breakdown_is_not_used(
    service, instance, from_deltas, change
):
    lacks = of("global", "2024-02", breakdown="subjects")
    assert change("usage-month", lambda source: None, lacks) == 1
    assert service.readers.series.read(QUERY).periods == from_deltas(QUERY)


def test_pages_of_months_and_of_checksums_have_the_same_cells(
    service, instance, from_deltas, monkeypatch
):
    whole = from_deltas(QUERY)
    monkeypatch.setattr(month_sums_reader, "FIRST_PAGE", 1)
    monkeypatch.setattr(month_sums_reader, "CHECKED", 10)
    monkeypatch.setattr(breakdown_sources, "PAGE_BYTES", 1)
    assert service.readers.series.read(QUERY).periods == whole


@pytest.mark.parametrize("interval", ["day", "week"])
def test_days_and_weeks_are_added_up_from_deltas(
    service, instance, from_deltas, change, interval
):
    query = replace(QUERY, interval=interval, metrics=tuple(METRICS)[:4])
    whole = from_deltas(query)
    change("usage-month", doubled, of("global", "2024-02"))
    assert service.readers.series.read(query).periods == whole
