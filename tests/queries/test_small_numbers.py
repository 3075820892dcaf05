# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Numbers of few visitors are suppressed, and subtraction does not reveal them."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invenio_stats_dashboard.queries.query import SeriesQuery
from invenio_stats_dashboard.queries.suppression import SmallNumbers
from invenio_stats_dashboard.reserved_ids import OTHER

from .conftest import FIRST, LAST

RULES = SmallNumbers(5, frozenset({"countries", "agents"}))

visitors = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 12))


def cell(id, view=None, download=None):
    """Return a cell with some visitors."""
    parts = {"view": view, "download": download}
    return {
        "id": id,
        **{
            part: {"total_events": 2 * n, "unique_visitors": n}
            for part, n in parts.items()
            if n is not None
        },
    }


def document(**subcounts):
    """Return a document."""
    return {"community_id": "global", "totals": {}, "subcounts": subcounts}


@given(visitors)
def test_no_cell_with_few_visitors_is_shown(found):
    hidden = RULES.hidden(found)
    assert all(found[id] >= 5 for id in found.keys() - hidden)


@given(visitors)
def test_what_is_left_of_the_total_is_no_single_cell_and_no_small_number(found):
    hidden = RULES.hidden(found)
    if hidden and hidden != found.keys():
        assert len(hidden) > 1
        assert sum(found[id] for id in hidden) >= 5


@given(visitors)
def test_what_need_not_be_hidden_is_shown(found):
    hidden = RULES.hidden(found)
    more = sorted((found[id], id) for id in hidden if found[id] >= 5)
    assert len(more) <= 1
    if more:
        rest = hidden - {more[0][1]}
        assert len(rest) == 1 or sum(found[id] for id in rest) < 5


def test_the_next_smallest_is_hidden_with_those_that_are_few_together():
    assert RULES.hidden({"DE": 3, "US": 9, "CA": 7}) == {"DE", "CA"}
    assert RULES.hidden({"DE": 1, "FR": 2, "US": 9, "CA": 7}) == {"DE", "FR", "CA"}
    assert RULES.hidden({"DE": 3, "FR": 2, "US": 9, "CA": 7}) == {"DE", "FR"}


def test_a_document_loses_the_cells_that_are_hidden():
    cells = [cell("US", 20, 4), cell("CA", 9, 8), cell("DE", 3), cell("FR", 2, 7)]
    shown = RULES.suppressed(document(countries=cells))["subcounts"]["countries"]
    assert shown == [cell("US", 20), cell("CA", 9, 8)]


def test_the_largest_cells_of_a_snapshot_are_judged_by_their_own_part():
    cells = {
        "by_view": [cell("US", 20, 4), cell("DE", 3, 9), cell("FR", 2)],
        "by_download": [cell("DE", 3, 9), cell("US", 20, 4), cell("CA", 8, 1)],
    }
    shown = RULES.suppressed(document(countries=cells))["subcounts"]["countries"]
    assert [c["id"] for c in shown["by_view"]] == ["US"]
    assert [c["id"] for c in shown["by_download"]] == ["DE"]
    assert "download" not in shown["by_view"][0]


def test_what_one_list_of_a_snapshot_hides_the_other_does_not_show():
    """Else the small one is what is left of all downloads."""
    us, fr = cell("US", 20, 20), cell("FR", 10, 9)
    downloads_only = {name: v for name, v in cell("DE", 3, 3).items() if name != "view"}
    cells = {"by_view": [us, fr], "by_download": [us, fr, downloads_only]}
    shown = RULES.suppressed(document(countries=cells))["subcounts"]["countries"]
    assert [c["id"] for c in shown["by_download"]] == ["US"]
    assert [c["id"] for c in shown["by_view"]] == ["US", "FR"]
    assert "download" not in shown["by_view"][1]


def test_breakdowns_of_records_are_shown():
    stored = document(subjects=[cell("history", 1)])
    assert RULES.suppressed(stored) is stored


def test_nothing_is_hidden_without_a_minimum():
    stored = document(countries=[cell("DE", 1)])
    assert SmallNumbers(None, frozenset({"countries"})).suppressed(stored) is stored


# -- in series ------------------------------------------------------------------

QUESTION = SeriesQuery(
    "global",
    FIRST,
    LAST,
    "month",
    ("views", "downloads"),
    ("countries", "resource_types"),
    top=None,
)
FEW = 9


@pytest.fixture()
def hiding(app, service, instance, monkeypatch):
    """Return a service that suppresses small numbers."""
    monkeypatch.setitem(app.config, "STATS_DASHBOARD_MIN_VISITORS", FEW)
    monkeypatch.delitem(service.__dict__, "readers", raising=False)
    yield service
    service.__dict__.pop("readers", None)


def values(answer):
    """Return (metric, breakdown, id, start) -> value."""
    return {
        (s.metric, s.breakdown, s.id, bucket.start): value
        for s in answer.periods[0].series
        for bucket, value in zip(answer.periods[0].buckets, s.values, strict=True)
    }


def visitors_of(service, query):
    """Return (metric, id, start) -> visitors, of all cells."""
    query = replace(query, metrics=("view_visitors", "download_visitors"))
    names = {"view_visitors": "views", "download_visitors": "downloads"}
    return {
        (names[metric], id, start): value
        for (metric, key, id, start), value in values(
            service.readers.series.read(query)
        ).items()
        if key == "countries"
    }


@pytest.mark.parametrize("interval", ["day", "month", "year"])
@pytest.mark.parametrize("cumulative", [False, True])
def test_series_show_no_cell_with_few_visitors(
    service, instance, hiding, monkeypatch, interval, cumulative
):
    query = replace(QUESTION, interval=interval, cumulative=cumulative)
    found = values(hiding.readers.series.read(query))
    with monkeypatch.context() as patch:
        patch.delitem(service.__dict__, "readers")
        patch.setitem(service.app.config, "STATS_DASHBOARD_MIN_VISITORS", None)
        everything, there = values(service.readers.series.read(query)), visitors_of(
            service, query
        )
        service.__dict__.pop("readers")
    hidden = 0
    for (metric, key, id, start), value in everything.items():
        shown = found.get((metric, key, id, start))
        if key != "countries":
            assert shown == value
        elif there[metric, id, start] < FEW:
            assert shown is None
            hidden += value > 0
        else:
            assert shown in (value, None)
    assert hidden


def test_rows_and_one_cell_show_what_series_show(hiding):
    found = values(hiding.readers.series.read(QUESTION))
    for row in hiding.readers.series.rows(QUESTION):
        key = (row.metric, row.breakdown, row.id, row.bucket.start)
        assert found.pop(key) == row.value
    assert not any(found.values())
    for id in ("DE", "US"):
        query = replace(QUESTION, breakdowns=(), only=("countries", id))
        shown = values(hiding.readers.series.read(query))
        whole = values(hiding.readers.series.read(QUESTION))
        for (metric, _, _, start), value in shown.items():
            assert value == whole.get((metric, "countries", id, start))


def test_what_is_hidden_is_not_among_the_others(hiding):
    query = replace(QUESTION, breakdowns=("countries",), top=1, other=True)
    found = values(hiding.readers.series.read(query))
    every = values(hiding.readers.series.read(replace(query, top=None)))
    for (metric, _, id, start), value in found.items():
        if id == OTHER:
            rest = sum(
                v or 0
                for (m, key, i, s), v in every.items()
                if key and (m, s) == (metric, start)
            )
            top = sum(
                v or 0
                for (m, key, i, s), v in found.items()
                if key and i != OTHER and (m, s) == (metric, start)
            )
            assert (value or 0) == rest - top


def test_visitors_of_one_day_are_enough_where_there_are_many(hiding):
    query = replace(QUESTION, first=date(2024, 1, 1), last=date(2024, 3, 31))
    assert any(
        value
        for (_, key, _, _), value in values(hiding.readers.series.read(query)).items()
        if key
    )
