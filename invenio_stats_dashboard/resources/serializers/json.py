# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The answer to a question for series, as JSON tells it."""

from msgspec.json import encode

from ...queries.query import COMPARED, OTHER


def series_answer(subject, result, labels, links):
    """Return an answer as plain values.

    Args:
        subject: the :class:`~...permissions.Subject` whose numbers they are.
        result: the :class:`~...queries.query.SeriesResult`.
        labels: a :class:`~..labels.AnswerLabels`.
        links: name -> URL.

    Returns:
        dict: as documented in docs/api.md.
    """
    query, current = result.query, result.periods[0]
    labels.learn((s.breakdown, s.id) for p in result.periods for s in p.series)
    return {
        "community": subject_of(subject),
        "from": query.first.isoformat(),
        "to": query.last.isoformat(),
        "interval": query.interval,
        "basis": query.basis,
        "cumulative": query.cumulative,
        "filter": _filter(query, labels),
        "metrics": {metric.key: described(metric) for metric in result.metrics},
        **_period(current, labels),
        "breakdowns": _breakdowns(query, current, labels),
        "comparison": _comparison(result, labels),
        "bounds": {
            "first": _day(result.first_day),
            "last": _day(result.last_day),
        },
        "data_as_of": result.data_as_of,
        "late": result.late,
        "corrections": list(result.corrections),
        "links": links,
    }


def records_answer(subject, found, link):
    """Return the most used records as plain values.

    Args:
        subject: the :class:`~...permissions.Subject` whose records they are.
        found: a :class:`~...services.reports.MostUsedRecords`.
        link: URL of this answer.

    Returns:
        dict: as documented in docs/api.md.
    """
    told = found.as_json()
    return {
        "community": subject_of(subject),
        "from": told["start_date"],
        "to": told["end_date"],
        "by": told["by"],
        "of": told["of"],
        "total": told["total"],
        "records": told["rows"],
        "links": {"self": link},
    }


def subject_of(subject):
    """Return whose numbers they are, as plain values."""
    if subject.title is None:
        return {"id": subject.id}
    return {"id": subject.id, "slug": subject.slug, "title": subject.title}


def described(metric):
    """Return what a metric means, in the language of the request."""
    return {
        "label": str(metric.label),
        "unit": metric.unit,
        "kind": metric.kind,
        "definition": str(metric.definition),
    }


def change(now, before):
    """Return by how much something grew: 0.5 for half as much again.

    Args:
        now: a number, or None.
        before: what it is compared with, or None.

    Returns:
        float | None: None where nothing can be said.
    """
    if now is None or not before:
        return None
    return round((now - before) / before, 6)


def totals_of(period):
    """Return metric -> total of the range."""
    return {s.metric: s.total for s in period.series if s.breakdown is None}


def counter_pieces(report):
    """Yield a COUNTER report as JSON, a dataset at a time.

    Args:
        report: a :class:`~...reports.counter.assembly.CounterReport`.

    Yields:
        bytes: pieces of one JSON document.
    """
    yield b'{"report-header":%b,"report-datasets":[' % encode(report.header)
    for number, dataset in enumerate(report.datasets):
        yield (b",\n" if number else b"\n") + encode(dataset)
    yield b"\n]}\n"


def _period(period, labels):
    return {
        "buckets": [
            {"start": bucket.start.isoformat(), "end": bucket.end.isoformat()}
            for bucket in period.buckets
        ],
        "totals": totals_of(period),
        "series": [
            {
                "metric": series.metric,
                "breakdown": series.breakdown,
                "id": series.id,
                "label": labels.of(series.breakdown, series.id, series.metric),
                "values": list(series.values),
                "total": series.total,
            }
            for series in period.series
        ],
    }


def _filter(query, labels):
    if query.only is None:
        return None
    breakdown, id_ = query.only
    return {"breakdown": breakdown, "id": id_, "label": labels.of(breakdown, id_)}


def _breakdowns(query, period, labels):
    told = {key: set() for key in query.breakdowns}
    for series in period.series:
        if series.breakdown is not None and series.id != OTHER:
            told[series.breakdown].add(series.id)
    return {
        key: {
            "label": labels.of_breakdown(key),
            "cells": period.cells.get(key, 0),
            "told": len(ids),
        }
        for key, ids in told.items()
    }


def _comparison(result, labels):
    found = [p for p in result.periods if p.name == COMPARED]
    if not found:
        return None
    (compared,) = found
    now, before = totals_of(result.periods[0]), totals_of(compared)
    return {
        "from": compared.buckets[0].start.isoformat(),
        "to": compared.buckets[-1].end.isoformat(),
        **_period(compared, labels),
        "change": {key: change(now[key], before.get(key)) for key in now},
    }


def _day(day):
    return day.isoformat() if day else None
