# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Build a COUNTER dataset report in the format of Make Data Count and DataCite.

The COUNTER Code of Practice for Research Data (release 1) defines this format. Release
5.1 has the same metrics under other names. docs/counter.md lists them, and all
differences between the standard and the numbers here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...aggregations.records.dates import day_text, first_day
from ...community_events.documents import GLOBAL
from .usage import METRICS, RecordCounts

if TYPE_CHECKING:
    from ...queries.visible_records import VisibleRecord

NO_USAGE = 3030, "No Usage Available for Requested Dates"
PARTIAL = 3040, "Partial Data Returned"
"""Exceptions of COUNTER: code and message."""

_YEAR_UNKNOWN = "0001"


@dataclass(frozen=True)
class ReportFacts:
    """The facts in a report's header.

    Attributes:
        community: UUID, or ``global``.
        platform: name of the site.
        created: when the report was created, ISO 8601.
        first: first day, ``YYYY-MM-DD``.
        last: last day, inclusive.
        has_ended: the month has ended.
        windows: event type -> length of the double-click window, in seconds.
        unattributed: events of these days that are not enriched, and so do not count
            for any community yet.
        used: whether at least one record was used.
        hidden: whether the report contains records that the caller may not see.
        countries: whether the report has counts by country.
        count_robots: whether events of robots count as on the record pages.
    """

    community: str
    platform: str
    created: str
    first: str
    last: str
    has_ended: bool
    windows: dict[str, float]
    unattributed: int
    used: bool
    hidden: bool
    countries: bool
    count_robots: bool


def header(facts: ReportFacts) -> dict[str, Any]:
    """Return the ``report-header`` of a report."""
    filters = [] if facts.community == GLOBAL else [("community", facts.community)]
    return {
        "report-name": "dataset report",
        "report-id": "DSR",
        "release": "rd1",
        "created": facts.created,
        "created-by": facts.platform,
        "reporting-period": _period(facts.first, facts.last),
        "report-filters": _named(filters),
        "report-attributes": _named(_differences(facts)),
        "exceptions": list(_exceptions(facts)),
    }


def dataset(
    cells: Sequence[RecordCounts],
    record: "VisibleRecord | None",
    link: str,
    platform: str,
    first: str,
    last: str,
    countries: bool = True,
) -> dict[str, Any]:
    """Return the item of one record in ``report-datasets``.

    Args:
        cells: its counts.
        record: its metadata; None if the caller may not see the record.
        link: URL of its page.
        platform: name of the site.
        first: first day of the report, ``YYYY-MM-DD``.
        last: last day, inclusive.
        countries: include counts by country.
    """
    id = {"type": "uri", "value": link}
    if record and record.doi:
        id = {"type": "doi", "value": record.doi}
    return {
        "dataset-id": [id],
        "dataset-title": (record and record.title) or "",
        "data-type": "dataset",
        "platform": platform,
        "publisher": (record and record.publisher) or platform,
        "publisher-id": [],
        "yop": _year(record.published if record else None),
        "uri": link,
        "performance": [
            {
                "period": _period(first, last),
                "instance": list(_instances(cells, countries)),
            }
        ],
    }


def _instances(
    cells: Sequence[RecordCounts], countries: bool
) -> Iterator[dict[str, Any]]:
    """Yield the counts above zero, by access method and metric."""
    for method in dict.fromkeys(cell.method for cell in cells):
        of_method = [cell for cell in cells if cell.method == method]
        (total,) = [cell for cell in of_method if cell.country is None]
        for place, metric in enumerate(METRICS):
            if total.counts[place]:
                yield {
                    "metric-type": metric,
                    "access-method": method,
                    "count": total.counts[place],
                    "country-counts": {
                        cell.country: cell.counts[place]
                        for cell in sorted(of_method, key=lambda c: c.country or "")
                        if countries and cell.country and cell.counts[place]
                    },
                }


def _differences(facts: ReportFacts) -> Iterator[tuple[str, str]]:
    """Yield the name and the description of each difference from the standard."""
    windows = ", ".join(f"{kind}s {n} s" for kind, n in sorted(facts.windows.items()))
    yield "double-clicks", (
        "Clicks in the same fixed window count once. The standard compares the time "
        f"between two clicks, with 30 s. Current windows of new events: {windows}."
    )
    yield "investigations", (
        "Investigations are views of landing pages in browsers, and downloads of "
        "single files, including downloads by API. Requests are the downloads."
    )
    yield "datasets", (
        "Every record counts as a dataset, with any resource type. Each version counts "
        "separately."
    )
    yield "access-methods", (
        "As the site identified machines when an event was recorded. All other events "
        "are regular."
    )
    if facts.count_robots:
        yield "robots", (
            "Robots, as the site identified them when an event was recorded, are not "
            "excluded where the record pages of the site count them."
        )
    else:
        yield "robots", (
            "Robots are excluded, as the site identified them when an event was "
            "recorded."
        )
    yield "sessions", (
        "A session is one visitor within one hour (UTC), as the site identified "
        "visitors. Events without a session are in total counts only."
    )
    if facts.countries:
        yield "countries", (
            "As determined when an event was recorded. Events without a country are "
            "in count only, not in country-counts."
        )
    else:
        yield "countries", (
            "Suppressed, because the site does not show small numbers of visitors."
        )
    if facts.hidden:
        yield "titles", (
            "The report has titles only of records that are public or that the caller "
            "may see."
        )
    else:
        yield "records", (
            "The report has only records that are public or that the caller may see."
        )


def _exceptions(facts: ReportFacts) -> Iterator[dict[str, Any]]:
    if not facts.used:
        yield _exception(NO_USAGE, f"{facts.first} to {facts.last}")
    if not facts.has_ended:
        yield _exception(
            PARTIAL, f"The month has not ended; it is reported up to {facts.last}."
        )
    if facts.unattributed:
        # the number is of the whole instance, so not every caller may see it
        number = f"{facts.unattributed}" if facts.hidden else "Some"
        yield _exception(
            PARTIAL,
            f"{number} events of the instance in this period are not enriched yet, so "
            "they do not count for any community.",
        )


def _exception(which: tuple[int, str], data: str) -> dict[str, Any]:
    code, message = which
    return {"code": code, "severity": "warning", "message": message, "data": data}


def _named(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _period(first: str, last: str) -> dict[str, str]:
    return {"begin-date": first, "end-date": last}


def _year(published: str | None) -> str:
    day = first_day(published)
    return _YEAR_UNKNOWN if day is None else day_text(day)[:4]
