# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Messages that are redelivered after the salt was lost are counted once."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from invenio_cache import current_cache
from invenio_stats import processors

from invenio_stats_dashboard.errors import SearchUnavailableError
from invenio_stats_dashboard.search import bulk
from invenio_stats_dashboard.usage_events import dead_letters, event_writer
from invenio_stats_dashboard.usage_events.preprocessing import salts_kept

from ..helpers.processes import Forked, kill_me
from ..helpers.queues import COUNT, NOW, seen, views, wait_for


def lose_salt():
    """Make the next event use a new salt."""
    key = f"stats:salt:{NOW.date().isoformat()}"
    assert current_cache.get(key)
    assert current_cache.delete(key)


def die_after(broker, chunks, **options):
    """Run a worker that is killed after storing chunks, before it acknowledges them."""

    def work():
        write, calls = bulk.write, []

        def killing(client, index, *args, **kwargs):
            refusals = write(client, index, *args, **kwargs)
            calls.append(index)
            if calls.count(None) == chunks:  # a chunk of events names each index
                kill_me()
            return refusals

        bulk.write = killing
        return broker.indexer(broker.connected(), **options).run()

    assert Forked(broker.usage.app, work).wait() is None


def noted(broker):
    """Return the documents of the redelivery journal."""
    client, index = broker.usage.client, broker.usage.names.unacknowledged
    if not client.indices.exists(index=index):
        return []
    client.indices.refresh(index=index)
    return client.search(index=index, body={"size": 100})["hits"]["hits"]


@pytest.mark.parametrize("chunks", [1, 2])
def test_a_chunk_stored_under_another_salt_is_stored_once(broker, ids, chunks):
    die_after(broker, chunks)
    wait_for(broker, COUNT - 20 * (chunks - 1))
    lose_salt()
    assert broker.indexer().run() == (COUNT - 20 * (chunks - 1), 0)
    found = seen(broker)
    assert len(found) == COUNT
    assert len(set(found) & set(ids)) == 20 * chunks
    assert broker.left() == 0
    assert noted(broker) == []


def test_a_journal_entry_is_deleted_when_its_messages_arrive_in_several_chunks(
    broker, ids
):
    die_after(broker, 1)
    wait_for(broker, COUNT)
    lose_salt()
    indexer = broker.indexer()
    indexer.chunk_size = 8
    assert indexer.run() == (COUNT, 0)
    assert len(seen(broker)) == COUNT
    assert noted(broker) == []


def test_an_unreadable_index_does_not_cause_a_second_write(broker, ids, monkeypatch):
    die_after(broker, 1)
    wait_for(broker, COUNT)
    lose_salt()
    client = broker.usage.client
    month = broker.usage.names.events_month("view", NOW.strftime("%Y-%m"))
    client.indices.close(index=month)
    monkeypatch.setattr(event_writer, "_LIMIT", 1.0)
    with pytest.raises(SearchUnavailableError):
        broker.indexer().run()
    client.indices.open(index=month, params={"wait_for_active_shards": 1})
    wait_for(broker, COUNT)
    assert broker.indexer().run() == (COUNT, 0)
    assert len(seen(broker)) == COUNT


def test_a_chunk_that_was_noted_but_not_stored_is_stored(broker, ids):
    def work():
        bulk.write = lambda *args, **kwargs: kill_me()
        return broker.indexer(broker.connected()).run()

    assert Forked(broker.usage.app, work).wait() is None
    assert len(noted(broker)) == 1
    wait_for(broker, COUNT)
    lose_salt()
    assert broker.indexer().run() == (COUNT, 0)
    assert len(seen(broker)) == COUNT
    assert not set(seen(broker)) & set(ids)


def test_events_are_stored_once_after_two_kills_with_three_salts(broker, ids):
    die_after(broker, 1)
    wait_for(broker, COUNT)
    lose_salt()
    die_after(broker, 1)  # of the chunks that it writes; the first one is stored
    wait_for(broker, COUNT - 20)
    lose_salt()
    assert broker.indexer().run() == (COUNT - 20, 0)
    assert len(seen(broker)) == COUNT


def test_messages_of_a_worker_that_dies_during_another_run_are_looked_up(broker, ids):
    indexer, calls = broker.indexer(), []

    def other_dies(event):
        calls.append(1)
        if len(calls) == 1:  # the first chunk is in progress, the second sent ahead
            wait_for(broker, COUNT - 40)
            die_after(broker, 1)
            wait_for(broker, COUNT - 40)
            lose_salt()
        return event

    indexer.preprocessors = [other_dies, *indexer.preprocessors]
    assert indexer.run() == (COUNT, 0)
    assert len(seen(broker)) == COUNT
    assert len(set(seen(broker)) & set(ids)) == COUNT - 40
    assert broker.left() == 0


def test_messages_redelivered_by_redis_under_another_salt_are_stored_once(redis_broker):
    broker = redis_broker
    broker.fill()
    die_after(broker, 1)
    lose_salt()
    threading.Event().wait(1.5)  # longer than the visibility timeout
    assert broker.indexer(broker.connected()).run() == (COUNT, 0)
    assert len(seen(broker)) == COUNT


def test_a_dead_letter_under_another_salt_is_stored_once(broker):
    poison = {**views(1)[0], "country": {"no": "text"}}
    broker.queue.publish([poison, *views(9)])

    def work():
        store = dead_letters.store

        def killing(*args, **kwargs):
            store(*args, **kwargs)
            kill_me()

        dead_letters.store = killing
        return broker.indexer(broker.connected()).run()

    assert Forked(broker.usage.app, work).wait() is None
    wait_for(broker, 10)
    lose_salt()
    assert broker.indexer().run() == (10, 0)
    assert len(seen(broker)) == 9
    assert (
        dead_letters.read_dead_letters(broker.usage.client, broker.usage.names).count
        == 1
    )


def test_the_journal_contains_nothing_about_a_visitor(broker, ids):
    die_after(broker, 1)
    ((document),) = noted(broker)
    assert set(document["_source"]) == {"queue", "run", "written_at", "messages"}
    assert set(map(tuple, document["_source"]["messages"].values())) <= {
        (broker.usage.names.events_month("view", NOW.strftime("%Y-%m")), id)
        for id in ids
    }


def test_a_journal_entry_is_deleted_after_a_month(broker):
    client, index = broker.usage.client, broker.usage.names.unacknowledged
    long_ago = datetime.now(UTC) - timedelta(days=31)
    document = {
        "queue": broker.name,
        "run": "old",
        "written_at": long_ago.isoformat(),
        "messages": {"a": ["index", "id"]},
    }
    client.index(index=index, id="old", body=document, refresh=True)
    client.index(index=index, id="o", body={**document, "queue": "another"})
    broker.fill(5)
    assert broker.indexer().run() == (5, 0)
    assert [hit["_id"] for hit in noted(broker)] == ["o"]


def test_an_index_that_cannot_be_used_causes_one_warning(broker, ids, caplog):
    client, index = broker.usage.client, broker.usage.names.unacknowledged
    client.indices.create(index=index, body={"settings": {"index.blocks.write": True}})
    assert broker.indexer().run() == (COUNT, 0)
    assert seen(broker) == sorted(ids)
    assert caplog.text.count("Events are still stored.") == 1


def test_the_salt_is_read_once_per_day_and_chunk(broker):
    with salts_kept():
        salt = processors.get_anonymization_salt(NOW)
        lose_salt()
        assert processors.get_anonymization_salt(NOW) == salt
        assert processors.get_anonymization_salt(NOW - timedelta(days=1)) != salt
    assert processors.get_anonymization_salt(NOW) != salt
