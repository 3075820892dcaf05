# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Months that OpenSearch does not let the migration work on, and lost responses."""

import uuid
from datetime import UTC, datetime

import pytest

from invenio_stats_dashboard.search.lock import ClusterLock
from invenio_stats_dashboard.search.names import EVENT_TYPES

from ..helpers.cluster import living_on
from ..helpers.proxies import Proxy, refused_writes
from ..helpers.usage import native, stock_body
from .test_faults import on


def NOW():
    """Return a moment at which every month of these tests is past."""
    return datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture()
def proxied(usage, monkeypatch):
    """Return a service whose requests pass through a proxy, and the proxy."""
    app = usage.app
    (host,) = app.config["SEARCH_HOSTS"]
    proxy = Proxy(host)
    with living_on(app, monkeypatch, [proxy.address]):
        extension = app.extensions["invenio-stats-dashboard"]
        yield extension.event_reindexing_service, proxy
    proxy.close()


def state(report, month):
    """Return the state and the errors of a month of views."""
    found = report["event_types"]["view"]["months"][month]
    return found["state"], " ".join(found["errors"])


# -- blocks ------------------------------------------------------------------------


@pytest.mark.parametrize("block", ["read_only", "metadata", "read"])
def test_a_blocked_month_is_named_with_its_block_and_no_other_month_waits(block, usage):
    events = usage.legacy("view", "2026-03", 20)
    usage.legacy("view", "2026-04", 20)
    index = usage.names.events_month("view", "2026-03")
    setting = f"index.blocks.{block}"
    how = f'PUT /{index}/_settings {{"{setting}": null}}'
    usage.client.indices.put_settings(index=index, body={setting: True})
    try:
        plan = usage.service.plan(now=NOW)
        assert any(how in sentence for sentence in plan.warnings)
        report = usage.migrate(now=NOW)
        found, errors = state(report, "2026-03")
        assert found == "failed" and how in errors
        assert "does not answer" not in errors and "rivilege" not in errors
        assert state(report, "2026-04")[0] == "done"
        status = usage.service.status(now=NOW)
        assert status.needs_attention
        (month,) = [m for m in status.months if m.month == "2026-03"]
        assert how in month.problem
    finally:
        usage.client.indices.put_settings(index=index, body={setting: None})
    assert state(usage.migrate(now=NOW), "2026-03")[0] == "done"
    seen = dict(usage.seen())
    assert {id: native(seen[id]) for id in events} == events


def test_a_month_that_only_accepts_deletions_does_not_stop_the_others(usage):
    events = usage.legacy("view", "2026-03", 20)
    usage.legacy("view", "2026-04", 20)
    index = usage.names.events_month("view", "2026-03")
    setting = "index.blocks.read_only_allow_delete"
    usage.client.indices.put_settings(index=index, body={setting: True})
    try:
        report = usage.migrate(now=NOW)
        found, errors = state(report, "2026-03")
        assert found == "failed" and setting in errors and index in errors
        assert state(report, "2026-04")[0] == "done"
    finally:
        usage.client.indices.put_settings(index=index, body={setting: None})
    assert state(usage.migrate(now=NOW), "2026-03")[0] == "done"
    seen = dict(usage.seen())
    assert {id: native(seen[id]) for id in events} == events


# -- permissions -------------------------------------------------------------------

REQUESTS = [
    ("PUT", r"^/[^/_?]+(\?|$)", "indices:admin/create"),
    ("POST", r"^/_aliases", "indices:admin/aliases"),
    ("PUT", r"/_block/", "indices:admin/block/add"),
    ("PUT", r"/_settings", "indices:admin/settings/update"),
    ("PUT", r"/_clone/", "indices:admin/resize"),
    ("POST", r"/_bulk", "indices:data/write/bulk"),
]


def test_the_plan_names_each_request_that_would_be_refused(usage, proxied):
    usage.legacy("view", "2026-03", 5)
    service, proxy = proxied
    before = usage.client.indices.get(index=f"{usage.names.prefix}*")
    permitted = service.plan(now=NOW).warnings
    for method, path, action in REQUESTS:
        with proxy.refusing(method, path, action):
            plan = service.plan(now=NOW)
        (sentence,) = set(plan.warnings) - set(permitted)
        assert f"'{action}'" in sentence and f"refuses {method} " in sentence
        assert not plan.blockers
    assert usage.client.indices.get(index=f"{usage.names.prefix}*") == before


def test_the_plan_names_writes_that_are_refused_one_by_one(usage, proxied):
    usage.legacy("view", "2026-03", 5)
    service, proxy = proxied
    permitted = service.plan(now=NOW).warnings
    refusal = refused_writes("indices:data/write/bulk[s]")
    with proxy.refusing("POST", "/_bulk", refusal=refusal):
        (sentence,) = set(service.plan(now=NOW).warnings) - set(permitted)
    assert "refuses writes" in sentence and "indices:data/write/bulk" in sentence


@pytest.mark.parametrize(
    ("step", "method", "path", "action"),
    [
        ("create target", "PUT", r"v2\.0\.0(\?|$)", "indices:admin/create"),
        ("copy", "POST", r"/_bulk", "indices:data/write/bulk"),
        ("block", "PUT", r"/_block/", "indices:admin/block/add"),
        ("clone", "PUT", r"/_clone/", "indices:admin/resize"),
    ],
)
def test_a_refusal_during_the_run_names_the_action_and_is_not_repeated(
    step, method, path, action, usage, proxied
):
    events = usage.legacy("view", "2026-03", 20)
    service, proxy = proxied
    refused = []

    def begin():
        context = proxy.refusing(method, path, action)
        refused.append((context, context.__enter__()))

    report = service.reindex_events(step=on(step, begin), now=NOW)
    ((context, interference),) = refused
    context.__exit__(None, None, None)
    assert report.exit_code == 1
    found, errors = state(report.as_json(), "2026-03")
    assert found == "failed" and f"'{action}'" in errors
    assert "does not answer" not in errors
    assert interference.count == 1
    usage.assert_seen(events)
    assert usage.migrate(now=NOW)["completed"]
    usage.assert_enriched_once(events)


# -- lost responses ----------------------------------------------------------------


def test_a_lost_response_to_the_creation_of_the_target_is_recognised(usage, proxied):
    events = usage.legacy("view", "2026-03", 20)
    service, proxy = proxied
    with proxy.losing("PUT", r"v2\.0\.0(\?|$)") as lost:
        report = service.reindex_events(now=NOW)
    assert lost.count == 1
    assert report.completed, report.as_json()
    usage.assert_enriched_once(events)


def test_a_lost_response_to_the_first_write_of_the_lock_is_recognised(usage, proxied):
    usage.legacy("view", "2026-03", 5)
    service, proxy = proxied
    with proxy.losing("PUT", "migration-lock") as lost:
        report = service.reindex_events(now=NOW)
    assert lost.count == 1 and report.completed


def test_a_lock_of_another_run_is_not_taken_for_its_own(usage):
    arguments = (usage.client, usage.names.reindexing, f"a-lock-{uuid.uuid4().hex}")
    first = ClusterLock(*arguments, "the-first", 60)
    second = ClusterLock(*arguments, "the-second", 60)
    first.acquire()
    try:
        assert second._take(None) is False
    finally:
        first.release()


# -- pipelines ---------------------------------------------------------------------


@pytest.fixture()
def pipeline(usage):
    """Return a pipeline that counts how often an event has passed it."""
    id = f"{usage.names.prefix}counting"
    source = "ctx.passed = ctx.passed == null ? 1 : ctx.passed + 1"
    body = {"processors": [{"script": {"source": source}}]}
    usage.client.ingest.put_pipeline(id=id, body=body)
    yield id
    usage.client.indices.delete(index=f"{usage.names.prefix}events-*", ignore=[404])
    usage.client.indices.delete(
        index=f"{usage.names.prefix}backup-events-*", ignore=[404]
    )
    usage.client.ingest.delete_pipeline(id=id)


def piped(usage, **settings):
    """Create a month with settings, whose mapping accepts the field of the pipeline."""
    mappings = {**stock_body(usage.app, "view")["mappings"], "dynamic": False}
    settings = {"index": settings}
    return usage.legacy("view", "2026-03", 20, settings=settings, mappings=mappings)


def passed(usage, index=None):
    """Return how often each event that readers see has passed the pipeline."""
    return {id: source.get("passed") for id, source in usage.seen(index=index)}


@pytest.mark.parametrize("kind", ["default_pipeline", "final_pipeline"])
def test_events_are_copied_past_the_pipelines_and_new_events_pass_them(
    kind, usage, pipeline
):
    events = piped(usage, **{kind: pipeline})
    assert set(passed(usage).values()) == {1}
    report = usage.migrate(now=NOW)
    assert report["completed"], report
    assert set(passed(usage).values()) == {1}
    target = usage.names.events_target("view", "2026-03")
    found = usage.client.indices.get_settings(index=target)[target]["settings"]
    assert found["index"][kind] == pipeline
    events.update(usage.add("view", "2026-03", 5, seed=77))
    assert passed(usage) == dict.fromkeys(events, 1)
    (outcome,) = usage.service.rollback(("view",), ("2026-03",), now=NOW)
    assert outcome.error is None
    assert passed(usage) == dict.fromkeys(events, 1)
    events.update(usage.add("view", "2026-03", 5, seed=78))
    assert passed(usage) == dict.fromkeys(events, 1)


@pytest.mark.parametrize("kind", ["default_pipeline", "final_pipeline"])
def test_events_are_copied_past_the_pipelines_of_a_template(kind, usage, pipeline):
    events = piped(usage)
    name = f"{usage.names.prefix}piping"
    template = usage.client.indices.get_index_template(
        name=f"{usage.names.events_alias('view')}-migrated-v2.0.0"
    )["index_templates"][0]["index_template"]
    template["priority"] += 1
    template["template"]["settings"]["index"][kind] = pipeline
    usage.client.indices.put_index_template(name=name, body=template)
    try:
        report = usage.migrate(now=NOW)
        assert report["completed"], report
        assert passed(usage) == dict.fromkeys(events)
        events.update(usage.add("view", "2026-03", 5, seed=77))  # as into the source
        assert passed(usage) == dict.fromkeys(events)
    finally:
        usage.client.indices.delete_index_template(name=name)


def test_the_plan_warns_of_a_final_pipeline(usage, pipeline):
    piped(usage, final_pipeline=pipeline)
    (sentence,) = [s for s in usage.service.plan(now=NOW).warnings if pipeline in s]
    assert usage.names.events_month("view", "2026-03") in sentence


def test_a_rollback_carries_events_past_the_final_pipeline_of_the_backup(
    usage, pipeline
):
    events = piped(usage, final_pipeline=pipeline)
    assert usage.migrate(now=NOW)["completed"]
    target = usage.names.events_target("view", "2026-03")
    usage.client.indices.put_settings(
        index=target, body={"index.final_pipeline": "_none"}
    )
    new = usage.add("view", "2026-03", 5, seed=77)
    (outcome,) = usage.service.rollback(("view",), ("2026-03",), now=NOW)
    assert outcome.error is None
    assert passed(usage) == {**dict.fromkeys(events, 1), **dict.fromkeys(new)}


def test_an_event_that_is_enriched_again_does_not_pass_the_pipeline_again(
    usage, pipeline
):
    piped(usage, default_pipeline=pipeline)
    assert usage.migrate(now=NOW)["completed"]
    events = usage.add("view", "2026-03", 5, seed=77)  # without enrichment
    report = usage.service.fill_usage_events(event_types=EVENT_TYPES)
    assert report.events == len(events)
    usage.service.re_enrich("subjects", now=NOW)
    assert set(passed(usage).values()) == {1}
