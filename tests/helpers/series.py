# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute the results of queries from the reference's daily documents.

This module shares no code with the package except the form of queries. It reads each
day and each document of the reference, and adds up.
"""

from collections import defaultdict
from datetime import date, timedelta

USAGE = {
    f"{prefix}{name}": (part, field)
    for part, prefix, names in (
        (
            "view",
            "view",
            {
                "s": "total_events",
                "_visitors": "unique_visitors",
                "ed_records": "unique_records",
                "ed_parents": "unique_parents",
            },
        ),
        (
            "download",
            "download",
            {
                "s": "total_events",
                "_visitors": "unique_visitors",
                "ed_volume": "total_volume",
                "ed_records": "unique_records",
                "ed_parents": "unique_parents",
                "ed_files": "unique_files",
            },
        ),
    )
    for name, field in names.items()
}
"""Metric of usage -> event type and field."""

SUMMED = ("total_events", "unique_visitors", "total_volume")

BOTH = ("metadata_only", "with_files")
LEVELS = {
    "records": ("records", BOTH),
    "records_with_files": ("records", ("with_files",)),
    "records_metadata_only": ("records", ("metadata_only",)),
    "parents": ("parents", BOTH),
    "files": ("files", ("file_count",)),
    "stored_volume": ("files", ("data_volume",)),
    "uploaders": (None, None),
}
"""Metric of a state -> the part of a document, and its fields."""

FLOWS = {
    f"{name}_{way}": (part, way, fields)
    for name, (part, fields) in {
        "records": ("records", BOTH),
        "parents": ("parents", BOTH),
        "files": ("files", ("file_count",)),
        "volume": ("files", ("data_volume",)),
    }.items()
    for way in ("added", "removed")
}
"""Metric of a change -> the part of a document, its direction, its fields."""

METRICS = (*USAGE, *LEVELS, *FLOWS)


class Expected:
    """Answers computed from the reference's documents.

    Args:
        aggregates: result of :func:`~.reference.aggregates` without a limit of values.
        query: the query, a ``SeriesQuery``.
        of_events: breakdowns that records do not have.
    """

    def __init__(self, aggregates, query, of_events):
        """Store the arguments."""
        self._documents, self._query = aggregates, query
        self._of_events = of_events

    def totals(self, metric, start, end):
        """Return the number of one bucket."""
        only = self._query.only
        if only is not None:
            return self._cells(metric, only[0], start, end).get(
                only[1], self._nothing(metric, only[0])
            )
        return self._number(metric, start, end, lambda d: _of_document(metric, d))

    def cells(self, breakdown, start, end):
        """Return metric -> id -> number of one bucket, for the available metrics."""
        return {
            metric: self._cells(metric, breakdown, start, end)
            for metric in self._query.metrics
            if self._has(metric, breakdown)
        }

    def _cells(self, metric, breakdown, start, end):
        if not self._has(metric, breakdown):
            return {}
        ids = set()
        for document in self._all(metric):
            ids.update(cell["id"] for cell in document["subcounts"].get(breakdown, ()))

        def of(id):
            def number(document):
                for cell in document["subcounts"].get(breakdown, ()):
                    if cell["id"] == id:
                        return _of_cell(metric, cell)
                return 0

            return self._number(metric, start, end, number, cells=True)

        return {id: of(id) for id in ids}

    def _has(self, metric, breakdown):
        if metric == "uploaders":
            return False
        return metric in USAGE or breakdown not in self._of_events

    def _nothing(self, metric, breakdown):
        if not self._has(metric, breakdown) or self._unknown(metric, cells=True):
            return None
        return 0

    def _unknown(self, metric, cells):
        if metric not in USAGE or USAGE[metric][1] in SUMMED:
            return False
        if self._query.cumulative:
            return cells
        return self._query.interval != "day"

    def _number(self, metric, start, end, number, cells=False):
        if self._unknown(metric, cells):
            return None
        query = self._query
        if metric in LEVELS:
            return self._last(f"records-snapshot-{query.basis}", end, number)
        if metric in USAGE and query.cumulative and not cells:
            return self._last("usage-snapshot", end, number)
        family = "usage-delta" if metric in USAGE else f"records-delta-{query.basis}"
        first = "0001-01-01" if query.cumulative else start
        return sum(
            number(document)
            for day, document in self._of_family(family)
            if first <= day <= end
        )

    def _last(self, family, end, number):
        days = [(day, d) for day, d in self._of_family(family) if day <= end]
        return number(max(days, key=lambda found: found[0])[1]) if days else 0

    def _of_family(self, family):
        for (community, day), document in self._documents[family].items():
            if community == self._query.community_id:
                yield day, document

    def _all(self, metric):
        basis = self._query.basis
        family = (
            "usage-delta"
            if metric in USAGE
            else f"records-{'snapshot' if metric in LEVELS else 'delta'}-{basis}"
        )
        return [document for _, document in self._of_family(family)]


def _of_cell(metric, cell):
    if metric in USAGE:
        part, field = USAGE[metric]
        return cell.get(part, {}).get(field, 0)
    if metric in LEVELS:
        part, fields = LEVELS[metric]
        return sum(cell[part][field] for field in fields)
    part, way, fields = FLOWS[metric]
    return sum(cell[part][way][field] for field in fields)


def _of_document(metric, document):
    if metric in USAGE:
        part, field = USAGE[metric]
        return document["totals"][part][field]
    if metric == "uploaders":
        return document["total_uploaders"]
    if metric in LEVELS:
        part, fields = LEVELS[metric]
        return sum(document[f"total_{part}"][field] for field in fields)
    return _of_cell(metric, document)


def buckets(first, last, interval):
    """Return (start, end) of the intervals in a range as text, computed day by day."""
    found = defaultdict(list)
    day = first
    while day <= last:
        found[_name(day, interval)].append(day.isoformat())
        day += timedelta(days=1)
    return [(days[0], days[-1]) for days in found.values()]


def _name(day, interval):
    return {
        "day": day,
        "week": day.isocalendar()[:2],
        "month": (day.year, day.month),
        "quarter": (day.year, (day.month + 2) // 3),
        "year": day.year,
    }[interval]


def compared(first, last, how):
    """Return the range that a range is compared with."""
    if how == "previous":
        length = (last - first).days + 1
        return first - timedelta(days=length), first - timedelta(days=1)
    return _year_before(first), _year_before(last)


def _year_before(day):
    last_day = 28 if (day.month, day.day) == (2, 29) else day.day
    return date(day.year - 1, day.month, last_day)
