# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the totals of a community in each interval, from doc values only.

The source is not read, because a document of a large instance can be a megabyte long.
One request reads all families; another one follows for each 10,000 stored days.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import accumulate
from typing import Any

import msgspec

from ..aggregations.documents import day_field
from . import read_strategy
from .aggregate_search import AggregateSearch, SearchRequest, ordinal
from .metrics import Metric
from .query import Interval, SeriesQuery

PAGE = 10_000
"""Stored days in one response."""


class _Hit(msgspec.Struct):
    sort: list[int]
    fields: dict[str, list[int]] = {}


class _Hits(msgspec.Struct):
    hits: list[_Hit]


class _Sum(msgspec.Struct):
    value: float | None = None


class _Page(msgspec.Struct):
    hits: _Hits
    aggregations: dict[str, _Sum] = {}


_decode = msgspec.json.Decoder(_Page).decode


def read_totals(
    aggregates: AggregateSearch,
    query: SeriesQuery,
    metrics: Sequence[Metric],
    buckets: Sequence[Interval],
) -> dict[str, Sequence[int | None]]:
    """Return the totals.

    Args:
        aggregates: sends the searches.
        query: its range and its metrics are not used.
        metrics: the metrics to read.
        buckets: the intervals, at least one.

    Returns:
        Key of a metric -> a number for each interval; all None if it is unknown.

    Raises:
        SearchUnavailableError: OpenSearch was unavailable for too long.
    """
    found: dict[str, Sequence[int | None]] = {
        metric.key: [None] * len(buckets) for metric in metrics
    }
    readings = _readings(aggregates, query, metrics, buckets)
    answers = iter(aggregates.ask([s for r in readings for s in r.searches()]))
    for reading in readings:
        found |= reading.values(map(_decode, answers))
    return found


def _readings(
    aggregates: AggregateSearch,
    query: SeriesQuery,
    metrics: Sequence[Metric],
    buckets: Sequence[Interval],
) -> "list[_Reading]":
    """Return one reading for all metrics with the same family and strategy."""
    groups: dict[tuple[str, str], list[Metric]] = {}
    for metric in metrics:
        way = read_strategy.of_totals(metric, query)
        if way == read_strategy.LAST:
            groups.setdefault((way, metric.snapshot_family(query.basis)), []).append(
                metric
            )
        elif way != read_strategy.UNKNOWN:
            groups.setdefault((way, metric.delta_family(query.basis)), []).append(
                metric
            )
    return [
        _READINGS[way](aggregates, query.community_id, family, its, buckets)
        for (way, family), its in groups.items()
    ]


class _Reading:
    """Reads metrics from one family."""

    def __init__(
        self,
        aggregates: AggregateSearch,
        community: str,
        family: str,
        metrics: Sequence[Metric],
        buckets: Sequence[Interval],
    ) -> None:
        self._aggregates, self._family = aggregates, family
        self._community, self._metrics = community, metrics
        self._paths = {metric.key: self._paths_of(metric) for metric in metrics}
        self._buckets = buckets
        self._ends = [bucket.end.toordinal() for bucket in buckets]
        self._fields = {
            "_source": False,
            "stored_fields": "_none_",
            "docvalue_fields": self._all_paths(),
            "track_total_hits": False,
        }

    @staticmethod
    def _paths_of(metric: Metric) -> tuple[str, ...]:
        """Return the paths whose numbers add up to a metric."""
        raise NotImplementedError

    def values(self, answers: Iterator[_Page]) -> Mapping[str, list[int]]:
        """Return key of a metric -> numbers, given the responses to the searches."""
        raise NotImplementedError

    def searches(self) -> list[SearchRequest]:
        """Return the first searches: in the range, and if needed in the days before."""
        return [self._page({})]

    def pages(self, page: _Page) -> Iterator[list[_Hit]]:
        """Yield the hits of a page and of those that follow it.

        Unlike :func:`~..search.paging.pages`, it starts with a page that was read
        together with those of other families.
        """
        while True:
            hits = page.hits.hits
            yield hits
            if len(hits) < PAGE:
                return
            following = self._page({"search_after": hits[-1].sort})
            page = _decode(self._aggregates.ask([following])[0])

    def _before(self, body: dict[str, Any]) -> SearchRequest:
        return self._search(body, lt=self._buckets[0].start)

    def _page(self, after: dict[str, Any]) -> SearchRequest:
        body = {**self._fields, "size": PAGE, "sort": self._sort("asc"), **after}
        first, last = self._buckets[0].start, self._buckets[-1].end
        return self._search(body, gte=first, lte=last)

    def _search(self, body: dict[str, Any], **bounds: date) -> SearchRequest:
        return self._aggregates.search(
            self._family, self._community, body, (), **bounds
        )

    def _sort(self, order: str) -> list[dict[str, str]]:
        return [{day_field(self._family): order}]

    def _all_paths(self) -> list[str]:
        return sorted({path for paths in self._paths.values() for path in paths})

    def _place(self, hit: _Hit) -> int:
        """Return the position of the interval that contains a hit's day."""
        return bisect_left(self._ends, ordinal(hit.sort[0]))


class _Sums(_Reading):
    """Sums of the deltas of each interval."""

    @staticmethod
    def _paths_of(metric: Metric) -> tuple[str, ...]:
        return metric.delta

    def values(self, answers: Iterator[_Page]) -> dict[str, list[int]]:
        """Return key of a metric -> numbers, given the responses to the searches."""
        found = {key: [0] * len(self._ends) for key in self._paths}
        for hits in self.pages(next(answers)):
            for hit in hits:
                place = self._place(hit)
                for key, paths in self._paths.items():
                    found[key][place] += _value(hit.fields, paths)
        return found


class _Running(_Sums):
    """Sums of all deltas up to the end of each interval."""

    def searches(self) -> list[SearchRequest]:
        sums = {path: {"sum": {"field": path}} for path in self._all_paths()}
        body = {"size": 0, "track_total_hits": False, "aggs": sums}
        return [*super().searches(), self._before(body)]

    def values(self, answers: Iterator[_Page]) -> dict[str, list[int]]:
        found, sums = super().values(answers), next(answers).aggregations
        for key, paths in self._paths.items():
            start = sum(int(sums[path].value or 0) for path in paths if sums)
            found[key] = [start + value for value in accumulate(found[key])]
        return found


class _Last(_Reading):
    """The last snapshot at the end of each interval, even if older than the range."""

    @staticmethod
    def _paths_of(metric: Metric) -> tuple[str, ...]:
        return metric.snapshot

    def searches(self) -> list[SearchRequest]:
        body = {**self._fields, "size": 1, "sort": self._sort("desc")}
        return [*super().searches(), self._before(body)]

    def values(self, answers: Iterator[_Page]) -> dict[str, list[int]]:
        """Return key of a metric -> numbers, given the responses to the searches."""
        pages = self.pages(next(answers))
        last = {self._place(hit): hit.fields for hits in pages for hit in hits}
        before = next(answers).hits.hits
        now = before[0].fields if before else {}
        found: dict[str, list[int]] = {key: [] for key in self._paths}
        for place in range(len(self._ends)):
            now = last.get(place, now)
            for key, paths in self._paths.items():
                found[key].append(_value(now, paths))
        return found


_READINGS: dict[str, type[_Reading]] = {
    read_strategy.SUM: _Sums,
    read_strategy.RUNNING: _Running,
    read_strategy.LAST: _Last,
}


def _value(fields: Mapping[str, list[int]], paths: Sequence[str]) -> int:
    return sum(fields[path][0] for path in paths if path in fields)
