# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Enriched months of the earlier extension are legacy, even with our names."""

import pytest

from ..helpers.usage import native, stock_body, without_templates

MONTH = "2026-03"
ENRICHMENT = {
    "community_ids": ["of the earlier extension"],
    "enriched_at": "2025-01-01",
}


def make_month(usage, suffix, has_stock_alias):
    """Create an enriched month of the earlier extension; return its events."""
    names, client = usage.names, usage.client
    stock, alias = names.events_month("view", MONTH), names.events_alias("view")
    with without_templates(client, alias):
        client.indices.create(
            index=f"{stock}{suffix}",
            body={
                "mappings": {
                    **stock_body(usage.app, "view")["mappings"],
                    "dynamic": "true",
                },
                "aliases": {alias: {}, **({stock: {}} if has_stock_alias else {})},
            },
        )
    events = dict(usage.events("view", MONTH, 60, 1))
    for id, source in events.items():
        client.index(index=f"{stock}{suffix}", id=id, body={**source, **ENRICHMENT})
    client.indices.refresh(index=alias)
    return events


@pytest.mark.parametrize("has_stock_alias", [True, False])
@pytest.mark.parametrize("suffix", [".v2.0.0", "-v2.0.0"])
def test_an_enriched_month_of_the_earlier_extension_is_migrated(
    suffix, has_stock_alias, usage
):
    events = make_month(usage, suffix, has_stock_alias)
    (planned,) = usage.service.plan(["view"]).to_do
    assert planned.source_index.endswith(suffix)
    report = usage.migrate()
    assert report["completed"] and report["events_copied"] == len(events)
    usage.assert_enriched_once(events)
    # and back, and once more
    (back,) = usage.service.rollback(months=[MONTH], event_types=["view"])
    assert back.error is None
    assert {id: native(source) for id, source in usage.seen()} == events
    assert usage.migrate()["completed"]
    usage.assert_enriched_once(events)
    (check,) = usage.service.verify(["view"])
    assert check.same is True
    assert usage.service.cleanup(["view"])[0][1] is None
    assert usage.migrate()["events_copied"] == 0


def test_its_unfinished_migration_continues(usage):
    events = make_month(usage, ".v2.0.0", has_stock_alias=True)
    report = usage.migrate(batch_size=20, max_batches=1)
    assert not report["completed"]
    usage.assert_seen(events_with_enrichment(events))
    assert usage.migrate()["completed"]
    usage.assert_enriched_once(events)


def events_with_enrichment(events):
    """Return the events as the earlier extension has stored them."""
    return {id: {**source, **ENRICHMENT} for id, source in events.items()}
