# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""How a metric is had from documents: pure rules, for totals and for cells."""

from .metrics import DISTINCT, FLOW, LEVEL
from .query import DAY

SUM, LAST, RUNNING, UNKNOWN = "sum", "last", "running", "unknown"
"""Add up the deltas of a bucket; take the last snapshot; add up all deltas so far; or
there is no way."""


def of_totals(metric, query):
    """Return the way to a metric's totals.

    Args:
        metric: a :class:`~.metrics.Metric`.
        query: the :class:`~.query.SeriesQuery`.

    Returns:
        str: :data:`SUM` and so on.
    """
    if metric.kind == LEVEL:
        return LAST
    if query.cumulative:
        return LAST if metric.snapshot else RUNNING
    if metric.kind == DISTINCT and query.interval != DAY:
        return UNKNOWN
    return SUM


def of_cells(metric, query, subcount):
    """Return the way to a metric's cells of a breakdown.

    Snapshots have no distinct things in cells, and only the largest cells of a
    breakdown that shows the top.

    Args:
        metric: a :class:`~.metrics.Metric`.
        query: the :class:`~.query.SeriesQuery`.
        subcount: the :class:`~...subcounts.Subcount`.

    Returns:
        str: :data:`SUM` and so on.
    """
    if not has_cells(metric, subcount):
        return UNKNOWN
    way = of_totals(metric, query)
    if way == LAST and metric.kind == DISTINCT:
        return UNKNOWN
    if way == LAST and subcount.show == "top":
        return RUNNING
    return way


def has_cells(metric, subcount):
    """Tell whether a breakdown has cells of a metric at all."""
    return bool(metric.cell) and (metric.of == "usage" or subcount.of_record)


def adds_up(metric, query):
    """Tell whether the values of buckets add up to one of the range."""
    return metric.kind == FLOW and not query.cumulative


def total(values, metric, query):
    """Return one number for the range.

    Args:
        values: of the buckets; None where it is not known or not told.
        metric: a :class:`~.metrics.Metric`.
        query: the :class:`~.query.SeriesQuery`.

    Returns:
        int | None: the sum of what is told of a flow; the last value of a level or a
        running total; None where nothing adds up.
    """
    if metric.kind == LEVEL or query.cumulative:
        return values[-1]
    if metric.kind == DISTINCT:
        return values[0] if len(values) == 1 else None
    told = [value for value in values if value is not None]
    return sum(told) if told else None
