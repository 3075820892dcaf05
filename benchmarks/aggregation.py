# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure the aggregation of usage, beside one search per day, community and type.

    python -m benchmarks.aggregation [--months N] [--events N] [--communities N] [--keep]

The benchmark writes enriched usage events under its own index prefix on the OpenSearch
of SEARCH_HOSTS: this many per month, four views to one download. It aggregates them for
the first time, without changes, and with an hour's additional events. For each run it
prints seconds, requests, documents and the largest memory of the process. Then it
sends, for a sample of communities and days, the searches that a search per day,
community and event type would need (a dozen breakdowns with distinct counts and a label
each), and prints the ratio for all of them. Compare the ratio, not the seconds.
"""

import argparse
import ast
import calendar
import os
import random
import resource
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import msgspec
from invenio_app_rdm.config import STATS_AGGREGATIONS, STATS_EVENTS
from opensearchpy import OpenSearch

from invenio_stats_dashboard import config, subcounts
from invenio_stats_dashboard.aggregations.aggregate_store import ensure_templates
from invenio_stats_dashboard.aggregations.runner import AggregationOptions
from invenio_stats_dashboard.aggregations.usage.aggregator import UsageAggregator
from invenio_stats_dashboard.aggregations.usage.value_limits import (
    OF_EVENTS,
    OF_RECORDS,
)
from invenio_stats_dashboard.community_events.documents import GLOBAL
from invenio_stats_dashboard.search.client import text_client
from invenio_stats_dashboard.search.garbage_collection import give_large_blocks_back
from invenio_stats_dashboard.search.mappings import enriched
from invenio_stats_dashboard.search.names import USAGE_FAMILIES, Names

from .record_aggregation import VALUES, CountingClient

REGISTRY = subcounts.load(config.COMMUNITY_STATS_SUBCOUNTS)
RECORDS = 5000
FIRST = date(2025, 1, 1)


class Made:
    """Generated records and their events, the same for the same seed."""

    def __init__(self, communities, seed=1, records=RECORDS):
        """Create records; the activity of communities and records is heavy-tailed."""
        self._rng = rng = random.Random(seed)
        self.communities = [self._uuid() for _ in range(communities)]
        weights = [1 / (n + 1) for n in range(communities)]
        self._records = []
        for number in range(records):
            inside = rng.choices(self.communities, weights, k=rng.choice((0, 1, 1, 2)))
            self._records.append(
                {
                    "recid": f"r{number:05d}",
                    "parent_recid": f"p{number // 2:05d}",
                    "community_ids": sorted(set(inside)),
                    "subcounts": self._values(),
                }
            )
        self._weights = [1 / (n + 10) for n in range(records)]
        self._visitors = [self._hex() for _ in range(20_000)]

    def _uuid(self):
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _hex(self):
        return f"{self._rng.getrandbits(224):056x}"

    def _values(self):
        rng, values = self._rng, {}
        for key, (number, fewest, most) in VALUES.items():
            count = rng.randint(fewest, most)
            number = min(number, 1500)
            values[key] = sorted(
                {f"{key}-{int(number * rng.random() ** 2)}" for _ in range(count)}
            )
        return {key: found for key, found in values.items() if found}

    def day(self, day, kind, count):
        """Yield id and source of the events of a day."""
        rng = self._rng
        for record in rng.choices(self._records, self._weights, k=count):
            moment = datetime.combine(day, datetime.min.time())
            moment += timedelta(seconds=rng.randrange(86_400))
            visitor = rng.choice(self._visitors)
            source = {
                "timestamp": moment.isoformat(),
                "recid": record["recid"],
                "parent_recid": record["parent_recid"],
                "referrer": f"https://site-{int(60 * rng.random() ** 3)}.example/page",
                "via_api": False,
                "is_robot": False,
                "is_machine": rng.random() < 0.2,
                "country": rng.choice(("DE", "CA", "US", "US", "CN", "FR", None)),
                "visitor_id": visitor,
                "unique_session_id": visitor,
                "unique_id": f"ui_{record['recid']}",
                "updated_timestamp": "2026-01-01T00:00:00+00:00",
            }
            if kind == "download":
                file = f"{record['recid']}-{rng.randrange(3)}"
                source |= {"file_id": file, "file_key": "a.pdf", "bucket_id": file}
                source |= {"size": rng.randrange(10**7)}
            source["community_ids"] = record["community_ids"]
            source["subcounts"] = record["subcounts"]
            source["enriched_at"] = "2026-01-01T00:00:00+00:00"
            yield f"{source['timestamp']}-{rng.getrandbits(80):020x}", source


class Instance:
    """An index prefix with events."""

    def __init__(self, prefix, made):
        """Connect, without writing anything."""
        hosts = ast.literal_eval(os.environ["SEARCH_HOSTS"])
        self.app = SimpleNamespace(
            config={
                "SEARCH_HOSTS": hosts,
                "STATS_EVENTS": STATS_EVENTS,
                "COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT": 20,
                "STATS_DASHBOARD_COUNT_ROBOTS": False,
                "STATS_DASHBOARD_SHOW_HIDDEN_RECORDS": False,
                OF_EVENTS: config.STATS_DASHBOARD_MAX_VALUES_PER_DAY,
                OF_RECORDS: config.STATS_DASHBOARD_MAX_RECORD_VALUES_PER_DAY,
            },
            extensions={"invenio-stats": SimpleNamespace(aggregations=_aggregations())},
        )
        self.client = OpenSearch(hosts, timeout=120)
        self.text = text_client(self.app, timeout=120)
        self.names, self.made = Names(prefix), made
        self.requests = [CountingClient(self.client), CountingClient(self.text)]
        self.peak = 0

    def fill(self, months, events):
        """Write the events of some months."""
        for kind, share in (("view", 0.8), ("download", 0.2)):
            for month in months:
                self._create(kind, month)
                days = calendar.monthrange(month.year, month.month)[1]
                for number in range(days):
                    day = month.replace(day=number + 1)
                    self.write(kind, day, int(events * share / days))
        self.client.indices.refresh(index=f"{self.names.prefix}events-*")

    def write(self, kind, day, count):
        """Write events of a day."""
        index = self.names.events_month(kind, f"{day:%Y-%m}")
        lines = []
        for id, source in self.made.day(day, kind, count):
            lines += [msgspec.json.encode({"index": {"_id": id}})]
            lines += [msgspec.json.encode(source)]
        for start in range(0, len(lines), 10_000):
            body = b"\n".join(lines[start : start + 10_000]) + b"\n"
            answer = self.client.bulk(index=index, body=body)
            assert not answer["errors"]

    def _create(self, kind, month):
        text = {"type": "keyword"}
        fields = ("recid", "parent_recid", "referrer", "country", "visitor_id")
        fields += ("unique_session_id", "unique_id", "file_id", "file_key", "bucket_id")
        flags = ("via_api", "is_robot", "is_machine")
        properties = {
            **dict.fromkeys(fields, text),
            **{flag: {"type": "boolean"} for flag in flags},
            "timestamp": {"type": "date"},
            "updated_timestamp": {"type": "date"},
            "size": {"type": "double"},
        }
        self.client.indices.create(
            index=self.names.events_month(kind, f"{month:%Y-%m}"),
            body={
                "settings": {"number_of_replicas": 0, "refresh_interval": "-1"},
                "mappings": enriched({"properties": properties}),
                "aliases": {self.names.events_alias(kind): {}},
            },
        )

    def aggregate(self, what, options=None):
        """Aggregate usage, print the cost, and return the seconds."""
        ensure_templates(self.client, self.names)
        before = sum(r.number for r in self.requests)
        began, cpu = time.monotonic(), time.process_time()
        usage = UsageAggregator(self.app, self.client, self.text, self.names, REGISTRY)
        events = changed = 0
        phases = []
        for phase in usage.phases(options or AggregationOptions()):
            start = time.monotonic()
            for step in phase:
                done = step.do()
                events += done.events
                changed += sum(
                    w.created + w.changed + w.deleted for w in done.written.values()
                )
            phases.append(f"{time.monotonic() - start:.1f}")
        usage.finish()
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        sent = sum(r.number for r in self.requests) - before
        counts = [
            self.client.count(index=self.names.aggregates(f))["count"]
            for f in USAGE_FAMILIES
        ]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{what}: {seconds:.1f} s (deltas and snapshots {' + '.join(phases)} s; "
            f"{cpu:.1f} s of processor time), {events} events, {changed} documents "
            f"written, {sum(counts)} stored, {sent} requests, at most {peak} MB",
            flush=True,
        )
        return seconds

    def activity(self):
        """Print the number of documents for each active community and day."""
        delta, snapshot = (
            self.client.count(index=self.names.aggregates(family))["count"]
            for family in USAGE_FAMILIES
        )
        active = set()
        for kind in ("view", "download"):
            active |= self._active(kind)
        print(
            f"{len(active)} active community-days: {delta / len(active):.3f} deltas and "
            f"{snapshot / len(active):.3f} snapshots each"
        )

    def _active(self, kind):
        """Return the communities and days that have events in the cluster."""
        day = {"field": "timestamp", "calendar_interval": "day"}
        day = {"date_histogram": day}
        community = {"terms": {"field": "community_ids"}}
        composite = {"size": 10_000, "sources": [{"day": day}, {"of": community}]}
        found = set()
        while True:
            buckets = self.client.search(
                index=self.names.events_alias(kind),
                body={"size": 0, "aggs": {"found": {"composite": composite}}},
                params={"request_timeout": 120},
            )["aggregations"]["found"]
            found |= {(b["key"]["day"], b["key"]["of"]) for b in buckets["buckets"]}
            # each day with events of any community is a day of the instance
            found |= {(b["key"]["day"], GLOBAL) for b in buckets["buckets"]}
            if "after_key" not in buckets:
                return found
            composite["after"] = buckets["after_key"]

    def searches(self, days, sample):
        """Return the seconds that searches per day, community and type would take."""
        rng, took = random.Random(7), []
        for _ in range(sample):
            community = rng.choice(self.made.communities)
            day = rng.choice(days)
            for kind in ("view", "download"):
                start = time.monotonic()
                self._search(kind, community, day)
                took.append(time.monotonic() - start)
        instance = []
        for day in rng.choices(days, k=3):
            for kind in ("view", "download"):
                start = time.monotonic()
                self._search(kind, None, day)
                instance.append(time.monotonic() - start)
        mean, whole = sum(took) / len(took), sum(instance) / len(instance)
        searches = len(self.made.communities) * len(days) * 2
        print(
            f"a search takes {1000 * mean:.1f} ms on average over {len(took)} "
            f"(community, day, type), {1000 * whole:.0f} ms for the instance; "
            f"{searches} searches in total"
        )
        return searches * mean + len(days) * 2 * whole

    def _search(self, kind, community, day):
        metrics = {
            f"unique_{name}": {"cardinality": {"field": field}}
            for name, field in (
                ("visitors", "visitor_id"),
                ("records", "recid"),
                ("parents", "parent_recid"),
            )
        }
        label = {"label": {"top_hits": {"size": 1, "_source": ["subcounts"]}}}
        fields = [f"subcounts.{key}" for key in VALUES]
        fields += ["country", "referrer", "is_machine"]
        terms = {
            field: {
                "terms": {"field": field, "size": 500},
                "aggs": {**metrics, **label},
            }
            for field in fields
        }
        only = [{"range": {"timestamp": {"gte": f"{day}", "lte": f"{day}"}}}]
        if community:
            only.append({"term": {"community_ids": community}})
        self.client.search(
            index=self.names.events_alias(kind),
            body={
                "size": 0,
                "query": {"bool": {"filter": only}},
                "aggs": {**metrics, **terms},
            },
            params={"request_timeout": 120, "request_cache": "false"},
        )


def _aggregations():
    return {
        name: SimpleNamespace(params=found["params"])
        for name, found in STATS_AGGREGATIONS.items()
    }


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--events", type=int, default=400_000, help="number per month")
    parser.add_argument("--communities", type=int, default=1000)
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--keep", action="store_true", help="do not delete the data")
    options = parser.parse_args()
    give_large_blocks_back()
    instance = Instance(f"bench{uuid.uuid4().hex[:6]}-", Made(options.communities))
    print(f"prefix {instance.names.prefix}")
    months = [date(2025 + n // 12, n % 12 + 1, 1) for n in range(options.months)]
    try:
        began = time.monotonic()
        instance.fill(months, options.events)
        print(f"events written in {time.monotonic() - began:.0f} s", flush=True)
        seconds = instance.aggregate("the first time")
        instance.aggregate("nothing new")
        end = calendar.monthrange(months[-1].year, months[-1].month)[1]
        last = months[-1].replace(day=end)
        instance.write("view", last, options.events // 30 // 24)
        instance.aggregate("an hour's events more")
        instance.write("view", last - timedelta(days=3), 100)
        instance.aggregate("late events")
        days = [FIRST + timedelta(days=n) for n in range((last - FIRST).days + 1)]
        instance.activity()
        other = instance.searches(days, options.sample)
        print(
            f"searches would take {other:.0f} s, "
            f"{other / seconds:.1f} times as long as the first time"
        )
    finally:
        if not options.keep:
            client, prefix = instance.client, instance.names.prefix
            client.indices.delete(index=f"{prefix}*", expand_wildcards="all")
            client.transport.perform_request(
                "DELETE", f"/_index_template/{prefix}*", params={"ignore": 404}
            )


if __name__ == "__main__":
    print(f"{datetime.now(UTC):%H:%M:%S} UTC")
    main()
