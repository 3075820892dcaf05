# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""'status' tells the state of everything, in a bounded number of requests."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from opensearchpy import Transport

from invenio_stats_dashboard.aggregations.runner import LOCK
from invenio_stats_dashboard.search.lock import ClusterLock
from invenio_stats_dashboard.search.names import FAMILIES
from invenio_stats_dashboard.search.seqno import positions_of_all
from invenio_stats_dashboard.services.scheduler import LOCK as CATCHING_UP

from ..aggregations.usage.build import Events
from ..helpers import content
from ..helpers.commands import run

TODAY = datetime.now(UTC).date()
DAYS = [(TODAY - timedelta(days=n)).isoformat() for n in (9, 6, 2, 0)]


@pytest.fixture()
def community(fresh):
    """Return a community with a record."""
    with fresh.app_context():
        found = content.make_community()
        content.make_record(communities=[found])
    return found


@pytest.fixture()
def events(fresh, client, names, community):
    """Return usage events of the community, not counted yet."""
    found = Events(fresh, client, names)
    found.days(DAYS, communities=[community])
    assert run(fresh, "generate-community-events").exit_code == 0
    return found


def status(app, *arguments):
    """Return the JSON of the status, and its exit code."""
    done = run(app, "status", "--json", *arguments)
    return done.document, done.exit_code


def families(found, community):
    """Return family -> its status of one community."""
    (one,) = [c for c in found["communities"] if c["community_id"] == community]
    return {family["family"]: family for family in one["families"]}


def test_an_instance_on_which_nothing_has_run_is_told_so(fresh):
    done = run(fresh, "status")
    assert done.exit_code == 0
    assert "Nothing has run yet" in done.out and "no documents yet" in done.out


def test_before_anything_is_counted_nothing_is_complete(events, community):
    found, _ = status(events.app, "--all")
    told = families(found, "global").values()
    assert {(one["percent"], one["redo_days"]) for one in told} == {(0.0, None)}
    assert (
        run(events.app, "aggregate", "--family", "records-delta-added").exit_code == 0
    )
    told = families(status(events.app)[0], community)
    assert told["records-delta-added"]["percent"] == 100.0
    assert told["usage-delta"]["percent"] == 0.0


def test_with_all_nothing_is_said_to_be_left_out_but_what_has_no_documents(events):
    done = run(events.app, "status", "--all")
    assert "use --all" not in done.out
    assert "1 more communities have no documents yet" in done.out


def test_each_family_of_each_community_is_told(events, community, monkeypatch):
    monkeypatch.setitem(events.app.config, "COMMUNITY_STATS_CATCHUP_INTERVAL", 3)
    assert run(events.app, "aggregate").exit_code == 0
    found, code = status(events.app)
    assert code == 0 and not found["needs_attention"]
    assert found["data_as_of"] is None, "a day is left"
    for one in ("global", community):
        told = families(found, one)
        assert tuple(told) == FAMILIES
        for family in ("usage-delta", "usage-snapshot"):
            assert told[family] == {
                "family": family,
                "documents": 3,
                "first_day": DAYS[0],
                "last_day": DAYS[2],
                "percent": 75.0,
                "redo_days": 1,
                "redo_from": DAYS[3],
            }
        assert told["records-snapshot-added"] == {
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


def test_what_was_written_since_the_last_run_is_told(events):
    run(events.app, "aggregate")
    before, _ = status(events.app)
    assert before["changes"] == {"usage": 0, "records": 0}
    events.days(DAYS[:1], each=5, first=70)
    with events.app.app_context():
        content.make_record()
    run(events.app, "generate-community-events")
    after, _ = status(events.app)
    assert after["changes"] == {"usage": 5, "records": 2}
    assert "5 writes not processed yet" in run(events.app, "status").out


def test_the_data_are_as_of_the_last_run_that_counted_everything(events):
    run(events.app, "aggregate")
    whole = status(events.app)[0]["data_as_of"]
    events.days(DAYS[:1], each=5, first=70)
    run(events.app, "aggregate", "--community", "global")
    run(events.app, "aggregate", "--family", "usage-delta")
    run(events.app, "aggregate", "--end-date", DAYS[1])
    found, _ = status(events.app)
    assert found["data_as_of"] == whole < found["last_run"]["as_of"]
    run(events.app, "aggregate")
    assert status(events.app)[0]["data_as_of"] > whole


def test_records_that_are_to_be_counted_again_are_told(events, community):
    run(events.app, "aggregate")
    service = events.app.extensions["invenio-stats-dashboard"].community_stats_service
    with events.app.app_context():
        service.clear_bookmarks()
    found, _ = status(events.app)
    told = families(found, community)["records-delta-created"]
    assert (told["documents"], told["percent"], told["redo_days"]) == (1, None, None)
    assert found["records_left"] == 2
    assert "to be counted again" in run(events.app, "status").out


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


def test_dead_letters_need_attention(events, client, names):
    run(events.app, "aggregate")
    letter = {
        "index": names.events_month("view", "2026-01"),
        "id": "a",
        "op_type": "index",
        "reason": "It has no number.",
        "refused_at": "2026-01-01T00:00:00+00:00",
        "source": {},
    }
    client.index(index=names.dead_letter, body=letter, refresh=True)
    found, code = status(events.app)
    assert (code, found["dead_letters"]["count"]) == (1, 1)
    (problem,) = found["problems"]
    assert "It has no number." in problem and "usage-events replay" in problem


def test_who_holds_a_lock_is_told(events):
    run(events.app, "aggregate")
    lock = ClusterLock(events.client, events.names.bookmarks, LOCK, "mine", 60)
    lock.acquire()
    try:
        found, code = status(events.app)
        assert "aggregation: run mine on" in run(events.app, "status").out
    finally:
        lock.release()
    assert code == 0 and "run mine on" in found["locks"]["aggregation"]
    assert status(events.app)[0]["locks"]["aggregation"] is None


def test_a_scheduled_task_at_work_is_told(events):
    run(events.app, "aggregate")
    lock = ClusterLock(events.client, events.names.bookmarks, CATCHING_UP, "mine", 60)
    lock.acquire()
    try:
        assert "scheduled task: run mine on" in run(events.app, "status").out
    finally:
        lock.release()


def test_a_community_that_is_asked_for_is_shown_by_family(events, community):
    run(events.app, "aggregate")
    with events.app.app_context():
        slug = content.slug_of(community)
    done = run(events.app, "status", "--community", slug)
    assert slug in done.out and "usage-snapshot" in done.out
    assert "the instance" not in done.out
    found, _ = status(events.app, "--community", community, "--community", "global")
    assert [c["community_id"] for c in found["communities"]] == ["global", community]
    assert found["communities"][1]["slug"] == slug


def test_wrong_use_is_one_sentence(fresh):
    done = run(fresh, "status", "--community", "nowhere")
    assert done.exit_code == 2 and "There is no community 'nowhere'" in done.err
    done = run(fresh, "status", "--community", "global", "--all")
    assert done.exit_code == 2 and len(done.err.splitlines()) == 1


def test_a_cluster_that_is_away_is_one_sentence(fresh, monkeypatch):
    monkeypatch.setitem(fresh.config, "SEARCH_HOSTS", ["localhost:1"])
    done = run(fresh, "status")
    assert done.exit_code == 3 and len(done.err.splitlines()) == 1


@contextmanager
def requests():
    """Yield a list of the requests that are made meanwhile."""
    made, send = [], Transport.perform_request

    def perform_request(transport, method, url, *args, **kwargs):
        made.append((method, url))
        return send(transport, method, url, *args, **kwargs)

    Transport.perform_request = perform_request
    try:
        yield made
    finally:
        Transport.perform_request = send


def test_a_thousand_communities_are_not_a_thousand_requests(events):
    run(events.app, "aggregate")
    with requests() as few:
        status(events.app)
    more = [f"10000000-0000-4000-8000-{n:012d}" for n in range(1500)]
    events.days(DAYS[:1], each=1, communities=more)
    run(events.app, "aggregate", "--family", "usage-delta")
    with requests() as many:
        found, _ = status(events.app)
    assert len(many) == len(few) < 60
    with requests() as all_of_them:
        found, _ = status(events.app, "--all")
    assert len(found["communities"]) == 1502
    assert len(all_of_them) <= len(few) + 5
    done = run(events.app, "status", "--all")
    assert all(community in done.out for community in more)


def test_the_largest_communities_are_shown_and_the_others_are_counted(fresh):
    with fresh.app_context():
        communities = [content.make_community() for _ in range(12)]
        for number, community in enumerate(communities[:3]):
            for _ in range(3 - number):
                content.make_record(communities=[community])
        for community in communities[3:]:
            content.make_record(communities=[community])
    run(fresh, "generate-community-events")
    found, _ = status(fresh)
    shown = [c["community_id"] for c in found["communities"]]
    assert len(shown) == 11 and shown[:3] == ["global", *communities[:2]]
    assert found["communities_total"] == 12
    assert "2 more communities: use --all" in run(fresh, "status").out


def test_days_that_have_changed_after_they_were_complete_are_told(fresh, client, names):
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


def test_a_late_event_of_a_complete_day_is_a_correction(events):
    run(events.app, "aggregate")
    assert run(events.app, "status", "--corrections", "--json").document == {
        "corrections": []
    }
    events.days(DAYS[:1], each=5, first=70)
    run(events.app, "aggregate")
    done = run(events.app, "status", "--corrections")
    assert f"{DAYS[0]}: new events, views 6 → 11" in done.out


def test_nothing_is_changed(events, client, names):
    run(events.app, "aggregate")
    everything = f"{names.prefix}*stats-*"
    before = positions_of_all(client, everything)
    status(events.app)
    assert positions_of_all(client, everything) == before
