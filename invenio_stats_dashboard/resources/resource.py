# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The resource: takes a request apart, asks the service, and sends what it says."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec
from flask import Response, current_app, g, request, stream_with_context
from flask_babel import force_locale, get_locale
from flask_resources import Resource, route
from invenio_access.permissions import authenticated_user
from invenio_i18n.ext import current_i18n

from ..errors import TooManyEventsError
from ..permissions import readable_community, readable_global
from ..proxies import current_stats_dashboard
from ..version import __version__
from . import http
from .labels import AnswerLabels
from .openapi import description
from .query_parser import QueryLimits, bounds_question, question, range_of, refuse
from .serializers.json import counter_pieces, records_answer, series_answer
from .serializers.tables import csv_response, xlsx_response

_BY_CALLER = "private, no-cache"
"""Of answers in which titles are told or not, depending on who asks."""


class StatsDashboardResource(Resource):
    """Statistics of communities and of the instance."""

    # the form of an answer is negotiated with the parameter ``format``, too
    decorators = []

    def create_url_rules(self):
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

    def community(self):
        """Series of a community."""
        return self._series(_community())

    def community_records(self):
        """Most used records of a community."""
        return self._records(_community())

    def community_counter(self):
        """COUNTER report of a community."""
        return self._counter(_community())

    def instance(self):
        """Series of the instance."""
        return self._series(readable_global(g.identity))

    def instance_records(self):
        """Most used records of the instance."""
        return self._records(readable_global(g.identity))

    def instance_counter(self):
        """COUNTER report of the instance."""
        return self._counter(readable_global(g.identity))

    def openapi(self):
        """Description of this resource."""
        http.negotiated({"json": http.JSON})
        body = msgspec.json.encode(
            description(self.config, _languages(), _extension().subcounts)
        )
        return http.whole(body, http.JSON, {"Cache-Control": "public, max-age=3600"})

    # -- inside -------------------------------------------------------------

    def _series(self, subject):
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

    def _records(self, subject):
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
        body = records_answer(subject, found, _link())
        body = msgspec.json.encode(body)
        # nothing cheaper than the answer tells whether it is another one
        tag = http.etag(body)
        headers = {"Cache-Control": _BY_CALLER, "ETag": tag}
        if http.is_fresh(tag):
            return Response(status=304, headers=headers)
        return http.whole(body, http.JSON, headers)

    def _counter(self, subject):
        arguments = _load(self.config.counter_arguments)
        http.negotiated({"json": http.JSON})
        month = arguments["month"]
        if month > _now().date():
            refuse("month", f"{month:%Y-%m} is still to come.")
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
            log_in = "" if known else " for somebody who is not logged in"
            refuse(
                "month",
                f"{error}{log_in}. Ask the operators of the site for the file that "
                "`invenio community-stats counter-report` makes.",
            )
        pieces = stream_with_context(counter_pieces(report))
        return http.streamed(pieces, http.JSON, {"Cache-Control": _BY_CALLER})


def _community():
    return readable_community(g.identity, request.view_args["pid_value"])


def _load(schema):
    """Return the checked parameters of the request."""
    return schema(languages=_languages()).load(request.args)


def _languages():
    return tuple(dict.fromkeys(code for code, _ in current_i18n.get_languages()))


def _extension():
    return current_stats_dashboard


def _service():
    return current_stats_dashboard.community_stats_service


def _now():
    return datetime.now(UTC)


def _links():
    """Return the URLs of this answer in all forms."""
    return {"self": _link()} | {name: _link(name) for name in ("csv", "xlsx")}


def _link(form=None):
    """Return the URL of this request, maybe in another form."""
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
