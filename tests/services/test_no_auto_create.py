# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A cluster that creates no indices for writes, and one that refuses templates."""

import json

import pytest

from invenio_stats_dashboard.community_events.deferred_captures import (
    NO_INDEX,
    DeferredCaptures,
)
from invenio_stats_dashboard.community_events.membership_changes import (
    MembershipChanges,
)
from invenio_stats_dashboard.usage_events.maintenance.reattribution import noting

from ..helpers import content
from ..helpers.commands import run
from ..helpers.proxies import Proxy
from ..helpers.statistics import community_events

SETTING = "action.auto_create_index"


@pytest.fixture()
def strict(alone, fresh, client, names):
    """Return the app without indices, on a cluster that creates none for writes."""
    client.indices.delete(index=f"{names.prefix}stats-*", ignore=[404])
    setting = {SETTING: f"-{names.prefix}*stats-*,+*"}
    client.cluster.put_settings(body={"transient": setting})
    with fresh.app_context():
        yield fresh
    client.cluster.put_settings(body={"transient": {SETTING: None}})


def test_events_and_aggregates_are_written_without_automatic_creation(
    strict, client, names
):
    community = content.make_community()
    recid = content.make_record()
    content.include_in_bulk([recid], community)
    done = run(strict, "generate-community-events")
    assert done.exit_code == 0, done
    assert community in {
        event["community_id"] for event in community_events(client, names, recid)
    }
    assert client.indices.exists_alias(
        name=names.community_events, index=f"{names.community_events}-*"
    )
    assert client.count(index=names.record_facts)["count"] == 1
    done = run(strict, "aggregate")
    assert done.exit_code == 0, done
    assert "not complete" not in done.out
    assert client.count(index=names.aggregates("records-delta-added"))["count"] > 0
    assert run(strict, "migrate-events").exit_code == 0


def test_deferred_work_is_stored_without_automatic_creation(strict, client, names):
    deferred = DeferredCaptures(client, names)
    changes = MembershipChanges(parent_ids=("p",))
    deferred.add([changes], NO_INDEX)
    client.indices.refresh(index=names.reindexing)
    assert deferred.state().waiting == 1
    client.indices.delete(index=names.reindexing)
    noting(strict, names)({"some-record": "2026-01-01T00:00:00"})
    mapping = client.indices.get_mapping(index=names.reindexing)[names.reindexing]
    assert mapping["mappings"]["properties"]["state"] == {"type": "keyword"}


def test_nothing_is_complete_that_was_refused(fresh, client, names, monkeypatch):
    content.make_record()
    (host,) = fresh.config["SEARCH_HOSTS"]
    proxy = Proxy(host)
    error = {"type": "security_exception", "reason": "no permissions for [x]"}
    items = [{"create": {"_id": "1", "status": 403, "error": error}}]
    body = json.dumps({"errors": True, "items": items}).encode()
    try:
        monkeypatch.setitem(fresh.config, "SEARCH_HOSTS", [proxy.address])
        with proxy.refusing("POST", r"^/_bulk", refusal=(200, json.loads(body))):
            done = run(fresh, "generate-community-events")
        assert done.exit_code == 2, done
        assert "no permissions for [x]" in done.err
        assert "complete" not in done.out
        status = run(fresh, "status", "--json").document
        assert status["community_events"]["complete"] is False
    finally:
        proxy.close()


def test_documents_are_written_although_templates_are_refused(
    fresh, client, names, monkeypatch
):
    recid = content.make_record()
    client.indices.delete(index=f"{names.prefix}stats-*", ignore=[404])
    client.indices.delete_index_template(name=f"{names.prefix}stats-*", ignore=[404])
    (host,) = fresh.config["SEARCH_HOSTS"]
    proxy = Proxy(host)
    try:
        monkeypatch.setitem(fresh.config, "SEARCH_HOSTS", [proxy.address])
        with proxy.refusing("PUT", "^/_index_template", "indices:x"):
            assert run(fresh, "generate-community-events").exit_code == 0
            assert run(fresh, "aggregate").exit_code == 0
        index = names.record_facts
        mapping = client.indices.get_mapping(index=index)[index]["mappings"]
        assert mapping["dynamic"] == "strict"
        assert community_events(client, names, recid)
    finally:
        proxy.close()
        monkeypatch.undo()
        from invenio_stats_dashboard.ext import finalize_app

        finalize_app(fresh)
