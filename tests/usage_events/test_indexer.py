# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The event indexer waits until a temporary failure has passed."""

import threading
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from invenio_queues.proxies import current_queues
from invenio_stats.processors import EventsIndexer
from invenio_stats.proxies import current_stats
from invenio_stats.tasks import process_events
from kombu import Exchange
from opensearchpy.serializer import JSONSerializer

from invenio_stats_dashboard.migration import alias_actions
from invenio_stats_dashboard.search.compare_and_set import Bookmark
from invenio_stats_dashboard.search.mappings import ENRICHED_FIELDS
from invenio_stats_dashboard.usage_events import dead_letters
from invenio_stats_dashboard.usage_events.bulk_action import encode
from invenio_stats_dashboard.usage_events.event_writer import EventWriter
from invenio_stats_dashboard.usage_events.indexer import PatientEventsIndexer, install

from ..helpers.faults import killed_at
from ..helpers.queues import NOW, views
from ..helpers.usage import RED, native, stock_body


@pytest.fixture()
def queue(usage):
    """Return an instance with an empty queue of views."""
    current_queues.declare()
    for event in ("record-view", "file-download"):
        list(current_stats.consume(event))
    return usage


def publish(count, **fields):
    """Put views by different visitors into the queue.

    Args:
        count: number of events.
        **fields: functions of an event's number.
    """
    events = [
        {**event, **{key: value(number) for key, value in fields.items()}}
        for number, event in enumerate(views(count))
    ]
    current_stats.publish("record-view", events)


def test_events_refused_by_a_write_block_are_stored_when_it_is_lifted(queue):
    month = NOW.strftime("%Y-%m")
    index = queue.legacy_index("view", month)
    alias_actions.block_writes(queue.client, index)
    publish(30)
    lift = threading.Timer(1.5, alias_actions.lift_block, (queue.client, index))
    lift.start()
    assert process_events(["record-view"]) == [("record-view", (30, 0))]
    lift.join()
    assert len(queue.seen("view")) == 30


def test_permanently_refused_events_are_dead_letters_and_the_rest_is_stored(queue):
    publish(5, country=lambda n: {"no": "text"} if n == 2 else "CH")
    assert process_events(["record-view"]) == [("record-view", (4, 1))]
    assert len(queue.seen("view")) == 4
    found = dead_letters.read_dead_letters(queue.client, queue.names)
    assert found.count == 1 and "country" in found.reason
    ((_, letter),) = queue.seen(index=queue.names.dead_letter)
    assert not {"user_agent", "ip_address", "session_id"} & set(letter["source"])
    assert process_events(["record-view"]) == [("record-view", (0, 0))]


@pytest.fixture()
def index_is_missing(queue, alone, monkeypatch):
    """Return a function that makes the first requests with events miss their index.

    OpenSearch answers the same to a request that it is processing while a cut-over
    replaces the index by an alias.
    """
    settings = {"transient": {"action.auto_create_index": "false"}}
    left, lines = [], EventWriter._lines

    def lines_without_index(writer, events):
        found = lines(writer, events)
        if left:
            left.pop()
            queue.client.indices.delete(index=events[0].index)
        return found

    monkeypatch.setattr(EventWriter, "_lines", lines_without_index)
    queue.client.cluster.put_settings(body=settings)
    yield lambda times: left.extend(range(times))
    settings["transient"]["action.auto_create_index"] = None
    queue.client.cluster.put_settings(body=settings)


def test_events_whose_index_is_missing_for_a_moment_are_stored(queue, index_is_missing):
    index_is_missing(times=2)
    publish(30)
    assert process_events(["record-view"]) == [("record-view", (30, 0))]
    assert len(queue.seen("view")) == 30


def test_events_whose_index_stays_missing_are_dead_letters(queue, index_is_missing):
    index_is_missing(times=10)
    publish(5)
    assert process_events(["record-view"]) == [("record-view", (0, 5))]
    found = dead_letters.read_dead_letters(queue.client, queue.names)
    assert found.count == 5 and "index_not_found" in found.reason


def test_a_waiting_worker_aborts_an_interrupted_cutover(queue):
    month = NOW.strftime("%Y-%m")
    queue.legacy("view", month, 20)
    killed_at(queue, "read alias", batch_size=10, ignore_stock_workers=True)
    bookmark = Bookmark(queue.client, queue.names.reindexing, f"view-{month}")
    past = datetime.now(UTC).isoformat()
    bookmark.write(switch={**bookmark.data["switch"], "until": past})
    publish(5)
    assert process_events(["record-view"]) == [("record-view", (5, 0))]
    assert len(queue.seen("view")) == 25
    assert not alias_actions.is_blocked(
        queue.client, queue.names.events_month("view", month)
    )


def test_the_stock_indexer_is_replaced_but_not_a_class_of_the_site(app, caplog):
    class OfTheSite(EventsIndexer):
        pass

    class Site:
        config = {
            "STATS_EVENTS": {
                "record-view": {"cls": EventsIndexer, "params": {"suffix": "%Y-%m"}},
                "file-download": {"cls": OfTheSite},
            }
        }
        extensions, logger = {}, app.logger

    assert not install(Site)
    events = Site.config["STATS_EVENTS"]
    assert events["record-view"] == {
        "cls": PatientEventsIndexer,
        "params": {"suffix": "%Y-%m"},
    }
    assert events["file-download"]["cls"] is OfTheSite
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "file-download" in warning and "OfTheSite" in warning
    assert "record-view" not in warning
    assert current_stats_classes(app) == {PatientEventsIndexer}


def test_a_subclass_of_the_site_counts_as_safe_and_stays_in_use(app, caplog):
    class OfTheSite(PatientEventsIndexer):
        pass

    class Site:
        config = {"STATS_EVENTS": {"record-view": lambda app: {"cls": OfTheSite}}}
        extensions, logger = {}, app.logger

    assert install(Site)
    assert Site.config["STATS_EVENTS"]["record-view"]["cls"] is OfTheSite
    assert not caplog.records


def test_messages_become_persistent_unless_the_site_has_its_own_exchange(app):
    assert app.config["STATS_MQ_EXCHANGE"].delivery_mode == 2
    queues = app.extensions["invenio-queues"].queues
    assert queues["stats-record-view"].exchange.delivery_mode == 2
    own = Exchange("own", type="direct", delivery_mode="transient")

    class Site:
        config = {"STATS_MQ_EXCHANGE": own}
        extensions, logger = {}, app.logger

    install(Site)
    assert Site.config["STATS_MQ_EXCHANGE"] is own


def test_an_event_with_a_lone_surrogate_is_stored(queue):
    publish(2, referrer=lambda number: "\ud800" if number else None)
    assert process_events(["record-view"]) == [("record-view", (2, 0))]
    assert {source["referrer"] for _, source in queue.seen("view")} == {None, "?"}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (float("nan"), "NaN"),
        ({1, 2}, "{1, 2}"),
        ({("a", "b"): 1, "c": 2}, {"c": 2}),
    ],
)
def test_an_event_that_cannot_be_encoded_is_a_dead_letter(broker, value, stored):
    broker.fill(3)
    indexer = broker.indexer()
    indexer.preprocessors = [
        *indexer.preprocessors,
        lambda event: (
            {**event, "referrer": value}
            if not broker.usage.__dict__.setdefault("calls", []).append(1)
            and len(broker.usage.calls) == 2
            else event
        ),
    ]
    assert indexer.run() == (2, 1)
    assert len(broker.usage.seen("view")) == 2
    found = dead_letters.read_dead_letters(broker.usage.client, broker.usage.names)
    assert found.count == 1 and "cannot be encoded" in found.reason
    ((_, letter),) = broker.usage.seen(index=broker.usage.names.dead_letter)
    assert letter["source"]["referrer"] == stored


def test_values_are_sent_as_the_stock_client_sends_them():
    source = {
        "a": Decimal("1.50"),
        "b": datetime(2026, 1, 2, 3, tzinfo=UTC),
        "c": date(2026, 1, 2),
        "d": uuid.UUID(int=5),
        "e": "é\n",
        "f": [None, True, 1.5],
    }
    assert encode(source) == (JSONSerializer().dumps(source).encode(), None)


def test_other_events_of_the_site_do_not_change(app, broker):
    class Site:
        config = {"STATS_EVENTS": {"search-query": {"cls": EventsIndexer}}}
        extensions, logger = {}, app.logger

    assert install(Site)
    assert Site.config["STATS_EVENTS"]["search-query"]["cls"] is EventsIndexer
    # even if the site uses our indexer for them, they are not enriched
    index = f"{broker.usage.names.prefix}events-stats-search-query"
    body = {"mappings": {"dynamic": "strict", "properties": STRICT}}
    broker.usage.client.indices.create(index=f"{index}-{NOW:%Y-%m}", body=body)
    broker.fill(3)
    indexer = broker.indexer()
    indexer.index = index
    assert indexer.run() == (3, 0)
    found = broker.usage.client.indices.get_mapping(index=f"{index}-*")
    (mapping,) = [i["mappings"]["properties"] for i in found.values()]
    assert mapping == STRICT


STRICT = {
    name: {"type": kind}
    for kind, names in {
        "keyword": (
            *("country", "parent_recid", "recid", "referrer"),
            *("unique_id", "unique_session_id", "visitor_id"),
        ),
        "boolean": ("is_machine", "is_robot", "via_api"),
        "date": ("timestamp", "updated_timestamp"),
    }.items()
    for name in names
}
"""The mapping of a site's own events."""


def test_one_warning_names_the_enriched_fields_that_the_site_sets(broker, caplog):
    broker.fill(45)
    indexer = broker.indexer()
    own = {"community_ids": ["own"]}
    indexer.preprocessors = [*indexer.preprocessors, lambda event: {**event, **own}]
    assert indexer.run() == (45, 0)
    assert caplog.text.count("Enrichment replaces the fields") == 1


def test_a_view_is_enriched_as_of_its_time_except_for_an_unknown_record(queue):
    records = [record.recid for record in queue.records[:10]]
    publish(11, recid=lambda number: [*records, "nobody-knows"][number])
    assert process_events(["record-view"]) == [("record-view", (11, 0))]
    seen = {source["recid"]: source for _, source in queue.seen("view")}
    unknown = seen.pop("nobody-knows")
    assert not set(unknown) & set(ENRICHED_FIELDS)
    assert sorted(seen) == sorted(records)
    for recid, source in seen.items():
        wanted = queue.communities_at(recid, source["timestamp"])
        assert source["community_ids"] == wanted
        assert source["subcounts"]["file_types"] == ["csv", "pdf"]
        assert source["subcounts"]["resource_types"] and source["enriched_at"]
    assert {len(source["community_ids"]) for source in seen.values()} == {0, 1, 2}


def test_download_has_the_type_of_its_own_file(queue):
    current_stats.publish(
        "file-download",
        [
            {
                **event,
                "bucket_id": "b",
                "file_id": f"f{number}",
                "file_key": f"data.{type}",
                "size": 5,
            }
            for number, (event, type) in enumerate(
                zip(views(2, queue.records[1].recid), ("TIF", "csv"), strict=True)
            )
        ],
    )
    assert process_events(["file-download"]) == [("file-download", (2, 0))]
    seen = {source["file_key"]: source for _, source in queue.seen("download")}
    assert seen["data.TIF"]["subcounts"]["file_types"] == ["tif"]
    assert seen["data.csv"]["subcounts"]["file_types"] == ["csv"]
    assert seen["data.csv"]["community_ids"] == [RED]


def test_a_legacy_month_first_gets_the_mapping_and_can_be_migrated(queue):
    month = NOW.strftime("%Y-%m")
    mappings = stock_body(queue.app, "view")["mappings"]
    # with dynamic mapping, the first value decides
    index = queue.legacy_index("view", month, mappings={**mappings, "dynamic": True})
    old = queue.add("view", month, 50)
    publish(30, recid=lambda number: queue.records[number].recid)
    assert process_events(["record-view"]) == [("record-view", (30, 0))]
    body = queue.client.indices.get_mapping(index=index)[index]["mappings"]
    assert body["properties"]["community_ids"]["type"] == "keyword"
    assert body["properties"]["enriched_at"]["type"] == "date"
    assert body["properties"]["subcounts"]["properties"]["file_types"] == {
        "type": "keyword",
        "index": False,
        "ignore_above": 1024,
    }
    seen = dict(queue.seen("view"))
    assert len(seen) == 80
    assert sum("enriched_at" in source for source in seen.values()) == 30
    report = queue.migrate(ignore_stock_workers=True)
    assert report["completed"], report
    assert queue.state("view", month)["state"] == "done"
    queue.assert_enriched_once(seen)
    assert set(old) < set(seen)
    after = dict(queue.seen("view"))
    for id, source in seen.items():
        if "enriched_at" in source:
            assert after[id] == source


def test_events_of_a_month_that_refuses_the_mapping_are_stored_without_enrichment(
    queue, caplog
):
    month = NOW.strftime("%Y-%m")
    mappings = stock_body(queue.app, "view")["mappings"]
    mappings["properties"]["community_ids"] = {"type": "long"}
    index = queue.legacy_index("view", month, mappings=mappings)
    publish(3, recid=lambda number: queue.records[1].recid)
    assert process_events(["record-view"]) == [("record-view", (3, 0))]
    seen = queue.seen("view")
    assert len(seen) == 3
    assert not any(set(source) & set(ENRICHED_FIELDS) for _, source in seen)
    assert f"Events of {index} are stored without enrichment" in caplog.text


def test_index_that_takes_over_during_a_block_gets_the_mapping_too(queue):
    month = NOW.strftime("%Y-%m")
    name = queue.names.events_month("view", month)
    mappings = {**stock_body(queue.app, "view")["mappings"], "dynamic": True}
    old, new = (
        queue.legacy_index("view", month, mappings=mappings, name=f"{name}.{suffix}")
        for suffix in ("old", "new")
    )
    queue.client.indices.put_alias(index=old, name=name)
    alias_actions.block_writes(queue.client, old)
    publish(10, recid=lambda number: queue.records[1].recid)
    move = [
        {"remove": {"index": old, "alias": name}},
        {"add": {"index": new, "alias": name}},
    ]
    switch = threading.Timer(
        1.5, queue.client.indices.update_aliases, kwargs={"body": {"actions": move}}
    )
    switch.start()
    assert process_events(["record-view"]) == [("record-view", (10, 0))]
    switch.join()
    seen = queue.seen("view", index=new)
    assert len(seen) == 10 and all(source["enriched_at"] for _, source in seen)
    fields = queue.client.indices.get_mapping(index=new)[new]["mappings"]["properties"]
    assert fields["community_ids"]["type"] == "keyword"
    assert fields["subcounts"]["dynamic"] == "true"


def test_native_fields_are_those_of_the_stock_indexer(queue):
    def send():
        publish(40, recid=lambda number: queue.records[number].recid)

    send()
    assert process_events(["record-view"]) == [("record-view", (40, 0))]
    ours = dict(queue.seen("view"))
    queue.client.indices.delete(
        index=queue.names.events_month("view", NOW.strftime("%Y-%m"))
    )
    send()
    event = current_stats.events["record-view"]
    assert EventsIndexer(**event.params).run() == (40, 0)
    stock = dict(queue.seen("view"))
    assert sorted(ours) == sorted(stock)
    for id, source in stock.items():
        mine = native(ours[id])
        assert list(mine) == list(source)
        # only the time of indexing may differ
        assert {**mine, "updated_timestamp": None} == {
            **source,
            "updated_timestamp": None,
        }


def current_stats_classes(app):
    """Return the indexer classes that an application uses."""
    with app.app_context():
        return {event.cls for event in current_stats.events.values()}
