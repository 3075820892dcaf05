# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Serialise results as JSON; docs/api.md documents the keys."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from flask_resources.serializers import BaseSerializer
from msgspec.json import encode

from ...permissions import Subject
from ...queries.metrics import Metric, RobotRule, definition, robots_sentence
from ...queries.query import COMPARED, PeriodResult, SeriesQuery, SeriesResult
from ...reserved_ids import OTHER
from ..labels import AnswerLabels

if TYPE_CHECKING:
    from ..response_handlers import CounterContent, RecordsContent, SeriesContent


class DocumentJSONSerializer(BaseSerializer):
    """Serialises a document that consists of JSON types."""

    def serialize_object(self, obj: object) -> bytes:
        """Return the document as JSON."""
        return encode(obj)


class SeriesJSONSerializer(BaseSerializer):
    """Executes a query for series, and serialises its result."""

    def serialize_object(self, obj: "SeriesContent") -> bytes:
        """Return the result as JSON."""
        result = obj.item.series(obj.query)
        return encode(series_answer(obj.item.subject, result, obj.labels, obj.links))


class RecordsJSONSerializer(BaseSerializer):
    """Counts the most used records, and serialises them."""

    def serialize_object(self, obj: "RecordsContent") -> bytes:
        """Return the records as JSON."""
        document = obj.count().as_json()
        return encode(
            {
                "community": subject_of(obj.subject),
                "from": document["start_date"],
                "to": document["end_date"],
                "by": document["by"],
                "of": document["of"],
                "total": document["total"],
                "records": document["rows"],
                "links": {"self": obj.link},
            }
        )


class CounterJSONSerializer(BaseSerializer):
    """Counts a COUNTER report, and serialises it."""

    def serialize_object(self, obj: "CounterContent") -> Iterator[bytes]:
        """Yield the report as JSON, one dataset in each piece."""
        report = obj.count()
        yield b'{"report-header":%b,"report-datasets":[' % encode(report.header)
        for number, dataset in enumerate(report.datasets):
            yield (b",\n" if number else b"\n") + encode(dataset)
        yield b"\n]}\n"


def series_answer(
    subject: Subject,
    result: SeriesResult,
    labels: AnswerLabels,
    links: Mapping[str, str],
) -> dict[str, Any]:
    """Return the result of a query.

    Args:
        subject: the community or the instance.
        result: the result of the query.
        labels: labels breakdowns and values.
        links: name -> URL.
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
        "metrics": {
            metric.key: described(metric, result.robots) for metric in result.metrics
        },
        **_period(current, labels),
        "breakdowns": _breakdowns(query, current, labels),
        "comparison": _comparison(result, labels),
        "bounds": {
            "first": _day(result.first_day),
            "last": _day(result.last_day),
        },
        "data_as_of": result.data_as_of,
        "late": result.late,
        "robots": robots_sentence(result.robots),
        "corrections": list(result.corrections),
        "links": links,
    }


def subject_of(subject: Subject) -> dict[str, str]:
    """Return the community or the instance; the instance has an id only."""
    if subject.title is None:
        return {"id": subject.id}
    return {"id": subject.id, "slug": subject.slug, "title": subject.title}


def described(metric: Metric, robots: RobotRule) -> dict[str, str]:
    """Return the definition of a metric, in the language of the request."""
    return {
        "label": str(metric.label),
        "unit": metric.unit,
        "kind": metric.kind,
        "definition": definition(metric, robots),
    }


def change(now: int | None, before: int | None) -> float | None:
    """Return the relative change of a number: 0.5 for an increase by half.

    Args:
        now: the number; None if it is unknown.
        before: the number that it is compared with.

    Returns:
        None if one of them is unknown, or if ``before`` is zero.
    """
    if now is None or not before:
        return None
    return round((now - before) / before, 6)


def totals_of(period: PeriodResult) -> dict[str, int | None]:
    """Return metric -> total of the range."""
    return {s.metric: s.total for s in period.series if s.breakdown is None}


def _period(period: PeriodResult, labels: AnswerLabels) -> dict[str, Any]:
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


def _filter(query: SeriesQuery, labels: AnswerLabels) -> dict[str, str] | None:
    if query.only is None:
        return None
    breakdown, id_ = query.only
    return {"breakdown": breakdown, "id": id_, "label": labels.of(breakdown, id_)}


def _breakdowns(
    query: SeriesQuery, period: PeriodResult, labels: AnswerLabels
) -> dict[str, dict[str, Any]]:
    listed: dict[str, set[str | None]] = {key: set() for key in query.breakdowns}
    for series in period.series:
        if series.breakdown is not None and series.id != OTHER:
            listed[series.breakdown].add(series.id)
    return {
        key: {
            "label": labels.of_breakdown(key),
            "values": period.cells.get(key, 0),
            "listed": len(ids),
        }
        for key, ids in listed.items()
    }


def _comparison(result: SeriesResult, labels: AnswerLabels) -> dict[str, Any] | None:
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


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
