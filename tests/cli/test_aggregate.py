# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Rules of the command that aggregates."""

import pytest

from invenio_stats_dashboard.aggregations.run import LOCK
from invenio_stats_dashboard.search.lock import ClusterLock
from tests.aggregations.usage.build import Events
from tests.helpers.commands import run


@pytest.fixture()
def events(fresh, client, names):
    """Return usage events of an instance that had none."""
    events = Events(fresh, client, names)
    events.days(["2026-03-01", "2026-03-02"])
    return events


def test_it_says_what_was_done_and_that_nothing_is_left(events):
    done = run(events.app, "aggregate", "--family", "usage-delta", "--dry-run")
    assert done.exit_code == 0
    assert "12 usage events of 2 days counted" in done.out
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
