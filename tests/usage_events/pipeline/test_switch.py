# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The current month is cut over while a real worker stores its events."""

import threading
from datetime import UTC, datetime

from ...helpers.faults import until
from ...helpers.sites import Beat, ids_of, views
from ...helpers.usage import Reader

TOTAL = 4_000
"""Number of events: twenty chunks of the worker, and many batches of the copy."""

BEFORE, MEANWHILE = 1_600, 2_800
"""Numbers of events that may be published before the cut-over, and before its end."""


class Visitors(threading.Thread):
    """Publishes events, up to a number that may be raised while it runs.

    Args:
        site: the :class:`~...helpers.sites.Site`.
        events: list of all events.
    """

    def __init__(self, site, events):
        """Store the arguments; :meth:`start` starts the thread."""
        super().__init__(daemon=True)
        self._site, self._events = site, events
        self._raised = threading.Condition()
        self._allowed = 0
        self.written = []

    def allow(self, count):
        """Raise the total number of events to publish."""
        with self._raised:
            self._allowed = max(self._allowed, count)
            self._raised.notify()

    def run(self):
        """Publish until all events are published."""
        app = self._site.usage.app
        with app.app_context():
            while (done := len(self.written)) < len(self._events):
                with self._raised:
                    self._raised.wait_for(lambda done=done: done < self._allowed)
                    portion = self._events[done : min(done + 40, self._allowed)]
                self.written += portion
                self._site.publish(portion)


def test_all_events_arrive_before_during_and_after_the_cutover_of_their_month(site):
    usage, month = site.usage, datetime.now(UTC).strftime("%Y-%m")
    legacy = usage.legacy("view", month, 300)
    events = views(TOTAL, usage.records)
    ids = ids_of(events)
    assert len(ids) == TOTAL and not ids & set(legacy)
    visitors = Visitors(site, events)
    stored, refused = [], []

    def step(name):
        if name == "copy" and not stored:
            visitors.allow(BEFORE)
            until(lambda: count(usage) >= 300 + BEFORE // 4, "events are stored")
            stored.append(name)
        if name == "flush":  # the block is set, and the month is not cut over yet
            before = site.proxy.blocked
            visitors.allow(MEANWHILE)
            until(lambda: site.proxy.blocked > before, "a write was refused")
            refused.append(name)

    visitors.start()
    with Beat(site), Reader(usage, "view", 300, visitors) as reader:
        report = usage.service.reindex_events(step=step, batch_size=200).as_json()
        assert report["completed"], report
        assert stored and refused == ["flush"]
        already = len(visitors.written)
        visitors.allow(TOTAL)
        visitors.join(timeout=60)
    site.work_off()
    assert already < TOTAL, "nothing was left to be written after the switch"
    assert usage.state("view", month)["state"] == "done"
    assert reader.wrong == [] and reader.polls > 10
    found = usage.seen("view")
    assert sorted(id for id, _ in found) == sorted(ids | set(legacy))
    brought = {
        id for id, _ in usage.seen(index=usage.names.events_backup("view", month))
    }
    assert set(legacy) < brought and BEFORE // 4 <= len(brought - set(legacy)) < TOTAL
    for _, source in found:
        wanted = usage.communities_at(source["recid"], source["timestamp"])
        assert source["enriched_at"] and source["community_ids"] == wanted


def count(usage):
    """Return the number of events that readers see."""
    alias = usage.names.events_alias("view")
    usage.client.indices.refresh(index=alias)
    return usage.client.count(index=alias)["count"]
