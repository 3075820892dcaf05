# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Changes wait in a queue of the broker until a worker has captured them together."""

import os
import secrets
import threading
import time

import pytest
from celery import current_app as current_celery
from kombu import Connection
from kombu.exceptions import OperationalError

from invenio_stats_dashboard import tasks
from invenio_stats_dashboard.community_events import change_queue
from invenio_stats_dashboard.community_events.change_queue import ChangeQueue
from invenio_stats_dashboard.community_events.live_capture import CaptureReport
from invenio_stats_dashboard.community_events.membership_changes import (
    MembershipChanges,
)
from invenio_stats_dashboard.errors import SearchUnavailableError
from tests.helpers.workers import SiteWorker, delete_queue

ROW = ["a", "c", True, "2026-01-01T00:00:00+00:00"]


class LostError(Exception):
    """Ends a capture."""


class Waiting:
    """A queue on a broker.

    Args:
        url: URL of the broker.
    """

    def __init__(self, url):
        """Name the queue."""
        self.url, self.name = url, f"test-{secrets.token_hex(6)}"
        self.queue = ChangeQueue(self.name)

    def put(self, *changes):
        """Send changes, each given as a dict."""
        with Connection(self.url) as connection, connection.Producer() as producer:
            for each in changes:
                self.queue.put(producer, each)

    def batch(self):
        """Return the context manager of a batch."""
        return self.queue.batch(Connection(self.url))

    def taken(self):
        """Return the parents of each message of the next batch, after its capture."""
        with self.batch() as batch:
            return [changes.parent_ids for changes in batch.messages]


@pytest.fixture()
def waiting():
    """Return an empty queue on the real broker."""
    waiting = Waiting(os.environ["BROKER_URL"])
    yield waiting
    delete_queue(waiting.name)


@pytest.mark.component
def test_all_waiting_changes_are_one_batch(waiting):
    waiting.put({"parent_ids": ["a"], "rows": [ROW]}, {"community_ids": ["c"]})
    waiting.put({"parent_ids": ["b", "a"]})
    with waiting.batch() as batch:
        assert batch.messages == [
            MembershipChanges(("a",), rows=(tuple(ROW),)),
            MembershipChanges(community_ids=("c",)),
            MembershipChanges(("b", "a")),
        ]
        assert not batch.is_full and not batch.was_delivered
    assert waiting.taken() == []


@pytest.mark.component
def test_a_queue_in_memory_works_as_well():
    waiting = Waiting("memory://")
    waiting.put({"parent_ids": ["a"]}, {"parent_ids": ["b"]})
    assert (waiting.taken(), waiting.taken()) == ([("a",), ("b",)], [])


@pytest.mark.component
def test_a_batch_has_a_limited_size_and_the_next_has_the_rest(waiting, monkeypatch):
    monkeypatch.setattr(change_queue, "MESSAGES", 2)
    waiting.put(*({"parent_ids": [n]} for n in "abc"))
    assert (waiting.taken(), waiting.taken()) == ([("a",), ("b",)], [("c",)])
    monkeypatch.setattr(change_queue, "SIZE", 3)
    monkeypatch.setattr(change_queue, "MESSAGES", 9)
    waiting.put(*({"parent_ids": [f"{n}1", f"{n}2"]} for n in "abc"))
    with waiting.batch() as batch:
        assert [changes.parent_ids[0] for changes in batch.messages] == ["a1", "b1"]
        assert batch.is_full
    assert waiting.taken() == [("c1", "c2")]


@pytest.mark.component
@pytest.mark.parametrize("error", [LostError, SystemExit])
def test_changes_remain_if_their_capture_ends_early(waiting, error):
    waiting.put({"parent_ids": ["a"]}, {"parent_ids": ["b"]})
    with pytest.raises(error), waiting.batch():
        assert waiting.taken() == []
        raise error
    batches = _soon(waiting, 2)
    assert all(batch.was_delivered for batch in batches)
    found = [changes.parent_ids for batch in batches for changes in batch.messages]
    assert sorted(found) == [("a",), ("b",)]


@pytest.mark.component
def test_unreadable_messages_are_removed_with_a_warning(waiting, caplog):
    with Connection(waiting.url) as connection, connection.Producer() as producer:
        for body, kind in (("{", "application/json"), (b"\x80", "application/x-other")):
            producer.publish(
                body,
                exchange="",
                routing_key=waiting.name,
                declare=[waiting.queue._queue],
                content_type=kind,
                content_encoding="utf-8" if kind.endswith("json") else "binary",
            )
    waiting.put({"parent_ids": "a"}, {"parent_ids": ["b"], "added_later": 1})
    assert waiting.taken() == [("b",)]
    assert caplog.text.count("cannot be read") == 3
    assert waiting.taken() == []


@pytest.mark.component
def test_changes_are_delivered_again_if_the_connection_is_lost(waiting, caplog):
    waiting.put({"parent_ids": ["a"]})
    connection = Connection(waiting.url)
    with waiting.queue.batch(connection) as batch:
        assert len(batch.messages) == 1
        connection.default_channel.connection.transport.sock.shutdown(2)
    assert "delivered again" in caplog.text
    (batch,) = _soon(waiting, 1)
    assert batch.was_delivered


def _soon(waiting, number):
    """Return the batches of some messages that the broker delivers again."""
    batches, messages = [], 0
    end = time.monotonic() + 30
    while messages < number and time.monotonic() < end:
        with waiting.batch() as batch:
            messages += len(batch.messages)
            if batch.messages:
                batches.append(batch)
    return batches


# -- the tasks --------------------------------------------------------------------


@pytest.fixture()
def site(app, where, monkeypatch):
    """Return a site whose tasks and changes wait on the real broker."""
    site = SiteWorker(None, where)  # which is not started
    with site.used_by(monkeypatch), app.app_context():
        yield site
    delete_queue(site.queue)
    delete_queue(site.changes)


@pytest.fixture()
def captured(app, monkeypatch):
    """Return a list that collects the changes of each capture; "bad" cannot be one."""
    service = type(app.extensions["invenio-stats-dashboard"].community_stats_service)
    captures = []

    def capture(_, *messages):
        captures.append([changes.parent_ids[0] for changes in messages])
        if "bad" in captures[-1]:
            raise SearchUnavailableError("an index is blocked")
        return CaptureReport()

    monkeypatch.setattr(service, "capture", capture)
    return captures


def _send(site, *parents):
    """Send a change for each parent, and wait until the broker has all of them."""
    for parent in parents:
        tasks.send_capture(parent_ids=[parent])
    end = time.monotonic() + 30
    with Connection(site._broker) as connection:
        channel = connection.default_channel
        while channel.queue_declare(site.changes, passive=True).message_count < len(
            parents
        ):
            assert time.monotonic() < end


@pytest.mark.system
def test_a_task_captures_all_changes_that_wait(site, captured):
    _send(site, *"abc")
    for _ in "abc":
        tasks.capture_community_changes.apply(throw=True)
    assert captured == [["a", "b", "c"]]


@pytest.mark.system
def test_a_change_that_cannot_be_captured_delays_no_others(site, captured):
    _send(site, "a", "bad", "c")
    tasks.capture_community_changes.apply(throw=True)
    assert captured == [["a", "bad", "c"]]
    # each is the argument of a task now, and no longer in the queue
    tasks.capture_community_changes.apply(throw=True)
    assert captured == [["a", "bad", "c"]]
    assert delete_queue(site.changes) == 0
    assert delete_queue(site.queue) == 3 + 3


@pytest.mark.system
def test_changes_remain_in_the_queue_if_no_tasks_can_be_sent(
    site, captured, monkeypatch
):
    _send(site, "a", "bad")

    def fail(*_, **__):
        raise OperationalError("the broker does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "_send", fail)
        with pytest.raises(OperationalError):
            tasks.capture_community_changes.apply(throw=True)
    with Connection(site._broker) as connection:
        queue = ChangeQueue(site.changes)
        end, found = time.monotonic() + 30, []
        while len(found) < 2 and time.monotonic() < end:
            with queue.batch(connection.clone()) as batch:
                found += batch.messages
    assert len(found) == 2


@pytest.mark.system
def test_a_task_needs_no_connection_of_the_pool_of_celery(app, site, captured):
    _send(site, "bad")
    done, pool = [], current_celery.pool
    used = [pool.acquire(block=True) for _ in range(pool.limit)]

    def capture():
        with app.app_context():
            done.append(tasks.capture_community_changes.apply())

    thread = threading.Thread(target=capture, daemon=True)
    thread.start()
    thread.join(60)
    for connection in used:
        connection.release()
    assert done and captured == [["bad"]]


@pytest.mark.system
def test_the_task_of_one_message_is_repeated_alone(site, captured):
    done = tasks.capture_changes_of_message.apply(kwargs={"parent_ids": ["bad"]})
    assert isinstance(done.result, SearchUnavailableError)
    assert captured == [["bad"]]


@pytest.mark.system
def test_messages_of_a_process_that_died_are_divided_before_they_are_captured(
    site, captured
):
    _send(site, "a", "b")
    taken = ChangeQueue(site.changes).batch(Connection(site._broker))
    with pytest.raises(LostError), taken as batch:
        assert len(batch.messages) == 2
        raise LostError
    end = time.monotonic() + 30
    while waiting_tasks(site) < 4 and time.monotonic() < end:
        tasks.capture_community_changes.apply(throw=True)
    assert captured == []
    assert delete_queue(site.changes) == 0


def waiting_tasks(site):
    """Return the number of tasks that wait."""
    with Connection(site._broker) as connection:
        queue = connection.default_channel.queue_declare(site.queue, passive=True)
        return queue.message_count
