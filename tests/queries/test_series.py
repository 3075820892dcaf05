# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""All series are the sums of the reference's daily documents."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invenio_stats_dashboard.queries.metrics import METRICS
from invenio_stats_dashboard.queries.query import (
    COMPARED,
    CURRENT,
    INTERVALS,
    SeriesQuery,
)
from invenio_stats_dashboard.reserved_ids import OTHER

from ..helpers import series as expected
from ..helpers.simulation import COMMUNITIES
from .conftest import FIRST, LAST

OF_EVENTS = ("countries", "referrers", "agents")
BREAKDOWNS = ("resource_types", "subjects", "affiliations", "file_types", *OF_EVENTS)
DAYS = (LAST - FIRST).days

days = st.integers(-40, DAYS + 40).map(lambda n: FIRST + timedelta(days=n))


@st.composite
def queries(draw, breakdowns=BREAKDOWNS):
    """Return a strategy of questions."""
    first, last = sorted((draw(days), draw(days)))
    keys = st.lists(st.sampled_from(breakdowns), max_size=3, unique=True)
    metrics = st.lists(st.sampled_from(list(METRICS)), min_size=1, unique=True)
    chosen = tuple(draw(keys))
    only = None
    if draw(st.integers(0, 3)) == 0:
        ids = ("dataset", "history", "DE", "machine", "unknown", "pdf", "nobody")
        key = chosen[0] if chosen else draw(st.sampled_from(breakdowns))
        only, chosen = (key, draw(st.sampled_from(ids))), chosen[:1]
    return SeriesQuery(
        community_id=draw(st.sampled_from(("global", *COMMUNITIES))),
        first=first,
        last=last,
        interval=draw(st.sampled_from(INTERVALS)),
        metrics=tuple(draw(st.one_of(metrics, st.just(list(METRICS))))),
        breakdowns=chosen,
        top=draw(st.sampled_from((None, 1, 2, 5))),
        other=draw(st.booleans()),
        basis=draw(st.sampled_from(("created", "published", "added"))),
        cumulative=draw(st.booleans()),
        compare=draw(st.sampled_from((None, None, "previous", "year"))),
        only=only,
    )


def with_queries(examples):
    """Return a decorator that runs a test with generated queries."""

    def decorate(test):
        return settings(
            max_examples=examples,
            deadline=None,
            suppress_health_check=[
                HealthCheck.function_scoped_fixture,
                HealthCheck.too_slow,
            ],
        )(given(query=queries())(test))

    return decorate


def ranges(query):
    """Return (name, question of the range) of each period."""
    found = [(CURRENT, query)]
    if query.compare:
        first, last = expected.compared(query.first, query.last, query.compare)
        found.append((COMPARED, replace(query, first=first, last=last)))
    return found


def check_totals(period, wanted, query):
    """Check the totals of a period."""
    bounds = expected.buckets(query.first, query.last, query.interval)
    assert [(b.start.isoformat(), b.end.isoformat()) for b in period.buckets] == bounds
    totals = [s for s in period.series if s.breakdown is None]
    assert [s.metric for s in totals] == list(query.metrics)
    for found in totals:
        values = tuple(wanted.totals(found.metric, *bound) for bound in bounds)
        assert found.values == values, found.metric
        assert found.total == total(found.metric, values, query), found.metric
    return bounds


def total(metric, values, query):
    """Return the number of a range."""
    if metric in expected.LEVELS or query.cumulative:
        return values[-1]
    if metric in expected.USAGE and expected.USAGE[metric][1] not in expected.SUMMED:
        return values[0] if len(values) == 1 else None
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def check_cells(period, wanted, query, chosen):
    """Check the cells of a period; return breakdown -> ids that are shown."""
    bounds = expected.buckets(query.first, query.last, query.interval)
    shown = {}
    for key in query.breakdowns:
        by_bucket = [wanted.cells(key, *bound) for bound in bounds]
        series = [s for s in period.series if s.breakdown == key]
        ids = list(dict.fromkeys(s.id for s in series))
        metrics = [m for m in query.metrics if m in by_bucket[0]]
        assert [(s.id, s.metric) for s in series] == [
            (i, m) for i in ids for m in metrics
        ]
        cells = [i for i in ids if i != OTHER]
        assert ids in (cells, [*cells, OTHER])
        if chosen is None:
            expect = ranked(by_bucket, metrics, query)
            if query.only and query.only[0] == key:
                expect = [i for i in expect if i == query.only[1]]
            unnamed = OTHER in expect
            expect = [i for i in expect if i != OTHER]
            assert period.cells[key] == len(expect)
            assert cells == expect[: query.top]
            rest = unnamed or len(cells) < len(expect)
            has_rest = unnamed if query.top is None else query.other and rest
            assert (OTHER in ids) is bool(has_rest and metrics)
        else:
            assert cells == chosen[key]
        for found in series:
            if found.id == OTHER:
                check_rest(found, by_bucket, cells, query)
                continue
            values = tuple(b[found.metric].get(found.id, 0) for b in by_bucket)
            if all(v is None for b in by_bucket for v in b[found.metric].values()):
                continue
            assert found.values == values, (found.metric, key, found.id)
        shown[key] = cells
    return shown


def check_rest(found, by_bucket, cells, query):
    """Check the sum of the cells that are not shown, in which there is anything."""
    if query.only or is_distinct(found.metric):
        return
    for value, bucket in zip(found.values, by_bucket, strict=True):
        numbers = bucket[found.metric]
        assert value == sum(n for id, n in numbers.items() if id not in cells)


def is_distinct(metric):
    """Return whether the numbers of a metric cannot be added up."""
    usage = expected.USAGE.get(metric)
    return usage is not None and usage[1] not in expected.SUMMED


def ranked(by_bucket, metrics, query):
    """Return the ids of all cells in which there is anything, the largest first."""
    ids, totals = set(), defaultdict(lambda: [0] * len(metrics))
    for place, metric in enumerate(metrics):
        of_cell = defaultdict(list)
        for bucket in by_bucket:
            for id, value in bucket[metric].items():
                of_cell[id].append(value)
                if value:
                    ids.add(id)
        for id, values in of_cell.items():
            last = metric in expected.LEVELS or query.cumulative
            additive = metric not in expected.USAGE or (
                expected.USAGE[metric][1] in expected.SUMMED
            )
            if last:
                totals[id][place] = values[-1] or 0
            elif additive:
                totals[id][place] = sum(values)
    return sorted(ids, key=lambda id: ([-n for n in totals[id]], id))


@with_queries(120)
def test_series_are_what_the_documents_add_up_to(service, documents, query):
    answer, chosen = service.readers.series.read(query), None
    assert [m.key for m in answer.metrics] == list(query.metrics)
    periods = ranges(query)
    assert [p.name for p in answer.periods] == [name for name, _ in periods]
    for period, (_, its) in zip(answer.periods, periods, strict=True):
        wanted = expected.Expected(documents, its, OF_EVENTS)
        check_totals(period, wanted, its)
        shown = check_cells(period, wanted, its, chosen)
        chosen = shown if query.top else None


@with_queries(60)
def test_rows_have_the_numbers_of_series(service, instance, query):
    rows = list(service.readers.series.rows(query))
    found = {(r.period, r.metric, r.breakdown, r.id, r.bucket): r.value for r in rows}
    assert len(found) == len(rows)
    for period in service.readers.series.read(query).periods:
        for series in period.series:
            for bucket, value in zip(period.buckets, series.values, strict=True):
                key = (period.name, series.metric, series.breakdown, series.id, bucket)
                if series.breakdown is None:
                    assert found.pop(key) == value
                else:
                    assert not value or found[key] == value
                    found.pop(key, None)
    assert not found


def test_rows_of_all_values_end_with_what_days_do_not_name(service, instance):
    query = SeriesQuery("global", FIRST, LAST, "day", breakdowns=("countries",))
    rows = list(service.readers.series.rows(replace(query, top=None)))
    ids = defaultdict(list)
    for row in rows:
        if row.breakdown and row.metric == "views":
            ids[row.bucket].append(row.id)
    crowded = [found for found in ids.values() if OTHER in found]
    assert crowded and all(found.index(OTHER) == len(found) - 1 for found in crowded)


@with_queries(30)
def test_rows_are_in_the_order_of_time(service, instance, query):
    rows = list(service.readers.series.rows(query))
    order = [
        (r.period == COMPARED, r.bucket.start, r.breakdown is not None) for r in rows
    ]
    assert order == sorted(order)
