# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Templates are put one by one; those that a site's template prevents are reported."""

import logging
from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from invenio_search.proxies import current_search

from invenio_stats_dashboard.ext import finalize_app
from invenio_stats_dashboard.package_templates import fixed_templates
from invenio_stats_dashboard.search.names import EVENT_TYPES
from invenio_stats_dashboard.search.template_composition import event_patterns
from invenio_stats_dashboard.search.template_conflicts import overlap

from ..helpers.commands import run

VARIABLE = "STATS_DASHBOARD_TEMPLATE_PRIORITY"
SITE = ("site-a", "site-b")


@pytest.fixture()
def site(app, client, names):
    """Return the app; remove templates of the site, and put ours again, afterwards."""
    with app.app_context():
        yield app
        remove_site(client, names)
        drop_ours(client, names)
        finalize_app(app)
        assert set(stored(client, names)) == wanted(app, names)


def remove_site(client, names):
    """Delete the templates of the site."""
    for name in SITE:
        client.indices.delete_index_template(name=f"{names.prefix}{name}", ignore=[404])


def drop_ours(client, names):
    """Delete the templates of this package."""
    client.indices.delete_index_template(name=f"{names.prefix}*stats-*", ignore=[404])


def stored(client, names):
    """Return the priorities of the templates of this package, by name."""
    found = client.indices.get_index_template(name=f"{names.prefix}*stats-*")
    return {
        t["name"]: t["index_template"]["priority"] for t in found["index_templates"]
    }


def wanted(app, names):
    """Return the names of all templates of this package."""
    of_events = [n for kind in EVENT_TYPES for n in event_patterns(app, names, kind)]
    return {*fixed_templates(names), *of_events}


def put_site(client, names, name, pattern, priority):
    """Put a template of the site."""
    client.indices.put_index_template(
        name=f"{names.prefix}{name}",
        body={
            "index_patterns": [f"{names.prefix}{pattern}"],
            "priority": priority,
            "template": {"settings": {"refresh_interval": "7s"}},
        },
    )


def problems(app):
    """Return the problems of the migration's status."""
    extension = app.extensions["invenio-stats-dashboard"]
    return extension.event_reindexing_service.status().problems


def test_a_refused_template_does_not_prevent_the_others(site, client, names, caplog):
    drop_ours(client, names)
    put_site(client, names, "site-a", "events-*", 500)
    with caplog.at_level(logging.WARNING):
        finalize_app(site)
    missing = wanted(site, names) - set(stored(client, names))
    assert missing == {
        f"{names.events_alias('view')}-v2.0.0",
        f"{names.events_alias('download')}-v2.0.0",
        f"{names.dead_letter}-v2.0.0",
        f"{names.unacknowledged}-v2.0.0",
    }
    assert f"{names.dead_letter}-v2.0.0" in caplog.text
    assert "could not be checked" not in caplog.text


@pytest.mark.parametrize("command", ["status", "usage-events status"])
def test_status_names_the_conflicting_template_and_the_variable(
    command, site, client, names
):
    drop_ours(client, names)
    put_site(client, names, "site-a", "events-*", 500)
    finalize_app(site)
    done = run(site, *command.split())
    assert done.exit_code == 1
    assert f"index template {names.prefix}site-a (priority 500)" in done.out
    assert f"Set {VARIABLE} to 501 or more" in done.out
    document = run(site, *command.split(), "--json").document
    assert document["needs_attention"] is True


def test_a_missing_template_is_a_problem(site, client, names):
    name = f"{names.record_facts}-v2.0.0"
    assert not any(name in problem for problem in problems(site))
    client.indices.delete_index_template(name=name)
    done = run(site, "status")
    assert done.exit_code == 1 and f"The index template {name} is missing" in done.out


def test_all_templates_follow_the_priority(site, client, names, monkeypatch):
    monkeypatch.setitem(site.config, VARIABLE, 650)
    finalize_app(site)
    found = stored(client, names)
    assert set(found) == wanted(site, names)
    targets = {n for n in found if "-migrated-" in n}
    assert {found[n] for n in targets} == {651}
    assert {p for n, p in found.items() if n not in targets} == {650}


@pytest.mark.parametrize("priority", [501, 499])
def test_the_priority_can_change_by_one(priority, site, client, names, monkeypatch):
    # the new priority of a template is then the old one of that of target indices
    monkeypatch.setitem(site.config, VARIABLE, priority)
    finalize_app(site)
    found = stored(client, names)
    assert set(found) == wanted(site, names)
    assert set(found.values()) == {priority, priority + 1}


def test_a_template_that_a_run_puts_follows_the_priority(
    site, client, names, monkeypatch
):
    monkeypatch.setitem(site.config, VARIABLE, 650)
    drop_ours(client, names)
    service = site.extensions["invenio-stats-dashboard"].community_stats_service
    service.aggregate(families=["usage-delta"])
    assert set(stored(client, names).values()) == {650}


def test_index_init_continues_after_a_refused_template(site, client, names):
    drop_ours(client, names)
    put_site(client, names, "site-a", "events-*", 500)
    put = [name for name, _ in current_search.put_index_templates()]
    assert f"{names.record_facts}-v2.0.0" in put
    assert f"{names.dead_letter}-v2.0.0" not in put


# -- generated templates of a site -------------------------------------------------

PATTERNS = (
    "events-*",
    "events-stats-*",
    "events-stats-record-view-*",
    "events-stats-record-view-2019-*",
    "events-stats-file-download-2026-*.v2.0.0",
    "*dead-letter",
    "stats-community-*",
    "stats-community-usage-delta-from-0001",
    "other-*",
)
PRIORITIES = (0, 100, 499, 500, 501, 502, 900)


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    pattern=st.sampled_from(PATTERNS),
    priority=st.sampled_from(PRIORITIES),
)
def test_any_template_of_a_site_costs_what_it_conflicts_with_and_is_named(
    site, client, names, monkeypatch, pattern, priority
):
    remove_site(client, names)
    drop_ours(client, names)
    put_site(client, names, "site-a", pattern, priority)
    finalize_app(site)
    found = stored(client, names)
    patterns = {n: body["index_patterns"] for n, body in fixed_templates(names).items()}
    ranks = dict.fromkeys(patterns, 500)
    for kind in EVENT_TYPES:
        for name, (own, rank) in event_patterns(site, names, kind).items():
            patterns[name], ranks[name] = [own], rank
    met = {
        name
        for name, own in patterns.items()
        if any(overlap(o, f"{names.prefix}{pattern}") for o in own)
    }
    assert set(patterns) - set(found) == {n for n in met if ranks[n] == priority}
    hurt = any(ranks[name] <= priority for name in met)
    said = [p for p in problems(site) if "index template" in p]
    assert len(said) == hurt
    if hurt:
        assert f"{names.prefix}site-a" in said[0] and VARIABLE in said[0]
    with monkeypatch.context() as patch:
        patch.setitem(site.config, VARIABLE, max(priority + 1, 500))
        finalize_app(site)
        assert set(stored(client, names)) == set(patterns)
        assert not [p for p in problems(site) if "index template" in p]


NAMES = ["".join(letters) for n in range(6) for letters in product("ab", repeat=n)]


@given(*[st.text("ab*", max_size=4)] * 2)
def test_patterns_overlap_if_a_name_matches_both(first, second):
    both = any(fnmatchcase(n, first) and fnmatchcase(n, second) for n in NAMES)
    # patterns of so few letters meet in a name of so many, if in any
    assert overlap(first, second) == both
