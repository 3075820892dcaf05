# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create legacy usage events of known records, and read them as readers do."""

import json
import random
import threading
import time
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime

from invenio_search.proxies import current_search
from opensearchpy.exceptions import OpenSearchException

from invenio_stats_dashboard.community_events.backfill_state import save_state
from invenio_stats_dashboard.community_events.documents import CommunityEvent
from invenio_stats_dashboard.community_events.facts import RecordFacts, registry_mark
from invenio_stats_dashboard.community_events.store import EventStore
from invenio_stats_dashboard.search.mappings import ENRICHED_FIELDS
from invenio_stats_dashboard.search.names import STOCK_EVENTS
from scripts.demo.bulk import write
from scripts.demo.legacy_events import generate, synthetic_records

RED, BLUE = (
    "00000000-0000-4000-8000-00000000000a",
    "00000000-0000-4000-8000-00000000000b",
)
"""Two communities."""


class Usage:
    """The usage events of one instance, for a test to arrange and read.

    Args:
        app: the application.
        client: decodes responses.
        names: the instance's index names.
        records: number of records.

    Attributes:
        page_size: number of events that :meth:`seen` requests at a time.
    """

    page_size = 5000

    def __init__(self, app, client, names, records=60):
        """Store the records' facts and community events, and finish the back-fill."""
        self.app, self.client, self.names = app, client, names
        self.service = app.extensions[
            "invenio-stats-dashboard"
        ].event_reindexing_service
        self.records = synthetic_records(records, seed=3)
        self.histories = {}
        self._know()

    # -- stored events -----------------------------------------------------

    def _know(self):
        subcounts = self.app.extensions["invenio-stats-dashboard"].subcounts
        rng = random.Random(5)
        facts, events = [], []
        for number, record in enumerate(self.records):
            id = f"aaaaaaaa-0000-4000-8000-{number:012d}"
            facts.append(_facts(record, id, registry_mark(subcounts), rng))
            history = _history(number)
            self.histories[record.recid] = history
            events += _events(record, id, history)
        store = EventStore(self.client, self.names)
        store.ensure_templates()
        store.put_facts(facts)
        store.create_events(events)
        store.refresh()
        now = datetime.now(UTC).replace(tzinfo=None).isoformat()
        save_state(
            self.client, self.names, records=len(facts), finished_at=now, started_at=now
        )

    def legacy_index(self, event_type, month, settings=None, mappings=None, name=None):
        """Create the index of a month as the stock template makes it."""
        body = stock_body(self.app, event_type)
        body["mappings"] = mappings or body["mappings"]
        body["settings"] = {"number_of_replicas": 0, **(settings or {})}
        name = name or self.names.events_month(event_type, month)
        with without_templates(self.client, self.names.events_alias(event_type)):
            self.client.indices.create(index=name, body=body)
        return name

    def legacy(self, event_type="view", month="2026-03", count=500, seed=1, **index):
        """Create a month of legacy events.

        Returns:
            dict: ``_id`` -> source, as stored.
        """
        self.legacy_index(event_type, month, **index)
        return self.add(event_type, month, count, seed)

    def add(self, event_type="view", month="2026-03", count=100, seed=2):
        """Write more events to a month by its stock name."""
        events = dict(self.events(event_type, month, count, seed))
        write(self.client, self.names.prefix, event_type, events.items())
        self.client.indices.refresh(index=self.names.events_alias(event_type))
        return events

    def events(self, event_type, month, count, seed, until=None):
        """Return an iterable of new events."""
        return generate(event_type, month, count, self.records, seed, until)

    # -- what readers see --------------------------------------------------

    def seen(self, event_type="view", index=None):
        """Return all events that readers see, once for each time that they see it."""
        index = index or self.names.events_alias(event_type)
        self.client.indices.refresh(index=index)
        found, after = [], None
        while True:
            body = {"size": self.page_size, "sort": ["_index", "_seq_no"]}
            if after:
                body["search_after"] = after
            hits = self.client.search(index=index, body=body)["hits"]["hits"]
            if not hits:
                return found
            found += [(hit["_id"], hit["_source"]) for hit in hits]
            after = hits[-1]["sort"]

    def communities_at(self, recid, timestamp):
        """Return the communities for which an event should count, computed simply."""
        return sorted(
            community
            for community, added, removed in self.histories.get(recid, ())
            if added <= timestamp and (removed is None or timestamp < removed)
        )

    def assert_enriched_once(self, events, event_type="view"):
        """Check that readers see exactly these events, natively equal and enriched."""
        seen = self.seen(event_type)
        assert len(seen) == len(events), f"{len(seen)} seen, {len(events)} written"
        for id, source in seen:
            assert native(source) == native(events[id])
            assert source["enriched_at"]
            wanted = self.communities_at(source["recid"], source["timestamp"])
            assert source["community_ids"] == wanted

    def assert_seen(self, events, event_type="view", enriched=()):
        """Check that readers see exactly these events, once each and natively equal.

        Args:
            events: ``_id`` -> source.
            event_type: view or download.
            enriched: ids of events that must also be enriched. Events that the stock
                indexer writes to a migrated month are not.
        """
        seen = self.seen(event_type)
        assert len(seen) == len(events), f"{len(seen)} seen, {len(events)} written"
        for id, source in seen:
            assert native(source) == native(events[id])
            if id in enriched:
                wanted = self.communities_at(source["recid"], source["timestamp"])
                assert source["enriched_at"] and source["community_ids"] == wanted

    def state(self, event_type, month):
        """Return a month's bookmark."""
        return self.client.get(index=self.names.reindexing, id=f"{event_type}-{month}")[
            "_source"
        ]

    def migrate(self, **arguments):
        """Run the migration and return its report as JSON."""
        return self.service.reindex_events(**arguments).as_json()


def native(source):
    """Return an event without its enrichment."""
    return {k: v for k, v in source.items() if k not in ENRICHED_FIELDS}


def stock_body(app, event_type):
    """Return mapping and aliases of the stock template of an event type."""
    package = app.config["STATS_EVENTS"][STOCK_EVENTS[event_type]]["templates"]
    with app.app_context():
        (path,) = current_search.register_templates(package).values()
    with open(path) as file:
        text = file.read()
    body = json.loads(
        text.replace("__SEARCH_INDEX_PREFIX__", app.config["SEARCH_INDEX_PREFIX"])
    )
    return {k: deepcopy(body[k]) for k in ("mappings", "aliases")}


@contextmanager
def without_templates(client, alias):
    """Make no template apply to indices of an event type inside the context.

    An empty template of higher priority replaces all others. Deleting the templates of
    the package, and restoring them, takes longer.
    """
    name, body = f"{alias}-empty", {"index_patterns": [f"{alias}-*"]}
    client.indices.put_index_template(name=name, body={**body, "priority": 1_000_000})
    try:
        yield
    finally:
        client.indices.delete_index_template(name=name)


class Writer(threading.Thread):
    """Writes events to a month by its stock name, and retries refused ones.

    Args:
        usage: the :class:`Usage`.
        event_type: view or download.
        month: ``YYYY-MM``.
        per_second: number of events per second.
        seed: seed of the events.
    """

    def __init__(self, usage, event_type, month, per_second=50, seed=99):
        """Store the arguments; :meth:`start` starts the thread."""
        super().__init__(daemon=True)
        self._usage, self._pause = usage, 1 / per_second
        self._events = usage.events(event_type, month, 200_000, seed)
        self._name = usage.names.events_month(event_type, month)
        self._ended = threading.Event()
        self.written = {}
        self.confirmed = 0
        self.longest_wait = 0.0

    def run(self):
        """Write until stopped."""
        while not self._ended.is_set():
            id, source = next(self._events)
            self.written[id] = source
            start = time.monotonic()
            while not self._try(id, source):
                time.sleep(0.02)
            self.confirmed += 1
            self.longest_wait = max(self.longest_wait, time.monotonic() - start)
            time.sleep(self._pause)

    def _try(self, id, source):
        try:
            self._usage.client.index(index=self._name, id=id, body=source)
            return True
        except OpenSearchException:
            return False

    def stop(self):
        """Stop and return the events that were written."""
        self._ended.set()
        self.join(timeout=60)
        assert not self.is_alive()
        return self.written

    def __enter__(self):
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_):
        """Stop."""
        self.stop()


class Reader(threading.Thread):
    """Counts what readers see repeatedly, and records each incorrect total.

    Args:
        usage: the :class:`Usage`.
        event_type: view or download.
        least: number of events at the start.
        writer: the :class:`Writer` that adds to them, or None.
    """

    def __init__(self, usage, event_type, least, writer=None):
        """Store the arguments; :meth:`start` starts the thread."""
        super().__init__(daemon=True)
        self._usage, self._alias = usage, usage.names.events_alias(event_type)
        self._least, self._writer = least, writer
        self._ended = threading.Event()
        self.polls, self.wrong = 0, []

    def run(self):
        """Count until stopped.

        A total may lag behind by the refresh interval, so it must lie between the
        largest total seen so far and all that was ever sent.
        """
        lowest = self._least
        while not self._ended.is_set():
            try:
                total = self._usage.client.count(index=self._alias)["count"]
            except OpenSearchException as error:
                self.wrong.append(f"no answer: {error}")
                continue
            highest = self._least + (len(self._writer.written) if self._writer else 0)
            self.polls += 1
            if not lowest <= total <= highest:
                self.wrong.append((lowest, total, highest))
            lowest = max(lowest, min(total, highest))
            time.sleep(0.005)  # so that it does not slow down what it observes

    def __enter__(self):
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_):
        """Stop."""
        self._ended.set()
        self.join(timeout=60)


def _history(number):
    """Return ``(community, added, removed)`` of a record, of several kinds."""
    return (
        (),
        ((RED, "2020-01-01T00:00:00", None),),
        ((RED, "2020-01-01T00:00:00", None), (BLUE, "2026-03-15T12:00:00", None)),
        ((BLUE, "2020-01-01T00:00:00", "2026-03-10T00:00:00"),),
        (
            (RED, "2020-01-01T00:00:00", "2026-03-05T10:00:00"),
            (RED, "2026-03-20T00:00:00", None),
        ),
    )[number % 5]


def _events(record, id, history):
    events, places = [], {}
    for community, added, removed in history:
        for kind, date in (("added", added), ("removed", removed)):
            if date is None:
                continue
            places[community] = places.get(community, 0) + 1
            events.append(
                CommunityEvent(
                    record_id=id,
                    recid=record.recid,
                    parent_id=id,
                    community_id=community,
                    event_type=kind,
                    event_date=date,
                    place=places[community],
                    cause="backfill",
                    evidence="created",
                    record_created_date="2020-01-01T00:00:00",
                    record_published_date="2020-01-01",
                    is_deleted=False,
                    deleted_date=None,
                    timestamp="2026-01-01T00:00:00",
                )
            )
    return events


def _facts(record, id, registry, rng):
    return RecordFacts(
        recid=record.recid,
        record_id=id,
        parent_id=id,
        parent_recid=record.parent_recid,
        created="2020-01-01T00:00:00",
        updated="2020-01-01T00:00:00",
        published="2020-01-01",
        subcounts={
            "resource_types": [rng.choice(["dataset", "software"])],
            "access_statuses": ["open"],
            "subjects": [f"subject {rng.randrange(9)}", "history"],
            "file_types": ["csv", "pdf"],
        },
        file_types=["csv", "pdf"],
        file_count=2,
        data_volume=10_000,
        owner="1",
        is_deleted=False,
        deleted_date=None,
        access="public",
        communities=[],
        revision=1,
        registry=registry,
    )
