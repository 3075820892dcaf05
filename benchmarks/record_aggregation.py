# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure the aggregation of records: for the first time, and after small changes.

    python -m benchmarks.record_aggregation [--records N] [--communities N] [--keep]

The benchmark creates records of ten years under its own index prefix on the OpenSearch
of SEARCH_HOSTS, as the back-fill would write them. It prints seconds, documents,
requests and the largest memory of the process so far. The cost of a change should
follow the change and not --records. However, the documents of all days since the
changed record differ, so they are read and compared in any case.
"""

import argparse
import ast
import os
import random
import resource
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from opensearchpy import OpenSearch

from invenio_stats_dashboard import config, subcounts
from invenio_stats_dashboard.aggregations.aggregate_store import ensure_templates
from invenio_stats_dashboard.aggregations.records.aggregator import RecordsAggregator
from invenio_stats_dashboard.aggregations.runner import AggregationOptions
from invenio_stats_dashboard.community_events.documents import GLOBAL, CommunityEvent
from invenio_stats_dashboard.community_events.facts import RecordFacts, registry_mark
from invenio_stats_dashboard.community_events.store import EventStore
from invenio_stats_dashboard.search.client import text_client
from invenio_stats_dashboard.search.garbage_collection import give_large_blocks_back
from invenio_stats_dashboard.search.names import RECORD_FAMILIES, Names

YEARS = 10
CHANGED = 100
BEGIN = datetime(2016, 1, 1)
REGISTRY = subcounts.load(config.COMMUNITY_STATS_SUBCOUNTS)
VALUES = {
    # breakdown: (number of values, minimum and maximum per record)
    "resource_types": (30, 1, 1),
    "access_statuses": (4, 1, 1),
    "languages": (40, 0, 2),
    "subjects": (50_000, 0, 8),
    "rights": (20, 0, 1),
    "funders": (2000, 0, 2),
    "affiliations": (20_000, 1, 6),
    "publishers": (1000, 1, 1),
    "periodicals": (3000, 0, 1),
    "file_types": (60, 0, 3),
}


class Made:
    """Generated records, the same for the same seed."""

    def __init__(self, communities, seed=1):
        """Create the communities; their activity is heavy-tailed."""
        self._rng = random.Random(seed)
        self._communities = [self._uuid() for _ in range(communities)]
        self._weights = [1 / (n + 1) for n in range(communities)]
        self._parents = []
        self._mark = registry_mark(REGISTRY)

    def _uuid(self):
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def facts(self, recid, parent, created):
        """Return the facts of a record."""
        rng = self._rng
        values = {}
        for key, (number, fewest, most) in VALUES.items():
            count = rng.randint(fewest, most)
            values[key] = list(
                {f"{key}-{int(number * rng.random() ** 2)}" for _ in range(count)}
            )
        files = len(values["file_types"])
        published = created - timedelta(days=int(rng.expovariate(1 / 400)))
        form = rng.choice(("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d"))
        return RecordFacts(
            recid=recid,
            record_id=self._uuid(),
            parent_id=parent,
            parent_recid=parent,
            created=created.isoformat(),
            updated=created.isoformat(),
            published=published.strftime(form),
            subcounts=values,
            file_types=values["file_types"],
            file_count=files,
            data_volume=files * rng.randint(1, 10**7),
            owner=str(rng.randint(1, 20_000)),
            is_deleted=False,
            deleted_date=None,
            access="public",
            communities=[],
            revision=1,
            registry=self._mark,
            timestamp=created.isoformat(),
        )

    def edited(self, facts):
        """Return facts with another language and another owner."""
        values = {
            **facts.subcounts,
            "languages": [f"languages-{self._rng.randint(0, 39)}"],
        }
        owner = str(self._rng.randint(1, 20_000))
        return replace(
            facts, subcounts=values, owner=owner, revision=facts.revision + 1
        )

    def record(self, number, created):
        """Return a record's facts and community events."""
        rng = self._rng
        if self._parents and rng.random() < 0.2:
            parent = rng.choice(self._parents[-1000:])
        else:
            parent = self._uuid()
            self._parents.append(parent)
        facts = self.facts(f"r{number:07d}", parent, created)
        count = rng.choice((0, 1, 1, 1, 2, 3))
        inside = set(rng.choices(self._communities, self._weights, k=count))
        events = [self._event(facts, GLOBAL, 1, created)]
        for community in inside:
            added = created + timedelta(days=int(rng.expovariate(1 / 5)))
            events.append(self._event(facts, community, 1, added))
            if rng.random() < 0.03:
                removed = added + timedelta(days=rng.randint(0, 300))
                events.append(self._event(facts, community, 2, removed))
        return facts, events

    def _event(self, facts, community, place, when):
        return CommunityEvent(
            record_id=facts.record_id,
            recid=facts.recid,
            parent_id=facts.parent_id,
            community_id=community,
            event_type=("removed", "added")[place % 2],
            event_date=when.isoformat(),
            place=place,
            cause="backfill",
            evidence="created",
            record_created_date=facts.created,
            record_published_date=facts.published,
            is_deleted=False,
            deleted_date=None,
            timestamp=facts.created,
        )


class CountingClient:
    """Counts the requests of a client."""

    def __init__(self, client):
        """Wrap the method that sends all requests."""
        self.number = 0
        perform = client.transport.perform_request

        def counted(*args, **kwargs):
            self.number += 1
            return perform(*args, **kwargs)

        client.transport.perform_request = counted


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--communities", type=int, default=1000)
    parser.add_argument("--keep", action="store_true", help="do not delete the data")
    parser.add_argument("--brief", action="store_true", help="no complete recount")
    parser.add_argument("--prefix", help="use the data of an earlier run with --keep")
    options = parser.parse_args()
    hosts = ast.literal_eval(os.environ["SEARCH_HOSTS"])
    app = SimpleNamespace(config={"SEARCH_HOSTS": hosts})
    client, text = OpenSearch(hosts, timeout=120), text_client(app, timeout=120)
    names = Names(options.prefix or f"bench{uuid.uuid4().hex[:6]}-")
    give_large_blocks_back()
    made = Made(options.communities)
    try:
        store = EventStore(text, names)
        if not options.prefix:
            _fill(client, store, made, options.records, names)
        print(f"prefix {names.prefix}")
        requests = [CountingClient(client), CountingClient(text)]
        _measure("the first time", client, text, names, requests)
        _measure("nothing new", client, text, names, requests)
        facts, events = made.record(9_999_999, BEGIN + timedelta(days=365 * YEARS))
        store.put_facts([facts])
        store.create_events(events)
        _measure("one record more", client, text, names, requests)
        for number in (1, CHANGED):
            chosen = _some(options.records, number)
            facts = store.facts(chosen).values()
            store.put_facts([made.edited(fact) for fact in facts])
            what = f"{number} old records edited"
            _measure(what, client, text, names, requests)
        if not options.brief:
            _measure(
                "all again",
                client,
                text,
                names,
                requests,
                AggregationOptions(rebuild=True),
            )
        _tell_size(client, names)
    finally:
        if not options.keep:
            client.indices.delete(index=f"{names.prefix}*", expand_wildcards="all")
            for kind in ("_index_template",):
                client.transport.perform_request(
                    "DELETE", f"/{kind}/{names.prefix}*", params={"ignore": 404}
                )


def _some(records, number):
    """Return identifiers of records of all ages."""
    return [f"r{records * (2 * i + 1) // (2 * number):07d}" for i in range(number)]


def _tell_size(client, names):
    """Print the size of the state between runs, and that of the documents."""
    sizes = {}
    for what, pattern in (
        ("state between runs", names.between_runs),
        ("documents", f"{names.prefix}stats-community-records-*-*-*"),
    ):
        client.indices.refresh(index=pattern)
        stats = client.indices.stats(index=pattern, metric="store")
        sizes[what] = stats["_all"]["primaries"]["store"]["size_in_bytes"] >> 20
    print(", ".join(f"{what}: {size} MB" for what, size in sizes.items()))


def _fill(client, store, made, records, names):
    store.ensure_templates()
    ensure_templates(client, names)
    began = time.monotonic()
    step = timedelta(days=365 * YEARS) / records
    facts, events = [], []
    for number in range(records):
        one, its = made.record(number, (BEGIN + step * number).replace(microsecond=0))
        facts.append(one)
        events += its
        if len(facts) == 5000 or number == records - 1:
            store.put_facts(facts)
            store.create_events(events)
            facts, events = [], []
    store.refresh()
    print(f"{records} records created in {time.monotonic() - began:.0f} s")


def _measure(what, client, text, names, requests, options=None):
    before = sum(r.number for r in requests)
    began, cpu = time.monotonic(), time.process_time()
    records = RecordsAggregator(
        client, text, names, REGISTRY, 20, datetime.now(UTC).date()
    )
    steps = changed = 0
    for phase in records.phases(options or AggregationOptions()):
        for step in phase:
            done = step.do()
            steps += 1
            changed += sum(
                w.created + w.changed + w.deleted for w in done.written.values()
            )
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    sent = sum(r.number for r in requests) - before
    records.finish()
    stored = [client.count(index=names.aggregates(f))["count"] for f in RECORD_FAMILIES]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{what}: {seconds:.1f} s ({cpu:.1f} s of processor time), {steps} steps, "
        f"{changed} documents written, {sum(stored)} stored, {sent} requests, "
        f"at most {peak} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
