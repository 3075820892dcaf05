# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Describe a workbook on its first sheet: community, range, metrics, corrections."""

from collections.abc import Iterable
from datetime import date

from invenio_i18n import gettext as _

from ...permissions import Subject
from ...queries.freshness import Freshness
from ...queries.metrics import Metric, definition, robots_sentence
from ...queries.query import SeriesQuery
from ..labels import AnswerLabels


def cover(
    subject: Subject,
    query: SeriesQuery,
    requested_first: date,
    metrics: Iterable[Metric],
    freshness: Freshness,
    labels: AnswerLabels,
) -> list[tuple[str, ...]]:
    """Return the lines of the cover sheet, each the texts of its columns.

    Args:
        subject: the community or the instance.
        query: the query of the workbook.
        requested_first: the first day of the range in the request.
        metrics: the metrics of the query.
        freshness: the freshness of its result.
        labels: labels breakdowns and values, in the language of the request.
    """
    lines: list[tuple[str, ...]] = [
        (subject.title or _("The whole instance"),),
        (_("Community"), subject.slug, subject.id),
        (_("From"), query.first.isoformat(), _start(query.first, requested_first)),
        (_("To"), query.last.isoformat(), ""),
        (_("Interval"), query.interval, ""),
        (_("Records counted by"), query.basis, ""),
        (_("Running totals"), _("yes") if query.cumulative else _("no"), ""),
    ]
    if query.compare:
        lines.append((_("Compared with"), query.compare, ""))
    if query.only:
        breakdown, id_ = query.only
        lines.append((labels.of_breakdown(breakdown), id_, labels.of(breakdown, id_)))
    if query.breakdowns:
        values = _("all") if query.top is None else str(query.top)
        lines.append((_("Values per breakdown"), values, ""))
    lines += [
        (_("First day with data"), _day(freshness.first_day), ""),
        (_("Last day with data"), _day(freshness.last_day), ""),
        (_("Data as of"), freshness.data_as_of or _("not counted yet"), ""),
    ]
    if freshness.late:
        lines.append((_("Delay"), "", freshness.late))
    lines += [("",), (_("Metrics"),)]
    lines += [
        (
            metric.key,
            f"{metric.label} ({metric.unit})",
            definition(metric, freshness.robots),
        )
        for metric in metrics
    ]
    if query.breakdowns:
        lines += [("",), (_("Breakdowns"),)]
        lines += [(key, labels.of_breakdown(key), "") for key in query.breakdowns]
    lines += [
        ("",),
        (_("Notes"),),
        (_("Days"), "", _("All days are in UTC.")),
        (_("Robots"), "", robots_sentence(freshness.robots)),
        (
            _("Empty values"),
            "",
            _(
                "An empty value is unknown or suppressed. Intervals without activity "
                "are omitted."
            ),
        ),
    ]
    lines += [("",), (_("Corrections in this range"),)]
    lines += [
        (
            correction.get("day", ""),
            correction.get("scope", ""),
            f"{correction.get('why', '')} ({correction.get('updated_at', '')})",
        )
        for correction in freshness.corrections
    ] or [(_("none"), "", "")]
    return lines


def _start(first: date, requested: date) -> str:
    """Return a sentence about a range that begins later than requested, or nothing."""
    if first == requested:
        return ""
    return _(
        "The request begins on %(day)s; no earlier day has numbers.", day=requested
    )


def _day(day: date | None) -> str:
    return day.isoformat() if day else _("none")
