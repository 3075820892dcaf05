# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures: records that are stored in OpenSearch, and their aggregation."""

import itertools
from datetime import date

import pytest

from invenio_stats_dashboard import config, subcounts
from invenio_stats_dashboard.aggregations.aggregate_store import (
    WriteCounts,
    ensure_templates,
)
from invenio_stats_dashboard.aggregations.records.aggregator import RecordsAggregator
from invenio_stats_dashboard.aggregations.runner import AggregationOptions
from invenio_stats_dashboard.community_events.documents import CommunityEvent
from invenio_stats_dashboard.community_events.facts import RecordFacts
from invenio_stats_dashboard.community_events.store import EventStore
from invenio_stats_dashboard.search.names import RECORD_FAMILIES

from ...conftest import remove_statistics
from ...helpers import reference
from ...helpers.stored import aggregates_in, assert_same

REGISTRY = config.COMMUNITY_STATS_SUBCOUNTS
TODAY = date(2024, 4, 1)


class Known:
    """Records whose events and facts are stored in OpenSearch, and here for reference.

    Args:
        client: decodes responses.
        text: does not decode responses.
        names: the instance's index names.
    """

    # of all objects, because an index remembers the revisions of what was deleted
    _revisions = itertools.count(1, 10)

    def __init__(self, client, text, names):
        """Start without records."""
        self.client, self.text, self.names = client, text, names
        self.store = EventStore(client, names)
        self.store.ensure_templates()
        ensure_templates(client, names)
        self.facts, self.events = {}, {}
        self.labels, self.without_facts = [], 0

    def put(self, *records):
        """Store facts, results of :func:`.build.record`, in place of older ones."""
        facts = []
        for record in records:
            source = {
                "parent_recid": None,
                "updated": record["created"],
                "file_types": [],
                "is_deleted": False,
                "deleted_date": None,
                "registry": "",
                "timestamp": None,
                "record_id": f"id of {record['recid']}",
                **record,
                # greater than the version of a deletion, which OpenSearch remembers
                "revision": next(self._revisions),
            }
            self.facts[record["recid"]] = source
            facts.append(RecordFacts.from_document(source))
        self.store.put_facts(facts)
        self.store.refresh()

    def edit(self, recid, **changes):
        """Change facts of a record."""
        self.put({**self.facts[recid], **changes})

    def happen(self, *events):
        """Store community events, results of :func:`.build.timeline`."""
        made = []
        for event in events:
            facts = self.facts.get(event["recid"]) or {
                "parent_id": "nobody",
                "created": "2024-02-01T10:00:00",
            }
            source = {
                "record_id": f"id of {event['recid']}",
                "parent_id": facts["parent_id"],
                "cause": "publish",
                "evidence": "created",
                "record_created_date": facts["created"],
                "timestamp": event["event_date"],
                "is_deleted": False,
                **event,
            }
            made.append(CommunityEvent.from_document(source))
            self.events[made[-1].id] = source
        self.store.create_events(made)
        self.store.refresh()

    def forget_event(self, event):
        """Delete a community event."""
        index = f"{self.names.community_events}-{event['record_created_date'][:4]}"
        id = f"{event['record_id']}:{event['community_id']}:{event['place']}"
        self.client.delete(index=index, id=id, refresh=True)
        del self.events[id]

    def forget_facts(self, recid):
        """Delete the facts of a record."""
        self.client.delete(index=self.names.record_facts, id=recid, refresh=True)
        del self.facts[recid]

    def half(self, today=TODAY, top=20, registry=REGISTRY, gate=None):
        """Return the aggregation of records."""
        rules = subcounts.load(registry), top, today
        return RecordsAggregator(self.client, self.text, self.names, *rules, gate=gate)

    def aggregate(self, today=TODAY, half=None, **options):
        """Run the aggregation, return its report, and store the labels of its steps."""
        half = half or self.half(today)
        self.labels, self.without_facts, written = [], 0, WriteCounts()
        for phase in half.phases(AggregationOptions(**options)):
            for step in phase:
                self.labels.append(step.label)
                done = step.do()
                written = sum(done.written.values(), written)
                self.without_facts += done.without_facts
        half.finish()
        return written

    @property
    def counted(self):
        """Return the labels of the steps that wrote documents."""
        return [label for label in self.labels if label.startswith("records of")]

    @property
    def read(self):
        """Return the labels of the steps that read events and facts."""
        return [label for label in self.labels if label not in self.counted]

    def found(self):
        """Return the stored documents."""
        return aggregates_in(self.client, self.names, RECORD_FAMILIES)

    def wanted(self, today=TODAY, top=20, registry=REGISTRY):
        """Return the documents that the reference computes."""
        stored = {
            "views": [],
            "downloads": [],
            "facts": self.facts.values(),
            "community_events": self.events.values(),
        }
        found = reference.aggregates(stored, registry, today.isoformat(), top)
        return {family: found[family] for family in RECORD_FAMILIES}

    def check(self, today=TODAY, **rules):
        """Check that the stored documents are those of the reference."""
        assert_same(self.found(), self.wanted(today, **rules))


@pytest.fixture()
def known(client, text, names):
    """Return an instance without records and aggregates."""
    remove_statistics(client, names)
    return Known(client, text, names)
