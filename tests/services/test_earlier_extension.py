# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""On a site of the earlier extension, its indices are recognised, and moved on request."""

import logging

import pytest
from invenio_queues.proxies import current_queues
from invenio_stats.proxies import current_stats
from invenio_stats.tasks import process_events

from invenio_stats_dashboard import config_validation, tasks
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
from ..helpers.processes import Forked, kill_me
from ..helpers.queues import NOW, views
from ..helpers.search_requests import before_requests

COMMAND = "move-earlier-indices"
SENTENCE = "invenio community-stats move-earlier-indices"
BOTH = ("--yes", "--accept-missing-events")


@pytest.fixture()
def site(app, client, names):
    """Return what the earlier extension has left on a site without records of ours."""
    remove_statistics(client, names)
    yield earlier_site.make(app, client, names)
    earlier_site.remove_template(client, names)
    remove_statistics(client, names)


def moved_name(names, index):
    """Return the name to which an index is moved."""
    return f"{names.prefix}earlier-{index.removeprefix(names.prefix)}"


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


def is_blocked(client, index):
    """Return whether an index refuses writes."""
    (found,) = client.indices.get_settings(index=index).values()
    return found["settings"]["index"].get("blocks", {}).get("write") == "true"


def move(app, *options):
    """Run the command, and return its JSON and exit code."""
    done = run(app, COMMAND, "--json", *options)
    return done.document, done.exit_code


# -- which names ------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "my-site-"])
def test_each_name_of_this_package_is_recognised_and_no_other(prefix):
    names = Names(prefix)
    ours = [names.community_events, names.record_facts, names.reindexing]
    ours += [names.community_events_year(2024), f"{names.community_events}-1999.v1"]
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
        f"{prefix}stats-community-notes",
    ]
    assert [name for name in others if names.is_used(name)] == []


def test_templates_of_this_package_match_only_names_that_are_recognised(names):
    for body in fixed_templates(names).values():
        for pattern in body["index_patterns"]:
            if pattern.startswith(names.community_start):
                assert names.is_used(pattern.replace("*", "2024"))


# -- recognised -----------------------------------------------------------------------


def test_the_start_names_them_and_puts_all_templates(app, site, client, names, caplog):
    client.indices.delete_index_template(name=f"{names.prefix}stats-community-*")
    with caplog.at_level(logging.WARNING):
        finalize_app(app)
    assert site.community_events in caplog.text and SENTENCE in caplog.text
    assert site.template in caplog.text
    found = client.indices.get_index_template(name=f"{names.prefix}*")
    stored = {template["name"] for template in found["index_templates"]}
    assert set(fixed_templates(names)) <= stored


def test_a_start_without_them_names_nothing(app, client, names, caplog):
    remove_statistics(client, names)
    with caplog.at_level(logging.WARNING):
        finalize_app(app)
    assert SENTENCE not in caplog.text


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
    for name in (names.community_events, names.bookmarks, names.reindexing):
        earlier_site.make_index(client, names, name, {"kind": "other"})
    try:
        found = [index.name for index in foreign_indices(client, names)]
        assert found == sorted(
            [names.community_events, names.bookmarks, names.reindexing]
        )
        for words in (
            ["aggregate"],
            ["generate-community-events"],
            ["status", "--corrections"],
        ):
            assert SENTENCE in run(app, *words).err
        assert run(app, "status").exit_code == 1
        assert move(app, *BOTH)[1] == 0
        assert foreign_indices(client, names) == []
        assert run(app, "generate-community-events").exit_code == 0
    finally:
        remove_statistics(client, names)


def test_an_index_whose_metadata_is_blocked_is_recognised(app, site, client, names):
    block = {"index.blocks.metadata": True}
    client.indices.put_settings(index=site.deltas, body=block)
    try:
        found = {index.name for index in foreign_indices(client, names)}
        assert found == {site.community_events, site.deltas}
        document, code = move(app, *BOTH)
        assert code == 1
        (kept,) = [index for index in document["indices"] if index["problem"]]
        assert kept["name"] == site.deltas and "blocks.metadata" in kept["problem"]
        assert client.indices.exists(index=moved_name(names, site.community_events))
    finally:
        block["index.blocks.metadata"] = None
        client.indices.put_settings(index=site.deltas, body=block)


def test_own_indices_are_not_foreign(fresh, client, names):
    content.make_record()
    assert run(fresh, "generate-community-events").exit_code == 0
    assert run(fresh, "aggregate").exit_code == 0
    assert foreign_indices(client, names) == []
    assert len(named_indices(client, names)) > 5
    assert foreign_templates(client, names) == []


def test_templates_of_the_site_are_not_foreign(app, client, names):
    site = f"{names.prefix}of-the-site"
    patterns = ("stats-*", "stats-community-*", "*events-2024")
    patterns += ("stats-community-usage-delta-from-0001",)
    for pattern in patterns:
        body = {"index_patterns": [f"{names.prefix}{pattern}"], "priority": 7}
        client.indices.put_index_template(name=site, body=body)
        try:
            assert foreign_templates(client, names) == [], pattern
        finally:
            client.indices.delete_index_template(name=site)


def test_a_legacy_template_is_recognised_and_removed(app, client, names):
    remove_statistics(client, names)
    name = f"{names.prefix}earlier-legacy"
    body = {"index_patterns": [f"{names.aggregates('usage-delta')}-*"], "order": 3}
    client.indices.put_template(name=name, body=body)
    try:
        assert run(app, "status").exit_code == 1
        document, code = move(app, "--yes")
        assert code == 0 and document["templates"][0]["is_legacy"] is True
        assert not client.indices.exists_template(name=name)
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
    capturing, client, names, caplog
):
    recid = content.make_record()
    earlier_site.make(capturing, client, names)
    parent = content.parent_of(recid)
    try:
        with pytest.raises(ForeignIndexError):
            tasks.capture_changes_of_message(parent_ids=[parent])
    finally:
        earlier_site.remove_template(client, names)


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
        assert move(fresh, *BOTH)[1] == 0
        assert sources(client, moved_name(names, site.community_events)) == before
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
    assert move(app, *BOTH)[1] == 0
    answer = Http(app).get(path)
    assert answer.status_code == 200 and "1000" not in answer.text


# -- moving ---------------------------------------------------------------------------------


def test_a_dry_run_shows_all_and_changes_nothing(app, site, client, names):
    before = everything(client, names)
    done = run(app, COMMAND, "--dry-run")
    assert done.exit_code == 0, done.err
    assert f"→ {moved_name(names, site.community_events)}" in done.out
    assert f"index template {site.template}" in done.out
    assert "1 removals" in done.out and "Nothing was changed" in done.out
    document, code = move(app, "--dry-run")
    assert code == 0 and document["dry_run"] is True
    assert {i["name"]: i["documents"] for i in document["indices"]} == {
        site.community_events: 1,
        site.deltas: 1,
    }
    assert document["community_events"]["lacking"] == 1
    assert everything(client, names) == before


def test_indices_are_moved_with_all_documents_and_templates_removed(
    app, site, client, names
):
    before, *_ = everything(client, names)
    assert move(app, *BOTH)[1] == 0
    after, aliases, templates = everything(client, names)
    for index in (site.community_events, site.deltas):
        assert after.pop(moved_name(names, index)) == before.pop(index)
        assert aliases[moved_name(names, index)] == []
    assert after == before
    assert site.template not in templates
    assert set(fixed_templates(names)) <= templates
    again = run(app, COMMAND, "--yes")
    assert again.exit_code == 0 and "no indices or templates" in again.out


def test_each_question_needs_its_own_confirmation(app, site, client, names):
    before = everything(client, names)
    for options, missing in (
        (["--json"], "--yes"),
        (["--yes"], "--accept-missing-events"),
        (["--json", "--yes"], "--accept-missing-events"),
        (["--json", "--accept-missing-events"], "--yes"),
    ):
        done = run(app, COMMAND, *options)
        assert done.exit_code == 2 and f"Add {missing} to confirm" in done.err
    assert run(app, COMMAND).exit_code == 1, "nobody said yes"
    assert run(app, COMMAND, "--accept-missing-events").exit_code == 1
    assert everything(client, names) == before


def test_the_second_question_is_not_asked_if_the_database_shows_all(
    fresh, client, names
):
    community = content.make_community()
    recid = content.make_record(communities=[community])
    assert run(fresh, "generate-community-events").exit_code == 0
    shown = sources(client, names.community_events)
    remove_statistics(client, names)
    events = [
        earlier_site.event(
            e["record_id"], e["community_id"], e["event_type"], e["event_date"]
        )
        for e in shown.values()
    ]
    earlier_site.make_index(
        client,
        names,
        names.community_events_year(2024),
        *events,
        mappings=earlier_site.MAPPING,
    )
    document, code = move(fresh, "--yes")
    assert code == 0
    found = document["community_events"]
    assert (found["events"], found["lacking"]) == (len(events), 0) and recid
    assert "nothing is lost" not in run(fresh, COMMAND).out


def test_events_that_the_database_does_not_show_are_counted(fresh, client, names):
    community = content.make_community()
    recid = content.make_record(communities=[community])
    uuid = content.record_id(recid)
    events = [
        # by either identifier, in any usual form of the date
        earlier_site.event(uuid, "global", date="today"),
        earlier_site.event(recid, community, date="2019-01-01"),
        earlier_site.event(uuid, community, "removed", "2020-01-01T01:02:03.456+02:00"),
        earlier_site.event("unknown", community, "removed", "2021-01-01T00:00:00Z"),
        {"record_id": uuid, "community_id": [community], "event_type": "added"},
        {"note": "nothing"},
    ]
    earlier_site.make_index(client, names, names.community_events_year(2024), *events)
    try:
        found = move(fresh, "--dry-run")[0]["community_events"]
        assert found["events"] == 6
        assert (found["removals"], found["additions"]) == (2, 1)
        assert (found["unreadable"], found["other_days"]) == (3, 1)
        kinds = [event["kind"] for event in found["examples"]]
        assert kinds == ["removed", "removed", "added"]
        assert found["examples"][0]["day"] == "2019-12-31"
    finally:
        remove_statistics(client, names)


@pytest.mark.parametrize("number", range(1, 15))
def test_killed_at_any_request_the_next_run_ends_in_the_same_state(
    number, app, site, client, names
):
    before, *_ = everything(client, names)

    def begin():
        sent = []

        def count(request):
            if request.method != "GET" or request.path.endswith("_stats/docs"):
                sent.append(request)
                if len(sent) == number:
                    kill_me()

        service = app.extensions["invenio-stats-dashboard"].community_stats_service
        earlier = service.earlier_extension
        found = earlier.find()
        with before_requests(count):
            earlier.move(found)
        return len(sent)

    Forked(app, begin).wait()
    middle, *_ = everything(client, names)
    for index in (site.community_events, site.deltas):
        copies = [middle.get(name) for name in (index, moved_name(names, index))]
        assert before[index] in copies
    assert move(app, *BOTH)[1] == 0
    after, aliases, _ = everything(client, names)
    for index in (site.community_events, site.deltas):
        assert index not in after and aliases[moved_name(names, index)] == []
        assert after[moved_name(names, index)] == before[index]
    assert foreign_templates(client, names) == []


def at_path(part, do):
    """Return a function that calls another one before the first request of a path."""
    done = []

    def look(request):
        if part in f"{request.method} {request.path}" and not done:
            done.append(request)
            do()

    return look


def test_an_index_stays_if_its_copy_lacks_a_document(app, site, client, names):
    copy = moved_name(names, site.community_events)

    def lose():
        client.indices.put_settings(index=copy, body={"index.blocks.write": None})
        client.delete(index=copy, id="0", refresh=True)

    with before_requests(at_path(f"POST /{copy}/_refresh", lose)):
        document, code = move(app, *BOTH)
    assert code == 1
    (problem,) = [i["problem"] for i in document["indices"] if i["problem"]]
    assert copy in problem and "was not deleted" in problem
    assert len(sources(client, site.community_events)) == 1
    assert not client.indices.exists(index=copy)
    assert not is_blocked(client, site.community_events)
    # the other one is moved all the same
    assert client.indices.exists(index=moved_name(names, site.deltas))
    assert move(app, *BOTH)[1] == 0


def test_an_index_stays_if_its_copy_disappears(app, site, client, names):
    copy = moved_name(names, site.community_events)
    deletions = []

    def look(request):
        text = str(request.body)
        if "remove_index" in text and site.community_events in text and not deletions:
            deletions.append(request)
            client.indices.delete(index=copy)

    with before_requests(look):
        _, code = move(app, *BOTH)
    assert code == 1 and deletions
    assert len(sources(client, site.community_events)) == 1
    assert move(app, *BOTH)[1] == 0
    assert len(sources(client, copy)) == 1


def test_a_second_run_takes_over_and_the_first_deletes_nothing(
    app, site, client, names
):
    copy = moved_name(names, site.community_events)
    service = app.extensions["invenio-stats-dashboard"].community_stats_service
    with app.app_context():
        earlier = service.earlier_extension
        found = earlier.find()
        again = []

        def second():
            again.append(service.earlier_extension.move(found))

        with before_requests(at_path(f"POST /{copy}/_refresh", second)):
            done = earlier.move(found)
    assert again[0].problems == []
    by_name = {index.name: index for index in done.indices}
    assert by_name[site.community_events].problem
    assert len(sources(client, copy)) == 1
    assert not client.indices.exists(index=site.community_events)


def test_a_name_that_is_taken_is_not_overwritten(app, site, client, names):
    copy = moved_name(names, site.community_events)
    client.index(index=copy, id="mine", body={"a": "b"}, refresh=True)
    document, code = move(app, *BOTH)
    assert code == 0
    (index,) = [i for i in document["indices"] if i["name"] == site.community_events]
    assert index["new_name"] == f"{copy}-2"
    assert sources(client, copy) == {"mine": {"a": "b"}}
    assert len(sources(client, f"{copy}-2")) == 1


def test_a_closed_index_is_named_and_does_not_prevent_the_others(
    app, site, client, names
):
    client.indices.close(index=site.deltas)
    assert SENTENCE in run(app, "aggregate").err
    document, code = move(app, *BOTH)
    assert code == 1
    (problem,) = [i["problem"] for i in document["indices"] if i["problem"]]
    assert f"POST /{site.deltas}/_open" in problem
    assert client.indices.exists(index=moved_name(names, site.community_events))
    client.indices.open(index=site.deltas)
    assert move(app, *BOTH)[1] == 0


def test_after_the_move_the_extension_works(fresh, client, names):
    community = content.make_community()
    content.make_record(communities=[community])
    site = earlier_site.make(fresh, client, names)
    try:
        assert run(fresh, "generate-community-events").exit_code == 2
        assert move(fresh, *BOTH)[1] == 0
        for words in (
            ["generate-community-events"],
            ["migrate-events"],
            ["aggregate"],
            ["read", "--family", "usage-delta"],
        ):
            done = run(fresh, *words)
            assert done.exit_code == 0, (words, done.err)
        problems = run(fresh, "status", "--json").document["problems"]
        assert not [text for text in problems if "another extension" in text]
        month = client.indices.get_alias(name=names.events_month("view", "2026-03"))
        assert list(month) == [f"{site.month}.v2.0.0"]
    finally:
        earlier_site.remove_template(client, names)
        remove_statistics(client, names)


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
