# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Changes wait in a queue of the broker until a worker has captured them together."""

import os
import secrets

import pytest
from kombu import Connection

from invenio_stats_dashboard.community_events import change_queue
from invenio_stats_dashboard.community_events.change_queue import ChangeQueue
from tests.helpers.workers import delete_queue

pytestmark = pytest.mark.component

ROW = ["a", "c", True, "2026-01-01T00:00:00+00:00"]


class TemporaryError(Exception):
    """An error after which changes must remain in the queue."""


class Waiting:
    """A queue on a broker, with one connection.

    Args:
        connection: to the broker.
    """

    def __init__(self, connection):
        """Name the queue."""
        self.connection, self.name = connection, f"test-{secrets.token_hex(6)}"
        self.queue = ChangeQueue(self.name)

    def put(self, *changes):
        """Send changes, each given as a dict."""
        with self.connection.Producer() as producer:
            for each in changes:
                self.queue.put(producer, each)

    def batch(self, connection=None):
        """Return the context manager of a batch."""
        return self.queue.batch(connection or self.connection, (TemporaryError,))

    def taken(self):
        """Return the parents of the next batch, after its capture."""
        with self.batch() as changes:
            return changes and changes.parent_ids


@pytest.fixture(params=["memory", "real broker"])
def waiting(request):
    """Return an empty queue."""
    url = "memory://" if request.param == "memory" else os.environ["BROKER_URL"]
    with Connection(url) as connection:
        waiting = Waiting(connection)
        yield waiting
    if url != "memory://":
        delete_queue(waiting.name)


def test_all_waiting_changes_are_one_batch(waiting):
    waiting.put({"parent_ids": ["a"], "rows": [ROW]}, {"community_ids": ["c"]})
    waiting.put({"parent_ids": ["b", "a"]})
    with waiting.batch() as changes:
        assert changes.parent_ids == ("a", "b") and changes.community_ids == ("c",)
        assert changes.rows == (tuple(ROW),)
    assert waiting.taken() is None


def test_a_batch_has_a_limited_size_and_the_next_has_the_rest(waiting, monkeypatch):
    monkeypatch.setattr(change_queue, "MESSAGES", 2)
    waiting.put(*({"parent_ids": [n]} for n in "abc"))
    assert (waiting.taken(), waiting.taken()) == (("a", "b"), ("c",))
    monkeypatch.setattr(change_queue, "SIZE", 3)
    monkeypatch.setattr(change_queue, "MESSAGES", 9)
    waiting.put(*({"parent_ids": [f"{n}1", f"{n}2"]} for n in "abc"))
    assert waiting.taken() == ("a1", "a2", "b1", "b2")
    assert waiting.taken() == ("c1", "c2")


def test_changes_remain_after_a_temporary_error(waiting):
    waiting.put({"parent_ids": ["a"]}, {"parent_ids": ["b"]})
    with pytest.raises(TemporaryError), waiting.batch():
        raise TemporaryError
    assert sorted(waiting.taken()) == ["a", "b"]


def test_changes_remain_when_the_worker_stops(waiting):
    waiting.put({"parent_ids": ["a"]})
    with pytest.raises(SystemExit), waiting.batch():
        raise SystemExit
    assert waiting.taken() == ("a",)


def test_changes_that_cannot_be_captured_do_not_block_others(waiting):
    waiting.put({"parent_ids": ["a"]})
    with pytest.raises(ZeroDivisionError), waiting.batch():
        1 / 0  # noqa: B018
    waiting.put({"parent_ids": ["b"]})
    assert waiting.taken() == ("b",)


def test_unreadable_messages_are_removed_with_a_warning(waiting, caplog):
    with waiting.connection.Producer() as producer:
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
    assert waiting.taken() == ("b",)
    assert caplog.text.count("cannot be read") == 3
    assert waiting.taken() is None


def test_changes_of_a_killed_worker_are_delivered_again():
    with Connection(os.environ["BROKER_URL"]) as connection:
        waiting = Waiting(connection)
        waiting.put({"parent_ids": ["a"]})
        killed = Connection(os.environ["BROKER_URL"])
        with pytest.raises(TemporaryError), waiting.batch(killed) as changes:
            assert changes.parent_ids == ("a",)
            assert waiting.taken() is None
            killed.transport_sock = killed.default_channel.connection.transport.sock
            killed.transport_sock.shutdown(2)
            raise TemporaryError
        while (taken := waiting.taken()) is None:
            pass
        assert taken == ("a",)
        delete_queue(waiting.name)


def test_a_stale_connection_is_renewed():
    with Connection(os.environ["BROKER_URL"]) as connection:
        waiting = Waiting(connection)
        waiting.put({"parent_ids": ["a"]})
        connection.default_channel.connection.transport.sock.shutdown(2)
        assert waiting.taken() == ("a",)
        delete_queue(waiting.name)
