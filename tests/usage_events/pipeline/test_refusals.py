# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Events that a month refuses are stored later; all others are stored at once."""

from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime

from ...helpers.commands import run
from ...helpers.faults import until
from ...helpers.sites import DOWNLOAD, VIEW, downloads, ids_of, views
from ...helpers.statistics import documents


def test_refused_event_is_a_dead_letter_and_is_replayed_when_the_mapping_is_fixed(site):
    usage = site.usage
    events = views(600, usage.records)
    events[300]["site_note"] = "a field that the site forgot to map"
    (poison,) = ids_of(events[300:301])
    ids = ids_of(events)
    site.publish(events)
    assert site.done(VIEW) == {VIEW: (599, 1)}
    assert sorted(id for id, _ in usage.seen()) == sorted(ids - {poison})
    ((_, letter),) = usage.seen(index=usage.names.dead_letter)
    assert letter["id"] == poison and "strict_dynamic_mapping" in letter["reason"]
    assert not {"user_agent", "ip_address", "session_id"} & set(letter["source"])
    assert not any(site.work_off().values())

    mapping = {"properties": {"site_note": {"type": "keyword"}}}
    usage.client.indices.put_mapping(
        index=usage.names.events_alias("view"), body=mapping
    )
    assert run(usage.app, "usage-events", "replay").exit_code == 0
    found = dict(usage.seen())
    assert sorted(found) == sorted(ids)
    assert found[poison]["site_note"] == events[300]["site_note"]
    assert usage.seen(index=usage.names.dead_letter) == []
    counted = documents(usage.client, f"{usage.names.prefix}stats-record-view")
    assert {s["unique_id"]: s["count"] for s, *_ in counted.values()} == dict(
        Counter(f"ui_{event['recid']}" for event in events)
    )


def test_month_with_a_blocked_mapping_stores_events_that_are_enriched_later(site):
    usage, month = site.usage, datetime.now(UTC).strftime("%Y-%m")
    legacy = usage.legacy("view", month, 50)
    migrated = usage.legacy("download", month, 50)
    assert usage.migrate(event_types=["download"])["completed"]
    blocked = {
        "view": usage.names.events_month("view", month),
        "download": usage.names.events_target("download", month),
    }
    some, others = views(240, usage.records), downloads(160, usage.records)
    ids = {"view": ids_of(some) | set(legacy)}
    ids["download"] = ids_of(others, DOWNLOAD) | set(migrated)
    site.publish(some)
    site.publish(others, DOWNLOAD)
    with blocked_mappings(usage, list(blocked.values())):
        calls = [site.call(VIEW), site.call(DOWNLOAD)]
        until(lambda: all(call.ready() for call in calls), "the events are stored", 120)
    for event_type in blocked:
        assert seen_ids(usage, event_type) == sorted(ids[event_type])
    assert enriched(usage, "view") == set()
    assert enriched(usage, "download") == set(migrated)

    assert usage.service.fill_usage_events().events == len(others)
    assert usage.migrate()["completed"]
    for event_type in blocked:
        assert seen_ids(usage, event_type) == sorted(ids[event_type])
        assert enriched(usage, event_type) == ids[event_type]


@contextmanager
def blocked_mappings(usage, indices):
    """Make indices refuse to show and change their mappings inside the context."""
    settings = usage.client.indices.put_settings
    try:
        for index in indices:
            settings(index=index, body={"index.blocks.metadata": True})
        yield
    finally:
        for index in indices:
            settings(index=index, body={"index.blocks.metadata": None})


def seen_ids(usage, event_type):
    """Return the sorted ids that readers see; an id occurs as often as it is seen."""
    return sorted(id for id, _ in usage.seen(event_type))


def enriched(usage, event_type):
    """Return the ids of the events whose enrichment is correct."""
    return {
        id
        for id, source in usage.seen(event_type)
        if "enriched_at" in source
        and source["community_ids"]
        == usage.communities_at(source["recid"], source["timestamp"])
    }
