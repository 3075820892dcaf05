#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure speed and memory of the migration, and the duration of a cut-over.

The benchmark uses its own instance, which it removes at the end:

    eval "$(scripts/services env)"
    python benchmarks/migration.py [--events N] [--parts speed,memory,switch]

Compare the ratios, which come from one run on one machine, not the rates.
"""

import argparse
import json
import statistics
import sys
import time
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from opensearchpy import OpenSearch
from opensearchpy.helpers import bulk

from invenio_stats_dashboard.search.names import Names
from tests.helpers import instance
from tests.helpers.processes import Forked
from tests.helpers.usage import Reader, Usage, Writer

MONTH = "2026-03"
SIMPLE = 50_000
PARTS = ("speed", "memory", "switch")


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=2, help="rounds of comparison")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    arguments = parser.parse_args()
    figures = {}
    with instance.place() as place:
        app = instance.create(place)
        instance.initialise(app, place)
        client = OpenSearch(app.config["SEARCH_HOSTS"], timeout=600)
        with app.app_context():
            usage = Usage(app, client, Names(place.prefix), records=5000)
            if "speed" in arguments.parts:
                figures["speed"] = speed(usage, arguments.events, arguments.rounds)
            if "memory" in arguments.parts:
                sizes = [100_000, 400_000, 1_000_000]
                figures["memory"] = [memory(usage, size) for size in sizes]
            if "switch" in arguments.parts:
                figures["switch"] = switch(usage, 1_000_000)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


# -- speed -----------------------------------------------------------------


def speed(usage, events, rounds):
    """Compare the migration with other ways of copying the same month.

    The ways take turns, so a machine that slows down slows all of them.

    Args:
        usage: the instance's usage events.
        events: number of events in the month.
        rounds: number of times that each way runs; the median counts.

    Returns:
        dict: events per second of each way, and the requested ratios.
    """
    say(f"Speed: one month of {events:,} events, {rounds} rounds")
    name, rates = make_month(usage, MONTH, events), {}
    for _ in range(rounds):
        for way, rate in one_round(usage, name, events):
            rates.setdefault(way, []).append(rate)
            say(f"  {way:<22} {rate:>9,.0f} events/s")
        name = put_back(usage)
    medians = {way: statistics.median(found) for way, found in rates.items()}
    ratios = {}
    for way, simple, two in (("copy", 4.5, 0.6), ("whole", 3.5, 0.45)):
        rate = medians[f"migration, {way}"]
        ratios[f"{way} / simple loop"] = (rate / medians["simple loop"], simple)
        ratios[f"{way} / _reindex, 2 slices"] = (
            rate / medians["_reindex, 2 slices"],
            two,
        )
    for ratio, (value, wanted) in ratios.items():
        say(f"  {ratio:<28} {value:5.2f}   (target: {wanted})")
    drop(usage)
    return {"rates": rates, "ratios": {k: round(v, 3) for k, (v, _) in ratios.items()}}


def one_round(usage, source, events):
    """Yield each way with its events per second, one after the other."""
    yield "simple loop", simple_loop(usage, source)
    yield "_reindex, 1 slice", reindex(usage, source, events, 1)
    yield "_reindex, 2 slices", reindex(usage, source, events, 2)
    copy, whole = migrate(usage, events)
    yield "migration, copy", copy
    yield "migration, whole", whole


def simple_loop(usage, source):
    """Search after, 1,000 events at a time, with the bulk helper and a refresh each."""
    client, target = usage.client, f"{usage.names.prefix}simple-loop"
    body = client.indices.get(index=source)[source]["mappings"]
    client.indices.create(
        index=target,
        body={"mappings": body, "settings": {"number_of_replicas": 0}},
    )
    start, after, done = time.perf_counter(), None, 0
    while done < SIMPLE:
        # sorting by _id in measured clusters loads fielddata, which is off by default
        query = {"size": 1000, "sort": ["timestamp", "unique_id", "visitor_id"]}
        if after:
            query["search_after"] = after
        hits = client.search(index=source, body=query)["hits"]["hits"]
        if not hits:
            break
        bulk(
            client,
            (
                {"_index": target, "_id": hit["_id"], "_source": hit["_source"]}
                for hit in hits
            ),
        )
        client.indices.refresh(index=target)
        done, after = done + len(hits), hits[-1]["sort"]
    rate = done / (time.perf_counter() - start)
    client.indices.delete(index=target)
    return rate


def reindex(usage, source, events, slices):
    """Let OpenSearch copy the month with ``_reindex``, without enrichment."""
    client, target = usage.client, f"{usage.names.prefix}reindexed"
    mappings = client.indices.get(index=source)[source]["mappings"]
    settings = {"number_of_replicas": 0, "refresh_interval": "-1"}
    client.indices.create(
        index=target, body={"mappings": mappings, "settings": settings}
    )
    start = time.perf_counter()
    client.reindex(
        body={"source": {"index": source, "size": 5000}, "dest": {"index": target}},
        params={"slices": slices, "request_timeout": 600},
    )
    rate = events / (time.perf_counter() - start)
    client.indices.delete(index=target)
    return rate


def migrate(usage, events):
    """Migrate the month; return events per second of the copy and of everything."""
    marks = {}

    def step(name):
        marks[name] = time.perf_counter()
        marks.setdefault(f"first {name}", marks[name])

    start = time.perf_counter()
    report = usage.service.reindex_events(months=[MONTH], step=step)
    whole = time.perf_counter() - start
    assert report.completed, report.as_json()
    copy = marks["bookmark written"] - marks["first copy"]
    return events / copy, events / whole


def put_back(usage):
    """Roll the month back to its legacy index, so that it can be migrated again."""
    (done,) = usage.service.rollback(event_types=["view"], months=[MONTH])
    assert done.error is None, done.error
    return done.index


# -- memory ----------------------------------------------------------------


def memory(usage, events):
    """Migrate a month in a separate process, and return its peak memory."""
    make_month(usage, MONTH, events)

    def work():
        Path("/proc/self/clear_refs").write_text("5")
        idle = resident("VmRSS")
        report = usage.service.reindex_events(months=[MONTH])
        return report.completed, idle, resident("VmHWM")

    completed, idle, peak = Forked(usage.app, work).wait()
    assert completed
    say(
        f"Memory: {events:>9,} events, {peak - idle:.0f} MB above the idle app's "
        f"{idle:.0f} MB (target: at most 100)"
    )
    drop(usage)
    return {"events": events, "idle_mb": round(idle), "above_mb": round(peak - idle)}


def resident(field):
    """Return a figure of this process's memory in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


# -- cut-over --------------------------------------------------------------


def switch(usage, events):
    """Migrate the current month while it is written and read."""
    month = time.strftime("%Y-%m", time.gmtime())
    make_month(usage, month, events)
    with Writer(usage, "view", month, per_second=50) as writer:
        with Reader(usage, "view", events, writer) as reader:
            report = usage.service.reindex_events(
                months=[month], ignore_stock_workers=True
            ).as_json()
        assert report["completed"], report
    usage.client.indices.refresh(index=usage.names.events_alias("view"))
    seen = usage.client.count(index=usage.names.events_alias("view"))["count"]
    old = usage.client.count(index=usage.names.events_backup("view", month))["count"]
    new = len(usage_ids(usage, writer.written))
    figures = {
        "events": events,
        "block_seconds": report["event_types"]["view"]["months"][month][
            "block_seconds"
        ],
        "written_meanwhile": len(writer.written),
        "lost": len(writer.written) - new,
        "double": seen - events - new,
        "wrong_totals": len(reader.wrong),
        "polls": reader.polls,
        "longest_wait_of_a_write": round(writer.longest_wait, 3),
    }
    assert old >= events
    say(
        f"Cut-over: {events:,} events, writes blocked for {figures['block_seconds']} s "
        f"(target: 1); {figures['written_meanwhile']:,} written during the migration, "
        f"{figures['lost']} lost, {figures['double']} double; "
        f"{figures['wrong_totals']} wrong totals in {figures['polls']:,} polls"
    )
    drop(usage)
    return figures


def usage_ids(usage, ids):
    """Return those events that readers see, each as often as they see it."""
    found, ids = [], sorted(ids)
    for start in range(0, len(ids), 1000):
        body = {
            "size": 2000,
            "_source": False,
            "query": {"ids": {"values": ids[start : start + 1000]}},
        }
        alias = usage.names.events_alias("view")
        hits = usage.client.search(index=alias, body=body)["hits"]["hits"]
        found += [hit["_id"] for hit in hits]
    return found


# -- shared by all parts ---------------------------------------------------


def make_month(usage, month, events):
    """Write a legacy month of views and return its index."""
    from scripts.demo.bulk import write

    name = usage.legacy_index("view", month, settings={"refresh_interval": "5s"})
    start = time.perf_counter()
    made = usage.events("view", month, 2 * events, seed=7)
    seen = set()

    def distinct():
        for id, source in made:
            if id not in seen:
                seen.add(id)
                yield id, source

    write(usage.client, usage.names.prefix, "view", islice(distinct(), events))
    usage.client.indices.refresh(index=name)
    say(f"  ({events:,} events created in {time.perf_counter() - start:.0f} s)")
    return name


def drop(usage):
    """Delete the events of all months and the bookmarks of their migration."""
    prefix = usage.names.prefix
    for pattern in (f"{prefix}events-stats-*", f"{prefix}backup-*"):
        usage.client.indices.delete(index=pattern, expand_wildcards="all")
    usage.client.indices.refresh(index=usage.names.reindexing)
    usage.client.delete_by_query(
        index=usage.names.reindexing,
        body={"query": {"term": {"kind": "month"}}},
        conflicts="proceed",
        refresh=True,
    )


def say(line):
    """Print a line immediately."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
