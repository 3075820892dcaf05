# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure what a day with very many referrers costs, in one process without services.

    python -m benchmarks.many_referrers [--referrers N] [--events N] [--limit N]

Somebody sends a different referrer with each of 100,000 requests, beside ordinary
visits. The benchmark counts this day, once with all referrers named and once with the
limit, and prints the processor time, the size of the instance's delta, and how many
values the running totals receive. Then it prints the processor time that the host of a
referrer takes, for several forms of referrers.
"""

import argparse
import random
import time

import msgspec

from invenio_stats_dashboard import config, subcounts
from invenio_stats_dashboard.aggregations.usage.counting import DayCounts
from invenio_stats_dashboard.aggregations.usage.documents import deltas
from invenio_stats_dashboard.aggregations.usage.event_columns import (
    CountedEvent,
    EventColumns,
)
from invenio_stats_dashboard.aggregations.usage.referrers import host_of

REGISTRY = subcounts.load(config.COMMUNITY_STATS_SUBCOUNTS)
DAY = "2026-03-05"
FORMS = {
    "a plain host": "https://www.host-{}.example/page?q=1",
    "Punycode": "https://xn--bcher-kva.host-{}.example/",
    "Unicode": "https://bücher-{}.example/",
    "no valid host": "https://no_host-{}.example/",
}


def events_of(referrers, ordinary, seed=1):
    """Return the events of a day, one for each referrer and many ordinary ones."""
    rng = random.Random(seed)
    hosts = [f"https://www.host-{n}.example/page" for n in range(referrers)]
    hosts += [
        f"https://site-{int(60 * rng.random() ** 3)}.example/" for _ in range(ordinary)
    ]
    rng.shuffle(hosts)
    return [
        CountedEvent(
            timestamp=f"{DAY}T12:00:00",
            recid=f"r{rng.randrange(5000)}",
            parent_recid=f"p{rng.randrange(2500)}",
            visitor_id=f"v{rng.randrange(20_000)}",
            country=rng.choice(("DE", "CA", "US", None)),
            referrer=host,
            is_machine=False,
        )
        for host in hosts
    ]


def count(events, limit):
    """Count the day, and print what it cost."""
    began = time.process_time()
    columns = EventColumns(REGISTRY)
    columns.add(0, events)
    read = time.process_time()
    limits = {} if limit is None else dict.fromkeys(REGISTRY, limit)
    (document,) = deltas(DayCounts(columns, limits))
    body = msgspec.json.encode(document.body)
    ended = time.process_time()
    values = len(msgspec.json.decode(body)["subcounts"]["referrers"])
    print(
        f"{'without a limit' if limit is None else f'at most {limit:,} values'}: "
        f"{read - began:.2f} s to store {len(events):,} events in columns, "
        f"{ended - read:.2f} s to count them, a delta of {len(body) / 1e6:.2f} MB with "
        f"{values:,} referrers"
    )


def hosts(number):
    """Print the time that the hosts of some referrers take."""
    for name, form in FORMS.items():
        referrers = [form.format(n) for n in range(number)]
        began = time.process_time()
        for referrer in referrers:
            host_of(referrer)
        each = (time.process_time() - began) / number
        print(f"{name}: {1e6 * each:.1f} microseconds for each referrer")


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--referrers", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=100_000, help="ordinary ones")
    parser.add_argument(
        "--limit", type=int, default=config.STATS_DASHBOARD_MAX_VALUES_PER_DAY
    )
    options = parser.parse_args()
    events = events_of(options.referrers, options.events)
    for limit in (None, options.limit, None, options.limit):
        count(events, limit)
    hosts(20_000)


if __name__ == "__main__":
    main()
