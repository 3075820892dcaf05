# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Turn the parameters of a request into a query, and check that it can be executed.

If parameters contradict each other, a ``marshmallow.ValidationError`` has a sentence
for the parameter to change.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, NoReturn, cast

from marshmallow import ValidationError

from ..queries import read_strategy
from ..queries.intervals import buckets
from ..queries.metrics import DEFAULT_METRICS, DISTINCT, METRICS, Metric
from ..queries.query import DAY, EARLIEST, SeriesQuery
from ..reserved_ids import OTHER
from ..subcounts import Subcount
from . import ranges
from .schema import ALL, shown

_PREVIOUS_DAYS = timedelta(days=29)

_Subcounts = Mapping[str, Subcount]


@dataclass(frozen=True)
class QueryLimits:
    """The limits of a query; see the configuration variables of the same names.

    Attributes:
        days: number of days in a range.
        cells: number of values of each breakdown, in JSON.
        series: number of series in JSON.
        values: number of numbers in JSON.
    """

    days: int
    cells: int
    series: int
    values: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "QueryLimits":
        """Return the limits that a site has configured."""
        return cls(
            days=config["STATS_DASHBOARD_MAX_DAYS"],
            cells=config["STATS_DASHBOARD_MAX_CELLS"],
            series=config["STATS_DASHBOARD_MAX_SERIES"],
            values=config["STATS_DASHBOARD_MAX_VALUES"],
        )


def range_of(
    arguments: Mapping[str, Any],
    limits: QueryLimits,
    today: date,
    first_day: Callable[[], date | None],
) -> tuple[date, date]:
    """Return the first and the last day of a query, inclusive.

    Args:
        arguments: loaded by a :class:`~.schema.RangeArguments`.
        limits: the limits of the site.
        today: the current UTC day.
        first_day: returns the first day that has numbers, or None; called only if the
            range depends on it.

    Raises:
        ValidationError: the range is invalid, or too long.
    """
    name = arguments.get("range_name")
    first, last = arguments.get("first"), arguments.get("last")
    if name and (first or last):
        refuse("range", "Use either from and to, or range.")
    if name:
        known = first_day() if name == ranges.ALL else None
        # the schema has checked the name
        first, last = cast(date, ranges.first_day(name, today, known)), today
        if name == ranges.ALL:
            first = max(first, last - timedelta(days=limits.days - 1))
    else:
        for key, day in (("from", first), ("to", last)):
            _check_day(key, day, today)
        last = last or today
        first = first or max(last - _PREVIOUS_DAYS, EARLIEST)
    if first > last:
        refuse("from", f"The range ends on {last}, before it begins on {first}.")
    if (days := (last - first).days + 1) > limits.days:
        refuse(
            "range" if name else "from",
            f"The range has {days} days; the maximum is {limits.days}.",
        )
    return first, last


def _check_day(key: str, day: date | None, today: date) -> None:
    if day and day > today:
        refuse(
            key,
            f"{day} is in the future; the last possible day is today, {today} (UTC).",
        )
    if day and day < EARLIEST:
        refuse(
            key,
            f"{day} is too early; the first possible day is {EARLIEST}.",
        )


def series_query(
    arguments: Mapping[str, Any],
    community_id: str,
    subcounts: _Subcounts,
    limits: QueryLimits,
    today: date,
    first_day: Callable[[], date | None],
    file: bool = False,
) -> SeriesQuery:
    """Return the query that a request describes.

    Args:
        arguments: loaded by a :class:`~.schema.SeriesArguments`.
        community_id: UUID or ``global``.
        subcounts: the registry of breakdowns.
        limits: the limits of the site.
        today: the current UTC day.
        first_day: returns the first day that has numbers, or None; called only if the
            range depends on it.
        file: the result is a file, which has another limit.

    Raises:
        ValidationError: the query cannot be executed, or is too large.
    """
    first, last = range_of(arguments, limits, today, first_day)
    interval = arguments["interval"] or ranges.default_interval(first, last)
    only = arguments.get("only")
    if only and only[0] not in subcounts:
        refuse("filter", _unknown(only[0], "breakdown", subcounts))
    if only and only[1] == OTHER:
        refuse(
            "filter",
            f"{OTHER} is the sum of the values that are not listed, so no filter "
            "selects it. Name one value.",
        )
    metrics, breakdowns = _what(arguments, only, subcounts, interval)
    compare = arguments["compare"]
    if compare:
        _check_compared(first, last, compare)
    query = SeriesQuery(
        community_id=community_id,
        first=first,
        last=last,
        interval=interval,
        metrics=metrics,
        breakdowns=breakdowns,
        top=arguments["top"],
        other=arguments["other"],
        basis=arguments["basis"],
        cumulative=arguments["cumulative"],
        compare=compare,
        only=only,
    )
    if not file:
        if breakdowns:
            _check_cells(query.top, limits)
        _check_size(query, limits)
    return query


def without_empty_start(query: SeriesQuery, first_day: date | None) -> SeriesQuery:
    """Return a query that has the same numbers, and no days before all numbers.

    Without it, a file from 1900 would have a line of zeros for each day.

    Args:
        query: the query.
        first_day: the first day that has numbers; None if none has.

    Returns:
        The query from this day on. If all its days are earlier, only its last day is
        left.
    """
    first = min(max(query.first, first_day or query.last), query.last)
    return replace(query, first=first)


def bounds_query(arguments: Mapping[str, Any], community_id: str) -> SeriesQuery:
    """Return a query for which :class:`~..queries.freshness.Freshness` can be read.

    It is needed for the first day that has numbers, before the range is known.

    Args:
        arguments: loaded by a schema, with ``basis`` and possibly ``metrics``.
        community_id: UUID or ``global``.
    """
    asked = arguments.get("metrics", DEFAULT_METRICS)
    known = tuple(
        key for key in (METRICS if asked == (ALL,) else asked) if key in METRICS
    )
    return SeriesQuery(
        community_id=community_id,
        first=EARLIEST,
        last=EARLIEST,
        metrics=known or DEFAULT_METRICS,
        basis=arguments["basis"],
    )


def refuse(parameter: str, sentence: str) -> NoReturn:
    """Raise a ``ValidationError`` for a parameter."""
    raise ValidationError({parameter: [sentence]})


# -- inside -----------------------------------------------------------------


def _what(
    arguments: Mapping[str, Any],
    only: tuple[str, str] | None,
    subcounts: _Subcounts,
    interval: str,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the metrics and the breakdowns, and check that they can be combined."""
    cumulative = arguments["cumulative"]
    metrics, all_metrics = _metrics(arguments, interval, cumulative)
    breakdowns, all_breakdowns = _breakdowns(arguments, subcounts)
    if only and (all_breakdowns or set(breakdowns) - {only[0]}):
        refuse(
            "filter",
            f"The filter selects one value of {only[0]}, so it cannot be combined with "
            f"other breakdowns. Omit breakdown, or set it to {only[0]}.",
        )

    def fits(metric: str, key: str) -> bool:
        return _has_cells(METRICS[metric], subcounts[key], cumulative)

    named = set(() if all_breakdowns else breakdowns) | set(only[:1] if only else ())
    if all_metrics:
        metrics = tuple(m for m in metrics if all(fits(m, key) for key in named))
        if not metrics:
            refuse("breakdown", "No metric has these breakdowns with these parameters.")
    for metric in metrics:
        for key in named:
            if not fits(metric, key):
                refuse("metrics", _no_cells(metric, key, cumulative, subcounts))
    if all_breakdowns and not all_metrics:
        breakdowns = tuple(k for k in breakdowns if all(fits(m, k) for m in metrics))
        if not breakdowns:
            refuse("breakdown", f"No breakdown is available for {', '.join(metrics)}.")
    return metrics, breakdowns


def _metrics(
    arguments: Mapping[str, Any], interval: str, cumulative: bool
) -> tuple[tuple[str, ...], bool]:
    """Return the metrics, and whether the request was for all of them."""
    asked = arguments.get("metrics", DEFAULT_METRICS)
    if asked == (ALL,):
        return (
            tuple(
                m.key
                for m in METRICS.values()
                if m.kind != DISTINCT or interval == DAY or cumulative
            ),
            True,
        )
    for key in asked:
        if key not in METRICS:
            refuse("metrics", _unknown(key, "metric", METRICS))
        if METRICS[key].kind == DISTINCT and interval != DAY and not cumulative:
            refuse(
                "metrics",
                f"{key} is known for single days and since the beginning, but not for "
                f"a {interval}. Use interval=day or cumulative=true.",
            )
    return asked, False


def _breakdowns(
    arguments: Mapping[str, Any], subcounts: _Subcounts
) -> tuple[tuple[str, ...], bool]:
    """Return the breakdowns, and whether the request was for all of them."""
    asked = arguments.get("breakdown", ())
    if asked == (ALL,):
        return tuple(subcounts), True
    for key in asked:
        if key not in subcounts:
            refuse("breakdown", _unknown(key, "breakdown", subcounts))
    return asked, False


def _has_cells(metric: Metric, subcount: Subcount, cumulative: bool) -> bool:
    """Return whether a metric can be broken down by a breakdown.

    Running totals of distinct metrics cannot.
    """
    if cumulative and metric.kind == DISTINCT:
        return False
    return read_strategy.has_cells(metric, subcount)


def _unknown(key: str, what: str, known: Iterable[str]) -> str:
    return f"There is no {what} {shown(key)}. Available: {', '.join(known)}."


def _no_cells(metric: str, key: str, cumulative: bool, subcounts: _Subcounts) -> str:
    """Return why a metric cannot be broken down by a breakdown."""
    if cumulative and read_strategy.has_cells(METRICS[metric], subcounts[key]):
        return f"Running totals of {metric} cannot be broken down by {key}."
    having = [
        k for k, s in subcounts.items() if read_strategy.has_cells(METRICS[metric], s)
    ]
    more = f" Available: {', '.join(having)}." if having else ""
    return f"{metric} has no breakdown by {key}.{more}"


def _check_compared(first: date, last: date, compare: str) -> None:
    before = first - (last - first + timedelta(days=1))
    if compare == "year":
        before = first - timedelta(days=366)
    if before < EARLIEST:
        refuse(
            "compare",
            f"The range to compare with would begin before {EARLIEST}.",
        )


def _check_cells(top: int | None, limits: QueryLimits) -> None:
    if top is None or top > limits.cells:
        refuse(
            "top",
            f"JSON returns at most {limits.cells} values of a breakdown. Use a smaller "
            "top, or format=csv, which lists all values.",
        )


def _check_size(query: SeriesQuery, limits: QueryLimits) -> None:
    """Refuse a query whose result could be too large for JSON."""
    series = len(query.metrics) * (
        1 + len(query.breakdowns) * ((query.top or 0) + query.other)
    )
    if series > limits.series:
        refuse(
            "metrics",
            f"The result could have {series} series; JSON returns at most "
            f"{limits.series}. Use fewer metrics or breakdowns, a smaller top, or "
            "format=csv, which has another limit.",
        )
    periods, first, last = 2 if query.compare else 1, query.first, query.last
    values = series * periods * len(buckets(first, last, query.interval))
    if values > limits.values:
        refuse(
            "interval",
            f"The result could have {values} numbers; JSON returns at most "
            f"{limits.values}. Use a longer interval, a shorter range, fewer metrics, "
            "a smaller top, or format=csv, which has another limit.",
        )
