# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The steps of docs/install.md work, one after the other, on one site."""

import ast
import json
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from celery.app.routes import MapRoute
from opensearchpy import OpenSearch

from invenio_stats_dashboard import tasks
from scripts.demo.bulk import write
from scripts.demo.legacy_events import generate, synthetic_records

from .helpers import instance
from .helpers.documented_site import DocumentedSite

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/install.md").read_text()

RUN_BY = {
    "uv add invenio-stats-dashboard": ("scripts/check-package", "add_to_site"),
    "invenio collect": ("scripts/site/build.py", "collect.collect()"),
    "invenio webpack buildall": ("scripts/site/build.py", "project.create()"),
}
"""Command lines that another program runs: its file, and what shows that it does."""

UPGRADE = "Upgrade InvenioRDM"
"""The section whose commands change no index of statistics."""

LEAVING = "Uninstall it"
"""The section whose commands run while the extension is disabled."""

BLOCK = re.compile(
    r"^ *```(?P<language>\w+)\n(?P<code>.*?)^ *```\n(?:\n *\*(?P<note>[^*]+)\*)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Line:
    """A command line of the page.

    Attributes:
        section: the heading above it.
        text: what the operator types.
    """

    section: str
    text: str


def sections():
    """Yield heading and text of each section."""
    parts = re.split(r"^##+ (.+)$", TEXT, flags=re.MULTILINE)
    yield from zip(parts[1::2], parts[2::2], strict=True)


def lines_to_run():
    """Yield the command lines that the page does not mark as not run."""
    for section, text in sections():
        for block in BLOCK.finditer(text):
            if block["language"] not in ("console", "shell") or block["note"]:
                continue
            code = block["code"].replace("\\\n", " ")
            for line in map(str.strip, code.splitlines()):
                if line := line.removeprefix("$ "):
                    yield Line(section, line)


LINES = [line for line in lines_to_run() if line.text not in RUN_BY]
PYTHON = [
    "\n".join(line.strip() for line in block["code"].splitlines())
    for block in BLOCK.finditer(TEXT)
    if block["language"] == "python"
]
FIELDS = """
from invenio_stats_dashboard.custom_fields import (
    DASHBOARD_CUSTOM_FIELDS, DASHBOARD_CUSTOM_FIELDS_UI, DASHBOARD_NAMESPACE
)
COMMUNITIES_NAMESPACES = {**DASHBOARD_NAMESPACE}
COMMUNITIES_CUSTOM_FIELDS = [*DASHBOARD_CUSTOM_FIELDS]
COMMUNITIES_CUSTOM_FIELDS_UI = [DASHBOARD_CUSTOM_FIELDS_UI]
"""
MARK = "invenio_stats_dashboard"
EVENTS = 300


def test_what_is_marked_as_not_run_has_a_reason():
    notes = [block["note"] for block in BLOCK.finditer(TEXT) if block["note"]]
    assert len(notes) > 2
    assert all(re.match(r"Not run|The second command", note) for note in notes)


@pytest.mark.parametrize("line", RUN_BY)
def test_what_other_programs_run_is_on_the_page_and_in_the_program(line):
    assert f"$ {line}\n" in TEXT
    file, words = RUN_BY[line]
    assert words in (ROOT / file).read_text()


def test_all_tasks_can_be_routed_by_the_page():
    table = dict(sections())["Route the tasks"]
    listed = set(re.findall(r"`(\w+)`(?=[^|]*\|[^|]*\|[^|]*\|$)", table, re.MULTILINE))
    assert listed == tasks_of_the_package()


def test_scheduled_tasks_of_cronjobs_are_those_of_beat():
    table = dict(sections())["CronJobs instead of beat"]
    rows = re.findall(r"^\| (`.+?) \| (hour|ten minutes|minute)", table, re.MULTILINE)
    seconds = {"hour": 3600, "ten minutes": 600, "minute": 60}
    found = {
        f"{tasks.__name__}.{name}": seconds[every]
        for names, every in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    assert found == {
        entry["task"]: entry["schedule"].total_seconds()
        for entry in tasks.BEAT_SCHEDULE.values()
    }


def test_short_tasks_remain_in_the_default_queue_with_the_routes_of_the_page():
    [code] = PYTHON
    found = {}
    exec(code, found)
    router = MapRoute(found["CELERY_TASK_ROUTES"])
    names = [*tasks_of_the_package(), "capture_anything_new"]
    queues = {name: router(f"{tasks.__name__}.{name}")["queue"] for name in names}
    short = {n for n in names if n.startswith(("capture_", "recover_"))}
    assert {name for name, queue in queues.items() if queue == "celery"} == short
    assert {queue for queue in queues.values() if queue != "celery"} == {"low"}


def tasks_of_the_package():
    """Return the names of the tasks that are sent to workers."""
    registered = tasks.capture_community_changes.app.tasks
    start = f"{tasks.__name__}."
    names = {name.removeprefix(start) for name in registered if name.startswith(start)}
    return names - {"announce_safe_indexer_2"}  # never sent


@pytest.fixture(scope="module")
def place():
    """Create a database, a prefix and a folder for the site."""
    try:
        with instance.place() as found:
            yield found
    except instance.ServicesMissingError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def site(place):
    """Return a stock site with a month of usage events and a user."""
    found = DocumentedSite(place, extra="\n".join([FIELDS, *PYTHON]))
    found.start(COMMUNITY_STATS_ENABLED=False)
    try:
        for line in (
            "invenio db create",
            "invenio index init",
            f"invenio files location create --default default {found.folder}/data",
            "invenio users create manager@repository.example --password a-password "
            "--active --confirm",
        ):
            printed = found.type(line)
            if line != "invenio db create":  # a copy of the database has the tables
                assert printed.exit_code == 0, (line, printed)
        client = OpenSearch(ast.literal_eval(found.environment["SEARCH_HOSTS"]))
        events = generate("view", "2026-03", EVENTS, synthetic_records(20))
        write(client, place.prefix, "view", events)
        yield found
    finally:
        found.stop()


class Operator:
    """Follows the page from its beginning.

    Args:
        site: the :class:`~.helpers.documented_site.DocumentedSite`.
        client: decodes responses of OpenSearch.

    Attributes:
        printed: the results of the commands, by command line.
    """

    def __init__(self, site, client):
        """Store the arguments, without typing anything."""
        self.site, self.client = site, client
        self.printed = {}
        self._left = list(LINES)

    def follow(self, section):
        """Type all commands up to the end of a section, and check their results."""
        while any(line.section == section for line in self._left):
            line = self._left.pop(0)
            before = statistics(self.site, self.client)
            if line.section == LEAVING:
                self.site.start_once(COMMUNITY_STATS_ENABLED=False)
            else:
                self.site.start_once()
            printed = self.site.type(line.text)
            self.printed[line.text] = printed
            allowed = (0, 1) if line.text in ATTENTION else (0,)
            assert printed.exit_code in allowed, (line, printed)
            assert "Traceback" not in printed.err, (line, printed)
            if line.section == UPGRADE:
                assert statistics(self.site, self.client) == before, line


@pytest.fixture(scope="module")
def client(site):
    """Return a client of the cluster."""
    return OpenSearch(ast.literal_eval(site.environment["SEARCH_HOSTS"]), timeout=60)


@pytest.fixture(scope="module")
def operator(site, client):
    """Return an operator who has not begun yet."""
    return Operator(site, client)


SECTIONS = list(dict.fromkeys(line.section for line in LINES))


@pytest.mark.component
@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_commands_of_a_section_work_after_those_above(operator, section):
    operator.follow(section)
    AFTERWARDS.get(section, lambda _: None)(operator)


def statistics(site, client):
    """Return the number of documents of each index of statistics."""
    indices = f"{site.where.prefix}*stats-*"
    client.indices.refresh(index=indices)
    found = client.cat.indices(index=indices, format="json")
    return {index["index"]: index["docs.count"] for index in found}


ATTENTION = ("invenio community-stats status",)
"""Commands that exit with 1 while something needs attention."""


def check_token(operator):
    """Check that the token reads a restricted community, and no token does not."""
    [printed] = [p for line, p in operator.printed.items() if "tokens create" in line]
    token = printed.out.split()[-1]
    community = {
        "slug": "my-community",
        "access": {"visibility": "restricted"},
        "metadata": {"title": "My community"},
    }
    ask = partial(operator.site.run, "ask")
    created = ask("POST", "/api/communities", token, community)
    assert created.out.startswith("201"), created
    path = re.search(r"repository.example(/api/\S+my-community)", TEXT)[1]
    assert ask("GET", path, token).out.startswith("200")
    assert ask("GET", path, None).out.startswith("404")


def check_counts(operator):
    """Check that the events were migrated and counted."""
    client, prefix = operator.client, operator.site.where.prefix
    client.indices.refresh(index=f"{prefix}*stats-*")
    month = client.indices.get_alias(name=f"{prefix}events-stats-record-view-2026-03")
    assert list(month) == [f"{prefix}events-stats-record-view-2026-03.v2.0.0"]
    assert client.count(index=f"{prefix}events-stats-record-view")["count"] == EVENTS
    deltas = client.search(
        index=f"{prefix}stats-community-usage-delta",
        body={"query": {"term": {"community_id": "global"}}, "size": 100},
    )["hits"]["hits"]
    views = sum(hit["_source"]["totals"]["view"]["total_events"] for hit in deltas)
    assert views == EVENTS


def check_rest(operator):
    """Check that only what the page lists remains, and that the events remain."""
    client, prefix = operator.client, operator.site.where.prefix
    names = client.indices.get(index=f"{prefix}*stats-*", expand_wildcards="all")
    page = dict(sections())[LEAVING]
    stock = ("events-stats-record-view", "stats-bookmarks")
    for name in (name.removeprefix(prefix) for name in names):
        stem = re.sub(r"(record-view|file-download)-.*", "…", name)
        assert name.startswith(stock) or f"`{stem}`" in page, name
    assert client.count(index=f"{prefix}events-stats-record-view")["count"] == EVENTS
    [line] = [text for text in operator.printed if text.startswith("curl")]
    templates = json.loads(operator.printed[line].out)["index_templates"]
    ours = [t["name"] for t in templates if MARK in str(t.get("index_template"))]
    assert len(ours) > 2
    assert all(name.endswith("-v2.0.0") for name in ours)


AFTERWARDS = {
    "API tokens": check_token,
    "Try it on a copy first": check_counts,
    UPGRADE: check_counts,
    LEAVING: check_rest,
}
"""What must be true after the commands of a section."""
