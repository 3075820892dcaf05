# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The types of a query of the aggregates, and of its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from .metrics import DEFAULT_METRICS, Metric, RobotRule

DAY, WEEK, MONTH, QUARTER, YEAR = INTERVALS = (
    "day",
    "week",
    "month",
    "quarter",
    "year",
)
"""The lengths of an interval. A week begins on Monday (ISO 8601)."""

COMPARISONS = ("previous", "year")
"""Compare with as many days just before, or with the same days of the year before."""

EARLIEST = date(1900, 1, 1)
"""The first day of any query. Levels and running totals include earlier days."""

CURRENT, COMPARED = "current", "compared"
"""The names of the periods of a result."""

Row = Sequence[int | None]
"""The numbers of a value, one for each metric; None if it is unknown or suppressed."""

Table = Mapping[str, Row]
"""Id of a value -> its numbers, in one interval and of one breakdown."""

Lines = Mapping[str, Sequence[tuple[str, Row | None]]]
"""Breakdown -> sorted ids of values in one interval, each with its row, or None."""


@dataclass(frozen=True)
class SeriesQuery:
    """A checked query.

    Attributes:
        community_id: UUID or ``global``.
        first: first UTC day.
        last: last UTC day, inclusive.
        interval: one of :data:`INTERVALS`.
        metrics: keys of :data:`~.metrics.METRICS`.
        breakdowns: keys of the registry of breakdowns; empty for totals alone.
        top: number of values of each breakdown, those with the largest numbers in the
            range; None for all.
        other: sum up the remaining values under ``_other``.
        basis: the basis of the metrics of records: created, published or added.
        cumulative: running totals since the beginning, at the end of each interval.
        compare: None, or one of :data:`COMPARISONS`.
        only: (breakdown, id) of the one value to count; None for everything.
    """

    community_id: str
    first: date
    last: date
    interval: str = DAY
    metrics: tuple[str, ...] = DEFAULT_METRICS
    breakdowns: tuple[str, ...] = ()
    top: int | None = 10
    other: bool = False
    basis: str = "added"
    cumulative: bool = False
    compare: str | None = None
    only: tuple[str, str] | None = None


@dataclass(frozen=True)
class Interval:
    """One interval, truncated at the ends of the range.

    Attributes:
        start: first day.
        end: last day, inclusive.
    """

    start: date
    end: date


@dataclass(frozen=True)
class Series:
    """The numbers of one metric, over time.

    Attributes:
        metric: key.
        breakdown: key, or None for the totals.
        id: id of the value; ``_other`` for those not listed; None for the totals.
        values: a number for each interval; None if it is unknown or suppressed.
        total: the number for the range: the sum of a flow without suppressed numbers,
            the last number of a level or a running total; None if numbers cannot be
            added up.
    """

    metric: str
    breakdown: str | None
    id: str | None
    values: Sequence[int | None]
    total: int | None


@dataclass(frozen=True)
class PeriodResult:
    """The numbers of one range.

    Attributes:
        name: :data:`CURRENT` or :data:`COMPARED`.
        buckets: the intervals.
        series: the totals, then the breakdowns in the order of the query, each with
            the values that have the largest numbers first.
        cells: breakdown -> number of its values, listed or not.
    """

    name: str
    buckets: tuple[Interval, ...]
    series: tuple[Series, ...]
    cells: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SeriesRow:
    """One number, as a line of a table.

    Attributes:
        period: :data:`CURRENT` or :data:`COMPARED`.
        metric: key.
        breakdown: key, or None for the totals.
        id: id of the value, or ``_other``; None for the totals.
        bucket: the interval.
        value: the number; None if it is unknown or suppressed.
    """

    period: str
    metric: str
    breakdown: str | None
    id: str | None
    bucket: Interval
    value: int | None


@dataclass(frozen=True)
class SeriesResult:
    """The result of a query.

    Attributes:
        query: the query.
        metrics: the metrics, in the order of the query.
        periods: the range, and the range that it is compared with.
        first_day: first day for which the community has numbers, or None.
        last_day: the last one, or None.
        data_as_of: everything stored before this moment is counted, ISO 8601; or None.
        late: a sentence that explains why numbers are late; None if they are not.
        corrections: changes to days of the range that were already complete.
        robots: whether events of robots count, for the definitions of metrics.
    """

    query: SeriesQuery
    metrics: tuple[Metric, ...]
    periods: tuple[PeriodResult, ...]
    first_day: date | None
    last_day: date | None
    data_as_of: str | None
    late: str | None
    corrections: tuple[dict[str, Any], ...]
    robots: RobotRule
