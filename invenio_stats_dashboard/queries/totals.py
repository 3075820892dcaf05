# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The totals of a community in each bucket, from doc values alone.

No source is read: a document of a large instance has a megabyte. One request has all
families; another one follows for each 10,000 stored days.
"""

from bisect import bisect_left
from itertools import accumulate

import msgspec

from ..aggregations.documents import day_field
from . import read_strategy
from .aggregate_search import ordinal

PAGE = 10_000
"""Stored days in one answer."""


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


def read_totals(aggregates, query, metrics, buckets):
    """Return the totals.

    Args:
        aggregates: the :class:`~.aggregate_search.AggregateSearch`.
        query: the :class:`~.query.SeriesQuery`; its range is not looked at.
        metrics: list of :class:`~.metrics.Metric`.
        buckets: tuple of :class:`~.query.Interval`.

    Returns:
        dict: key of a metric -> list of a number for each bucket, or of None.

    Raises:
        SearchUnavailableError: OpenSearch took no requests for too long.
    """
    found = {metric.key: [None] * len(buckets) for metric in metrics}
    readings = _readings(aggregates, query, metrics, buckets)
    answers = iter(aggregates.ask([s for r in readings for s in r.searches()]))
    for reading in readings:
        found |= reading.values(map(_decode, answers))
    return found


def _readings(aggregates, query, metrics, buckets):
    """Return what is to be read: metrics of one family that are had the same way."""
    groups = {}
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
    """Metrics that are read from one family."""

    def __init__(self, aggregates, community, family, metrics, buckets):
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

    def searches(self):
        """Return the first searches: of the range, and of what was before it."""
        return [self._page({})]

    def pages(self, page):
        """Yield the hits of a page and of those that follow it."""
        while True:
            hits = page.hits.hits
            yield hits
            if len(hits) < PAGE:
                return
            following = self._page({"search_after": hits[-1].sort})
            page = _decode(self._aggregates.ask([following])[0])

    def _before(self, body):
        return self._search(body, lt=self._buckets[0].start)

    def _page(self, after):
        body = {**self._fields, "size": PAGE, "sort": self._sort("asc"), **after}
        first, last = self._buckets[0].start, self._buckets[-1].end
        return self._search(body, gte=first, lte=last)

    def _search(self, body, **bounds):
        return self._aggregates.search(self._family, self._community, body, **bounds)

    def _sort(self, order):
        return [{day_field(self._family): order}]

    def _all_paths(self):
        return sorted({path for paths in self._paths.values() for path in paths})

    def _place(self, hit):
        return bisect_left(self._ends, ordinal(hit.sort[0]))


class _Sums(_Reading):
    """Sums of the deltas of each bucket."""

    @staticmethod
    def _paths_of(metric):
        return metric.delta

    def values(self, answers):
        """Return the numbers of each metric, given the answers to the searches."""
        found = {key: [0] * len(self._ends) for key in self._paths}
        for hits in self.pages(next(answers)):
            for hit in hits:
                place = self._place(hit)
                for key, paths in self._paths.items():
                    found[key][place] += _value(hit.fields, paths)
        return found


class _Running(_Sums):
    """Sums of all deltas up to the end of each bucket."""

    def searches(self):
        sums = {path: {"sum": {"field": path}} for path in self._all_paths()}
        body = {"size": 0, "track_total_hits": False, "aggs": sums}
        return [*super().searches(), self._before(body)]

    def values(self, answers):
        found, sums = super().values(answers), next(answers).aggregations
        for key, paths in self._paths.items():
            start = sum(int(sums[path].value or 0) for path in paths if sums)
            found[key] = [start + value for value in accumulate(found[key])]
        return found


class _Last(_Reading):
    """The last snapshot at the end of each bucket, if need be from before the range."""

    @staticmethod
    def _paths_of(metric):
        return metric.snapshot

    def searches(self):
        body = {**self._fields, "size": 1, "sort": self._sort("desc")}
        return [*super().searches(), self._before(body)]

    def values(self, answers):
        """Return the numbers of each metric, given the answers to the searches."""
        pages = self.pages(next(answers))
        last = {self._place(hit): hit.fields for hits in pages for hit in hits}
        before = next(answers).hits.hits
        now = before[0].fields if before else {}
        found = {key: [] for key in self._paths}
        for place in range(len(self._ends)):
            now = last.get(place, now)
            for key, paths in self._paths.items():
                found[key].append(_value(now, paths))
        return found


_READINGS = {
    read_strategy.SUM: _Sums,
    read_strategy.RUNNING: _Running,
    read_strategy.LAST: _Last,
}


def _value(fields, paths):
    return sum(fields[path][0] for path in paths if path in fields)
