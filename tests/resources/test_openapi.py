# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The OpenAPI description is valid and complete, and agrees with the responses."""

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from invenio_stats_dashboard.resources.config import CommunityStatsResourceConfig

PREFIX = "/stats-dashboard"
QUESTIONS = [
    "",
    "?range=12mo&metrics=all&compare=year",
    "?breakdown=all&range=90d&other=true",
    "?filter=countries:CA&lang=en",
    "?metrics=viewed_records&cumulative=true&range=90d",
    "?range=90d&interval=month&basis=published&metrics=records",
]


@pytest.fixture()
def described(site, anyone):
    """Return the description as it is served."""
    return anyone.get(f"{PREFIX}/openapi.json").json


def assert_true(described, name, answer):
    """Check an answer against a schema of the description."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    validator = Draft202012Validator({**schema, "components": described["components"]})
    errors = [f"{e.json_path}: {e.message}" for e in validator.iter_errors(answer)]
    assert errors == []


def test_the_description_is_valid(described):
    validate(described)


def test_the_server_is_the_configured_one(site, described):
    assert described["servers"] == [{"url": site.app.config["SITE_API_URL"]}]


def test_every_route_and_every_parameter_is_described(described, site):
    config = CommunityStatsResourceConfig
    routes = {
        PREFIX + route.replace("<pid_value>", "{id}")
        for name, route in config.routes.items()
        if name != "openapi"
    }
    assert described["paths"].keys() == routes
    rules = {
        rule.rule.replace("<pid_value>", "{id}")
        for rule in site.app.url_map.iter_rules()
        if rule.rule.startswith(f"{PREFIX}/")
    }
    assert rules == routes | {f"{PREFIX}/openapi.json"}
    operation = described["paths"][f"{PREFIX}/global"]["get"]
    names = {p["name"] for p in operation["parameters"]}
    fields = config.series_arguments().load_fields.items()
    assert names == {field.data_key or name for name, field in fields}
    assert all(p["description"] for p in operation["parameters"])


@pytest.mark.parametrize("query", QUESTIONS)
@pytest.mark.parametrize("whose", ["open", "global"])
def test_answers_are_as_described(whose, query, described, site, anyone):
    path = "global" if whose == "global" else f"communities/{site.slugs[whose]}"
    answer = anyone.get(f"{PREFIX}/{path}{query}")
    assert answer.status_code == 200, answer.data
    assert_true(described, "series", answer.json)


@pytest.mark.parametrize("whose", ["open", "global"])
def test_records_and_reports_are_as_described(whose, described, site, anyone):
    path = "global" if whose == "global" else f"communities/{site.slugs[whose]}"
    found = anyone.get(f"{PREFIX}/{path}/records?range=90d&by=downloads").json
    assert_true(described, "records", found)
    found = anyone.get(f"{PREFIX}/{path}/counter?month=2024-01").json
    assert_true(described, "counter", found)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("global?foo=1", 400),
        ("communities/nowhere", 404),
        ("global/counter", 400),
    ],
)
def test_errors_are_as_described(path, status, described, anyone):
    answer = anyone.get(f"{PREFIX}/{path}")
    assert answer.status_code == status
    assert answer.json["status"] == status
    assert_true(described, "error", answer.json)


def test_a_described_answer_that_lacks_something_is_noticed(described, anyone):
    found = anyone.get(f"{PREFIX}/global").json
    del found["data_as_of"]
    with pytest.raises(AssertionError, match="data_as_of"):
        assert_true(described, "series", found)
