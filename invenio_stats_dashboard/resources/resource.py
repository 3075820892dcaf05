# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The REST resource: parse a request, call the service, serialise the result."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from flask import Response, current_app, g, request, stream_with_context
from flask_babel import force_locale, get_locale
from flask_resources import Resource, route
from invenio_access.permissions import authenticated_user
from invenio_i18n.ext import current_i18n

from ..errors import TooManyEventsError
from ..permissions import Subject, readable_community, readable_global
from ..proxies import current_stats_dashboard
from ..version import __version__
from . import http
from .labels import AnswerLabels
from .openapi import description
from .query_parser import QueryLimits, bounds_question, question, range_of, refuse
from .schema import Arguments
from .serializers.json import counter_pieces, records_answer, series_answer
from .serializers.tables import csv_response, xlsx_response

if TYPE_CHECKING:
    from ..ext import InvenioStatsDashboard
    from ..services import CommunityStatsService

_BY_CALLER = "private, no-cache"
"""``Cache-Control`` of responses whose titles depend on the caller."""


class StatsDashboardResource(Resource):
    """Statistics of communities and of the instance."""

    # the parameter ``format`` also selects the media type
    decorators: list[Any] = []

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
        return self._series(_community())

    def community_records(self) -> Response:
        """Return the most used records of a community."""
        return self._records(_community())

    def community_counter(self) -> Response:
        """Return the COUNTER report of a community."""
        return self._counter(_community())

    def instance(self) -> Response:
        """Return series of the instance."""
        return self._series(readable_global(g.identity))

    def instance_records(self) -> Response:
        """Return the most used records of the instance."""
        return self._records(readable_global(g.identity))

    def instance_counter(self) -> Response:
        """Return the COUNTER report of the instance."""
        return self._counter(readable_global(g.identity))

    def openapi(self) -> Response:
        """Return the OpenAPI document of this resource."""
        http.negotiated({"json": http.JSON})
        body = msgspec.json.encode(
            description(self.config, _languages(), _extension().subcounts)
        )
        return http.whole(body, http.JSON, {"Cache-Control": "public, max-age=3600"})

    # -- inside -------------------------------------------------------------

    def _series(self, subject: Subject) -> Response:
        arguments = _load(self.config.series_arguments)
        media_type = http.negotiated(http.FORMATS)
        series = _service().series
        query = question(
            arguments,
            subject.id,
            _extension().subcounts,
            QueryLimits.of(current_app.config),
            _now().date(),
            lambda: series.freshness.read(
                bounds_question(arguments, subject.id)
            ).first_day,
            file=media_type != http.JSON,
        )
        language = arguments.get("lang") or str(get_locale())
        version = series.freshness.version(subject.id)
        tag = http.etag(
            *(__version__, subject, query, media_type, language, version),
            *(f"{_now():%Y-%m-%dT%H}", tuple(_extension().subcounts.values())),
            current_app.config["STATS_DASHBOARD_MIN_VISITORS"],
        )
        headers = http.caching(
            tag,
            subject.public,
            current_app.config["STATS_DASHBOARD_CACHE_SECONDS"],
            by_caller="lang" not in arguments,
        )
        if http.is_fresh(tag):
            return Response(status=304, headers=headers)
        with force_locale(language):
            labels = AnswerLabels(series.labels, language)
            if media_type == http.JSON:
                result = series.reader.read(query)
                body = series_answer(subject, result, labels, _links())
                return http.whole(msgspec.json.encode(body), media_type, headers)
            make = csv_response if media_type == http.CSV else xlsx_response
            return make(subject, query, series, labels, headers)

    def _records(self, subject: Subject) -> Response:
        arguments = _load(self.config.records_arguments)
        http.negotiated({"json": http.JSON})
        first, last = range_of(
            arguments,
            QueryLimits.of(current_app.config),
            _now().date(),
            lambda: (
                _service()
                .series.freshness.read(bounds_question({"basis": "added"}, subject.id))
                .first_day
            ),
        )
        found = _service().most_used_records(
            subject.id,
            g.identity,
            by=arguments["by"],
            of=arguments["of"],
            start_date=first,
            end_date=last,
            size=arguments["size"],
            seconds=current_app.config["STATS_DASHBOARD_CACHE_SECONDS"],
        )
        body = msgspec.json.encode(records_answer(subject, found, _link()))
        # only the response itself shows whether it has changed
        tag = http.etag(body)
        headers = {"Cache-Control": _BY_CALLER, "ETag": tag}
        if http.is_fresh(tag):
            return Response(status=304, headers=headers)
        return http.whole(body, http.JSON, headers)

    def _counter(self, subject: Subject) -> Response:
        arguments = _load(self.config.counter_arguments)
        http.negotiated({"json": http.JSON})
        month: date = arguments["month"]
        if month > _now().date():
            refuse("month", f"{month:%Y-%m} is in the future.")
        known = authenticated_user in g.identity.provides
        whom = "USER" if known else "GUEST"
        try:
            report = _service().counter_report(
                subject.id,
                f"{month:%Y-%m}",
                identity=g.identity,
                most=current_app.config[f"STATS_DASHBOARD_COUNTER_EVENTS_{whom}"],
            )
        except TooManyEventsError as error:
            log_in = "" if known else " for users who are not logged in"
            refuse(
                "month",
                f"{error}{log_in}. Ask the operators of the site to create the report "
                "with `invenio community-stats counter-report`.",
            )
        pieces = stream_with_context(counter_pieces(report))
        return http.streamed(pieces, http.JSON, {"Cache-Control": _BY_CALLER})


def _community() -> Subject:
    arguments = request.view_args or {}
    return readable_community(g.identity, arguments["pid_value"])


def _load(schema: type[Arguments]) -> dict[str, Any]:
    """Return the checked parameters of the request."""
    return schema(languages=_languages()).load(request.args)


def _languages() -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for code, _ in current_i18n.get_languages()))


def _extension() -> "InvenioStatsDashboard":
    return current_stats_dashboard


def _service() -> "CommunityStatsService":
    return current_stats_dashboard.community_stats_service


def _now() -> datetime:
    return datetime.now(UTC)


def _links() -> dict[str, str]:
    """Return the URLs of this result, by format."""
    return {"self": _link()} | {name: _link(name) for name in ("csv", "xlsx")}


def _link(form: str | None = None) -> str:
    """Return the URL of this request, with another format if given."""
    arguments = [
        (key, value)
        for key, value in request.args.items(multi=True)
        if not (form and key == "format")
    ]
    if form:
        arguments.append(("format", form))
    site = current_app.config.get("SITE_API_URL", "/api")
    asked = f"?{urlencode(arguments)}" if arguments else ""
    return f"{site}{request.path}{asked}"
