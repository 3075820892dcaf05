# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compute expected responses from the documents of the reference."""

from datetime import date, timedelta
from functools import reduce

from invenio_stats_dashboard.queries.metrics import LEVEL, METRICS


def days_of(first, last):
    """Return the days of a range, as text."""
    first, last = date.fromisoformat(first), date.fromisoformat(last)
    return [
        (first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)
    ]


def total(site, community, metric, first, last, basis="added"):
    """Return one number of a range: the sum of a flow, the last value of a level."""
    metric = METRICS[metric]
    if metric.kind == LEVEL:
        documents = site.wanted[metric.snapshot_family(basis)]
        days = [d for c, d in documents if c == community and d <= last]
        return _sum(documents[community, max(days)], metric.snapshot) if days else 0
    documents = site.wanted[metric.delta_family(basis)]
    return sum(
        _sum(documents[community, day], metric.delta)
        for day in days_of(first, last)
        if (community, day) in documents
    )


def cells(site, community, metric, breakdown, first, last, basis="added"):
    """Return id -> sum of a flow over a range, of the cells that have any."""
    metric, found = METRICS[metric], {}
    documents = site.wanted[metric.delta_family(basis)]
    for day in days_of(first, last):
        document = documents.get((community, day), {"subcounts": {}})
        for cell in document["subcounts"].get(breakdown, []):
            if value := _sum(cell, metric.cell):
                found[cell["id"]] = found.get(cell["id"], 0) + value
    return found


def _sum(document, paths):
    return sum(
        reduce(lambda inner, key: inner.get(key, {}), path.split("."), document) or 0
        for path in paths
    )
