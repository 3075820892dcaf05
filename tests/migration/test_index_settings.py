# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Months with unusual settings are migrated within these, or named with the setting."""

from datetime import UTC, datetime

import pytest

from invenio_stats_dashboard.search.client import text_client
from invenio_stats_dashboard.usage_events.maintenance import reattribution

from ..helpers.usage import native, stock_body

MONTH = "2026-03"

LIMITS = {
    "max_result_window": 50,
    "max_terms_count": 10,
    "max_docvalue_fields_search": 1,
    "max_inner_result_window": 1,
    "max_rescore_window": 1,
    "max_script_fields": 0,
}


def NOW():
    """Return a moment at which every month of these tests is past."""
    return datetime(2026, 11, 20, tzinfo=UTC)


def limited(usage, count, event_type="view", **settings):
    """Create a legacy month with settings of its own."""
    usage.page_size = settings.get("max_result_window", usage.page_size)
    return usage.legacy(event_type, MONTH, count, settings={"index": settings})


def errors_of(report, month=MONTH):
    """Return state and errors of a month of views."""
    found = report["event_types"]["view"]["months"][month]
    return found["state"], " ".join(found["errors"])


@pytest.mark.parametrize("shards", [1, 2])
def test_a_month_is_migrated_within_the_limits_of_its_index(shards, usage):
    events = limited(usage, 260, number_of_shards=shards, **LIMITS)
    report = usage.migrate(now=NOW)
    assert report["completed"], report
    usage.assert_enriched_once(events)
    target = usage.names.events_target("view", MONTH)
    found = usage.client.indices.get_settings(index=target)[target]["settings"]["index"]
    assert {name: int(found[name]) for name in LIMITS} == LIMITS
    events.update(usage.add("view", MONTH, 120, seed=7))
    assert usage.service.fill_usage_events().events >= 120
    usage.assert_enriched_once(events)
    assert all(check.same for check in usage.service.verify(now=NOW))
    (outcome,) = usage.service.rollback(("view",), (MONTH,), now=NOW)
    assert outcome.error is None and outcome.copied_back
    assert {id: native(s) for id, s in usage.seen()} == events
    assert usage.migrate(now=NOW)["completed"]
    (cleaned,) = usage.service.cleanup(now=NOW)
    assert cleaned[1] is None
    usage.assert_enriched_once(events)


def test_re_attribution_and_re_enrichment_work_within_the_limits(usage):
    events = limited(usage, 260, **LIMITS)
    assert usage.migrate(now=NOW)["completed"]
    records = sorted({source["recid"] for source in events.values()})
    assert len(records) > LIMITS["max_terms_count"]
    changes = dict.fromkeys(records, "2026-01-01T00:00:00")
    reattribution.note(text_client(usage.app), usage.names, changes)
    done = usage.service.attribute_again(rest=0)
    assert (done.records, done.pending) == (len(records), 0)
    (again,) = usage.service.re_enrich("subjects", ("view",), now=NOW)
    assert again.events == 260
    usage.assert_enriched_once(events)


def test_a_limit_of_fields_leaves_room_for_the_enrichment(usage):
    fields = len(stock_body(usage.app, "view")["mappings"]["properties"])
    mapping = {"total_fields": {"limit": fields}}
    events = limited(usage, 40, mapping=mapping)
    assert usage.migrate(now=NOW)["completed"]
    usage.assert_enriched_once(events)


def test_a_hidden_index_is_migrated_like_others(usage):
    events = limited(usage, 40, hidden=True)
    assert [m.month for m in usage.service.plan(now=NOW).to_do] == [MONTH]
    report = usage.migrate(now=NOW)
    assert report["completed"], report
    usage.assert_enriched_once(events)
    (month,) = usage.service.status(now=NOW).months
    assert (month.state, month.events) == ("done", 40)
    (outcome,) = usage.service.rollback(("view",), (MONTH,), now=NOW)
    assert outcome.error is None
    assert {id: native(s) for id, s in usage.seen()} == events


# -- what cannot be copied ---------------------------------------------------------

INCOMPLETE = {
    "_source.excludes": {"excludes": ["country"]},
    "_source.includes": {"includes": ["timestamp", "recid"]},
    "_source.enabled": {"enabled": False},
}


@pytest.mark.parametrize("setting", INCOMPLETE)
def test_a_month_whose_events_are_returned_incompletely_is_named_and_left(
    setting, usage
):
    mappings = {
        **stock_body(usage.app, "view")["mappings"],
        "_source": INCOMPLETE[setting],
    }
    usage.legacy("view", MONTH, 20, mappings=mappings)
    usage.legacy("view", "2026-04", 20)
    index = usage.names.events_month("view", MONTH)
    before = usage.client.indices.get(index=index)
    (sentence,) = [s for s in usage.service.plan(now=NOW).warnings if setting in s]
    assert index in sentence
    report = usage.migrate(now=NOW)
    found, errors = errors_of(report)
    assert found == "failed" and setting in errors
    assert errors_of(report, "2026-04")[0] == "done"
    assert usage.client.indices.get(index=index) == before
    assert usage.client.count(index=usage.names.events_alias("view"))["count"] == 40
    status = usage.service.status(now=NOW)
    (month,) = [m for m in status.months if m.month == MONTH]
    assert setting in month.problem


def test_events_of_an_incomplete_enriched_index_are_not_written_again(usage):
    # "country" is stored for searches only; writing an event again would lose it
    alias = usage.names.events_alias("view")
    index = usage.names.events_month("view", MONTH)
    body = {"mappings": {"_source": {"excludes": ["country"]}}}
    usage.client.indices.create(index=index, body=body)
    usage.add("view", MONTH, 30)
    exists = {"query": {"exists": {"field": "country"}}}
    before = usage.client.count(index=alias, body=exists)["count"]
    assert before
    assert usage.service.fill_usage_events().events == 0
    usage.service.re_enrich("subjects", now=NOW)
    usage.client.indices.refresh(index=alias)
    assert usage.client.count(index=alias, body=exists)["count"] == before
    (month,) = usage.service.status(now=NOW).months
    assert "_source.excludes" in month.problem


@pytest.mark.parametrize(
    "options", [{"filter": {"term": {"is_robot": False}}}, {"routing": "1"}]
)
def test_a_read_alias_with_a_filter_or_a_routing_is_named(options, usage):
    usage.legacy("view", MONTH, 20)
    index, alias = (
        usage.names.events_month("view", MONTH),
        usage.names.events_alias("view"),
    )
    usage.client.indices.put_alias(index=index, name=alias, body=options)
    assert any(
        index in sentence and "filter" in sentence
        for sentence in usage.service.plan(now=NOW).warnings
    )
    assert errors_of(usage.migrate(now=NOW))[0] == "failed"
    usage.client.indices.put_alias(index=index, name=alias)
    assert usage.migrate(now=NOW)["completed"]


def test_a_filter_is_found_beside_an_index_with_blocked_metadata(usage):
    usage.legacy("view", MONTH, 20)
    usage.legacy("view", "2026-02", 20)
    client, names = usage.client, usage.names
    index, blocked = (names.events_month("view", m) for m in (MONTH, "2026-02"))
    options = {"filter": {"term": {"is_robot": False}}}
    client.indices.put_alias(index=index, name=names.events_alias("view"), body=options)
    client.indices.add_block(index=blocked, block="metadata")
    try:
        report = usage.migrate(now=NOW)
    finally:
        client.indices.put_settings(
            index=blocked, body={"index.blocks.metadata": False}
        )
    errors = [
        e for m in report["event_types"]["view"]["months"].values() for e in m["errors"]
    ]
    assert any(index in error and "filter" in error for error in errors), errors
