# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Missing enrichment is filled and events are re-attributed during a cut-over."""

import itertools
import threading
from dataclasses import replace
from datetime import UTC, datetime

from invenio_stats.processors import EventsIndexer
from invenio_stats.proxies import current_stats

from invenio_stats_dashboard.community_events.store import EventStore
from invenio_stats_dashboard.search.client import text_client
from invenio_stats_dashboard.usage_events import dead_letters
from invenio_stats_dashboard.usage_events.maintenance import reattribution

from ...helpers.faults import until
from ...helpers.sites import VIEW, Beat, Listed, views
from ...helpers.usage import RED, _events, native

PAST = "2026-03"
CHANGED_AT = "2026-03-12T00:00:00"
HURRIED = (
    *("intent", "block", "flush", "delta", "delta written"),
    *("read alias", "clone", "cloned", "last call"),
)
"""Steps of the cut-over, which has a deadline; most run under the write block."""


class Rewriting(threading.Thread):
    """Fills missing enrichment and re-attributes events, without a pause.

    Args:
        usage: the usage events.
    """

    def __init__(self, usage):
        """Store the arguments; :meth:`start` starts the thread."""
        super().__init__(daemon=True)
        self._usage, self._ended = usage, threading.Event()
        self.begun = self.done = self.written = 0

    def run(self):
        """Repeat until stopped."""
        with self._usage.app.app_context():
            while not self._ended.is_set():
                self.begun += 1
                self.written += once(self._usage)
                self.done += 1

    def __enter__(self):
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_):
        """Stop."""
        self._ended.set()
        self.join(timeout=60)
        assert not self.is_alive()


def once(usage):
    """Fill and re-attribute once; return the number of events written."""
    filled = usage.service.fill_usage_events(limit=200, batch=50)
    attributed = usage.service.attribute_again(rest=0, limit=200, batch=50)
    assert not filled.refused, filled.reason
    return filled.events + attributed.events


def know_late(usage):
    """Add a late membership to a record without communities, and note the record."""
    record = next(r for r in usage.records if not usage.histories[r.recid])
    history = ((RED, CHANGED_AT, None),)
    store = EventStore(usage.client, usage.names)
    record_id = store.facts([record.recid])[record.recid].record_id
    events = _events(record, record_id, history)
    store.create_events([replace(event, cause="accepted") for event in events])
    store.refresh()
    usage.histories[record.recid] = history
    reattribution.note(text_client(usage.app), usage.names, {record.recid: CHANGED_AT})
    return record


def test_filling_and_reattribution_continue_during_a_cutover(site):
    usage, month = site.usage, datetime.now(UTC).strftime("%Y-%m")
    expected = usage.legacy("view", PAST, 300)
    assert usage.migrate()["completed"]
    expected |= usage.add("view", PAST, 400)
    expected |= usage.legacy("view", month, 300)
    counter = itertools.count(step=100)

    def visit():
        with usage.app.app_context():  # other threads make some steps
            events = views(100, usage.records, next(counter))
            site.publish(events)
            expected.update(documents(events))

    visit()
    site.work_off()
    late, met = [], set()
    with Beat(site), Rewriting(usage) as rewriting:

        def step(name):
            if name in met:  # otherwise more events would arrive than are copied
                return
            met.add(name)
            visit()
            done = rewriting.done
            if name == "verified":
                late.append(know_late(usage).recid)
            if name not in HURRIED:
                until(lambda: rewriting.done > done or not rewriting.is_alive(), name)

        report = usage.service.reindex_events(step=step, batch_size=100).as_json()
        assert report["completed"], report
        assert usage.state("view", month)["state"] == "done"
        done = rewriting.done
        until(lambda: rewriting.done > done, "what was refused is tried again")
    site.work_off()
    assert rewriting.written >= 400
    # a worker may have written with the membership that it had cached
    (record,) = late
    reattribution.note(text_client(usage.app), usage.names, {record: CHANGED_AT})
    until(lambda: not once(usage), "all is filled and attributed")
    assert not dead_letters.read_dead_letters(usage.client, usage.names).count
    found = usage.seen()
    assert sorted(id for id, _ in found) == sorted(expected)
    for id, source in found:
        wanted = usage.communities_at(source["recid"], source["timestamp"])
        assert source["enriched_at"] and source["community_ids"] == wanted
        assert native(source) | UNTOLD == expected[id] | UNTOLD
    assert any(s["recid"] == record and s["community_ids"] == [RED] for _, s in found)


UNTOLD = {"updated_timestamp": None}
"""The field with the time of indexing, which differs."""


def documents(events):
    """Return the documents that the stock indexer makes from views, by ``_id``."""
    params = current_stats.events[VIEW].params
    indexer = EventsIndexer(**{**params, "queue": Listed(f"stats-{VIEW}", events)})
    return {action["_id"]: action["_source"] for action in indexer.actionsiter()}
