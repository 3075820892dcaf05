# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The form of a question to the aggregates, and of its answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from .metrics import DEFAULT_METRICS, Metric

DAY, WEEK, MONTH, QUARTER, YEAR = INTERVALS = (
    "day",
    "week",
    "month",
    "quarter",
    "year",
)
"""What a bucket can be; a week begins on Monday (ISO 8601)."""

COMPARISONS = ("previous", "year")
"""With the days just before, as many, or with the same days of the year before."""

OTHER = "_other"
"""Id of the cells together that are not told; vocabularies have an ``other`` of theirs."""

EARLIEST = date(1900, 1, 1)
"""No question goes further back; levels and running totals hold what was before."""

CURRENT, COMPARED = "current", "compared"
"""The periods of an answer."""


@dataclass(frozen=True)
class SeriesQuery:
    """A question that has been checked.

    Attributes:
        community_id: UUID or ``global``.
        first: first UTC day.
        last: last UTC day, inclusive.
        interval: one of :data:`INTERVALS`.
        metrics: keys of :data:`~.metrics.METRICS`.
        breakdowns: keys of the registry of breakdowns; none for totals alone.
        top: how many cells of each breakdown, those with the most in the range; None
            for all.
        other: put the other cells together under :data:`OTHER`.
        basis: of the metrics of records: created, published or added.
        cumulative: running totals since the beginning, at the end of each bucket.
        compare: None, or one of :data:`COMPARISONS`.
        only: (breakdown, id): count this cell alone; None for everything.
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
    """One interval, cut off at the ends of the range.

    Attributes:
        start: first day.
        end: last day, inclusive.
    """

    start: date
    end: date


@dataclass(frozen=True)
class Series:
    """One row of numbers.

    Attributes:
        metric: key.
        breakdown: key, or None for the totals.
        id: the cell; :data:`OTHER` for those that are not told; None for the totals.
        values: a number for each bucket; None where it is not known or not told.
        total: of the range: the sum of what is told of a flow, the last value of a
            level or a running total; None where nothing adds up.
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
        series: totals first, then the breakdowns in the order of the question, each
            with its cells, the largest first.
        cells: breakdown -> how many cells there are, told or not.
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
        id: the cell, :data:`OTHER`, or None.
        bucket: the interval.
        value: a number, or None where it is not known or not told.
    """

    period: str
    metric: str
    breakdown: str | None
    id: str | None
    bucket: Interval
    value: int | None


@dataclass(frozen=True)
class SeriesResult:
    """The answer to a question.

    Attributes:
        query: the question.
        metrics: the metrics, in the order of the question.
        periods: the range, and what it is compared with.
        first_day: first day of which the community has numbers, or None.
        last_day: the last one, or None.
        data_as_of: everything that was stored then is counted, ISO 8601; or None.
        late: a sentence that says why numbers are late; None when they are not.
        corrections: days of the range that have changed after they were complete.
    """

    query: SeriesQuery
    metrics: tuple[Metric, ...]
    periods: tuple[PeriodResult, ...]
    first_day: date | None
    last_day: date | None
    data_as_of: str | None
    late: str | None
    corrections: tuple[dict, ...]
