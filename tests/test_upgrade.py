# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A site is upgraded in use, goes back a version, and is upgraded again.

The earlier version has migrated and counted the site. During the upgrade, code of web
processes and workers of both versions runs beside each other.
:mod:`.helpers.upgraded_site` runs all steps once; the tests read what it has found.
"""

import subprocess
from contextlib import ExitStack

import pytest

from .conftest import remove_statistics
from .helpers import content, earlier_version, reference, site_operations
from .helpers.earlier_version import (
    UPGRADED_FROM,
    EarlierVersionMissingError,
    started,
    unpack,
)
from .helpers.stored import assert_same
from .helpers.upgraded_site import ODD, SECRET, Site, run_story
from .helpers.usage import native

pytestmark = [pytest.mark.system, pytest.mark.slow]

MOMENTS = pytest.mark.parametrize("name", ["upgraded", "back", "again"])
COUNTED = pytest.mark.parametrize("name", ["upgraded", "again"])


@pytest.fixture(scope="module")
def story(app, client, names, where, zygote, tmp_path_factory):
    """Return what the story has found."""
    folder = tmp_path_factory.mktemp("earlier")
    try:
        unpack(UPGRADED_FROM, folder)
    except EarlierVersionMissingError as error:
        pytest.skip(str(error))
    with app.app_context(), ExitStack() as ends:
        content.remove_content()
        remove_statistics(client, names)
        # The application of the tests has put the templates of the new version, which
        # other tests need.
        ends.callback(zygote.run, site_operations.start)
        templates = f"/_index_template/{names.prefix}*-v2.0.0"
        client.transport.perform_request("DELETE", templates)
        site = Site(app, client, names)
        ends.callback(site.remove)
        old = started(where, folder)
        ends.callback(old.end)
        assert old.run(site_operations.code) == (str(folder), str(folder))
        assert str(folder) not in zygote.run(site_operations.code)
        yield run_story(site, old, zygote)


def test_the_code_of_an_unknown_commit_is_missing(tmp_path):
    with pytest.raises(EarlierVersionMissingError, match=r"does not contain|no clone"):
        unpack("0" * 40, tmp_path)


@pytest.mark.parametrize(
    ("file", "reason"),
    [("setup.py", "no setup.cfg"), ("setup.cfg", "requirements and entry points")],
)
def test_the_code_of_a_commit_without_its_metadata_is_missing(
    monkeypatch, tmp_path, file, reason
):
    clone, folder = tmp_path / "clone", tmp_path / "folder"
    for part in (clone / "invenio_stats_dashboard", folder):
        part.mkdir(parents=True)
    for path in (clone / file, clone / "invenio_stats_dashboard" / "version.py"):
        path.write_text("# nothing\n")
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for words in (
        ("init", "-q"),
        ("add", "."),
        (*author, "commit", "-q", "--no-gpg-sign", "-m", "A commit"),
    ):
        subprocess.run(["git", *words], cwd=clone, check=True)
    words = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(
        words, cwd=clone, capture_output=True, check=True, text=True
    )
    monkeypatch.setattr(earlier_version, "ROOT", clone)
    with pytest.raises(EarlierVersionMissingError, match=reason):
        unpack(commit.stdout.strip(), folder)


# -- what a site relies on -----------------------------------------------------


@pytest.mark.parametrize("kind", ["settings", "commands", "tasks", "paths"])
def test_the_new_version_has_all_names_of_the_earlier_one(story, kind):
    old, new = (story.interfaces[version][kind] for version in ("old", "new"))
    assert old and old <= new


def test_each_beat_sends_tasks_that_the_workers_of_both_versions_have(story):
    for beat in story.interfaces.values():
        for worker in story.interfaces.values():
            assert beat["schedule"] <= worker["tasks"]


@COUNTED
def test_indices_of_the_earlier_version_have_all_fields_of_the_new_templates(
    story, name
):
    assert story.moments[name].unmapped == {}


@COUNTED
def test_the_new_version_knows_all_documents_that_are_stored(story, name):
    assert story.moments[name].undescribed == []


# -- usage events --------------------------------------------------------------


@MOMENTS
def test_no_event_is_lost_or_doubled(story, name):
    moment = story.moments[name]
    assert moment.stored.views.keys() == moment.sent["view"]
    assert moment.stored.downloads.keys() == moment.sent["download"]
    legacy = {id: e for sent in story.site.sent.values() for id, e in sent.items() if e}
    found = {**moment.stored.views, **moment.stored.downloads}
    assert {id: native(found[id]) for id in legacy} == legacy


def test_both_versions_index_the_same_queue(story):
    assert sum(story.indexed.values()) == story.sent_at_once
    assert all(story.indexed[version] > 0 for version in ("old", "new"))


@MOMENTS
def test_each_event_is_in_the_communities_of_its_record_at_its_time(story, name):
    stored = story.moments[name].stored
    timelines = {}
    for event in stored.community_events.values():
        if event["community_id"] != reference.GLOBAL:
            key = event["recid"], event["community_id"]
            timelines.setdefault(key, []).append(event)
    for event in (*stored.views.values(), *stored.downloads.values()):
        wanted = [
            community
            for (recid, community), its in timelines.items()
            if recid == event["recid"] and is_in(its, event["timestamp"])
        ]
        assert event["community_ids"] == sorted(wanted)


def is_in(timeline, moment):
    """Return whether a timeline contains a record at a moment."""
    before = [e for e in timeline if e["event_date"] <= moment]
    return bool(before) and max(before, key=_place)["event_type"] == "added"


def _place(event):
    return event["place"]


@MOMENTS
def test_changes_of_memberships_are_in_the_timelines(story, name):
    site, stored = story.site, story.moments[name].stored
    types = {}
    for event in sorted(stored.community_events.values(), key=_place):
        if event["community_id"] == site.red:
            types.setdefault(event["recid"], []).append(event["event_type"])
    wanted = {
        site.recids[0]: ["added", "removed"],
        site.recids[1]: ["added"],
        site.recids[2]: ["added", "removed"],
        site.recids[3]: ["added"],
        site.hidden: ["added"],
    }
    if name != "upgraded":
        wanted[site.recids[4]] = ["added"]
    assert types == wanted


# -- numbers and status --------------------------------------------------------


@COUNTED
def test_all_numbers_are_those_of_the_reference(story, name):
    moment = story.moments[name]
    assert_same(moment.aggregates, story.site.wanted(moment))


@COUNTED
def test_all_record_facts_are_those_of_the_new_version(story, name):
    moment = story.moments[name]
    assert moment.status["outdated_facts"] == 0
    access = {recid: fact["access"] for recid, fact in moment.stored.facts.items()}
    site = story.site
    hidden = {site.hidden} if name == "upgraded" else {site.hidden, site.recids[1]}
    assert {recid for recid in access if access[recid] == "hidden"} == hidden
    assert {*access.values()} == {"hidden", "public"}


def test_status_reports_all_days_and_communities_from_the_start_on(story):
    before, found = story.statuses["before"], story.statuses["started"]
    assert before["usage_days_left"] == 0
    assert found["usage_days_left"] == found["usage_days"] == before["usage_days"] > 50
    assert found["records_left"] == 3  # with the instance
    assert found["outdated_facts"] == 6
    families = found["communities"][0]["families"]
    assert not any(family["percent"] == 100 for family in families)


def test_status_reports_what_is_left_while_days_are_counted_again(story):
    started, found = story.statuses["started"], story.statuses["meanwhile"]
    assert 20 <= found["usage_days_left"] < started["usage_days_left"] + 31
    assert found["last_run"]["days"] == 20 and found["last_run"]["error"] is None
    assert found["data_as_of"] == started["data_as_of"]
    assert found["migration"]["states"] == {"done": 5, "enriched": 2}


def test_a_run_of_the_earlier_version_is_visible_in_status(story):
    found = story.statuses["beside"]
    assert found["last_run"]["days"] == found["usage_days"]
    assert found["usage_days_left"] == found["usage_days"]
    assert found["records_left"] == 3


@pytest.mark.parametrize("name", ["before", "started", "beside", "back"])
def test_numbers_of_any_version_can_be_read_by_the_other(story, name):
    for path, (code, document) in story.answers[name].items():
        assert code == 200, (path, document)


def test_numbers_remain_until_they_are_counted_again(story):
    before, found = story.answers["before"], story.answers["started"]
    for path, (_, document) in before.items():
        if "range" in path:
            assert document["totals"]["views"] > 0
            assert found[path][1]["totals"] == document["totals"]
            assert found[path][1]["data_as_of"] == document["data_as_of"]


def test_a_run_of_the_earlier_version_shows_the_metadata_of_hidden_records(story):
    assert SECRET in labels(story.answers["beside"])
    assert SECRET not in labels(story.answers["back"])  # counted by the new version


def labels(answers):
    """Return the labels of all values in answers of the REST API."""
    documents = [document for _, document in answers.values()]
    return {one["label"] for d in documents for one in d.get("series", ())}


def test_only_the_odd_event_needs_attention_when_all_is_counted(story):
    (problem,) = story.statuses["counted"]["problems"]
    assert ODD in problem


@COUNTED
def test_nothing_needs_attention_at_the_end(story, name):
    status = story.moments[name].status
    assert status["problems"] == [] and not status["needs_attention"]
    for left in ("usage_days_left", "snapshots_left", "records_left"):
        assert status[left] == 0
    assert status["changes"] == {"usage": 0, "records": 0}
    assert status["last_run"]["error"] is None and status["last_run"]["days_left"] == 0
    assert status["dead_letters"]["count"] == 0
    assert status["migration"]["not_enriched"] == 0
    assert status["migration"]["states"] == {"done": 5, "enriched": 2}


# -- going back ----------------------------------------------------------------


def test_the_earlier_version_retains_the_newer_index_templates(story):
    (before,), (upgraded,) = story.revisions["before"], story.revisions["upgraded"]
    assert before < upgraded and story.revisions["back"] == {upgraded}


def test_the_earlier_version_reads_what_the_new_one_has_counted(story):
    assert "_hidden" in labels(story.answers["back"])
    assert story.statuses["back"]["usage_days_left"] == 0  # it knows no other rules


def test_the_earlier_version_does_not_count_while_an_odd_event_exists(story):
    assert "Expected `str | null`, got `array`" in story.error


def test_the_earlier_version_counts_all_again_after_it_is_deleted(story):
    moment = story.moments["back"]
    found, wanted = moment.aggregates, story.site.wanted(moment)
    for family in ("usage-delta", "usage-snapshot"):
        assert totals(found[family]) == totals(wanted[family])
    # it counts hidden records and referrers by rules of its own
    hosts, subjects = (
        {value["id"] for value in values(found, key)}
        for key in ("referrers", "subjects")
    )
    assert "no host at all" in hosts and SECRET in subjects
    for family in wanted:
        if family.startswith("records"):
            assert without_values(found[family]) == without_values(wanted[family])


def test_the_earlier_version_rolls_back_what_the_new_one_has_migrated(story):
    assert {id for id, _ in story.rolled_back} == story.moments["back"].sent["view"]
    assert len(story.rolled_back) == len(dict(story.rolled_back))


def totals(documents):
    """Return the totals of usage documents."""
    return {key: document["totals"] for key, document in documents.items()}


def values(aggregates, key):
    """Yield the values of a breakdown in all usage deltas."""
    for document in aggregates["usage-delta"].values():
        yield from document["subcounts"].get(key, ())


def without_values(documents):
    """Return documents without their breakdowns."""
    return {
        key: {name: value for name, value in document.items() if name != "subcounts"}
        for key, document in documents.items()
    }
