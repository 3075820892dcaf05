# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The catalogue describes each document that the package stores as its state."""

import ast
import importlib
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opensearchpy.helpers import scan

import invenio_stats_dashboard
from invenio_stats_dashboard.aggregations.counted_access import CountedAccess
from invenio_stats_dashboard.aggregations.record_access import RecordAccess
from invenio_stats_dashboard.aggregations.run_sharing import SharedSteps
from invenio_stats_dashboard.aggregations.runner import StepResult
from invenio_stats_dashboard.community_events.backfill_locks import announced
from invenio_stats_dashboard.community_events.deferred_captures import (
    NO_INDEX,
    DeferredCaptures,
)
from invenio_stats_dashboard.community_events.membership_changes import (
    MembershipChanges,
)
from invenio_stats_dashboard.community_events.scan_budget import ScanBudget
from invenio_stats_dashboard.search.client import text_client
from invenio_stats_dashboard.search.names import Names
from invenio_stats_dashboard.search.stored_documents import CATALOGUE, STATE_INDICES
from invenio_stats_dashboard.usage_events import dead_letters
from invenio_stats_dashboard.usage_events.maintenance import reattribution
from invenio_stats_dashboard.usage_events.odd_events import OddEventStore
from invenio_stats_dashboard.usage_events.redelivery_journal import Journal
from scripts import describe_documents

from ..helpers.usage import Usage

PACKAGE = Path(invenio_stats_dashboard.__file__).parent
FOLDERS = (
    "aggregations",
    "community_events",
    "migration",
    "search",
    "services",
    "usage_events",
)
"""The folders whose code stores documents."""

ID_NAMES = re.compile(r"_?(DOCUMENT_ID|LOCK|LAST_RUN|COMPLETE|REDO|DELETION)")
"""Names of the constants that are ids of documents."""

CODE = sorted(
    {name for entry in CATALOGUE for name in (*entry.writers, *entry.readers)}
)


def modules():
    """Yield each module that may store documents, and its syntax tree."""
    for folder in FOLDERS:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            yield importlib.import_module(name), ast.parse(path.read_text())


def kinds(module, node):
    """Yield the texts that a module stores in the field ``kind`` or searches for."""
    values = []
    if isinstance(node, ast.Dict):
        values = [
            value
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and key.value == "kind"
        ]
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "write":
        values = [keyword.value for keyword in node.keywords if keyword.arg == "kind"]
    for value in values:
        for one in getattr(value, "elts", [value]):
            named = isinstance(one, ast.Name)
            kind = getattr(module, one.id) if named else ast.literal_eval(one)
            if isinstance(kind, str):  # not the mapping of the field
                yield kind


def test_each_kind_in_the_code_is_described():
    found = {
        kind
        for module, tree in modules()
        for node in ast.walk(tree)
        for kind in kinds(module, node)
    }
    assert found == {entry.kind for entry in CATALOGUE} - {None}


def test_each_constant_id_in_the_code_is_described():
    found = {
        node.value.value
        for _, tree in modules()
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if ID_NAMES.fullmatch(getattr(target, "id", ""))
    }
    names = Names("site-")
    indices = [getattr(names, index) for index in STATE_INDICES]
    assert len(found) > 10
    for id in found:
        assert [e for e in CATALOGUE for i in indices if e.describes(names, i, id)], id


@pytest.mark.parametrize("name", CODE)
def test_readers_and_writers_exist(name):
    module, *rest = name.split(".")
    found = importlib.import_module(f"{PACKAGE.name}.{module}")
    for part in rest:
        if not hasattr(found, part):
            importlib.import_module(f"{found.__name__}.{part}")
        found = getattr(found, part)


@pytest.mark.parametrize(
    "id",
    [
        *(
            "",
            "unknown",
            "view",
            "view-2026",
            "view-2026-03-x",
            "source:usage",
            "plan:",
        ),
        *("lock:other", "correction:usage:2026-03-01:", "global:2026-03-01"),
    ],
)
def test_a_document_that_no_entry_describes_is_unknown(id):
    names = Names()
    for index in STATE_INDICES:
        assert not any(e.describes(names, getattr(names, index), id) for e in CATALOGUE)


def test_an_entry_describes_documents_in_its_own_index_only():
    lock, names = "migration-lock", Names("site-")
    (entry,) = (e for e in CATALOGUE if e.describes(names, names.reindexing, lock))
    assert entry.kind == "lock"
    assert not entry.describes(names, names.bookmarks, lock)
    assert not entry.describes(names, Names().reindexing, lock)


def test_the_page_of_the_documentation_is_made_from_the_catalogue():
    made = describe_documents.page()
    assert (
        describe_documents.PAGE.read_text() == made
    ), "Run: python -m scripts.describe_documents"


@pytest.fixture()
def site(fresh, client, names):
    """Return an instance with a legacy month, in an application context."""
    with fresh.app_context():
        usage = Usage(fresh, client, names)
        usage.legacy("view", "2026-03", 300)
        yield usage


def documents(client, names):
    """Yield index, ``_id`` and source of each document in the indices of state."""
    indices = [getattr(names, index) for index in STATE_INDICES]
    found = ",".join(index for index in indices if client.indices.exists(index=index))
    client.indices.refresh(index=found)
    for hit in scan(client, index=found):
        yield hit["_index"], hit["_id"], hit["_source"]


def run_everything(site):
    """Generate, migrate, aggregate, reconcile, correct and re-enrich."""
    service = site.app.extensions["invenio-stats-dashboard"].community_stats_service
    service.generate_record_community_events()
    service.reconcile_community_events()
    service.catch_up()  # migrates
    service.catch_up()  # aggregates
    site.add("view", "2026-03", 20, seed=7)
    service.aggregate()  # corrects days that were complete
    site.service.re_enrich("subjects", event_types=["view"])


def leave_unfinished(site):
    """Store what a run removes when it ends, by the code that stores it."""
    client, names, text = site.client, site.names, text_client(site.app)
    DeferredCaptures(client, names).add([MembershipChanges(("a parent",))], NO_INDEX)
    ScanBudget(client, names, 1, time.time).take()
    hidden = {"a record": frozenset({"a community"})}
    CountedAccess(client, names).write(RecordAccess(hidden))
    now = datetime.now(UTC).replace(tzinfo=None).isoformat()
    reattribution.note(text, names, {site.records[0].recid: now})
    journal = Journal(client, names, "a queue", "a secret", 10, pytest.fail)
    journal.note({journal.digest("a message"): ("an index", "an id")})
    head = {"_index": "an index", "_id": "an id", "_op_type": "index"}
    dead_letters.keep(text, names, [(head, b"{}", "a reason")], 10)
    OddEventStore(client, names).add("view", "2026-03", {"an id": ["recid"]})
    steps = SharedSteps(client, names.bookmarks, "0123456789ab", 60)
    steps.offer(["a step"])
    assert steps.take("a step", lambda check: StepResult()) is not None


def test_each_document_that_is_stored_is_described(site, client, names):
    run_everything(site)
    leave_unfinished(site)
    seen = set()
    with announced(client, names):
        for index, id, source in documents(client, names):
            found = [e for e in CATALOGUE if e.describes(names, index, id)]
            assert len(found) == 1, (index, id)
            (entry,) = found
            assert not entry.unknown_fields(source), (index, id)
            assert source.get("kind") == entry.kind, (index, id)
            seen.add(entry)
    never = {form for entry in set(CATALOGUE) - seen for form in entry.ids}
    assert never == {"community-events-deletion-lock"}
