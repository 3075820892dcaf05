# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The REST resource: parse a request, call the service, serialise the result."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Response, g, request
from flask_babel import force_locale, get_locale
from flask_resources import (
    Resource,
    from_conf,
    request_parser,
    resource_requestctx,
    route,
)
from invenio_access.permissions import authenticated_user

from ..errors import TooManyEventsError
from ..queries.query import SeriesQuery
from ..version import __version__
from . import http
from .labels import AnswerLabels
from .openapi import description
from .query_parser import bounds_question, question, range_of, refuse
from .responses import RecordsAnswer, SeriesAnswer
from .schema import site_languages

if TYPE_CHECKING:
    from ..services import CommunityStatsService
    from ..services.results import CommunityStatsItem
    from .config import CommunityStatsResourceConfig


class CommunityStatsResource(Resource):
    """Statistics of communities and of the instance.

    The permission is checked before the parameters are, and the parameters before the
    Accept header. So decorators are on the methods that have an item already.

    Args:
        config: routes, parameters, formats and limits.
        service: reads the statistics.
    """

    # the decorator of the base class ignores the parameter ``format``
    decorators: list[Any] = []

    def __init__(
        self, config: "CommunityStatsResourceConfig", service: "CommunityStatsService"
    ) -> None:
        super().__init__(config)
        self.service = service

    def create_url_rules(self) -> list[dict[str, Any]]:
        """Return the routes."""
        routes = self.config.routes
        return [
            route("GET", routes["community"], self.community),
            route("GET", routes["community-records"], self.community_records),
            route("GET", routes["community-counter"], self.community_counter),
            route("GET", routes["global"], self.instance),
            route("GET", routes["global-records"], self.instance_records),
            route("GET", routes["global-counter"], self.instance_counter),
            route("GET", routes["openapi"], self.openapi),
        ]

    # -- views --------------------------------------------------------------

    def community(self) -> Response:
        """Return series of a community."""
        return self._series(self._community())

    def community_records(self) -> Response:
        """Return the most used records of a community."""
        return self._records(self._community())

    def community_counter(self) -> Response:
        """Return the COUNTER report of a community."""
        return self._counter(self._community())

    def instance(self) -> Response:
        """Return series of the instance."""
        return self._series(self.service.read_global(g.identity))

    def instance_records(self) -> Response:
        """Return the most used records of the instance."""
        return self._records(self.service.read_global(g.identity))

    def instance_counter(self) -> Response:
        """Return the COUNTER report of the instance."""
        return self._counter(self.service.read_global(g.identity))

    @http.negotiated(from_conf("openapi_handlers"))
    def openapi(self) -> Response:
        """Return the OpenAPI document of this resource."""
        subcounts = self.service.subcounts
        return _response(description(self.config, site_languages(), subcounts))

    # -- inside -------------------------------------------------------------

    @request_parser(from_conf("request_view_args"), location="view_args")
    def _community(self) -> "CommunityStatsItem":
        pid_value = resource_requestctx.view_args["pid_value"]
        return self.service.read_community(g.identity, pid_value)

    @request_parser(from_conf("series_arguments"), location="args")
    @http.negotiated(from_conf("series_handlers"))
    def _series(self, item: "CommunityStatsItem") -> Response:
        arguments = resource_requestctx.args
        query = self._query(item)
        language = arguments.get("lang") or str(get_locale())
        tag = self._tag(item, query, language)
        headers = http.caching(
            tag,
            item.subject.public,
            self.config.cache_seconds,
            by_caller="lang" not in arguments,
        )
        if http.is_fresh(tag):
            return Response(status=304, headers=headers)
        with force_locale(language):
            labels = AnswerLabels(self.service, language)
            return _response(SeriesAnswer(item, query, labels, self._links(), headers))

    def _query(self, item: "CommunityStatsItem") -> SeriesQuery:
        """Return the query that the parameters describe."""
        arguments = resource_requestctx.args
        return question(
            arguments,
            item.id,
            self.service.subcounts,
            self.config.limits,
            _now().date(),
            lambda: item.freshness(bounds_question(arguments, item.id)).first_day,
            file=resource_requestctx.accept_mimetype != http.JSON,
        )

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
        )

    @request_parser(from_conf("records_arguments"), location="args")
    @http.negotiated(from_conf("records_handlers"))
    def _records(self, item: "CommunityStatsItem") -> Response:
        arguments = resource_requestctx.args
        bounds = bounds_question({"basis": "added"}, item.id)
        first, last = range_of(
            arguments,
            self.config.limits,
            _now().date(),
            lambda: item.freshness(bounds).first_day,
        )
        found = item.most_used_records(
            by=arguments["by"],
            of=arguments["of"],
            start_date=first,
            end_date=last,
            size=arguments["size"],
            seconds=self.config.cache_seconds,
        )
        return _response(RecordsAnswer(item.subject, found, self._link()))

    @request_parser(from_conf("counter_arguments"), location="args")
    @http.negotiated(from_conf("counter_handlers"))
    def _counter(self, item: "CommunityStatsItem") -> Response:
        month: date = resource_requestctx.args["month"]
        if month > _now().date():
            refuse("month", f"{month:%Y-%m} is in the future.")
        known = authenticated_user in g.identity.provides
        most = (
            self.config.counter_events_user
            if known
            else self.config.counter_events_guest
        )
        try:
            report = item.counter_report(f"{month:%Y-%m}", most=most)
        except TooManyEventsError as error:
            log_in = "" if known else " for users who are not logged in"
            refuse(
                "month",
                f"{error}{log_in}. Ask the operators of the site to create the report "
                "with `invenio community-stats counter-report`.",
            )
        return _response(report)

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
        asked = f"?{urlencode(arguments)}" if arguments else ""
        return f"{self.config.site_api_url}{request.path}{asked}"


def _response(result: object) -> Response:
    """Return the response of the format that the caller accepts."""
    return resource_requestctx.response_handler.make_response(result, 200)


def _now() -> datetime:
    return datetime.now(UTC)
