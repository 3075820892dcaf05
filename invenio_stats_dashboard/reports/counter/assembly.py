# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create the COUNTER dataset report of one month."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from flask import Flask
from flask_principal import Identity
from invenio_base import invenio_url_for
from invenio_stats.proxies import current_stats

from ...aggregations import polars_guard
from ...aggregations.usage.event_filter import COUNT_ROBOTS, queries
from ...community_events.documents import GLOBAL
from ...errors import TooManyEventsError
from ...queries import argument_parsing, visible_records
from ...queries.compute_once import ComputeOnce
from ...queries.suppression import VARIABLE as MIN_VISITORS
from ...queries.usage_data_version import EventMonths, digest
from ...search.client import json_client, text_client
from ...search.names import STOCK_EVENTS, Names
from ...usage_events.indexer import double_click_window
from . import report
from .events import CountedEvents
from .stored_counts import StoredCounts, packed, unpacked
from .usage import UseCounts

_REQUEST = "download"
_BATCH = 1000
"""Records whose titles are requested at a time."""

_Item = TypeVar("_Item")

_KEY = "stats-dashboard-counter-3"
"""Change the number when the same events give other counts than before."""


@dataclass(frozen=True)
class ReportProgress:
    """The progress of a report.

    Attributes:
        label: the last completed step.
        done: days counted, or records written.
        total: all days, or all records.
        events: events counted so far.
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
        records: number of records that were used, including those that are omitted.
        datasets: the items of ``report-datasets``, sorted by identifier of the record;
            can be read once, within the application context.
    """

    header: dict[str, Any]
    records: int
    datasets: Iterator[dict[str, Any]] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the whole report, with all datasets in memory."""
        return {"report-header": self.header, "report-datasets": list(self.datasets)}


def counter_report(
    app: Flask,
    community: str,
    month: str,
    identity: Identity,
    progress: Callable[[ReportProgress], None] | None = None,
    waiting: Callable[[str], None] | None = None,
    hidden: bool = False,
    most: int | None = None,
    today: date | None = None,
    once: ComputeOnce | None = None,
) -> CounterReport:
    """Return a report; see ``CommunityStatsItem.counter_report``.

    Args:
        app: the application, for its configuration.
        community: UUID, or ``global``.
        month: ``YYYY-MM``.
        identity: the identity of the caller, on which it depends which records are
            named.
        progress: called after each day, and after each batch of records.
        waiting: called with a sentence before each pause while OpenSearch accepts no
            requests.
        hidden: include records that the caller may not see, without a title.
        most: maximum number of events to count; None without a limit.
        today: the current UTC day; None to read the clock.
        once: shares the counts of an ended month with other requests; None to count.

    Raises:
        TooManyEventsError: there are more than ``most`` events.
        UsageError: the month is invalid or in the future.
    """
    first, last, has_ended = argument_parsing.month(month, today)
    polars_guard.require_same_process()
    progress = progress or (lambda progress: None)
    only = queries(app)
    client = json_client(app, timeout=60)
    events = CountedEvents(
        client, text_client(app), Names.of(app), only, community, waiting
    )
    if most is not None and (found := events.number(first, last)) > most:
        raise TooManyEventsError(
            f"{month} has {found:,} events; the maximum for a report on request is "
            f"{most:,}"
        )
    to_count = _Month(events, community, month, first, last, progress)
    counts: UseCounts | StoredCounts
    if once is not None and has_ended:
        months = EventMonths(client, Names.of(app), only, first, last)
        counts = to_count.count_once(once, months, digest(community, only))
        number, unattributed = counts.events, counts.unattributed
    else:
        counts, number = to_count.count()
        unattributed = to_count.unattributed()
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
            unattributed=unattributed,
            used=len(counts) > 0,
            hidden=hidden,
            countries=countries,
            count_robots=app.config[COUNT_ROBOTS],
        )
    )

    def datasets() -> Iterator[dict[str, Any]]:
        done = 0
        for batch in _batches(counts.records()):
            known = _known(identity, [recid for recid, _ in batch], hidden)
            for recid, cells in batch:
                if recid not in known and not hidden:
                    continue
                link = invenio_url_for(
                    "invenio_app_rdm_records.record_detail", pid_value=recid
                )
                yield report.dataset(
                    cells, known.get(recid), link, platform, first, last, countries
                )
            done += len(batch)
            progress(ReportProgress("records written", done, len(counts), number))

    return CounterReport(header, len(counts), datasets())


@dataclass(frozen=True)
class _Month:
    """A month of a community to count."""

    events: CountedEvents
    community: str
    month: str
    first: str
    last: str
    progress: Callable[[ReportProgress], None]

    def count(self) -> tuple[UseCounts, int]:
        """Return the counts, and the number of events."""
        counts, number = UseCounts(), 0
        indices = self.events.indices(self.month)
        days = _days(self.first, self.last) if indices else []
        for done, day in enumerate(days, 1):
            found = self.events.day(indices, day)
            pages = ((kind == _REQUEST, page) for kind, page in found)
            number += counts.add_day(pages)
            self.progress(ReportProgress(f"counted {day}", done, len(days), number))
        return counts, number

    def unattributed(self) -> int:
        """Return the number of events whose communities are not known yet."""
        if self.community == GLOBAL:
            return 0
        return self.events.unattributed(self.first, self.last)

    def count_once(
        self, once: ComputeOnce, months: EventMonths, question: str
    ) -> StoredCounts:
        """Return the counts, counted once for each version of the events."""

        def count() -> bytes:
            months.refresh()
            return packed(*self.count(), self.unattributed())

        key = ":".join((_KEY, months.key, question, months.version()))
        return unpacked(once.answer(key, count))


def _known(
    identity: Identity, recids: Collection[str], hidden: bool
) -> dict[str, visible_records.VisibleRecord]:
    """Return the records that the caller may see.

    Args:
        identity: the identity of the caller.
        recids: recids of the records.
        hidden: also return existing records that the caller may not see, without
            metadata.
    """
    seen = visible_records.seen(identity, visible_records.RECID, recids)
    if not hidden:
        return seen
    rest = [recid for recid in recids if recid not in seen]
    return {**visible_records.exists(visible_records.RECID, rest), **seen}


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    items = iter(items)
    while batch := list(islice(items, _BATCH)):
        yield batch


def _days(first: str, last: str) -> list[str]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [
        (start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)
    ]
