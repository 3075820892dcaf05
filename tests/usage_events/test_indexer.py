# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The event indexer waits out what will pass."""

import threading
from datetime import UTC, datetime

import pytest
from invenio_queues.proxies import current_queues
from invenio_stats.processors import EventsIndexer
from invenio_stats.proxies import current_stats
from invenio_stats.tasks import process_events

from invenio_stats_dashboard.usage_events.indexer import PatientEventsIndexer, install
from invenio_stats_dashboard.usage_events.migration import aliases

from ..helpers.usage import Usage

NOW = datetime.now(UTC).replace(tzinfo=None)


@pytest.fixture()
def queue(fresh, client, names):
    """Return an instance with an empty queue of views."""
    with fresh.app_context():
        current_queues.declare()
        list(current_stats.consume("record-view"))
        yield Usage(fresh, client, names)


def publish(count):
    """Put views of different visitors into the queue."""
    current_stats.publish(
        "record-view",
        [
            {
                "timestamp": NOW.isoformat(),
                "recid": "abcde-fghij",
                "parent_recid": "klmno-pqrst",
                "via_api": False,
                "referrer": None,
                "session_id": f"session {number}",
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0",
            }
            for number in range(count)
        ],
    )


def test_events_refused_by_a_write_block_are_stored_when_it_is_lifted(queue):
    month = NOW.strftime("%Y-%m")
    index = queue.legacy_index("view", month)
    aliases.block_writes(queue.client, index)
    publish(30)
    lift = threading.Timer(1.5, aliases.lift_block, (queue.client, index))
    lift.start()
    assert process_events(["record-view"]) == [("record-view", (30, 0))]
    lift.join()
    assert len(queue.seen("view")) == 30


def test_stock_indexer_is_replaced_and_a_class_of_the_site_is_not(app):
    class OfTheSite(EventsIndexer):
        pass

    class Site:
        config = {
            "STATS_EVENTS": {
                "record-view": {"cls": EventsIndexer, "params": {"suffix": "%Y-%m"}},
                "file-download": {"cls": OfTheSite},
            }
        }

    assert not install(Site)
    events = Site.config["STATS_EVENTS"]
    assert events["record-view"] == {
        "cls": PatientEventsIndexer,
        "params": {"suffix": "%Y-%m"},
    }
    assert events["file-download"]["cls"] is OfTheSite
    assert current_stats_classes(app) == {PatientEventsIndexer}


def test_events_given_as_functions_of_the_application_are_read_as_the_stock_does():
    class Site:
        config = {"STATS_EVENTS": {"record-view": lambda app: {"cls": EventsIndexer}}}

    assert install(Site)
    assert Site.config["STATS_EVENTS"]["record-view"]["cls"] is PatientEventsIndexer


def test_an_event_that_is_no_json_does_not_take_others_with_it(queue):
    month = NOW.strftime("%Y-%m")
    queue.legacy_index("view", month)
    indexer = PatientEventsIndexer(queue=current_stats.events["record-view"].queue)
    name = queue.names.events_month("view", month)
    action = {"_op_type": "index", "_index": name}
    good = next(iter(queue.events("view", month, 1, 1)))
    indexer.actionsiter = lambda: iter(
        [
            {**action, "_id": "bad", "_source": {"referrer": "\ud800"}},
            {**action, "_id": good[0], "_source": good[1]},
        ]
    )
    assert indexer.run() == (1, 1)
    assert [id for id, _ in queue.seen("view")] == [good[0]]


def current_stats_classes(app):
    """Return the indexer classes that an application uses."""
    with app.app_context():
        return {event.cls for event in current_stats.events.values()}
