# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""On a site of the earlier extension, its indices are recognised and stay as they are."""

import logging

import pytest
from invenio_access.permissions import system_identity
from invenio_queues.proxies import current_queues
from invenio_rdm_records.proxies import current_rdm_records_service
from invenio_stats.proxies import current_stats
from invenio_stats.tasks import process_events
from opensearchpy.exceptions import TransportError

from invenio_stats_dashboard import config_validation, tasks
from invenio_stats_dashboard.community_events.resolver import DatabaseResolver
from invenio_stats_dashboard.errors import ForeignIndexError
from invenio_stats_dashboard.ext import finalize_app
from invenio_stats_dashboard.package_templates import fixed_templates
from invenio_stats_dashboard.search.foreign_indices import (
    foreign_indices,
    foreign_templates,
    named_indices,
)
from invenio_stats_dashboard.search.names import FAMILIES, INTERNAL, Names

from ..conftest import remove_statistics
from ..helpers import content, earlier_site
from ..helpers.commands import run
from ..helpers.http import Http
from ..helpers.queues import NOW, views
from ..helpers.search_requests import before_requests, sent_requests

SENTENCE = "Coming from the earlier extension"


@pytest.fixture()
def site(app, client, names):
    """Return what the earlier extension has left on a site without records of ours."""
    remove_statistics(client, names)
    yield earlier_site.make(app, client, names)
    earlier_site.remove_template(client, names)
    remove_statistics(client, names)


def everything(client, names):
    """Return name -> documents of all indices of statistics, and the templates."""
    client.indices.refresh(index=f"{names.prefix}*stats-*")
    found = client.indices.get(
        index=f"{names.prefix}*stats-*", expand_wildcards="all", ignore=[404]
    )
    documents = {name: sources(client, name) for name in found}
    aliases = {name: sorted(details["aliases"]) for name, details in found.items()}
    templates = {
        t["name"]
        for t in client.indices.get_index_template(name=f"{names.prefix}*")[
            "index_templates"
        ]
    }
    return documents, aliases, templates


def sources(client, index):
    """Return ``_id`` -> source of an index."""
    client.indices.refresh(index=index)
    hits = client.search(index=index, body={"size": 1000})["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


# -- which names ------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "my-site-"])
def test_each_name_of_this_package_is_recognised_and_no_other(prefix):
    names = Names(prefix)
    ours = [names.community_events, names.record_facts, names.reindexing]
    ours += [names.community_events_year(2024), names.community_events_year(1999)]
    ours += [names.between_runs, names.bookmarks]
    for family in (*FAMILIES, *INTERNAL):
        ours += [names.aggregates(family), names.aggregates_from(family, 1)]
        ours.append(f"{names.aggregates(family)}-2026")
    assert [name for name in ours if not names.is_used(name)] == []
    others = [
        names.events_month("view", "2026-03"),
        f"earlier-{names.community_events}-2024",
        f"{prefix}earlier-stats-community-events-2024",
        f"other-{names.bookmarks}",
        f"{names.bookmarks}-old",
        f"{names.community_events}-copy",
        f"{names.aggregates('usage-delta')}-2026-copy",
        f"{names.aggregates('usage-delta')}-20266",
        f"{names.aggregates('usage-delta')}-from-2026-copy",
        f"{names.community_events}-1999.v1",
        f"{names.community_events}-2024-old",
        f"{prefix}stats-community-notes",
    ]
    assert [name for name in others if names.is_used(name)] == []


def test_templates_of_this_package_match_only_names_that_are_recognised(names):
    for body in fixed_templates(names).values():
        for pattern in body["index_patterns"]:
            if pattern.startswith(names.community_start):
                # the yearly patterns end with -1* and -2*
                year = "999" if pattern[-2].isdigit() else "2024"
                assert names.is_used(pattern.replace("*", year))


# -- recognised -----------------------------------------------------------------------


def test_the_start_names_them_and_puts_all_templates(app, site, client, names, caplog):
    client.indices.delete_index_template(name=f"{names.prefix}stats-community-*")
    with caplog.at_level(logging.WARNING):
        finalize_app(app)
    assert site.community_events in caplog.text and SENTENCE in caplog.text
    found = client.indices.get_index_template(name=f"{names.prefix}*")
    stored = {template["name"] for template in found["index_templates"]}
    assert set(fixed_templates(names)) <= stored


def test_a_start_without_them_names_nothing(app, client, names, caplog):
    remove_statistics(client, names)
    with caplog.at_level(logging.WARNING):
        finalize_app(app)
    assert SENTENCE not in caplog.text


def test_a_start_that_puts_no_template_sends_no_request_for_them(app, site, names):
    finalize_app(app)
    with sent_requests() as sent:
        finalize_app(app)
    assert [r for r in sent if names.community_start in r.path] == []


def test_status_names_them_as_a_problem(app, site):
    done = run(app, "status", "--json")
    assert done.exit_code == 1, done.err
    about = [text for text in done.document["problems"] if SENTENCE in text]
    assert len(about) == 2
    assert site.community_events in about[0] and site.deltas in about[0]
    assert site.template in about[1]
    assert run(app, "status").exit_code == 1


def test_the_plan_names_them(app, site):
    service = app.extensions["invenio-stats-dashboard"].event_reindexing_service
    with app.app_context():
        plan = service.plan()
    assert site.community_events in plan.blockers[0] and SENTENCE in plan.blockers[0]
    assert any(site.deltas in text for text in plan.warnings)
    done = run(app, "migrate-events", "--dry-run")
    assert done.exit_code == 2 and site.community_events in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("aggregate",),
        ("aggregate", "--dry-run"),
        ("read", "--family", "usage-delta"),
        ("generate-community-events",),
        ("generate-community-events", "--dry-run"),
        ("migrate-events",),
        ("clear-bookmarks", "--dry-run"),
        ("community-events", "status"),
        ("community-events", "reconcile"),
    ],
    ids=" ".join,
)
def test_a_command_that_would_use_them_is_not_ready(words, app, site, client, names):
    before = everything(client, names)
    done = run(app, *words)
    assert done.exit_code == 2
    assert site.community_events in done.err or site.deltas in done.err
    assert SENTENCE in done.err and len(done.err.splitlines()) == 1
    assert everything(client, names) == before


def test_an_index_with_the_name_of_an_alias_is_recognised(app, client, names):
    remove_statistics(client, names)
    index = names.community_events
    earlier_site.make_index(client, names, index, {"kind": "other"})
    try:
        assert [index.name for index in foreign_indices(client, names)] == [index]
        for words in (["aggregate"], ["generate-community-events"]):
            assert SENTENCE in run(app, *words).err
        assert run(app, "status").exit_code == 1
        client.indices.delete(index=index)
        assert run(app, "generate-community-events").exit_code == 0
    finally:
        remove_statistics(client, names)


def test_an_index_whose_metadata_is_blocked_is_recognised(app, site, client, names):
    block = {"index.blocks.metadata": True}
    client.indices.put_settings(index=site.deltas, body=block)
    try:
        found = {index.name for index in foreign_indices(client, names)}
        assert found == {site.community_events, site.deltas}
        done = run(app, "status", "--json")
        assert done.exit_code == 1, done.err
        assert any(site.deltas in text for text in done.document["problems"])
        assert run(app, "destroy-indices", "--all", "--dry-run").exit_code == 0
    finally:
        block["index.blocks.metadata"] = None
        client.indices.put_settings(index=site.deltas, body=block)


def unmark(client, index):
    """Remove the mark of an index, as if OpenSearch had created it for a write."""
    client.indices.put_mapping(index=index, body={"_meta": {}})


def test_own_indices_without_a_mark_are_ours(fresh, client, names):
    content.make_record()
    assert run(fresh, "generate-community-events").exit_code == 0
    assert run(fresh, "aggregate").exit_code == 0
    own = [index.name for index in named_indices(client, names)]
    assert names.record_facts in own and names.reindexing in own
    for index in own:
        unmark(client, index)
    assert foreign_indices(client, names) == []
    assert all(index.is_ours for index in named_indices(client, names))
    for words in (["generate-community-events"], ["community-events", "reconcile"]):
        assert run(fresh, *words).exit_code == 0
    problems = run(fresh, "status", "--json").document["problems"]
    assert not [text for text in problems if SENTENCE in text]
    done = run(fresh, "destroy-indices", "--all", "--dry-run", "--json").document
    listed = {index["name"] for index in done["indices"]}
    assert listed == set(own) - {names.reindexing}


def test_bookmarks_that_a_write_has_created_are_ours(app, client, names):
    remove_statistics(client, names)
    with earlier_site.own_templates_ignored(client, names):
        for index in (names.reindexing, names.bookmarks):
            client.index(index=index, id="odd", body={"of": "anything"}, refresh=True)
    try:
        assert foreign_indices(client, names) == []
        assert run(app, "generate-community-events").exit_code == 0
    finally:
        remove_statistics(client, names)


def test_indices_made_under_an_overriding_template_are_ours(fresh, client, names):
    with earlier_site.own_templates_ignored(client, names):
        content.make_record()
        assert run(fresh, "generate-community-events").exit_code == 0
    try:
        (details,) = client.indices.get_mapping(index=names.record_facts).values()
        assert "_meta" not in details["mappings"], "the template was not overridden"
        found = named_indices(client, names, sources_only=True)
        assert len(found) >= 2 and all(index.is_ours for index in found)
        assert run(fresh, "generate-community-events").exit_code == 0
    finally:
        remove_statistics(client, names)


@pytest.mark.parametrize(
    "mapping", [{}, {"dynamic": False, "properties": {"a": {"type": "keyword"}}}]
)
def test_an_index_whose_mapping_shows_nothing_is_not_foreign_and_is_not_deleted(
    mapping, app, client, names
):
    remove_statistics(client, names)
    index = names.community_events_year(2024)
    earlier_site.make_index(client, names, index, mappings=mapping)
    try:
        (found,) = named_indices(client, names)
        assert (found.is_ours, found.is_foreign) == (False, False)
        assert run(app, "destroy-indices", "--all", "--yes").exit_code == 0
        assert client.indices.exists(index=index)
    finally:
        remove_statistics(client, names)


def test_many_foreign_indices_do_not_prevent_the_deletion_of_own_ones(
    app, client, names
):
    remove_statistics(client, names)
    years = range(1000, 1000 + 80)
    alias = names.aggregates("records-snapshot-published")
    mapping = {"properties": {"a": {"type": "keyword"}}}
    with earlier_site.own_templates_ignored(client, names):
        for year in years:
            client.indices.create(
                index=f"{alias}-{year}",
                body={
                    "mappings": mapping,
                    "settings": {"number_of_replicas": 0},
                },
                params={"wait_for_active_shards": "0"},
            )
    try:
        done = run(app, "destroy-indices", "--dry-run", "--json")
        assert done.exit_code == 0, done.err
        assert done.document["indices"] == []
    finally:
        remove_statistics(client, names)


def test_own_indices_are_not_foreign(fresh, client, names):
    content.make_record()
    assert run(fresh, "generate-community-events").exit_code == 0
    assert run(fresh, "aggregate").exit_code == 0
    assert foreign_indices(client, names) == []
    assert len(named_indices(client, names)) > 5
    assert foreign_templates(client, names) == []


OF_ANOTHER = {"mappings": {"properties": {"a": {"type": "keyword"}}}}


@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        ("stats-*", OF_ANOTHER),
        ("stats-community-*", OF_ANOTHER),
        ("stats-community-r*", OF_ANOTHER),
        ("stats-community-usage-*", OF_ANOTHER),
        ("*events-2024", OF_ANOTHER),
        ("stats-community-records-delta-created-mine-*", OF_ANOTHER),
        ("stats-community-usage-delta-from-0001", OF_ANOTHER),
        ("stats-community-events-*", {"settings": {"refresh_interval": "5s"}}),
        (
            "stats-community-events-*",
            {"mappings": {"properties": {"place": {"type": "long"}}}},
        ),
    ],
)
def test_templates_of_the_site_are_not_foreign(pattern, template, client, names):
    site = f"{names.prefix}of-the-site"
    body = {
        "index_patterns": [f"{names.prefix}{pattern}"],
        "priority": 7,
        "template": template,
    }
    client.indices.put_index_template(name=site, body=body)
    try:
        assert foreign_templates(client, names) == []
    finally:
        client.indices.delete_index_template(name=site)


def test_a_legacy_template_is_recognised(app, client, names):
    remove_statistics(client, names)
    name = f"{names.prefix}earlier-legacy"
    pattern = f"{names.aggregates('usage-delta')}-*"
    body = {"index_patterns": [pattern], "order": 3, **OF_ANOTHER}
    client.indices.put_template(name=name, body=body)
    try:
        (found,) = foreign_templates(client, names)
        assert found.name == name and found.is_legacy
        assert run(app, "status").exit_code == 1
        assert client.indices.exists_template(name=name)
    finally:
        client.indices.delete_template(name=name, ignore=[404])


def test_destroy_indices_counts_and_deletes_only_own_indices(fresh, client, names):
    content.make_record()
    assert run(fresh, "generate-community-events").exit_code == 0
    assert run(fresh, "aggregate").exit_code == 0
    # no record of ours was created in its year
    site = earlier_site.make(fresh, client, names)
    try:
        found = run(fresh, "destroy-indices", "--all", "--dry-run", "--json").document
        listed = {index["name"] for index in found["indices"]}
        assert names.aggregates_from("records-delta-created", 1) in listed
        assert not listed & {site.community_events, site.deltas}
        done = run(fresh, "destroy-indices", "--all", "--yes")
        assert done.exit_code == 0, done.err
        assert client.indices.exists(index=site.community_events)
        assert client.indices.exists(index=site.deltas)
        assert not client.indices.exists(index=names.record_facts)
    finally:
        earlier_site.remove_template(client, names)
        remove_statistics(client, names)


# -- unattended work ----------------------------------------------------------------------


def test_the_scheduled_tasks_change_nothing(app, site, client, names):
    before, *_ = everything(client, names)
    with app.app_context():
        tasks.catch_up_community_stats()
        tasks.reconcile_community_events()
        tasks.fill_usage_events()
        tasks.attribute_usage_events_again()
        tasks.recover_overdue_switches()
    after, *_ = everything(client, names)
    for index in (site.community_events, site.deltas, site.month):
        assert after[index] == before[index]
    problems = run(app, "status", "--json").document["problems"]
    assert not [text for text in problems if "preparation cannot continue" in text]


def test_a_change_of_a_membership_is_captured_when_they_are_gone(
    capturing, client, names
):
    recid = content.make_record()
    remove_statistics(client, names)
    site = earlier_site.make(capturing, client, names)
    parent = current_rdm_records_service.read(system_identity, recid)._record.parent
    parent = str(parent.id)
    try:
        with pytest.raises(ForeignIndexError):
            tasks.capture_changes_of_message(parent_ids=[parent])
        assert not client.indices.exists(index=names.record_facts)
        earlier_site.move_by_hand(client, names, site)
        tasks.capture_changes_of_message(parent_ids=[parent])
        client.indices.refresh(index=names.community_events)
        body = {"query": {"term": {"recid": recid}}}
        assert client.count(index=names.community_events, body=body)["count"] > 0
    finally:
        earlier_site.remove_template(client, names)
        remove_statistics(client, names)


def test_a_look_up_waits_while_the_cluster_refuses_the_look(fresh, client, names):
    recid = content.make_record()
    refused = []

    def refuse(request):
        path = f"/{names.community_events}*,{names.record_facts}*"
        if (request.method, request.path) == ("GET", path) and not refused:
            refused.append(request)
            raise TransportError(503, "process_cluster_event_timeout_exception", {})

    service = fresh.extensions["invenio-stats-dashboard"].community_stats_service
    resolve = DatabaseResolver(
        fresh, client, names, service.subcounts, late=lambda _: None
    )
    with before_requests(refuse):
        assert list(resolve([recid])) == [recid]
    assert refused
    remove_statistics(client, names)


def test_usage_events_are_stored_meanwhile_and_enriched_later(fresh, client, names):
    recid = content.make_record()
    site = earlier_site.make(fresh, client, names)
    try:
        current_queues.declare()
        list(current_stats.consume("record-view"))
        current_stats.publish("record-view", views(5, recid))
        assert process_events(["record-view"]) == [("record-view", (5, 0))]
        before = sources(client, site.community_events)
        assert not client.indices.exists(index=names.record_facts)
        earlier_site.move_by_hand(client, names, site)
        moved = earlier_site.moved_name(names, site.community_events)
        assert sources(client, moved) == before
        assert run(fresh, "generate-community-events").exit_code == 0
        client.indices.refresh(index=names.events_alias("view"))
        tasks.fill_usage_events()
        stored = sources(client, names.events_month("view", NOW.strftime("%Y-%m")))
        assert len(stored) == 5
        assert all(source["enriched_at"] for source in stored.values())
    finally:
        earlier_site.remove_template(client, names)
        remove_statistics(client, names)


@pytest.mark.parametrize("form", ["", "&format=csv", "&breakdown=countries"])
def test_its_aggregates_are_not_shown_as_those_of_this_extension(
    form, app, site, client, names
):
    path = f"/stats-dashboard/global?range=all{form}"
    answer = Http(app).get(path)
    assert answer.status_code == 503 and site.deltas not in answer.text
    earlier_site.move_by_hand(client, names, site)
    answer = Http(app).get(path)
    assert answer.status_code == 200 and "1000" not in answer.text


# -- its variables --------------------------------------------------------------------------


def test_its_variables_are_named_once_with_those_that_replace_them(
    app, monkeypatch, caplog
):
    monkeypatch.setattr(config_validation, "_warned", set())
    config = {
        **app.config,
        "STATS_DASHBOARD_ENABLED_GLOBAL": True,
        "COMMUNITY_STATS_SCHEDULED_AGG_TASKS_ENABLED": True,
        "STATS_DASHBOARD_UI_OF_OLD": {},
        "MY_STATS_DASHBOARD_SETTING": 1,
    }
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            config_validation.warn_of_unknown(config, app.logger)
    (record,) = caplog.records
    text = record.getMessage()
    assert (
        "STATS_DASHBOARD_ENABLED_GLOBAL has no effect; it is replaced by "
        "STATS_DASHBOARD_GLOBAL_ENABLED." in text
    )
    assert "by COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED." in text
    assert "STATS_DASHBOARD_UI_OF_OLD has no effect" in text
    assert "MY_STATS_DASHBOARD_SETTING" not in text


def test_own_variables_are_not_named(app, monkeypatch, caplog):
    monkeypatch.setattr(config_validation, "_warned", set())
    with caplog.at_level(logging.WARNING):
        config_validation.warn_of_unknown(app.config, app.logger)
    assert caplog.records == []


def test_variables_that_replace_those_of_the_earlier_extension_exist():
    assert set(config_validation.EARLIER_VARIABLES.values()) <= set(
        config_validation.CHECKS
    )
