# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The examples of docs/api.md work, and its tables are complete."""

import json
import re
import shlex
from pathlib import Path

import pytest

from invenio_stats_dashboard.resources.config import CommunityStatsResourceConfig
from invenio_stats_dashboard.resources.stats_queries import queries

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
SITE = "https://repository.example/api"
COMMANDS = re.findall(r"^\$ (curl .*)$", TEXT, re.MULTILINE)


def sent(site, http, command):
    """Send what a command sends, to a community that is there."""
    words = shlex.split(command.replace("my-community", site.slugs["open"]))[1:]
    url = words.pop()
    assert url.startswith(SITE)
    options = dict(zip(words[::2], words[1::2], strict=True))
    path = url.removeprefix(SITE)
    if options.get("-X") == "POST":
        return http.post(path, json=json.loads(options["-d"]))
    name, _, value = options.get("-H", "Accept: */*").partition(": ")
    return http.get(path, headers={name: value})


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_works(command, site, anyone):
    answer = sent(site, anyone, command)
    assert answer.status_code == 200, answer.text
    assert answer.data


def test_there_are_examples():
    assert len(COMMANDS) > 10


def test_the_documented_answer_has_the_form_of_a_real_one(site, anyone):
    answer, error = map(json.loads, re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL))

    def form(value):
        if isinstance(value, list):
            return [form(inner) for inner in value[:1]]
        if isinstance(value, dict):
            return {key: form(inner) for key, inner in value.items()}
        return None

    path = f"/stats-dashboard/communities/{site.slugs['open']}"
    real = anyone.get(f"{path}?metrics=views&breakdown=countries&range=90d").json
    assert form(answer) == form(real)
    assert answer["metrics"] == real["metrics"]
    assert anyone.get(f"{path}?from=soon").json == error


def test_the_example_in_code_works(site):
    (code,) = re.findall(r"^## In code$.*?^```python\n(.*?)^```", TEXT, re.S | re.M)
    found = {}
    with site.app.app_context():
        exec(code.replace("my-community", site.slugs["open"]), found)
    (period,) = found["result"].periods
    assert [series.metric for series in period.series] == ["views", "downloads"]
    assert [len(series.values) for series in period.series] == [3, 3]
    assert found["used"].community_id == site.communities["open"]


def test_every_parameter_and_every_query_is_documented():
    config = CommunityStatsResourceConfig
    for schema in (config.series_arguments, config.records_arguments):
        for name, field in schema().load_fields.items():
            assert f"`{field.data_key or name}`" in TEXT
    for name in queries():
        assert f"`{name}`" in TEXT
