# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Describe the resource in OpenAPI 3.1."""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..queries.metrics import METRICS
from ..queries.query import INTERVALS
from ..search.names import BASES
from ..version import __version__
from . import http
from .response_handlers import REQUESTED_FROM
from .schema import Arguments
from .serializers.csv import COLUMNS

if TYPE_CHECKING:
    from ..subcounts import Subcount
    from .config import CommunityStatsResourceConfig

_Schema = dict[str, Any]
"""One object of an OpenAPI document."""

DATE = {"type": "string", "format": "date"}
TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
NUMBER_OR_NONE = {"type": ["integer", "null"]}
TEXT_OR_NONE = {"type": ["string", "null"]}
DATE_OR_NONE = {"type": ["string", "null"], "format": "date"}

_WHAT = {
    "series": "Time series and totals",
    "records": "Most used records",
    "counter": "COUNTER report of a month",
}


def description(
    config: "CommunityStatsResourceConfig",
    languages: Iterable[str],
    subcounts: "Mapping[str, Subcount]",
) -> dict[str, Any]:
    """Return the OpenAPI document.

    Args:
        config: the configuration of the resource.
        languages: the languages of the site, as codes.
        subcounts: the registry of breakdowns.
    """
    arguments = {
        "series": config.series_arguments,
        "records": config.records_arguments,
        "counter": config.counter_arguments,
    }
    paths: dict[str, Any] = {}
    for whose in ("community", "global"):
        for what, schema in arguments.items():
            key = whose if what == "series" else f"{whose}-{what}"
            path = config.routes[key].replace("<pid_value>", "{id}")
            parameters = _parameters(schema(), languages, subcounts)
            if whose == "community":
                parameters.insert(0, _COMMUNITY)
            paths[config.url_prefix + path] = {
                "get": _operation(whose, what, parameters)
            }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Statistics of communities",
            "version": __version__,
            "description": "Usage and content of communities and of the whole "
            "instance, as JSON, CSV and XLSX.",
        },
        "servers": [{"url": config.site_api_url}],
        "paths": paths,
        "components": {"schemas": SCHEMAS, "responses": RESPONSES},
    }


def _parameters(
    schema: Arguments, languages: Iterable[str], subcounts: Iterable[str]
) -> list[_Schema]:
    found: list[_Schema] = []
    for name, field in schema.load_fields.items():
        form = dict(field.metadata["schema"])
        if name == "lang":
            form["enum"] = list(languages)
        parameter: _Schema = {
            "name": field.data_key or name,
            "in": "query",
            "required": field.required,
            "description": field.metadata["description"],
            "schema": form,
        }
        if name == "breakdown":
            parameter["description"] += f" Available: {', '.join(subcounts)}."
        if "example" in field.metadata:
            parameter["example"] = field.metadata["example"]
        found.append(parameter)
    return found


def _operation(whose: str, what: str, parameters: list[_Schema]) -> _Schema:
    content: _Schema = {http.JSON: {"schema": {"$ref": f"#/components/schemas/{what}"}}}
    if what == "series":
        columns = f"One table with the columns {', '.join(COLUMNS)}."
        content[http.CSV] = {"schema": {"type": "string", "description": columns}}
        content[http.XLSX] = {"schema": {"type": "string", "format": "binary"}}
    of = "a community" if whose == "community" else "the instance"
    return {
        "operationId": f"{whose}_{what}",
        "summary": f"{_WHAT[what]} of {of}",
        "parameters": parameters,
        "responses": {
            "200": {
                "description": _WHAT[what],
                "content": content,
                **({"headers": _SERIES_HEADERS} if what == "series" else {}),
            },
            **({"304": {"description": "Not modified."}} if what == "series" else {}),
            "400": {"$ref": "#/components/responses/error"},
            ("404" if whose == "community" else "403"): {
                "$ref": "#/components/responses/error"
            },
            "406": {"$ref": "#/components/responses/error"},
            "503": {"$ref": "#/components/responses/unavailable"},
        },
    }


_SERIES_HEADERS: _Schema = {
    REQUESTED_FROM: {
        "description": "In CSV and XLSX, if from is before the first day that has "
        "numbers: the requested day. The file begins with the first day that has "
        "numbers.",
        "schema": DATE,
    }
}

_COMMUNITY: _Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "UUID or slug of the community.",
    "schema": TEXT,
}


def _object(
    properties: _Schema, optional: Collection[str] = (), **more: Any
) -> _Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        **more,
    }


def _list(items: _Schema) -> _Schema:
    return {"type": "array", "items": items}


def _by_key(values: _Schema) -> _Schema:
    return {"type": "object", "additionalProperties": values}


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_PERIOD: _Schema = {
    "buckets": _list(_object({"start": DATE, "end": DATE})),
    "totals": _by_key(NUMBER_OR_NONE),
    "series": _list(_ref("one_series")),
}

SCHEMAS: dict[str, _Schema] = {
    "community": _object({"id": TEXT, "slug": TEXT, "title": TEXT}, ("slug", "title")),
    "metric": _object(
        {
            "label": TEXT,
            "unit": {"enum": ["count", "bytes"]},
            "kind": {"enum": ["flow", "level", "distinct"]},
            "definition": TEXT,
        }
    ),
    "one_series": _object(
        {
            "metric": {"enum": list(METRICS)},
            "breakdown": TEXT_OR_NONE,
            "id": TEXT_OR_NONE,
            "label": TEXT,
            "values": _list(NUMBER_OR_NONE),
            "total": NUMBER_OR_NONE,
        }
    ),
    "correction": {
        "type": "object",
        "properties": {
            "scope": {"enum": ["usage", "records"]},
            "day": DATE,
            "last_day": DATE,
            "days": WHOLE,
            "why": TEXT,
            "updated_at": TEXT,
        },
        "required": ["scope", "day"],
    },
    "series": _object(
        {
            "community": _ref("community"),
            "from": DATE,
            "to": DATE,
            "interval": {"enum": list(INTERVALS)},
            "basis": {"enum": list(BASES)},
            "cumulative": {"type": "boolean"},
            "filter": {
                "oneOf": [
                    {"type": "null"},
                    _object({"breakdown": TEXT, "id": TEXT, "label": TEXT}),
                ]
            },
            "metrics": _by_key(_ref("metric")),
            **_PERIOD,
            "breakdowns": _by_key(
                _object({"label": TEXT, "values": WHOLE, "listed": WHOLE})
            ),
            "comparison": {
                "oneOf": [
                    {"type": "null"},
                    _object(
                        {
                            "from": DATE,
                            "to": DATE,
                            **_PERIOD,
                            "change": _by_key({"type": ["number", "null"]}),
                        }
                    ),
                ]
            },
            "bounds": _object({"first": DATE_OR_NONE, "last": DATE_OR_NONE}),
            "data_as_of": TEXT_OR_NONE,
            "late": TEXT_OR_NONE,
            "robots": TEXT,
            "corrections": _list(_ref("correction")),
            "links": _object({"self": TEXT, "csv": TEXT, "xlsx": TEXT}),
        }
    ),
    "records": _object(
        {
            "community": _ref("community"),
            "from": DATE,
            "to": DATE,
            "by": {"enum": ["views", "downloads"]},
            "of": {"enum": ["parents", "records"]},
            "total": WHOLE,
            "records": _list(
                _object(
                    {
                        "rank": WHOLE,
                        "recid": TEXT_OR_NONE,
                        "parent_recid": TEXT_OR_NONE,
                        "title": TEXT_OR_NONE,
                        "visible": {"type": "boolean"},
                        "deleted": {"type": "boolean"},
                        "views": WHOLE,
                        "downloads": WHOLE,
                    },
                    ("views", "downloads"),
                )
            ),
            "links": _object({"self": TEXT}),
        }
    ),
    "counter": {
        "type": "object",
        "description": "A dataset report in the format of Make Data Count.",
        "properties": {
            "report-header": {"type": "object"},
            "report-datasets": _list({"type": "object"}),
        },
        "required": ["report-header", "report-datasets"],
    },
    "error": _object(
        {
            "status": WHOLE,
            "message": TEXT,
            "errors": _list(_object({"field": TEXT, "messages": _list(TEXT)})),
        },
        ("errors",),
    ),
}

_ERROR = {http.JSON: {"schema": _ref("error")}}

RESPONSES: dict[str, _Schema] = {
    "error": {
        "description": "The request is refused; the message states the reason.",
        "content": _ERROR,
    },
    "unavailable": {
        "description": "OpenSearch or the database does not answer; try again later.",
        "headers": {
            "Retry-After": {
                "description": "Seconds to wait before the next attempt.",
                "schema": WHOLE,
            }
        },
        "content": _ERROR,
    },
}
