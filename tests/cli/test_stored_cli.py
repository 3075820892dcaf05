# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the commands that read, reset and delete the aggregates."""

from datetime import UTC, datetime, timedelta

import pytest

from invenio_stats_dashboard.aggregations.daily_documents import StoredDays
from invenio_stats_dashboard.aggregations.runner import LOCK
from invenio_stats_dashboard.community_events.backfill_locks import DELETION, announced
from invenio_stats_dashboard.search.client import text_client
from invenio_stats_dashboard.search.lock import ClusterLock
from invenio_stats_dashboard.search.names import FAMILIES
from invenio_stats_dashboard.services.event_reindexing import LOCK as MIGRATION

from ..aggregations.usage.build import BLUE, Events, changed
from ..conftest import remove_statistics
from ..helpers import content
from ..helpers.commands import run
from ..helpers.layers import records, sources
from ..helpers.processes import Forked, kill_me
from ..helpers.search_requests import before_requests

DAYS = ["2026-03-01", "2026-03-04", "2026-03-05"]
TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture()
def events(request, app, client, names, layers):
    """Return usage events of a few days; a record exists, too."""

    def make_record():
        request.getfixturevalue("fresh")
        with app.app_context():
            return content.make_record()

    def make():
        layers.get(f"{__name__} record", make_record, records)
        remove_statistics(client, names)
        found = Events(app, client, names)
        found.days(DAYS)
        found.days(DAYS[1:2], kind="download", first=40)
        assert run(app, "generate-community-events").exit_code == 0
        return found

    return layers.get(f"{__name__} sources", make, sources)


@pytest.fixture()
def counted(app, events, layers):
    """Return the usage events; they and the record are counted."""

    def make():
        layers.remove_counted()
        assert run(app, "aggregate").exit_code == 0

    layers.get(f"{__name__} counted", make)
    return events


def read(app, family, *arguments, community="global"):
    """Return what 'read --json' prints."""
    done = run(
        app, "read", "--community", community, "--family", family, "--json", *arguments
    )
    assert done.exit_code == 0, done.err
    return done.document


def between(first, last):
    """Return the arguments for some days."""
    return "--start-date", first, "--end-date", last


# -- read --------------------------------------------------------------------


def test_a_delta_of_a_day_on_which_nothing_happened_is_zero(counted):
    found = read(counted.app, "usage-delta", *between("2026-02-28", "2026-03-06"))
    documents = found["documents"]
    assert [d["period_start"] for d in documents] == [
        "2026-02-28",
        *(f"2026-03-0{n}" for n in range(1, 7)),
    ]
    views = [d["totals"]["view"]["total_events"] for d in documents]
    assert views == [0, 6, 0, 0, 6, 6, 0]
    stored = [d["updated_timestamp"] is not None for d in documents]
    assert stored == [False, True, False, False, True, True, False]
    wanted = counted.wanted()["usage-delta"]
    for document in documents:
        if (key := ("global", document["period_start"])) in wanted:
            del document["updated_timestamp"]
            assert document.keys() == wanted[key].keys()
            assert document["totals"] == wanted[key]["totals"]


def test_a_snapshot_carries_on_until_the_next_one(counted):
    found = read(counted.app, "usage-snapshot", *between("2026-03-02", "2026-03-06"))
    views = [d["totals"]["view"]["total_events"] for d in found["documents"]]
    assert views == [6, 6, 12, 18, 18]
    days = [d["snapshot_date"] for d in found["documents"]]
    assert days == [f"2026-03-0{n}" for n in range(2, 7)]
    assert found["documents"][0]["subcounts"] == found["documents"][1]["subcounts"]
    assert found["documents"][0]["subcounts"]["countries"]
    before = read(counted.app, "usage-snapshot", *between("2026-02-27", "2026-02-28"))
    totals = [d["totals"]["view"]["total_events"] for d in before["documents"]]
    assert totals == [0, 0]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_document_has_all_that_a_stored_one_has(family, counted):
    def shape(value, path=""):
        if isinstance(value, dict) and not path.endswith("subcounts"):
            for key, inner in value.items():
                yield from shape(inner, f"{path}/{key}")
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield f"{path}/{key}", (
                    sorted(inner) if isinstance(inner, dict) else []
                )
        else:
            yield path, type(value) if path != "/updated_timestamp" else None

    subcounts = counted.app.extensions["invenio-stats-dashboard"].subcounts
    text = text_client(counted.app)
    days = StoredDays(counted.client, text, counted.names, subcounts, family, "global")
    first, last = "1900-01-01", TODAY
    stored = next(days._stored(first, last))
    assert sorted(shape(days.empty(TODAY)), key=str) == sorted(shape(stored), key=str)


def test_without_days_the_last_thirty_are_shown_and_none_after_today(counted):
    found = read(counted.app, "usage-delta")
    assert len(found["documents"]) == 30 and found["end_date"] == TODAY
    later = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    found = read(counted.app, "records-snapshot-added", *between(TODAY, later))
    (document,) = found["documents"]
    assert document["total_records"] == {"metadata_only": 1, "with_files": 0}
    assert found["data_as_of"] is not None


def test_days_are_those_of_utc_and_begin_with_the_first_one_there_is(counted):
    found = read(
        counted.app,
        "usage-delta",
        *between("2026-03-02T01:00:00+05:00", "2026-03-01T23:30:00-02:00"),
    )
    assert (found["start_date"], found["end_date"]) == ("2026-03-01", "2026-03-02")
    found = read(counted.app, "usage-delta", "--end-date", "0001-01-05")
    assert (found["start_date"], len(found["documents"])) == ("0001-01-01", 5)


def test_a_community_is_named_by_its_slug(counted):
    with counted.app.app_context():
        community = content.make_community()
        slug = content.slug_of(community)
    found = read(counted.app, "usage-delta", community=slug)
    assert found["community_id"] == community
    assert found["documents"][0]["community_id"] == community


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_has_a_line_for_each_day(family, counted):
    done = run(
        counted.app, "read", "--family", family, *between("2026-03-01", "2026-03-05")
    )
    lines = done.out.splitlines()
    assert [line[:10] for line in lines[1:6]] == [f"2026-03-0{n}" for n in range(1, 6)]
    assert "Data as of" in lines[6]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--start-date", "soon"], "'soon' is not a date"),
        (between("2026-03-02", "2026-03-01"), "on 2026-03-02 and ends on 2026-03-01"),
        (["--start-date", "2999-01-01"], "which is today"),
        (["--end-date", "9999-12-31T23:00:00-05:00"], "is out of range"),
        (["--community", "nowhere"], "There is no community 'nowhere'"),
    ],
)
def test_wrong_use_of_read_is_one_sentence(arguments, sentence, app):
    done = run(app, "read", "--family", "usage-delta", *arguments)
    assert done.exit_code == 2
    assert sentence in done.err and len(done.err.splitlines()) == 1


# -- clear-bookmarks ---------------------------------------------------------


def test_after_clearing_everything_is_looked_at_and_nothing_written(counted):
    before = counted.found()
    done = run(counted.app, "clear-bookmarks", "--yes")
    assert done.exit_code == 0 and "1 indices" not in done.out
    assert "2 indices (usage) and 2 indices (records)" in done.out
    report = counted.aggregate(families=None)
    assert report.days == 3 and changed(report) == {}
    assert sum(written.equal for written in report.families.values()) == 18
    assert counted.found() == before


def test_after_clearing_documents_without_events_go(counted):
    client, names = counted.client, counted.names
    # neither events nor bookmarks refer to them
    index = names.aggregates_from("usage-delta", 1)
    body = {"community_id": BLUE, "period_start": "2026-02-01", "checksum": "x"}
    client.index(index=index, id=f"{BLUE}:2026-02-01", body=body)
    run(counted.app, "clear-bookmarks", "--yes")
    counted.aggregate(families=None)
    counted.assert_right()


def test_clearing_requires_confirmation_and_a_dry_run_changes_nothing(counted):
    done = run(counted.app, "clear-bookmarks", "--dry-run")
    assert done.exit_code == 0 and "would be removed" in done.out
    assert run(counted.app, "clear-bookmarks").exit_code == 1, "nobody said yes"
    done = run(counted.app, "clear-bookmarks", "--json")
    assert done.exit_code == 2 and "--yes" in done.err
    assert counted.aggregate().days == 0
    cleared = run(counted.app, "clear-bookmarks", "--yes", "--json").document
    assert len(cleared["cleared"]["usage"]) == 2


# -- destroy-indices ---------------------------------------------------------


def indices(counted):
    """Return the names of all indices of the instance's statistics."""
    found = counted.client.indices.get(
        index=f"{counted.names.prefix}*stats-*", expand_wildcards="all"
    )
    return set(found)


def test_all_aggregates_are_deleted_and_can_be_counted_again(counted):
    before, wanted = indices(counted), counted.found()
    events = {name for name in before if "events-stats" in name}
    done = run(counted.app, "destroy-indices", "--yes")
    assert done.exit_code == 0, done.err
    left = indices(counted)
    names = counted.names
    assert events < left
    assert left - events == {
        names.community_events_year(int(TODAY[:4])),
        names.record_facts,
        names.reindexing,
    }
    assert (
        "There is nothing to delete" in run(counted.app, "destroy-indices", "--yes").out
    )
    assert run(counted.app, "aggregate").exit_code == 0
    assert indices(counted) == before and counted.found() == wanted


@pytest.mark.parametrize("kill_at", [1, 2, 3])
def test_killed_on_the_way_what_is_gone_is_counted_again(kill_at, counted):
    wanted = counted.found()

    def destroy():
        deletions = []

        def count(request):
            if request.method == "DELETE" or request.path.endswith("_delete_by_query"):
                deletions.append(request)
                if len(deletions) == kill_at:
                    kill_me()

        with before_requests(count):
            run(counted.app, "destroy-indices", "--yes")
        return len(deletions)

    assert Forked(counted.app, destroy).wait() is None, "it ended before that"
    counted.aggregate(families=None)
    assert counted.found() == wanted
    assert run(counted.app, "destroy-indices", "--yes").exit_code == 0


def test_with_all_the_sources_go_too_and_are_made_again(counted):
    before = indices(counted)
    done = run(counted.app, "destroy-indices", "--all", "--yes")
    assert "generate-community-events" in done.out
    left = indices(counted)
    assert not {name for name in left if "record-facts" in name}
    assert {name for name in left if "events-stats" in name} == {
        name for name in before if "events-stats" in name
    }
    status = run(counted.app, "status", "--json").document
    assert not status["community_events"]["complete"]
    run(counted.app, "generate-community-events")
    run(counted.app, "aggregate")
    assert indices(counted) == before
    counted.assert_right()


def test_an_interrupted_back_fill_starts_again_when_its_events_are_gone(counted):
    counted.client.update(
        index=counted.names.reindexing,
        id="community-events-backfill",
        body={"doc": {"position": "ffffffff-ffff-ffff-ffff-ffffffffffff", "seen": 1}},
    )
    run(counted.app, "destroy-indices", "--all", "--yes")
    done = run(counted.app, "generate-community-events", "--json").document
    assert (done["records"], done["resumed"]) == (1, False)


def test_only_indices_of_this_instance_are_deleted(counted):
    client, names = counted.client, counted.names
    alias = names.aggregates("usage-delta")
    others = [
        f"{alias}-2026-copy",
        f"{alias}-20266",
        f"{alias}-from-0001-copy",
        f"{alias}-from-20266",
        f"{names.prefix[:-1]}2-stats-community-usage-delta-from-0001",
        f"{names.between_runs}-old",
        f"{names.prefix[:-1]}2-stats-community-usage-delta-2026",
        f"other-{names.prefix}stats-community-bookmarks",
    ]
    hidden = f"{names.prefix}archive"
    for name in [*others, hidden]:
        client.indices.create(index=name)
    client.indices.put_alias(index=hidden, name=f"{alias}-1999")
    try:
        run(counted.app, "destroy-indices", "--yes")
        assert all(client.indices.exists(index=name) for name in [*others, hidden])
    finally:
        client.indices.delete(index=",".join([*others, hidden]), ignore=[404])


def test_it_says_what_it_would_delete_with_counts_and_bytes(counted):
    before = indices(counted)
    done = run(counted.app, "destroy-indices", "--dry-run")
    index = counted.names.aggregates_from("usage-delta", 1)
    (line,) = [line for line in done.out.splitlines() if index in line]
    assert "6 documents" in line and "KiB" in line
    assert "Nothing was changed" in done.out
    found = run(counted.app, "destroy-indices", "--dry-run", "--json").document
    documents = {one["name"]: one["documents"] for one in found["indices"]}
    assert documents[index] == 6
    assert not [name for name in documents if "community-events" in name]
    found = run(counted.app, "destroy-indices", "--all", "--dry-run", "--json").document
    assert counted.names.record_facts in {one["name"] for one in found["indices"]}
    unconfirmed = run(counted.app, "destroy-indices")
    assert unconfirmed.exit_code == 1 and index in unconfirmed.out
    assert run(counted.app, "destroy-indices", "--json").exit_code == 2
    assert indices(counted) == before


@pytest.mark.parametrize("command", ["destroy-indices", "clear-bookmarks"])
def test_it_is_refused_while_a_run_is_under_way(command, counted):
    before = indices(counted)
    lock = ClusterLock(counted.client, counted.names.bookmarks, LOCK, "a run", 60)
    lock.acquire()
    try:
        done = run(counted.app, command, "--yes")
    finally:
        lock.release()
    assert done.exit_code == 2 and "a run" in done.err
    assert indices(counted) == before
    assert counted.aggregate().days == 0


def test_the_sources_stay_while_a_migration_needs_them(counted):
    before = indices(counted)
    lock = ClusterLock(
        counted.client, counted.names.reindexing, MIGRATION, "a migration", 60
    )
    lock.acquire()
    try:
        done = run(counted.app, "destroy-indices", "--all", "--yes")
    finally:
        lock.release()
    assert done.exit_code == 2 and "a migration" in done.err
    assert indices(counted) == before


def test_the_sources_stay_while_they_are_generated(counted):
    before = indices(counted)
    with announced(counted.client, counted.names):
        done = run(counted.app, "destroy-indices", "--all", "--yes")
    assert done.exit_code == 2 and "being generated right now" in done.err
    assert indices(counted) == before
    # the back-fill has ended, and has left nothing that blocks the command
    assert run(counted.app, "destroy-indices", "--all", "--yes").exit_code == 0


def test_nothing_is_generated_while_the_sources_are_deleted(counted):
    lock = ClusterLock(
        counted.client, counted.names.reindexing, DELETION, "a deletion", 60
    )
    lock.acquire()
    try:
        done = run(counted.app, "generate-community-events")
    finally:
        lock.release()
    assert done.exit_code == 2 and "being deleted right now" in done.err


def test_on_an_instance_without_statistics_there_is_nothing_to_delete(fresh, client):
    done = run(fresh, "destroy-indices", "--all", "--yes")
    assert done.exit_code == 0 and "nothing to delete" in done.out
    assert run(fresh, "clear-bookmarks", "--yes").exit_code == 0
