# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Results of the service: the statistics that an identity may read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from flask_principal import Identity
from invenio_records_resources.services.base.results import (
    ServiceItemResult,
    ServiceListResult,
)

from ..aggregations.daily_documents import StoredDays
from ..aggregations.runner import check_families
from ..aggregations.usage.event_filter import queries
from ..permissions import Subject, guest_identity
from ..queries import argument_parsing
from ..queries.freshness import Freshness
from ..queries.query import SeriesQuery, SeriesResult, SeriesRow
from ..queries.usage_data_version import EventMonths
from ..search.client import json_client, text_client
from ..search.names import USAGE_FAMILIES
from .aggregation_status import AggregationStatusReader
from .most_used_records import MostUsedRecords, most_used_records

if TYPE_CHECKING:
    from ..reports.counter.assembly import CounterReport, ReportProgress
    from .community_stats import CommunityStatsService


@dataclass(frozen=True)
class DailyDocuments(ServiceListResult):
    """Documents of one community and family, one for each day.

    Attributes:
        community_id: UUID, or ``global``.
        family: one of :data:`~..search.names.FAMILIES`.
        start_date: first day, ``YYYY-MM-DD``.
        end_date: last day; not after today.
        data_as_of: everything that was stored up to this moment is counted, ISO 8601;
            None before the first complete aggregation.
        documents: fetches the documents, one for each day; can be read once.
    """

    community_id: str
    family: str
    start_date: str
    end_date: str
    data_as_of: str | None
    documents: Iterator[dict[str, Any]] = field(repr=False)


class CommunityStatsItem(ServiceItemResult):
    """The statistics of a community, or of the instance, for one identity.

    The service checks the permission before it creates an item. Creating it reads no
    statistics; each method reads some. The methods need an application context.

    Args:
        service: the service.
        identity: the identity of the caller; it may read the statistics.
        subject: the community or the instance.
    """

    def __init__(
        self, service: "CommunityStatsService", identity: Identity, subject: Subject
    ) -> None:
        self._service, self._identity = service, identity
        self.subject = subject

    @property
    def id(self) -> str:
        """Return the UUID of the community, or ``global``."""
        return self.subject.id

    def version(self) -> str:
        """Return a text that changes whenever the numbers may have changed.

        Returns:
            Hexadecimal digits.

        Raises:
            SearchUnavailableError: OpenSearch accepted no requests for some seconds.
        """
        return self._service.readers.freshness.version(self.id)

    def freshness(self, query: SeriesQuery) -> Freshness:
        """Return how fresh the numbers are that a query returns.

        Raises:
            SearchUnavailableError: OpenSearch accepted no requests for some seconds.
        """
        return self._service.readers.freshness.read(self._own(query))

    def series(self, query: SeriesQuery) -> SeriesResult:
        """Return the result of a query.

        Totals come from doc values. Breakdowns come from snapshots that are complete,
        else from deltas. The number of requests to OpenSearch is bounded.

        Args:
            query: the query. Its days should not be after today: the result would have
                zeros for them.

        Returns:
            The result. A community without documents has zeros.

        Raises:
            UsageError: the query names a metric, breakdown, interval or comparison that
                does not exist, or ends before it begins.
            SearchUnavailableError: OpenSearch accepted no requests for some seconds.
            OpenSearchException: the cluster refuses a request.
        """
        return self._service.readers.series.read(self._own(query))

    def series_rows(
        self, query: SeriesQuery, proceed: Callable[[], None] = lambda: None
    ) -> Iterator[SeriesRow]:
        """Return the result of a query as rows of a table, one at a time.

        The numbers are those of :meth:`series`. With ``top=None`` only the values of
        one interval are in memory, however many rows the table has.

        Args:
            query: the query.
            proceed: called before the breakdowns of each interval are read; it may
                raise an exception, which ends the reading.

        Returns:
            Rows by interval, totals first; the range first, then the range that it is
            compared with. Intervals in which a value is zero have no row for it.

        Raises:
            UsageError: as :meth:`series`; raised with the first row.
            SearchUnavailableError: OpenSearch accepted no requests for some seconds;
                can be raised after some rows.
        """
        return self._service.readers.series.rows(self._own(query), proceed)

    def documents(
        self,
        family: str,
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        suppress: bool = True,
    ) -> DailyDocuments:
        """Return the documents of one family, one for each day.

        On days without a stored document a delta is zero, and a snapshot equals the
        preceding one; their ``updated_timestamp`` is None. Days after today are left
        out.

        Args:
            family: one of :data:`~..search.names.FAMILIES`.
            start_date: first day; a date or ISO 8601 text, UTC; 29 days before the
                last one by default.
            end_date: last day, inclusive; today by default.
            suppress: leave out values with few visitors, as
                ``STATS_DASHBOARD_MIN_VISITORS`` defines.

        Returns:
            The checked arguments, and an iterator that fetches the documents.

        Raises:
            UsageError: an argument is invalid.
        """
        (family,) = check_families([family])
        first, last = argument_parsing.range_of_days(start_date, end_date)
        service, names = self._service, self._service.names
        client, text = json_client(service.app, timeout=60), text_client(service.app)
        days = StoredDays(client, text, names, service.subcounts, family, self.id)
        documents = days.read(first, last)
        if suppress and family in USAGE_FAMILIES:
            documents = map(service.readers.small_numbers.suppressed, documents)
        run = AggregationStatusReader(client, names).last_run() or {}
        return service.result_list(
            community_id=self.id,
            family=family,
            start_date=first,
            end_date=last,
            data_as_of=run.get("data_as_of"),
            documents=documents,
        )

    def most_used_records(
        self,
        by: str = "views",
        of: str = "parents",
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        size: int = 10,
        seconds: int = 0,
    ) -> MostUsedRecords:
        """Return the most viewed or most downloaded records.

        They are counted from the usage events, so no aggregation is needed. A record
        that the identity may not see has a rank and a count, but no identifier or
        title.

        Args:
            by: ``views`` or ``downloads``.
            of: ``parents`` for all versions of a record together, or ``records`` for
                each version.
            start_date: first day; a date or ISO 8601 text, UTC; 29 days before the
                last one by default.
            end_date: last day, inclusive; today by default.
            size: number of rows, 1 to 100, at most.
            seconds: maximum age of the numbers. They are cached for each version of the
                events, without titles; 0 counts now.

        Raises:
            UsageError: an argument is invalid.
            OpenSearchException: the cluster does not answer, or not completely.
        """
        return most_used_records(
            self._service.app,
            self.id,
            self._identity,
            by,
            of,
            start_date,
            end_date,
            size,
            seconds,
            self._service.compute_once,
        )

    def counter_report(
        self,
        month: str,
        progress: "Callable[[ReportProgress], None] | None" = None,
        waiting: Callable[[str], None] | None = None,
        hidden: bool = False,
        most: int | None = None,
        public: bool = False,
        shared: bool = False,
    ) -> "CounterReport":
        """Return the COUNTER dataset report of a month.

        It has the format of Make Data Count. It is counted from the usage events, one
        day at a time, so no aggregation is needed. docs/counter.md and the header of
        the report list where it differs from the standard.

        Args:
            month: ``YYYY-MM``; the current month is reported up to today.
            progress: called several times during the count.
            waiting: called with a sentence whenever OpenSearch accepts no requests.
            hidden: include records that are not named, by their DOI or address,
                without a title.
            most: maximum number of events to count; None without a limit.
            public: name only records that everyone may see; by default those that the
                identity may see.
            shared: count an ended month once for each version of its events, and share
                the counts with other requests through the site's cache.

        Returns:
            Its header, and an iterator that creates the datasets.

        Raises:
            UsageError: the month is malformed or in the future, or has more events than
                ``most``.
            SearchUnavailableError: OpenSearch did not answer, or not completely.
            OpenSearchException: the cluster does not answer at the start.
        """
        from ..reports.counter.assembly import counter_report  # it needs Polars

        identity = guest_identity() if public else self._identity
        return counter_report(
            self._service.app,
            self.id,
            month,
            identity,
            progress,
            waiting,
            hidden,
            most,
            once=self._service.compute_once if shared else None,
        )

    def events_version(self, month: str) -> str:
        """Return a text that changes whenever the usage events of a month do.

        Args:
            month: ``YYYY-MM``.

        Raises:
            UsageError: the month is malformed or in the future.
            OpenSearchException: the cluster does not answer.
        """
        first, last, _ = argument_parsing.month(month, None)
        service = self._service
        client = json_client(service.app, timeout=60)
        types = queries(service.app)
        return EventMonths(client, service.names, types, first, last).version()

    def _own(self, query: SeriesQuery) -> SeriesQuery:
        """Return a query that is about this community.

        Raises:
            ValueError: it is about another one, whose permission was not checked.
        """
        if query.community_id != self.id:
            raise ValueError(
                f"The query is about {query.community_id!r}; this item is about "
                f"{self.id!r}."
            )
        return query
