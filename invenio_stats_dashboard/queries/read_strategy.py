# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Choose how to compute a metric from stored documents. Pure rules, without I/O."""

from collections.abc import Sequence

from ..subcounts import Subcount
from .metrics import DISTINCT, FLOW, LEVEL, Metric
from .query import DAY, SeriesQuery

SUM, LAST, RUNNING, UNKNOWN = "sum", "last", "running", "unknown"
"""The strategies: add up the deltas of an interval, take the last snapshot at its end,
or add up all deltas up to its end; ``UNKNOWN`` if no document has the numbers."""


def of_totals(metric: Metric, query: SeriesQuery) -> str:
    """Return the strategy for a metric's totals."""
    if metric.kind == LEVEL:
        return LAST
    if query.cumulative:
        return LAST if metric.snapshot else RUNNING
    if metric.kind == DISTINCT and query.interval != DAY:
        return UNKNOWN
    return SUM


def of_cells(metric: Metric, query: SeriesQuery, subcount: Subcount) -> str:
    """Return the strategy for a metric's numbers by breakdown.

    The breakdowns of snapshots have no distinct metrics. If a breakdown shows the top,
    snapshots have only its largest values.
    """
    if not has_cells(metric, subcount):
        return UNKNOWN
    way = of_totals(metric, query)
    if way == LAST and metric.kind == DISTINCT:
        return UNKNOWN
    if way == LAST and subcount.show == "top":
        return RUNNING
    return way


def has_cells(metric: Metric, subcount: Subcount) -> bool:
    """Return whether a metric can be broken down by a breakdown."""
    return bool(metric.cell) and (metric.of == "usage" or subcount.of_record)


def adds_up(metric: Metric, query: SeriesQuery) -> bool:
    """Return whether the numbers of intervals add up to the number of the range."""
    return metric.kind == FLOW and not query.cumulative


def total(
    values: Sequence[int | None], metric: Metric, query: SeriesQuery
) -> int | None:
    """Return one number for the range.

    Args:
        values: the numbers of the intervals; None if one is unknown or suppressed.
        metric: the metric of these numbers.
        query: gives the interval, and whether the numbers are running totals.

    Returns:
        The sum of a flow without suppressed numbers; the last number of a level or a
        running total; None if the numbers cannot be added up.
    """
    if metric.kind == LEVEL or query.cumulative:
        return values[-1]
    if metric.kind == DISTINCT:
        return values[0] if len(values) == 1 else None
    known = [value for value in values if value is not None]
    return sum(known) if known else None
