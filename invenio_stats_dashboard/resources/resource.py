# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The REST resource: parse a request, call the service, serialise the result."""

from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import g, request
from flask_babel import get_locale
from flask_resources import (
    Resource,
    from_conf,
    request_parser,
    resource_requestctx,
    response_handler,
    route,
)
from invenio_access.permissions import authenticated_user
from invenio_records_resources.resources.records.resource import request_view_args

from ..errors import TooManyEventsError
from ..queries.query import SeriesQuery
from ..version import __version__
from . import http
from .client_disconnects import ClientConnection
from .file_limits import FileLimit
from .labels import AnswerLabels
from .openapi import description
from .query_parser import (
    bounds_query,
    range_of,
    refuse,
    series_query,
    without_empty_start,
)
from .response_handlers import BY_CALLER, CounterContent, RecordsContent, SeriesContent
from .schema import site_languages

if TYPE_CHECKING:
    from ..reports.counter.assembly import CounterReport
    from ..services import CommunityStatsService
    from ..services.results import CommunityStatsItem
    from .config import CommunityStatsResourceConfig


class CommunityStatsResource(Resource):
    """Statistics of communities and of the instance.

    Each view has two routes: one with a community, one for the whole instance.

    Args:
        config: routes, parameters, formats and limits.
        service: reads the statistics.
    """

    # ``http.negotiated`` chooses the format, not the decorator of the base class
    decorators: list[Any] = []

    def __init__(
        self, config: "CommunityStatsResourceConfig", service: "CommunityStatsService"
    ) -> None:
        super().__init__(config)
        self.service = service

    def create_url_rules(self) -> list[dict[str, Any]]:
        """Return the routes."""
        views = {
            "community": self.series,
            "community-records": self.records,
            "community-counter": self.counter,
            "global": self.series,
            "global-records": self.records,
            "global-counter": self.counter,
            "openapi": self.openapi,
        }
        return [
            route("GET", self.config.routes[name], view, endpoint=name)
            for name, view in views.items()
        ]

    # -- views --------------------------------------------------------------

    @request_view_args
    @request_parser(from_conf("series_arguments"), location="args")
    @http.negotiated(from_conf("series_handlers"))
    @http.localized
    @response_handler()
    def series(self) -> tuple[SeriesContent, int]:
        """Return time series and totals."""
        arguments = resource_requestctx.args
        item = self._item()
        requested = self._query(item)
        query = self._to_read(item, requested)
        limit = self._file_limit()
        if resource_requestctx.accept_mimetype != http.JSON:
            limit.check(query)
        language = arguments.get("lang") or str(get_locale())
        headers = http.caching(
            self._tag(item, requested, language),
            item.subject.public,
            self.config.cache_seconds,
            by_caller="lang" not in arguments,
        )
        labels = AnswerLabels(self.service, language)
        content = SeriesContent(
            item,
            query,
            requested.first,
            labels,
            self._links(),
            headers,
            limit,
            ClientConnection(request.environ),
            self.config.temporary_files,
        )
        return content, 200

    @request_view_args
    @request_parser(from_conf("records_arguments"), location="args")
    @http.negotiated(from_conf("records_handlers"))
    @response_handler()
    def records(self) -> tuple[RecordsContent, int]:
        """Return the most used records."""
        arguments = resource_requestctx.args
        item = self._item()
        bounds = bounds_query({"basis": "added"}, item.id)
        first, last = range_of(
            arguments,
            self.config.limits,
            _now().date(),
            lambda: item.freshness(bounds).first_day,
        )
        count = partial(
            item.most_used_records,
            by=arguments["by"],
            of=arguments["of"],
            start_date=first,
            end_date=last,
            size=arguments["size"],
            seconds=self.config.cache_seconds,
        )
        return RecordsContent(item.subject, count, self._link()), 200

    @request_view_args
    @request_parser(from_conf("counter_arguments"), location="args")
    @http.negotiated(from_conf("counter_handlers"))
    @response_handler()
    def counter(self) -> tuple[CounterContent, int]:
        """Return the COUNTER report of a month."""
        month: date = resource_requestctx.args["month"]
        item = self._item()
        if month > _now().date():
            refuse("month", f"{month:%Y-%m} is in the future.")
        count = partial(self._counter_report, item, month, _is_user())
        headers = {**BY_CALLER, "ETag": self._counter_tag(item, month)}
        return CounterContent(count, headers), 200

    @http.negotiated(from_conf("openapi_handlers"))
    @response_handler()
    def openapi(self) -> tuple[dict[str, Any], int]:
        """Return the OpenAPI document of this resource."""
        subcounts = self.service.subcounts
        return description(self.config, site_languages(), subcounts), 200

    # -- inside -------------------------------------------------------------

    def _item(self) -> "CommunityStatsItem":
        """Return the statistics of the community in the path, or of the instance."""
        pid_value = resource_requestctx.view_args.get("pid_value")
        if pid_value is None:
            return self.service.read_global(g.identity)
        return self.service.read_community(g.identity, pid_value)

    def _counter_report(
        self, item: "CommunityStatsItem", month: date, is_user: bool
    ) -> "CounterReport":
        """Return a COUNTER report, if it has not too many events for the caller."""
        config = self.config
        most = config.counter_events_user if is_user else config.counter_events_guest
        try:
            return item.counter_report(
                f"{month:%Y-%m}", most=most, shared=config.cache_seconds > 0
            )
        except TooManyEventsError as error:
            log_in = "" if is_user else " for users who are not logged in"
            refuse(
                "month",
                f"{error}{log_in}. Ask the operators of the site to create the report "
                "with `invenio community-stats counter-report`.",
            )

    def _file_limit(self) -> FileLimit:
        """Return the limit of the caller's files."""
        config = self.config
        return FileLimit.of(
            config.file_values_guest, config.file_values_user, _is_user()
        )

    def _query(self, item: "CommunityStatsItem") -> SeriesQuery:
        """Return the query that the parameters describe."""
        arguments = resource_requestctx.args
        return series_query(
            arguments,
            item.id,
            self.service.subcounts,
            self.config.limits,
            _now().date(),
            lambda: item.freshness(bounds_query(arguments, item.id)).first_day,
            file=resource_requestctx.accept_mimetype != http.JSON,
        )

    @staticmethod
    def _to_read(item: "CommunityStatsItem", query: SeriesQuery) -> SeriesQuery:
        """Return the query to execute: ``from`` of a file is not before all numbers."""
        is_file = resource_requestctx.accept_mimetype != http.JSON
        if is_file and "first" in resource_requestctx.args:
            return without_empty_start(query, item.freshness(query).first_day)
        return query

    def _tag(
        self, item: "CommunityStatsItem", query: SeriesQuery, language: str
    ) -> str:
        """Return the entity tag of a response with series."""
        return http.etag(
            __version__,
            item.subject,
            query,
            resource_requestctx.accept_mimetype,
            language,
            item.version(),
            f"{_now():%Y-%m-%dT%H}",
            tuple(self.service.subcounts.values()),
            self.config.min_visitors,
            self.config.count_robots,
        )

    def _counter_tag(self, item: "CommunityStatsItem", month: date) -> str:
        """Return the entity tag of a COUNTER report.

        Titles depend on the records, and on what the caller may see of them.
        """
        return http.etag(
            __version__,
            item.subject,
            month,
            resource_requestctx.accept_mimetype,
            item.events_version(f"{month:%Y-%m}"),
            self.service.records_version(),
            f"{_now():%Y-%m-%dT%H}",
            self.config.min_visitors,
            self.config.count_robots,
            sorted(map(repr, g.identity.provides)),
        )

    def _links(self) -> dict[str, str]:
        """Return the URLs of this result, by format."""
        return {"self": self._link()} | {
            name: self._link(name) for name in ("csv", "xlsx")
        }

    def _link(self, form: str | None = None) -> str:
        """Return the URL of this request, with another format if given."""
        arguments = [
            (key, value)
            for key, value in request.args.items(multi=True)
            if not (form and key == "format")
        ]
        if form:
            arguments.append(("format", form))
        query = f"?{urlencode(arguments)}" if arguments else ""
        return f"{self.config.site_api_url}{request.path}{query}"


def _is_user() -> bool:
    """Return whether the caller is logged in or sends a token."""
    return authenticated_user in g.identity.provides


def _now() -> datetime:
    return datetime.now(UTC)
