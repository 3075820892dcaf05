# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The form of a COUNTER dataset report, as Make Data Count and DataCite take it.

The COUNTER Code of Practice for Research Data (release 1) has this form; release 5.1
has the same metrics under other names. docs/counter.md tells them, and all that is
counted otherwise here.
"""

from dataclasses import dataclass

from ...aggregations.records.dates import day_text, first_day
from ...community_events.documents import GLOBAL
from .usage import METRICS

NO_USAGE = 3030, "No Usage Available for Requested Dates"
PARTIAL = 3040, "Partial Data Returned"
"""Exceptions of COUNTER: code and message."""

_YEAR_UNKNOWN = "0001"


@dataclass(frozen=True)
class ReportFacts:
    """What a report's header tells.

    Attributes:
        community: UUID, or ``global``.
        platform: name of the site.
        created: moment of the report, ISO 8601.
        first: first day, ``YYYY-MM-DD``.
        last: last day, inclusive.
        has_ended: the month has.
        windows: event type -> seconds of the window of double clicks.
        unattributed: events of these days that may belong to the community, but are
            in none yet.
        used: records were.
        hidden: those that the caller may not see are in the report.
        countries: they are told.
    """

    community: str
    platform: str
    created: str
    first: str
    last: str
    has_ended: bool
    windows: dict
    unattributed: int
    used: bool
    hidden: bool
    countries: bool


def header(facts):
    """Return the header of a report.

    Args:
        facts: the :class:`ReportFacts`.

    Returns:
        dict: ``report-header``.
    """
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


def dataset(cells, record, link, platform, first, last, countries=True):
    """Return the entry of one record.

    Args:
        cells: its :class:`~.usage.RecordCounts` s.
        record: the :class:`~...queries.visible_records.VisibleRecord`; None if it must
            not be shown.
        link: address of its page.
        platform: name of the site.
        first: first day of the report.
        last: last day, inclusive.
        countries: they are told.

    Returns:
        dict: an item of ``report-datasets``.
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
        "yop": _year(record and record.published),
        "uri": link,
        "performance": [
            {
                "period": _period(first, last),
                "instance": list(_instances(cells, countries)),
            }
        ],
    }


def _instances(cells, countries):
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


def _differences(facts):
    """Yield name and sentence of each difference to the standard."""
    windows = ", ".join(f"{kind}s {n} s" for kind, n in sorted(facts.windows.items()))
    yield "double-clicks", (
        "Within a fixed window, not within a time between two clicks; windows of new "
        f"events at present: {windows}. The standard has 30 s."
    )
    yield "investigations", (
        "Views of landing pages by browsers, and downloads of single files, also by "
        "API; requests are the downloads."
    )
    yield "datasets", "Every record, whatever its resource type; each version by itself."
    yield "access-methods", (
        "As the site flagged machines when an event came; what has no flag is regular."
    )
    yield "robots", "Left out, by the list that the site had when an event came."
    yield "sessions", (
        "A visitor within one hour (UTC), as the site told visitors apart; events "
        "without a session are in totals only."
    )
    if facts.countries:
        yield "countries", (
            "As found when an event came; events without one are in counts only."
        )
    else:
        yield "countries", (
            "Not told: the site does not tell how few visitors came from where."
        )
    if facts.hidden:
        yield "titles", "Only of records that are public, or that the caller may see."
    else:
        yield "records", "Only those that are public, or that the caller may see."


def _exceptions(facts):
    if not facts.used:
        yield _exception(NO_USAGE, f"{facts.first} to {facts.last}")
    if not facts.has_ended:
        yield _exception(
            PARTIAL, f"The month has not ended; it is reported up to {facts.last}."
        )
    if facts.unattributed:
        # how many there are is a number of the instance, which is not for everybody
        number = f"{facts.unattributed}" if facts.hidden else "Some"
        yield _exception(
            PARTIAL,
            f"{number} events of the instance in this time are not enriched yet, so they "
            "are counted for no community.",
        )


def _exception(which, data):
    code, message = which
    return {"code": code, "severity": "warning", "message": message, "data": data}


def _named(pairs):
    return [{"name": name, "value": value} for name, value in pairs]


def _period(first, last):
    return {"begin-date": first, "end-date": last}


def _year(published):
    day = first_day(published)
    return _YEAR_UNKNOWN if day is None else day_text(day)[:4]
