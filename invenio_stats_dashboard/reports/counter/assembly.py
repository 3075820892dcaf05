# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Making a COUNTER dataset report of one month."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from invenio_base import invenio_url_for
from invenio_stats.proxies import current_stats

from ...aggregations import polars_guard
from ...aggregations.usage.event_filter import queries
from ...community_events.documents import GLOBAL
from ...errors import TooManyEventsError
from ...queries import argument_parsing, visible_records
from ...queries.suppression import VARIABLE as MIN_VISITORS
from ...search.client import json_client, text_client
from ...search.names import STOCK_EVENTS, Names
from ...usage_events.indexer import double_click_window
from . import report
from .events import CountedEvents
from .usage import UseCounts

_REQUEST = "download"
_BATCH = 1000
"""Records whose titles are asked for at a time."""


@dataclass(frozen=True)
class ReportProgress:
    """How far a report is.

    Attributes:
        label: what is done now.
        done: days counted, or records written.
        total: of these.
        events: counted so far.
    """

    label: str
    done: int
    total: int
    events: int


@dataclass(frozen=True)
class CounterReport:
    """A dataset report of a month.

    Attributes:
        header: ``report-header``.
        records: how many datasets were used; those that are left out are among them.
        datasets: makes the items of ``report-datasets``, by identifier of the record;
            to be read once, within the application context.
    """

    header: dict
    records: int
    datasets: Iterator[dict] = field(repr=False)

    def as_json(self):
        """Return the whole report; it holds all datasets in memory."""
        return {"report-header": self.header, "report-datasets": list(self.datasets)}


def counter_report(
    app,
    community_id,
    month,
    identity=None,
    progress=None,
    waiting=None,
    hidden=False,
    most=None,
    today=None,
):
    """Return a report; see ``CommunityStatsService.counter_report``.

    Args:
        app: the Flask application.
        community_id: UUID, slug, or ``global``.
        month: ``YYYY-MM``.
        identity: of the caller; None for somebody who is not logged in.
        progress: called with a :class:`ReportProgress` now and then.
        waiting: called with a sentence whenever OpenSearch takes no requests.
        hidden: what the caller may not see is in it, too, without a title.
        most: events that may be counted; None for any number.
        today: the present UTC day as a date.

    Returns:
        CounterReport: the report.
    """
    first, last, has_ended = argument_parsing.month(month, today)
    (community,) = argument_parsing.with_global([community_id])
    polars_guard.require_same_process()
    progress = progress or (lambda progress: None)
    only = queries(app)
    client = json_client(app, timeout=60)
    events = CountedEvents(
        client, text_client(app), Names.of(app), only, community, waiting
    )
    if most is not None and (found := events.number(first, last)) > most:
        raise TooManyEventsError(
            f"{month} has {found:,} events; a report of more than {most:,} is not made on "
            "request"
        )
    counts, number = UseCounts(), 0
    indices = events.indices(month)
    days = _days(first, last) if indices else []
    for done, day in enumerate(days, 1):
        pages = ((kind == _REQUEST, page) for kind, page in events.day(indices, day))
        number += counts.add_day(pages)
        progress(ReportProgress(f"counted {day}", done, len(days), number))
    countries = app.config[MIN_VISITORS] is None
    platform = str(app.config.get("THEME_SITENAME") or app.config["SITE_UI_URL"])
    header = report.header(
        report.ReportFacts(
            community=community,
            platform=platform,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            first=first,
            last=last,
            has_ended=has_ended,
            windows={
                kind: double_click_window(current_stats.events[STOCK_EVENTS[kind]])
                for kind in only
            },
            unattributed=(
                0 if community == GLOBAL else events.unattributed(first, last)
            ),
            used=len(counts) > 0,
            hidden=hidden,
            countries=countries,
        )
    )

    def datasets():
        done = 0
        for batch in _batches(counts.records()):
            told = _told(identity, [recid for recid, _ in batch], hidden)
            for recid, cells in batch:
                if recid not in told and not hidden:
                    continue
                link = invenio_url_for(
                    "invenio_app_rdm_records.record_detail", pid_value=recid
                )
                yield report.dataset(
                    cells, told.get(recid), link, platform, first, last, countries
                )
            done += len(batch)
            progress(ReportProgress("records written", done, len(counts), number))

    return CounterReport(header, len(counts), datasets())


def _told(identity, recids, hidden):
    """Return what is told of records, maybe of those too that the caller may not see."""
    seen = visible_records.seen(identity, visible_records.RECID, recids)
    if not hidden:
        return seen
    rest = [recid for recid in recids if recid not in seen]
    return {**visible_records.exists(visible_records.RECID, rest), **seen}


def _batches(items):
    items = iter(items)
    while batch := list(islice(items, _BATCH)):
        yield batch


def _days(first, last):
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [
        (start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)
    ]
