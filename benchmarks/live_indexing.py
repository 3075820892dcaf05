#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure how fast events are indexed with enrichment, beside the stock indexer.

Both indexers take the same events from the same queue, in pairs, in changing order. The
benchmark uses its own instance and queue, which it removes at the end:

    eval "$(scripts/services env)"
    python benchmarks/live_indexing.py [--events N] [--rounds N]

Compare the ratio and its spread, not the rates.
"""

import argparse
import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from invenio_stats.processors import EventsIndexer
from invenio_stats.proxies import current_stats
from opensearchpy import OpenSearch

from invenio_stats_dashboard.search.names import Names
from tests.helpers import instance
from tests.helpers.queues import Broker, views
from tests.helpers.usage import Usage

AGENTS = [
    f"Mozilla/5.0 (X11; Linux x86_64; rv:{major}.0) Firefox/{major}.{minor}"
    for major in range(90, 132)
    for minor in range(8)
]


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=6000, help="number per run")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with instance.place() as place:
        app = instance.create(place)
        instance.initialise(app, place)
        client = OpenSearch(app.config["SEARCH_HOSTS"], timeout=60)
        with app.app_context():
            broker = Broker(Usage(app, client, Names(place.prefix), records=2000))
            broker.queue.queue.declare()
            try:
                compare(broker, arguments.events, arguments.rounds)
            finally:
                broker.remove()


def compare(broker, count, rounds):
    """Print the rates of each pair and the ratio; the first pair is a warm-up."""
    ratios, rng = [], random.Random(1)
    for number in range(rounds + 1):
        kinds, rates = ("stock", "ours"), {}
        for kind in kinds if number % 2 else reversed(kinds):
            fill(broker, count, rng)
            run = indexer(broker, kind).run
            start = time.perf_counter()
            outcome = run()
            rates[kind] = count / (time.perf_counter() - start)
            assert outcome == (count, 0), outcome
        if number:
            ratios.append(rates["ours"] / rates["stock"])
            print(f"stock {rates['stock']:6.0f}/s, ours {rates['ours']:6.0f}/s")
    print(
        f"ours to stock: median {statistics.median(ratios):.2f}, "
        f"{min(ratios):.2f} to {max(ratios):.2f} of {rounds} pairs"
    )


def fill(broker, count, rng):
    """Put views of many records by many user agents into the queue."""
    records = broker.usage.records
    broker.queue.publish(
        [
            {
                **view,
                "recid": rng.choice(records).recid,
                "user_agent": rng.choice(AGENTS),
            }
            for view in views(count)
        ]
    )


def indexer(broker, kind):
    """Return one of the two indexers, on the queue of the benchmark."""
    if kind == "ours":
        return broker.indexer(chunk_size=1000)
    params = current_stats.events["record-view"].params
    stock = EventsIndexer(**{**params, "queue": broker.queue})
    stock.index = broker.usage.names.events_alias("view")
    return stock


if __name__ == "__main__":
    main()
