# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""'status' shows the state of everything, in a bounded number of requests."""

from datetime import UTC, datetime, timedelta

import pytest

from invenio_stats_dashboard.aggregations.records import counting_rules
from invenio_stats_dashboard.aggregations.runner import LOCK
from invenio_stats_dashboard.package_templates import put_templates
from invenio_stats_dashboard.search.lock import ClusterLock
from invenio_stats_dashboard.search.names import FAMILIES
from invenio_stats_dashboard.search.seqno import positions_of_all
from invenio_stats_dashboard.services import aggregation_status
from invenio_stats_dashboard.services import status as status_service
from invenio_stats_dashboard.services.scheduler import LOCK as CATCHING_UP

from ..aggregations.usage.build import Events
from ..conftest import remove_statistics
from ..helpers import content
from ..helpers.commands import run
from ..helpers.layers import records, sources
from ..helpers.search_requests import sent_requests

TODAY = datetime.now(UTC).date()
DAYS = [(TODAY - timedelta(days=n)).isoformat() for n in (9, 6, 2, 0)]


@pytest.fixture()
def stored(request, app, client, names, layers):
    """Return a community with a record, and usage events of the community."""

    def make_records():
        request.getfixturevalue("fresh")
        with app.app_context():
            community = content.make_community()
            content.include_in_bulk([content.make_record()], community)
        return community

    def make():
        community = layers.get(f"{__name__} records", make_records, records)
        remove_statistics(client, names)
        events = Events(app, client, names)
        events.days(DAYS, communities=[community])
        assert run(app, "generate-community-events").exit_code == 0
        return community, events

    return layers.get(f"{__name__} sources", make, sources)


@pytest.fixture()
def community(stored):
    """Return the community."""
    return stored[0]


@pytest.fixture()
def events(stored, layers):
    """Return the usage events, not counted yet."""
    layers.remove_counted()
    return stored[1]


@pytest.fixture()
def counted(stored, layers):
    """Return the usage events, counted."""
    _, events = stored

    def make():
        layers.remove_counted()
        assert run(events.app, "aggregate").exit_code == 0

    layers.get(f"{__name__} counted", make)
    return events


def status(app, *arguments):
    """Return the JSON of the status, and its exit code."""
    done = run(app, "status", "--json", *arguments)
    return done.document, done.exit_code


def moment(text):
    """Return a moment in ISO 8601."""
    return datetime.fromisoformat(text)


def families(found, community):
    """Return family -> its status of one community."""
    (one,) = [c for c in found["communities"] if c["community_id"] == community]
    return {family["family"]: family for family in one["families"]}


def test_status_reports_that_nothing_has_run(fresh):
    done = run(fresh, "status")
    assert done.exit_code == 0
    assert "Nothing has run yet" in done.out and "no documents yet" in done.out


@pytest.fixture()
def template(client, names):
    """Return name and body of this package's first template, and restore it."""
    name = f"{names.reindexing}-v2.0.0"
    (stored,) = client.indices.get_index_template(name=name)["index_templates"]
    yield name, stored["index_template"]
    client.indices.put_index_template(name=name, body=stored["index_template"])


def test_scheduled_tasks_that_have_never_run_need_attention(
    fresh, client, names, template
):
    client.index(index=names.events_month("view", "2026-02"), body={}, refresh=True)
    put_templates(fresh, client)  # those that other tests have left missing
    now = datetime.now(UTC)
    found, code = status(fresh)
    assert code == 0 and now - timedelta(hours=3) < moment(found["installed_at"]) < now
    name, body = template
    meta = body["_meta"]["invenio_stats_dashboard"]
    long_ago = (now - timedelta(hours=5)).isoformat()
    older = {**meta, "first_put_at": long_ago, "revision": 1}
    changed = {**body, "_meta": {"invenio_stats_dashboard": older}}
    client.indices.put_index_template(name=name, body=changed)
    # a newer version of the template retains the moment
    assert put_templates(fresh, client).put == [name]
    found, code = status(fresh)
    assert (found["installed_at"], code) == (long_ago, 1)
    (problem,) = found["problems"]
    assert "No scheduled task has run since" in problem and "5 hours ago" in problem


def test_with_all_nothing_is_said_to_be_left_out_but_what_has_no_documents(events):
    done = run(events.app, "status", "--all")
    assert "use --all" not in done.out
    assert "1 more communities have no documents yet" in done.out


def test_before_anything_is_counted_nothing_is_complete(events, community):
    found, _ = status(events.app, "--all")
    shown = families(found, "global").values()
    assert {(one["percent"], one["redo_days"]) for one in shown} == {(0.0, None)}
    assert (
        run(events.app, "aggregate", "--family", "records-delta-added").exit_code == 0
    )
    shown = families(status(events.app)[0], community)
    assert shown["records-delta-added"]["percent"] == 100.0
    assert shown["usage-delta"]["percent"] == 0.0


def test_status_shows_each_family_of_each_community(events, community, monkeypatch):
    monkeypatch.setitem(events.app.config, "COMMUNITY_STATS_CATCHUP_INTERVAL", 3)
    assert run(events.app, "aggregate").exit_code == 0
    found, code = status(events.app)
    assert code == 0 and not found["needs_attention"]
    assert found["data_as_of"] is None, "a day is left"
    for one in ("global", community):
        shown = families(found, one)
        assert tuple(shown) == FAMILIES
        for family in ("usage-delta", "usage-snapshot"):
            assert shown[family] == {
                "family": family,
                "documents": 3,
                "first_day": DAYS[0],
                "last_day": DAYS[2],
                "percent": 75.0,
                "redo_days": 1,
                "redo_from": DAYS[3],
            }
        assert shown["records-snapshot-added"] == {
            "family": "records-snapshot-added",
            "documents": 1,
            "first_day": TODAY.isoformat(),
            "last_day": TODAY.isoformat(),
            "percent": 100.0,
            "redo_days": 0,
            "redo_from": None,
        }
    assert (found["usage_days"], found["usage_days_left"]) == (4, 1)
    assert run(events.app, "aggregate").exit_code == 0
    found, _ = status(events.app)
    assert families(found, community)["usage-snapshot"]["percent"] == 100.0
    assert found["last_run"]["completed"] and 0 <= found["lag_seconds"] < 3600
    assert found["data_as_of"] == found["last_run"]["as_of"]


def test_nothing_is_changed(counted, client, names):
    everything = f"{names.prefix}*stats-*"
    before = positions_of_all(client, everything)
    status(counted.app)
    assert positions_of_all(client, everything) == before


def test_status_shows_how_many_events_of_robots_are_left_out(counted, monkeypatch):
    app = counted.app
    assert "no events of robots are stored" in run(app, "status").out
    counted.days(DAYS[:1], each=2, first=300, is_robot=True)
    assert run(app, "aggregate").exit_code == 0
    assert "2 views and 0 downloads left out; the record pages count 2 views" in (
        run(app, "status").out
    )
    found, _ = status(app)
    assert (found["usage_days_left"], found["robots"]["count_robots"]) == (0, False)
    assert found["robots"]["events"]["view"]["left_out"] == 2
    monkeypatch.setitem(app.config, "STATS_DASHBOARD_COUNT_ROBOTS", True)
    found, _ = status(app)
    assert (found["usage_days_left"], found["robots"]["count_robots"]) == (1, True)
    assert found["robots"]["events"]["view"]["counted"] == 2
    done = run(app, "status").out
    assert "1 pending" in done and "pending days still have their earlier" in done


def test_status_shows_a_requested_community_by_family(counted, community):
    with counted.app.app_context():
        slug = content.slug_of(community)
    done = run(counted.app, "status", "--community", slug)
    assert slug in done.out and "usage-snapshot" in done.out
    assert "the instance" not in done.out
    found, _ = status(counted.app, "--community", community, "--community", "global")
    assert [c["community_id"] for c in found["communities"]] == ["global", community]
    assert found["communities"][1]["slug"] == slug


def test_status_shows_who_holds_a_lock(counted):
    lock = ClusterLock(counted.client, counted.names.bookmarks, LOCK, "mine", 60)
    lock.acquire()
    try:
        found, code = status(counted.app)
        assert "aggregation: run mine on" in run(counted.app, "status").out
    finally:
        lock.release()
    assert code == 0 and "run mine on" in found["locks"]["aggregation"]
    assert status(counted.app)[0]["locks"]["aggregation"] is None


def test_status_shows_a_running_scheduled_task(counted):
    lock = ClusterLock(counted.client, counted.names.bookmarks, CATCHING_UP, "mine", 60)
    lock.acquire()
    try:
        assert "scheduled task: run mine on" in run(counted.app, "status").out
    finally:
        lock.release()


def test_dead_letters_need_attention(counted, client, names):
    letter = {
        "index": names.events_month("view", "2026-01"),
        "id": "a",
        "op_type": "index",
        "reason": "It has no number.",
        "refused_at": "2026-01-01T00:00:00+00:00",
        "source": {},
    }
    client.index(index=names.dead_letter, body=letter, refresh=True)
    try:
        found, code = status(counted.app)
    finally:
        client.indices.delete(index=names.dead_letter)
    assert (code, found["dead_letters"]["count"]) == (1, 1)
    (problem,) = found["problems"]
    assert "It has no number." in problem and "usage-events replay" in problem


def test_status_shows_records_to_be_counted_again(counted, community):
    service = counted.app.extensions["invenio-stats-dashboard"].community_stats_service
    with counted.app.app_context():
        service.clear_bookmarks()
    found, _ = status(counted.app)
    shown = families(found, community)["records-delta-created"]
    assert (shown["documents"], shown["percent"], shown["redo_days"]) == (1, None, None)
    assert found["records_left"] == 2
    assert "to be counted again" in run(counted.app, "status").out


def test_status_shows_records_that_were_counted_by_other_rules(
    counted, community, monkeypatch
):
    monkeypatch.setattr(counting_rules, "_REVISION", "that of a later version")
    found, code = status(counted.app)
    assert (found["records_left"], code) == (2, 0)
    for one in ("global", community):
        assert families(found, one)["records-snapshot-added"]["percent"] is None
    assert "2 communities pending" in run(counted.app, "status").out
    assert run(counted.app, "aggregate").exit_code == 0
    found, _ = status(counted.app)
    assert found["records_left"] == 0
    assert families(found, community)["records-snapshot-added"]["percent"] == 100.0


def test_the_data_are_as_of_the_last_run_that_counted_everything(counted):
    whole = status(counted.app)[0]["data_as_of"]
    counted.days(DAYS[:1], each=5, first=70)
    run(counted.app, "aggregate", "--community", "global")
    run(counted.app, "aggregate", "--family", "usage-delta")
    run(counted.app, "aggregate", "--end-date", DAYS[1])
    found, _ = status(counted.app)
    assert found["data_as_of"] == whole < found["last_run"]["as_of"]
    run(counted.app, "aggregate")
    assert status(counted.app)[0]["data_as_of"] > whole


def test_a_run_that_failed_needs_attention(events):
    month = events.names.events_month("view", DAYS[0][:7])
    events.client.indices.close(index=month)
    try:
        assert run(events.app, "aggregate").exit_code == 3
        done = run(events.app, "status")
    finally:
        events.client.indices.open(index=month)
    events.client.cluster.health(index=month, wait_for_status="yellow")
    assert done.exit_code == 1
    assert f"The last aggregation failed: The index {month} is closed" in done.out
    assert run(events.app, "aggregate").exit_code == 0
    assert run(events.app, "status").exit_code == 0


def test_wrong_use_is_one_sentence(app):
    done = run(app, "status", "--community", "nowhere")
    assert done.exit_code == 2 and "There is no community 'nowhere'" in done.err
    done = run(app, "status", "--community", "global", "--all")
    assert done.exit_code == 2 and len(done.err.splitlines()) == 1


def test_a_cluster_that_is_away_is_one_sentence(app, monkeypatch):
    monkeypatch.setitem(app.config, "SEARCH_HOSTS", ["localhost:1"])
    done = run(app, "status")
    assert done.exit_code == 3 and len(done.err.splitlines()) == 1


def test_many_communities_are_not_as_many_requests(counted, monkeypatch):
    # both pages of the communities are read
    monkeypatch.setattr(aggregation_status, "PAGE", 30)
    with sent_requests() as few:
        status(counted.app)
    more = [f"10000000-0000-4000-8000-{n:012d}" for n in range(45)]
    counted.days(DAYS[:1], each=1, communities=more)
    run(counted.app, "aggregate", "--family", "usage-delta")
    with sent_requests() as many:
        found, _ = status(counted.app)
    assert len(many) == len(few) < 60
    with sent_requests() as all_of_them:
        found, _ = status(counted.app, "--all")
    assert len(found["communities"]) == 47
    assert len(all_of_them) <= len(few) + 5
    done = run(counted.app, "status", "--all")
    assert all(community in done.out for community in more)


def test_a_late_event_of_a_complete_day_is_a_correction(counted):
    assert run(counted.app, "status", "--corrections", "--json").document == {
        "corrections": []
    }
    counted.days(DAYS[:1], each=5, first=70)
    run(counted.app, "aggregate")
    done = run(counted.app, "status", "--corrections")
    assert f"{DAYS[0]}: new events, views 6 → 11" in done.out


def test_status_shows_what_was_written_after_the_last_run(counted):
    before, _ = status(counted.app)
    assert before["changes"] == {"usage": 0, "records": 0}
    counted.days(DAYS[:1], each=5, first=70)
    with counted.app.app_context():
        content.make_record()
    run(counted.app, "generate-community-events")
    after, _ = status(counted.app)
    assert after["changes"] == {"usage": 5, "records": 2}
    assert "5 writes not processed yet" in run(counted.app, "status").out


def test_status_shows_corrections_of_complete_days(fresh, client, names):
    assert "There are no corrections" in run(fresh, "status", "--corrections").out
    entry = {
        "kind": "correction",
        "scope": "usage",
        "day": "2026-03-01",
        "why": "new events",
        "updated_at": "2026-03-10T04:37:00+00:00",
        "communities": ["a", "global"],
        "more_communities": 0,
        "global": {
            "before": {"view": {"total_events": 12}, "download": {"total_events": 3}},
            "after": {"view": {"total_events": 1300}, "download": {"total_events": 3}},
        },
    }
    index = names.bookmarks
    client.index(index=index, body=entry)
    later = {**entry, "updated_at": "2026-03-11T04:37:00+00:00", "day": "2026-03-02"}
    later["global"] = {"before": None, "after": entry["global"]["before"]}
    client.index(index=index, body=later)
    done = run(fresh, "status", "--corrections")
    assert done.out.splitlines() == [
        "2026-03-11 04:37 UTC  usage of 2026-03-02: new events, views 0 → 12, "
        "downloads 0 → 3 (2 communities)",
        "2026-03-10 04:37 UTC  usage of 2026-03-01: new events, views 12 → 1,300 "
        "(2 communities)",
    ]
    found = run(fresh, "status", "--corrections", "--json").document["corrections"]
    assert [one["day"] for one in found] == ["2026-03-02", "2026-03-01"]
    assert run(fresh, "status", "--corrections", "--all").exit_code == 2


def test_the_largest_communities_are_shown_and_the_others_are_counted(
    fresh, monkeypatch
):
    monkeypatch.setattr(status_service, "LARGEST", 2)
    with fresh.app_context():
        recids = [content.make_record() for _ in range(3)]
        communities = [content.make_community() for _ in range(4)]
        for number, community in enumerate(communities):
            content.include_in_bulk(recids[number:] or recids[2:], community)
    run(fresh, "generate-community-events")
    found, _ = status(fresh)
    shown = [c["community_id"] for c in found["communities"]]
    assert shown == ["global", *communities[:2]]
    assert found["communities_total"] == 4
    assert "2 more communities: use --all" in run(fresh, "status").out
