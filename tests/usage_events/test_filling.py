# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Events that were stored without enrichment in enriched months get it later."""

import pytest

from invenio_stats_dashboard.community_events.backfill_state import save_state
from invenio_stats_dashboard.errors import NotReadyError
from invenio_stats_dashboard.migration.migration_status import UndatedStatus
from invenio_stats_dashboard.search.names import EVENT_TYPES
from invenio_stats_dashboard.tasks import BEAT_SCHEDULE, fill_usage_events
from invenio_stats_dashboard.usage_events.enrichment import Splicer
from scripts.demo.bulk import write

from ..helpers.known import MigratedMonth
from .test_dead_letters import MONTH


@pytest.fixture(scope="module")
def month(app, known_records):
    """Return a month that was migrated once for all tests."""
    with app.app_context():
        return MigratedMonth.of(known_records.without_events(), MONTH, 50)


@pytest.fixture()
def lacking(month, usage):
    """Return a migrated month of views with later writes of the stock indexer."""
    usage.all = month.store(usage)
    usage.late = usage.add("view", MONTH, 40)
    usage.all.update(usage.late)
    assert not_enriched(usage) == set(usage.late)
    return usage


def not_enriched(usage):
    """Return the ids of the events without enrichment."""
    return {id for id, source in usage.seen() if "enriched_at" not in source}


def test_events_of_a_stock_bulk_are_enriched_by_the_task(lacking):
    fill_usage_events()
    lacking.assert_enriched_once(lacking.all)
    subcounts = [dict(lacking.seen())[id]["subcounts"] for id in lacking.late]
    assert all(s["resource_types"] for s in subcounts)
    assert lacking.service.fill_usage_events().events == 0
    names = {entry["task"] for entry in BEAT_SCHEDULE.values()}
    assert fill_usage_events.name in names


def test_a_run_is_bounded_and_the_next_one_continues(lacking):
    before = {id: s for id, s in lacking.seen() if id not in lacking.late}
    assert lacking.service.fill_usage_events(limit=25, batch=10).events == 25
    assert len(not_enriched(lacking)) == 15
    assert lacking.service.fill_usage_events(limit=25, batch=10).events == 15
    lacking.assert_enriched_once(lacking.all)
    after = dict(lacking.seen())
    assert {id: after[id] for id in before} == before


def test_events_of_unknown_records_are_processed_once(lacking):
    id, source = next(iter(lacking.events("view", MONTH, 1, 31)))
    ghost = {**source, "recid": "ghost-00000"}
    without = {k: v for k, v in source.items() if k != "recid"}
    added = {"ghost": ghost, "without": without}
    write(lacking.client, lacking.names.prefix, "view", added.items())
    lacking.client.indices.refresh(index=lacking.names.events_alias("view"))
    assert lacking.service.fill_usage_events().events == 42
    seen = dict(lacking.seen())
    for id in added:
        assert seen[id]["community_ids"] == [] and seen[id]["enriched_at"]
    assert lacking.service.fill_usage_events().events == 0


def test_a_concurrent_write_of_the_live_site_is_not_overwritten(lacking, monkeypatch):
    chosen = sorted(lacking.late)[:3]
    target = lacking.names.events_target("view", MONTH)
    splice, calls = Splicer.splice, []

    def between(splicer, sources):
        # the page has been read; the site writes before the page is written back
        if not calls:
            for id in chosen:
                lacking.client.update(
                    index=target, id=id, body={"doc": {"country": "XX"}}
                )
        calls.append(len(sources))
        return splice(splicer, sources)

    monkeypatch.setattr(Splicer, "splice", between)
    lacking.service.fill_usage_events()
    assert calls == [40]
    assert not_enriched(lacking) == set(chosen)
    assert {dict(lacking.seen())[id]["country"] for id in chosen} == {"XX"}
    lacking.service.fill_usage_events()
    changed = {id: {**lacking.late[id], "country": "XX"} for id in chosen}
    lacking.assert_enriched_once({**lacking.all, **changed})


def test_months_that_are_not_migrated_yet_do_not_change(lacking):
    legacy = lacking.legacy("view", "2026-04", 20)
    lacking.service.fill_usage_events()
    assert not_enriched(lacking) == set(legacy)


def test_events_of_enriched_indices_without_a_month_are_filled(lacking):
    legacy = lacking.legacy_index(
        "view", None, name=f"{lacking.names.events_alias('view')}-2026-04-01"
    )
    for id, source in lacking.events("view", "2026-04", 5, 33):
        lacking.client.index(index=legacy, id=id, body=source)
    day = f"{lacking.names.events_alias('view')}-2026-04-02"
    added = dict(lacking.events("view", "2026-04", 20, 34))
    for id, source in added.items():
        lacking.client.index(index=day, id=id, body=source, refresh=True)
    status = lacking.service.status()
    assert status.undated == UndatedStatus(1, 20, 20)
    assert lacking.service.fill_usage_events().events == len(lacking.late) + len(added)
    assert lacking.service.fill_usage_events().events == 0
    lacking.client.indices.delete(index=legacy)
    lacking.assert_enriched_once({**lacking.all, **added})
    assert lacking.service.status().undated == UndatedStatus(1, 20, 0)


def test_an_event_refused_with_its_enrichment_stays_and_is_reported(lacking):
    refused = lacking.add("view", "2026-05", 30, 32)
    index = lacking.names.events_month("view", "2026-05")
    limit = "index.mapping.total_fields.limit"
    lacking.client.indices.put_settings(index=index, body={limit: 1})
    done = lacking.service.fill_usage_events(limit=45, batch=10)
    assert (done.events, done.refused) == (40, 30)
    assert "Limit of total fields" in done.reason
    assert not_enriched(lacking) == set(refused)
    lacking.client.indices.put_settings(index=index, body={limit: 1000})
    assert lacking.service.fill_usage_events().events == 30
    lacking.assert_enriched_once({**lacking.all, **refused})


def test_nothing_is_filled_before_the_community_events_are_generated(lacking):
    save_state(lacking.client, lacking.names, records=0, finished_at=None)
    with pytest.raises(NotReadyError):
        lacking.service.fill_usage_events(EVENT_TYPES)
    fill_usage_events()
    assert not_enriched(lacking) == set(lacking.late)
