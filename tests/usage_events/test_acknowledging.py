# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The broker retains a message until its event is stored, with a real RabbitMQ."""

import os
import threading
from datetime import timedelta

import pytest
import redis

from invenio_stats_dashboard.migration import alias_actions
from invenio_stats_dashboard.search import bulk
from invenio_stats_dashboard.usage_events import dead_letters, event_writer

from ..helpers.processes import Forked, kill_me
from ..helpers.queues import COUNT, NOW, Broker, seen, views, wait_for


def test_the_whole_queue_is_stored_and_acknowledged(broker, ids):
    assert broker.indexer().run() == (COUNT, 0)
    assert seen(broker) == sorted(ids)
    assert broker.left() == 0
    assert broker.indexer().run() == (0, 0)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("chunk", [1, 2])
def test_killed_in_mid_batch_loses_nothing_and_counts_nothing_twice(
    broker, ids, chunk, when
):
    def work():
        write, calls = bulk.write, []

        def killing(*args, **kwargs):
            calls.append(1)
            if len(calls) == chunk and when == "before":
                kill_me()
            refusals = write(*args, **kwargs)
            if len(calls) == chunk:
                kill_me()
            return refusals

        bulk.write = killing
        return broker.indexer(broker.connected()).run()

    assert Forked(broker.usage.app, work).wait() is None
    stored = 20 * (chunk - (when == "before"))
    client, alias = broker.usage.client, broker.usage.names.events_alias("view")
    client.indices.refresh(index=alias, ignore_unavailable=True)
    found = client.count(index=alias, ignore_unavailable=True)["count"]
    assert found == stored
    rest = COUNT - 20 * (chunk - 1)
    wait_for(broker, rest)
    assert broker.indexer().run() == (rest, 0)
    assert seen(broker) == sorted(ids)
    assert broker.left() == 0


def test_redis_redelivers_the_messages_of_a_killed_worker(redis_broker):
    broker = redis_broker

    def work():
        bulk.write = lambda *args, **kwargs: kill_me()
        return broker.indexer(broker.connected()).run()

    broker.fill()
    assert Forked(broker.usage.app, work).wait() is None
    assert broker.left() == COUNT - 20
    threading.Event().wait(1.5)  # longer than the visibility timeout
    assert broker.indexer(broker.connected()).run() == (COUNT, 0)
    assert len(seen(broker)) == COUNT
    assert broker.indexer(broker.connected()).run() == (0, 0)


def test_messages_of_other_redis_queues_are_not_given_back(redis_broker):
    broker = redis_broker
    other = Broker(broker.usage, broker.url, **broker.options)
    other.queue.queue.declare()

    def work():
        with other.connected().create_consumer() as consumer:
            assert consumer.fetch(no_ack=False)
            kill_me()

    other.fill(1)
    assert Forked(broker.usage.app, work).wait() is None
    threading.Event().wait(1.5)  # longer than this package's visibility timeout
    broker.fill()
    assert broker.indexer(broker.connected()).run() == (COUNT, 0)
    with other.connected().create_consumer() as consumer:
        assert not consumer.fetch(), "a task in progress was given back"
    assert other.indexer(other.connected()).run() == (1, 0)


def test_messages_remain_in_the_queue_during_a_write_block(broker, ids):
    usage, month = broker.usage, NOW.strftime("%Y-%m")
    index = usage.legacy_index("view", month)
    alias_actions.block_writes(usage.client, index)
    worker = Forked(usage.app, lambda: broker.indexer(broker.connected()).run())
    wait_for(broker, COUNT - 40)  # a chunk in progress, and one sent ahead
    worker.kill()  # while it waits for the block
    assert worker.wait() is None
    wait_for(broker, COUNT)
    lift = threading.Timer(1.5, alias_actions.lift_block, (usage.client, index))
    lift.start()
    assert broker.indexer().run() == (COUNT, 0)
    lift.join()
    assert seen(broker) == sorted(ids)
    assert all(source["enriched_at"] for _, source in usage.seen("view"))


def test_month_that_stays_closed_does_not_delay_events_of_other_months(
    broker, monkeypatch, caplog
):
    usage = broker.usage
    past = NOW.replace(day=1) - timedelta(days=20)
    closed = usage.names.events_month("view", past.strftime("%Y-%m"))
    usage.client.indices.create(index=closed)
    alias_actions.block_writes(usage.client, closed)
    monkeypatch.setattr(event_writer, "_LIMIT", 2.0)
    late = [{**view, "timestamp": past.isoformat()} for view in views(30)]
    now = views(30)
    for pair in zip(late, now, strict=True):
        broker.queue.publish(list(pair))
    assert broker.indexer().run() == (30, 30)
    assert caplog.text.count("temporarily refuses writes") > 1
    month = usage.names.events_month("view", NOW.strftime("%Y-%m"))
    assert len(usage.seen(index=month)) == 30
    assert broker.left() == 0
    assert dead_letters.read_dead_letters(usage.client, usage.names).count == 30
    alias_actions.lift_block(usage.client, closed)
    assert usage.service.replay().stored == 30
    assert len(usage.seen("view")) == 60


def test_invalid_event_is_acknowledged_and_logged(broker, caplog):
    broker.queue.publish([{"timestamp": "no time"}, *views(2)])
    assert broker.indexer().run() == (2, 0)
    assert broker.left() == 0
    assert "Error while processing event" in caplog.text


def test_message_that_cannot_be_decoded_is_acknowledged_and_logged(broker, caplog):
    with broker.queue.create_producer() as producer:
        producer.publish(
            b"{", content_type="application/json", content_encoding="utf-8"
        )
    broker.fill(1)
    assert broker.indexer().run() == (1, 0)
    assert broker.left() == 0
    assert "A message of the queue cannot be decoded" in caplog.text


@pytest.mark.component
@pytest.mark.parametrize("kind", ["broker", "redis_broker"])
def test_message_with_an_invalid_envelope_is_acknowledged_and_logged(
    kind, request, caplog
):
    broker = request.getfixturevalue(kind)
    broker.fill(25)
    with broker.queue.create_producer() as producer:
        producer.publish({}, headers={"compression": "broken"})
    broker.fill(5)
    assert broker.indexer(broker.connected()).run() == (30, 0)
    assert len(seen(broker)) == 25, "five events are from the same visitors"
    assert broker.indexer(broker.connected()).run() == (0, 0)
    assert "A message of the queue cannot be decoded" in caplog.text


def test_event_that_a_preprocessor_drops_is_acknowledged(broker):
    broker.fill()
    indexer = broker.indexer()
    indexer.preprocessors = [lambda event: None]
    assert indexer.run() == (0, 0)
    assert broker.left() == 0


@pytest.mark.parametrize("answer", ["READONLY no write", "OOM no memory", "MISCONF"])
def test_messages_remain_in_the_queue_while_redis_returns_errors(broker, ids, answer):
    server = redis.Redis.from_url(os.environ["CACHE_REDIS_URL"])
    indexer = broker.indexer()

    def refused(event):
        server.eval(f"return redis.error_reply('{answer}')", 0)

    indexer.preprocessors = [refused, *indexer.preprocessors]
    with pytest.raises(redis.exceptions.ResponseError):
        indexer.run()
    wait_for(broker, COUNT)
    assert broker.indexer().run() == (COUNT, 0)
    assert seen(broker) == sorted(ids)


def test_messages_remain_in_the_queue_while_a_service_of_a_preprocessor_is_down(
    broker, ids
):
    indexer, calls = broker.indexer(), []
    preprocessors = list(indexer.preprocessors)

    def away(event):
        calls.append(1)
        if len(calls) > 30:
            raise redis.exceptions.ConnectionError("away")
        return event

    indexer.preprocessors = [away, *preprocessors]
    with pytest.raises(redis.exceptions.ConnectionError):
        indexer.run()
    assert len(calls) == 31, "the service is called again and again"
    wait_for(broker, COUNT - 20)
    assert broker.indexer().run() == (COUNT - 20, 0)
    assert seen(broker) == sorted(ids)


def test_failed_lookup_stores_the_events_without_enrichment(
    broker, ids, monkeypatch, caplog
):
    def fails(*_):
        raise ConnectionError("the database is unavailable")

    monkeypatch.setattr(
        "invenio_stats_dashboard.community_events.lookup.RecordLookup.get", fails
    )
    assert broker.indexer().run() == (COUNT, 0)
    assert seen(broker) == sorted(ids)
    assert not any("enriched_at" in source for _, source in broker.usage.seen("view"))
    assert "20 events are stored without enrichment" in caplog.text
