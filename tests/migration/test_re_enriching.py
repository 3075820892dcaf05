# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A breakdown that was added later is written into enriched events."""

import threading
from dataclasses import replace

import pytest

from invenio_stats_dashboard.community_events.facts import registry_mark
from invenio_stats_dashboard.community_events.store import EventStore
from invenio_stats_dashboard.errors import StatsDashboardError
from invenio_stats_dashboard.subcounts import load

from ..helpers.faults import outcome
from ..helpers.known import MigratedMonth
from ..helpers.processes import Forked, kill_me
from ..helpers.usage import native


@pytest.fixture(scope="module")
def month(app, known_records):
    """Return a month that was migrated once for all tests, by the breakdowns so far."""
    with app.app_context():
        return MigratedMonth.of(known_records.without_events(), "2026-03", 250)


@pytest.fixture()
def enriched(month, usage):
    """Return usage events of a month that is migrated, by the breakdowns so far."""
    usage.events_of_month = month.store(usage)
    return usage


def add_key(usage, monkeypatch):
    """Add a breakdown to the configuration, and to what is known of the records."""
    extension = usage.app.extensions["invenio-stats-dashboard"]
    config = {
        **usage.app.config["COMMUNITY_STATS_SUBCOUNTS"],
        "shelves": {"field": "custom_fields.shelf"},
    }
    subcounts = load(config)
    monkeypatch.setitem(usage.app.config, "COMMUNITY_STATS_SUBCOUNTS", config)
    monkeypatch.setitem(extension.__dict__, "subcounts", subcounts)
    store = EventStore(usage.client, usage.names)
    found = store.facts([record.recid for record in usage.records])
    facts = found.values()
    store.put_facts(
        [
            replace(
                fact,
                subcounts={
                    **fact.subcounts,
                    "subjects": ["renamed"],
                    "shelves": [f"shelf of {fact.recid}"],
                },
                registry=registry_mark(subcounts),
                revision=fact.revision + 1,
            )
            for fact in facts
        ]
    )
    store.refresh()


def by_id(usage):
    """Return what readers see, by id."""
    seen = usage.seen()
    assert len(seen) == len({id for id, _ in seen})
    return dict(seen)


def test_a_new_key_is_filled_and_everything_else_stays(enriched, monkeypatch):
    before = by_id(enriched)
    add_key(enriched, monkeypatch)
    (done,) = enriched.service.re_enrich("shelves", event_types=["view"])
    assert done.events == 250
    after = by_id(enriched)
    for id, source in enriched.events_of_month.items():
        assert native(after[id]) == source
        assert after[id]["community_ids"] == before[id]["community_ids"]
        assert after[id]["subcounts"] == {
            **before[id]["subcounts"],
            "shelves": [f"shelf of {source['recid']}"],
        }


def test_the_new_key_can_be_searched(enriched, monkeypatch):
    add_key(enriched, monkeypatch)
    enriched.service.re_enrich("shelves")
    recid = enriched.records[0].recid
    wanted = sum(e["recid"] == recid for e in enriched.events_of_month.values())
    alias = enriched.names.events_alias("view")
    enriched.client.indices.refresh(index=alias)
    query = {"term": {"subcounts.shelves": f"shelf of {recid}"}}
    assert enriched.client.count(index=alias, body={"query": query})["count"] == wanted


def test_a_second_time_changes_the_same_values_to_the_same(enriched, monkeypatch):
    add_key(enriched, monkeypatch)
    enriched.service.re_enrich("shelves")
    first = by_id(enriched)
    enriched.service.re_enrich("shelves")
    second = by_id(enriched)
    assert {id: s["subcounts"] for id, s in first.items()} == {
        id: s["subcounts"] for id, s in second.items()
    }


def test_an_update_of_the_live_site_meanwhile_is_not_overwritten(enriched, monkeypatch):
    add_key(enriched, monkeypatch)
    target = enriched.names.events_target("view", "2026-03")
    chosen = sorted(enriched.events_of_month)[:3]
    splice = type(enriched.service)._run
    written = threading.Event()

    def slow_run(service, *args, **kwargs):
        run = splice(service, *args, **kwargs)
        inner = run.copier.splicer.splice

        def between(sources):
            # the page is read; the site writes before it is written back
            if not written.is_set():
                for id in chosen:
                    enriched.client.update(
                        index=target, id=id, body={"doc": {"country": "XX"}}
                    )
                written.set()
            return inner(sources)

        run.copier.splicer.splice = between
        return run

    monkeypatch.setattr(type(enriched.service), "_run", slow_run)
    enriched.service.re_enrich("shelves")
    after = by_id(enriched)
    assert written.is_set() and {after[id]["country"] for id in chosen} == {"XX"}
    assert all("shelves" in s["subcounts"] for i, s in after.items() if i not in chosen)


def test_a_killed_one_goes_on_where_it_was(enriched, monkeypatch):
    add_key(enriched, monkeypatch)
    monkeypatch.setitem(
        enriched.app.config, "STATS_DASHBOARD_REINDEXING_BATCH_SIZE", 50
    )
    seen = []

    def die(_):
        seen.append(1)
        if len(seen) == 3:
            kill_me()

    app = enriched.app
    child = Forked(app, lambda: outcome(app, "re_enrich", key="shelves", progress=die))
    assert child.wait() is None
    done = enriched.service.re_enrich("shelves", event_types=["view"])
    assert [month.events for month in done] == [100]
    assert all("shelves" in s["subcounts"] for s in by_id(enriched).values())


def test_what_the_index_refuses_is_an_error_and_not_passed_over(enriched, monkeypatch):
    add_key(enriched, monkeypatch)
    target = enriched.names.events_target("view", "2026-03")
    settings = {"index.mapping.total_fields.limit": 1}
    enriched.client.indices.put_settings(index=target, body=settings)
    with pytest.raises(StatsDashboardError, match="refuses 250 events"):
        enriched.service.re_enrich("shelves")


def test_months_that_are_not_enriched_are_left_alone(usage):
    events = usage.legacy("view", "2026-03", 20)
    (done,) = usage.service.re_enrich("subjects")
    assert done.index is None and done.events == 0
    assert by_id(usage) == events
