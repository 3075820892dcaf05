# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure the cost of queries: a year by month, ten years by day, everything.

    python -m benchmarks.read [--events N] [--communities N] [--runs N] [--prefix P] [--keep]

The benchmark writes the aggregate documents that the events of
``benchmarks.aggregation`` would result in, under its own index prefix on the OpenSearch
of SEARCH_HOSTS. The largest and a median community and the instance get all breakdown
values. The others, and nine earlier years, get only totals. No event is stored; a day's
visitors are estimated from its events. Then it sends queries, and prints for each query
the median and the 95th percentile of the seconds, the requests to OpenSearch, the bytes
of the responses and the numbers in the result. This package caches no answer; the index
is warm.
"""

import argparse
import random
import resource
import time
import uuid
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import msgspec

from invenio_stats_dashboard.aggregations.aggregate_indices import AggregateIndices
from invenio_stats_dashboard.aggregations.aggregate_store import (
    AggregateStore,
    ensure_templates,
)
from invenio_stats_dashboard.aggregations.documents import Document
from invenio_stats_dashboard.aggregations.usage.month_sums import MonthSums
from invenio_stats_dashboard.aggregations.usage.sums import decode_delta
from invenio_stats_dashboard.aggregations.usage.usage_totals import (
    ShownBreakdowns,
    UsageTotals,
)
from invenio_stats_dashboard.community_events.documents import GLOBAL
from invenio_stats_dashboard.queries.aggregate_search import AggregateSearch
from invenio_stats_dashboard.queries.freshness import FreshnessReader
from invenio_stats_dashboard.queries.metrics import METRICS
from invenio_stats_dashboard.queries.query import DAY, MONTH, SeriesQuery
from invenio_stats_dashboard.queries.series_reader import SeriesReader
from invenio_stats_dashboard.queries.suppression import SmallNumbers
from invenio_stats_dashboard.search.garbage_collection import give_large_blocks_back
from invenio_stats_dashboard.search.names import USAGE_FAMILIES, USAGE_MONTH

from .aggregation import REGISTRY, Instance, Made

FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
LONG_AGO = date(2016, 1, 1)
_TOP = 20


class Days:
    """The usage documents of one community, day by day.

    Args:
        made: the generated records.
        community: UUID or ``global``.
        events: number of the instance's events on a day.
        seed: seed of the random numbers.
    """

    def __init__(self, made, community, events, seed):
        """Select the community's records."""
        self._rng, self.community = random.Random(seed), community
        pairs = list(zip(made._records, made._weights, strict=True))
        inside = [
            (record, weight)
            for record, weight in pairs
            if community == GLOBAL or community in record["community_ids"]
        ]
        self._records = [
            [(key, record["subcounts"].get(key, ["unknown"])) for key in _OF_RECORDS]
            for record, _ in inside
        ]
        self._places = range(len(inside))
        self._weights = [weight for _, weight in inside]
        share = sum(self._weights) / sum(made._weights)
        self._events = events * share
        self.running = UsageTotals(
            ShownBreakdowns({key: s.show == "all" for key, s in REGISTRY.items()}, _TOP)
        )

    def documents(self, day):
        """Return delta and snapshot of a day as JSON; None without events."""
        count = int(self._events * self._rng.uniform(0.7, 1.3) + self._rng.random())
        if not count or not self._records:
            return None
        cells = {key: {} for key in REGISTRY}
        totals, seen = {}, {}
        for part, share in (("view", 0.8), ("download", 0.2)):
            totals[part] = int(count * share)
            used = self._rng.choices(self._places, self._weights, k=totals[part])
            used = Counter(used)
            seen[part] = len(used)
            for place, times in used.items():
                for key, values in self._records[place]:
                    for value in values:
                        cells[key].setdefault(value, Counter())[part] += times
            for key, values in _OF_EVENTS.items():
                drawn = Counter(self._rng.choices(values, k=totals[part]))
                for value, times in drawn.items():
                    cells[key].setdefault(value, Counter())[part] = times
        subcounts = {
            key: [
                {"id": id, **{part: _part(part, n, n) for part, n in cell.items()}}
                for id, cell in sorted(of_key.items(), key=lambda i: -i[1]["view"])
            ]
            for key, of_key in cells.items()
        }
        body = {
            "community_id": self.community,
            "period_start": day.isoformat(),
            "totals": {
                part: _part(part, totals[part], seen[part])
                for part in ("view", "download")
            },
            "subcounts": subcounts,
        }
        document = Document(self.community, day.isoformat(), body)
        delta = document.source(f"{day}T23:59:59")
        self.running.add(decode_delta(delta), {})
        snapshot = self.running.snapshot(self.community, day.isoformat())
        return delta, snapshot.encoded


_OF_RECORDS = [key for key, subcount in REGISTRY.items() if subcount.of_record]
_OF_EVENTS = {
    "countries": ("DE", "CA", "US", "US", "CN", "FR", "unknown"),
    "referrers": [f"site-{int(60 * (n / 500) ** 3)}.example" for n in range(500)],
    "agents": ("human", "human", "human", "human", "machine"),
}


def _part(part, events, records):
    found = {
        "total_events": events,
        "unique_visitors": events - events // 10,
        "unique_records": records,
        "unique_parents": records,
    }
    if part == "download":
        found |= {"unique_files": records, "total_volume": events * 5_000_000}
    return found


class Writer:
    """Writes documents in bulk."""

    def __init__(self, instance):
        """Store the client."""
        self._client = instance.client
        self.indices = AggregateIndices(instance.client, instance.names)
        self.indices.prepare((*USAGE_FAMILIES, USAGE_MONTH))
        self._lines, self._bytes, self.bytes, self.documents = [], 0, 0, 0

    def add(self, family, community, day, body):
        """Write a document, given as JSON."""
        index = self.indices.write_alias(family, day.isoformat())
        head = {"index": {"_index": index, "_id": f"{community}:{day}"}}
        self._lines += [msgspec.json.encode(head), body]
        self._bytes += len(body)
        self.bytes += len(body)
        self.documents += 1
        if self._bytes > 5_000_000 or len(self._lines) > 5000:
            self.flush()

    def flush(self):
        """Send the collected documents."""
        if self._lines:
            body = b"\n".join(self._lines) + b"\n"
            answer = self._client.bulk(body=body, params={"request_timeout": 120})
            assert not answer["errors"], str(answer)[:500]
        self._lines, self._bytes = [], 0


def fill(instance, events):
    """Write the documents of a year, and totals of nine earlier years."""
    writer, made = Writer(instance), instance.made
    store = AggregateStore(instance.text, instance.names, USAGE_MONTH, writer.indices)
    months = MonthSums(instance.client, store)
    ranked = _ranked(made)
    large, median = _chosen(made).values()
    told = [Days(made, c, events, n) for n, c in enumerate((GLOBAL, large, median))]
    for number in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=number)
        for days in told:
            if found := days.documents(day):
                writer.add("usage-delta", days.community, day, found[0])
                writer.add("usage-snapshot", days.community, day, found[1])
            if (day + timedelta(days=1)).day == 1:
                months.save(days.community, days.running)
    months.finish({days.community: FIRST.isoformat() for days in told})
    rng = random.Random(3)
    for number in range((FIRST - LONG_AGO).days):
        _totals(writer, rng, GLOBAL, LONG_AGO + timedelta(days=number), 5000)
    for community in ranked:
        if community not in (large, median):
            for number in range(0, 365, rng.randrange(1, 8)):
                _totals(writer, rng, community, FIRST + timedelta(days=number), 20)
    writer.flush()
    names = instance.names
    for family in ("usage-delta", "usage-snapshot", USAGE_MONTH):
        alias = names.aggregates(family)
        instance.client.indices.refresh(index=alias)
        found = instance.client.cat.indices(index=alias, params={"h": "store.size"})
        print(f"{family}: {' '.join(found.split())}")
    print(f"{writer.documents} documents, {writer.bytes / 1e6:.0f} MB", flush=True)


def _totals(writer, rng, community, day, most):
    count = rng.randrange(1, most)
    totals = {part: _part(part, count, count // 2) for part in ("view", "download")}
    for family, name in (
        ("usage-delta", "period_start"),
        ("usage-snapshot", "snapshot_date"),
    ):
        body = {"community_id": community, name: day.isoformat(), "totals": totals}
        body["subcounts"] = {key: [] for key in REGISTRY}
        writer.add(family, community, day, msgspec.json.encode(body))


class Measured:
    """A client that counts requests and the bytes of responses."""

    def __init__(self, client):
        """Wrap the method that sends all requests."""
        self.requests = self.bytes = 0
        self.transport = SimpleNamespace(perform_request=self._perform)
        self._send = client.transport.perform_request

    def _perform(self, *args, **kwargs):
        answer = self._send(*args, **kwargs)
        self.requests += 1
        self.bytes += len(answer)
        return answer


def measure(what, client, ask, runs):
    """Print the cost of a query."""
    ask()
    took, before, cpu = [], (client.requests, client.bytes), time.process_time()
    for _ in range(runs):
        start = time.perf_counter()
        told = ask()
        took.append(time.perf_counter() - start)
    work = (time.process_time() - cpu) / runs
    took.sort()
    requests = (client.requests - before[0]) / runs
    received = (client.bytes - before[1]) / runs / 1e6
    late = took[min(int(len(took) * 0.95), len(took) - 1)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{what}: P50 {1000 * took[len(took) // 2]:.0f} ms, P95 {1000 * late:.0f} ms of "
        f"{runs} ({1000 * work:.0f} ms of processor time), {requests:.0f} requests, "
        f"{received:.1f} MB, {told} numbers, at most {peak} MB",
        flush=True,
    )


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=400_000, help="number per month")
    parser.add_argument("--communities", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--keep", action="store_true", help="do not delete the data")
    parser.add_argument("--prefix", help="use the data of an earlier run with --keep")
    options = parser.parse_args()
    give_large_blocks_back()
    prefix = options.prefix or f"bench{uuid.uuid4().hex[:6]}-"
    instance = Instance(prefix, Made(options.communities))
    print(f"prefix {prefix}")
    try:
        if not options.prefix:
            ensure_templates(instance.client, instance.names)
            began = time.monotonic()
            fill(instance, options.events / 30.4)
            print(f"written in {time.monotonic() - began:.0f} s", flush=True)
        _ask(instance, _chosen(instance.made), options.runs)
    finally:
        if not options.keep:
            instance.client.indices.delete(index=f"{prefix}*", expand_wildcards="all")
            instance.client.transport.perform_request(
                "DELETE", f"/_index_template/{prefix}*", params={"ignore": 404}
            )


def _ranked(made):
    """Return the communities, sorted by their number of records, largest first."""
    sizes = Counter(c for record in made._records for c in record["community_ids"])
    return [community for community, _ in sizes.most_common()]


def _chosen(made):
    ranked = _ranked(made)
    return {
        "the largest community": ranked[0],
        "a median community": ranked[len(ranked) // 2],
    }


def _ask(instance, communities, runs):
    client = Measured(instance.text)
    aggregates = AggregateSearch(client, instance.names)
    fresh = FreshnessReader(aggregates).read
    reader = SeriesReader(aggregates, REGISTRY, SmallNumbers(), fresh)

    def series(query):
        def ask():
            periods = reader.read(query).periods
            return sum(len(s.values) for period in periods for s in period.series)

        return ask

    for name, community in (*communities.items(), ("the instance", GLOBAL)):
        year = SeriesQuery(community, FIRST, LAST, interval=MONTH, top=10, other=True)
        for key in ("countries", "resource_types", "referrers", "subjects"):
            query = replace(year, breakdowns=(key,))
            what = f"{name}, a year by month, {key} ({REGISTRY[key].show})"
            measure(what, client, series(query), runs)
        measure(f"{name}, a year by month, totals", client, series(year), runs)
    long = SeriesQuery(GLOBAL, LONG_AGO, LAST, interval=DAY)
    measure("the instance, ten years by day", client, series(long), runs)
    large = communities["the largest community"]
    usage = tuple(key for key, metric in METRICS.items() if metric.of == "usage")
    everything = SeriesQuery(
        large, FIRST, LAST, DAY, usage, breakdowns=tuple(REGISTRY), top=None
    )

    def rows():
        return sum(1 for _ in reader.rows(everything))

    measure("the largest community, everything by day, as rows", client, rows, 1)


if __name__ == "__main__":
    main()
