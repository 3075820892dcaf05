# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the command ``aggregate``."""

import os
import signal

import pytest
from celery import current_app as current_celery

from invenio_stats_dashboard.aggregations.runner import LOCK
from invenio_stats_dashboard.search.lock import ClusterLock
from tests.aggregations.usage.build import RED, Events
from tests.helpers.brokers import unreachable_broker
from tests.helpers.commands import run

from ..helpers.search_requests import before_requests


@pytest.fixture()
def events(fresh, client, names):
    """Return usage events of an instance that had none."""
    events = Events(fresh, client, names)
    events.days(["2026-03-01", "2026-03-02"])
    return events


def test_it_says_what_was_done_and_that_nothing_is_left(events):
    done = run(events.app, "aggregate", "--family", "usage-delta", "--dry-run")
    assert done.exit_code == 0
    assert "Counted 12 usage events of 2 days" in done.out
    assert "usage-delta: 4 documents would be created" in done.out
    done = run(events.app, "aggregate")
    assert "usage-snapshot: 4 documents created" in done.out
    assert "Nothing has changed" in run(events.app, "aggregate").out
    events.assert_right()


def test_json_is_one_document_and_nothing_else(events):
    report = run(events.app, "aggregate", "--json").document
    assert report["completed"] and report["days_left"] == 0
    assert report["events"] == 12
    assert report["families"]["usage-delta"]["created"] == 4


def test_as_a_task_it_does_the_same(events):
    done = run(events.app, "aggregate", "--async")
    assert "Sent to Celery as task" in done.out
    events.assert_right()


def test_what_a_task_could_not_do_is_not_sent(events, monkeypatch):
    for arguments in (
        ("--start-date", "yesterday"),
        ("--community", "nobody"),
        ("--dry-run",),
    ):
        done = run(events.app, "aggregate", "--async", *arguments)
        assert done.exit_code == 2 and "Sent" not in done.out, arguments
    monkeypatch.setitem(events.app.config, "COMMUNITY_STATS_ENABLED", False)
    done = run(events.app, "aggregate", "--async")
    assert done.exit_code == 2 and "is False" in done.err


def test_a_broker_that_is_away_is_one_sentence(events, monkeypatch):
    monkeypatch.setitem(current_celery.conf, "task_always_eager", False)
    with unreachable_broker(monkeypatch):
        done = run(events.app, "aggregate", "--async")
    assert done.exit_code == 3 and len(done.err.splitlines()) == 1
    assert "The message broker does not answer" in done.err


def test_it_says_what_is_missing_before_everything_can_be_counted(events):
    done = run(events.app, "aggregate")
    assert "not complete yet" in done.out and "generate-community-events" in done.out
    missing = run(events.app, "aggregate", "--json").document["missing"]
    assert "generate-community-events" in missing
    run(events.app, "generate-community-events")
    assert run(events.app, "aggregate", "--json").document["missing"] is None


def test_of_a_part_it_does_not_say_that_nothing_has_changed(events):
    done = run(events.app, "aggregate", "--start-date", "2026-04-01")
    assert "Nothing in this selection has changed" in done.out


def test_all_days_of_some_communities_are_counted_at_once(events, monkeypatch):
    monkeypatch.setitem(events.app.config, "COMMUNITY_STATS_CATCHUP_INTERVAL", 1)
    done = run(events.app, "aggregate", "--community", "global", "--json").document
    # they stay on the list, so another run would begin with the same ones
    assert (done["days"], done["days_left"]) == (2, 0)
    assert run(events.app, "aggregate", "--json").document["days_left"] == 1


def test_snapshots_alone_are_those_of_deltas_that_are_right(events):
    assert run(events.app, "aggregate", "--family", "usage-snapshot").exit_code == 0
    events.assert_right()
    index = events.names.aggregates_from("usage-snapshot", 1)
    id = f"{RED}:2026-03-01"
    wrong = {"doc": {"totals": {"view": {"total_events": 9}}, "checksum": "x"}}
    events.client.update(index=index, id=id, body=wrong)
    run(events.app, "aggregate", "--family", "usage-snapshot", "--rebuild")
    events.assert_right()


def interrupted(app):
    """Aggregate by the command; Ctrl-C comes before the first bulk."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(request):
        if request.path.endswith("_bulk"):
            os.kill(os.getpid(), signal.SIGINT)

    with before_requests(interrupt):
        done = run(app, "aggregate")
    return done.exit_code, done.err


def test_interrupted_it_says_so_and_status_needs_nobody(events, zygote):
    run(events.app, "generate-community-events")
    exit_code, printed = zygote.run(interrupted)
    assert exit_code == 3 and "the next run continues" in printed
    found = run(events.app, "status")
    assert (found.exit_code, "interrupted" in found.out) == (0, True)
    last = run(events.app, "status", "--json").document["last_run"]
    assert (last["completed"], last["error"]) == (False, None)
    assert run(events.app, "aggregate").exit_code == 0
    events.assert_right()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("--community", "nobody"), "There is no community 'nobody'"),
        (("--start-date", "yesterday"), "write it as YYYY-MM-DD"),
        (
            ("--start-date", "2026-03-02", "--end-date", "2026-03-01"),
            "is after the end date",
        ),
        (("--family", "usage"), "Invalid value"),
    ],
)
def test_a_mistake_gets_a_sentence(fresh, arguments, sentence):
    done = run(fresh, "aggregate", *arguments)
    assert done.exit_code == 2
    assert sentence in done.err


def test_a_second_run_is_refused_with_the_holder_of_the_lock(events):
    lock = ClusterLock(events.client, events.names.bookmarks, LOCK, "other", ttl=60)
    lock.acquire()
    try:
        done = run(events.app, "aggregate")
        assert done.exit_code == 2
        assert "run other on" in done.err
    finally:
        lock.release()
