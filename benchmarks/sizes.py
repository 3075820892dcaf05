# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure the size of the aggregates, and the number of their indices and shards.

    python -m benchmarks.sizes [--communities N] [--months N] [--keep]

The benchmark creates usage events of a year and records of ten years under its own
index prefix on the OpenSearch of SEARCH_HOSTS and aggregates them. For each family it
prints the number of documents, the bytes of one, and the bytes that the primary shards
take. From that it computes the size for a site of --target-communities after --years,
by formulas that it prints. The activity of each community is the same in both: --events
per month and --records.
"""

import argparse
import time
import uuid
from dataclasses import dataclass
from datetime import date

import msgspec

from invenio_stats_dashboard import config
from invenio_stats_dashboard.aggregations.aggregate_store import ensure_templates
from invenio_stats_dashboard.aggregations.documents import day_field
from invenio_stats_dashboard.aggregations.runner import AggregationOptions
from invenio_stats_dashboard.community_events.documents import GLOBAL
from invenio_stats_dashboard.community_events.store import EventStore
from invenio_stats_dashboard.search.garbage_collection import give_large_blocks_back
from invenio_stats_dashboard.search.names import (
    RECORD_FAMILIES,
    USAGE_DELTA,
    USAGE_MONTH,
    USAGE_SEEN,
    USAGE_SNAPSHOT,
)

from . import aggregation, record_aggregation

LARGEST = 1_000_000
"""Largest size of a document of the instance, in bytes, with every breakdown value."""

BESIDE = 6
"""Number of single indices, such as facts, bookmarks and the state between runs."""


@dataclass
class Measured:
    """The documents of one family.

    Attributes:
        family: its name.
        communities: number of documents of communities.
        instance: number of documents of the instance.
        community_bytes: average source of a community in the last month.
        first_bytes: the same in the first month.
        instance_bytes: average source of the instance in the last month.
        ratio: bytes of the primary shards per byte of sources.
    """

    family: str
    communities: int
    instance: int
    community_bytes: float
    first_bytes: float
    instance_bytes: float
    ratio: float


def measure(instance, family):
    """Return the measured size of a family."""
    client, alias = instance.client, instance.names.aggregates(family)
    client.indices.refresh(index=alias)
    client.indices.flush(index=alias)
    sources = {True: {}, False: {}}
    total = 0
    decode = msgspec.json.Decoder(_Source).decode
    for source in _sources(instance, alias, day_field(family)):
        document = decode(source)
        total += len(source)
        month = (document.period_start or document.snapshot_date)[:7]
        mine = sources[document.community_id == GLOBAL].setdefault(month, [])
        mine.append(len(source))
    store = client.indices.stats(index=alias, metric="store")
    stored = store["_all"]["primaries"]["store"]["size_in_bytes"]
    of_all, of_one = sources[False], sources[True]
    return Measured(
        family,
        sum(map(len, of_all.values())),
        sum(map(len, of_one.values())),
        _mean(of_all[max(of_all)]),
        _mean(of_all[min(of_all)]),
        _mean(of_one[max(of_one)]),
        stored / total,
    )


def _mean(numbers):
    return sum(numbers) / len(numbers)


def _sources(instance, alias, field):
    """Yield the bytes of all sources behind an alias."""
    body = {"size": 500, "sort": [{field: "asc"}, {"community_id": "asc"}]}
    # month sums have a document for each breakdown
    body["sort"].append({"breakdown": {"order": "asc", "unmapped_type": "keyword"}})
    decode = msgspec.json.Decoder(_Page).decode
    while True:
        answer = instance.text.search(index=alias, body=body)
        hits = decode(answer).hits.hits
        yield from (bytes(hit.source) for hit in hits)
        if len(hits) < body["size"]:
            return
        body["search_after"] = hits[-1].sort


class _Source(msgspec.Struct):
    community_id: str
    period_start: str = ""
    snapshot_date: str = ""


class _Hit(msgspec.Struct):
    source: msgspec.Raw = msgspec.field(name="_source")
    sort: list[int | str | None]


class _Hits(msgspec.Struct):
    hits: list[_Hit]


class _Page(msgspec.Struct):
    hits: _Hits


@dataclass(frozen=True)
class Target:
    """A site to extrapolate to.

    Attributes:
        factor: number of its communities for each measured community.
        years: number of years of use.
        months: number of measured months of usage.
        record_years: number of measured years of records.
    """

    factor: float
    years: int
    months: int
    record_years: int

    def documents(self, found):
        """Return a family's numbers of documents of communities and of the instance."""
        if found.family.startswith("usage"):
            time_factor = self.years * 12 / self.months
        else:
            time_factor = self.years / self.record_years
        return (
            found.communities * self.factor * time_factor,
            found.instance * time_factor,
        )

    def gigabytes(self, found):
        """Return the size of a family's primary data."""
        communities, instance = self.documents(found)
        size = found.instance_bytes
        if "snapshot" not in found.family:
            # of a day, so its size is the sum of that day's community documents
            size = size * self.factor
        if found.family != USAGE_SEEN:
            size = min(size, max(LARGEST, found.instance_bytes))
        sources = communities * found.community_bytes + instance * size
        return sources * found.ratio / 10**9


def indices(gigabytes, years, bound):
    """Return the sizes of the indices of a family that grows equally each year."""
    sizes = [0.0]
    for _ in range(years):
        if sizes[-1] > bound:
            sizes.append(0.0)
        sizes[-1] += gigabytes / years
    return sizes


def tell(found, target, bound):
    """Print the measurements, the formulas and the results."""
    print(
        "\nfamily                      documents  bytes of one  first month  "
        "of the instance  primary bytes per byte"
    )
    for one in found:
        print(
            f"{one.family:26} {one.communities + one.instance:10,} "
            f"{one.community_bytes:13,.0f} {one.first_bytes:12,.0f} "
            f"{one.instance_bytes:16,.0f} {one.ratio:25.2f}"
        )
    print(
        f"\ndocuments = measured x {target.factor:g} communities for one "
        f"x years / measured years\n"
        "GB = (documents of communities x bytes of one + documents of the instance x "
        "bytes of one,\n      for deltas x communities for one, at most "
        f"{LARGEST:,}) x primary bytes per byte\n"
        f"a new index starts when the last one has more than {bound} GB\n"
    )
    print("family                          documents        GB  indices  largest")
    count = total = 0
    for one in found:
        gigabytes = target.gigabytes(one)
        sizes = indices(gigabytes, target.years, bound)
        count, total = count + len(sizes), total + gigabytes
        print(
            f"{one.family:26} {sum(target.documents(one)):14,.0f} {gigabytes:9.1f} "
            f"{len(sizes):8} {max(sizes):8.1f}"
        )
    others = BESIDE + target.years + 1
    print(
        f"{'together':26} {'':14} {total:9.1f} {count:8}\n"
        f"with community events of {target.years + 1} years and {BESIDE} single indices: "
        f"{count + others} indices, {count + others} primary shards, "
        f"{2 * (count + others)} with a replica of each"
    )


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--communities", type=int, default=100)
    parser.add_argument("--months", type=int, default=12, help="months of usage")
    parser.add_argument(
        "--events", type=int, default=1000, help="number per month and community"
    )
    parser.add_argument("--records", type=int, default=200, help="number per community")
    parser.add_argument("--target-communities", type=int, default=10_000)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument(
        "--bound", type=float, default=config.COMMUNITY_STATS_AGGREGATES_SHARD_GB
    )
    parser.add_argument("--keep", action="store_true", help="do not delete the data")
    options = parser.parse_args()
    give_large_blocks_back()
    made = aggregation.Made(options.communities)
    instance = aggregation.Instance(f"bench{uuid.uuid4().hex[:6]}-", made)
    print(f"prefix {instance.names.prefix}")
    try:
        found = [*_usage(instance, options), *_records(instance, options)]
        target = Target(
            options.target_communities / options.communities,
            options.years,
            options.months,
            record_aggregation.YEARS,
        )
        tell(found, target, options.bound)
    finally:
        if not options.keep:
            client, prefix = instance.client, instance.names.prefix
            client.indices.delete(index=f"{prefix}*", expand_wildcards="all")
            client.transport.perform_request(
                "DELETE", f"/_index_template/{prefix}*", params={"ignore": 404}
            )


def _usage(instance, options):
    ensure_templates(instance.client, instance.names)
    months = [date(2025 + n // 12, n % 12 + 1, 1) for n in range(options.months)]
    began = time.monotonic()
    instance.fill(months, options.events * options.communities)
    print(f"usage events written in {time.monotonic() - began:.0f} s", flush=True)
    instance.aggregate("usage", AggregationOptions())
    families = (USAGE_DELTA, USAGE_SNAPSHOT, USAGE_SEEN, USAGE_MONTH)
    return [measure(instance, family) for family in families]


def _records(instance, options):
    made = record_aggregation.Made(options.communities)
    store = EventStore(instance.text, instance.names)
    record_aggregation._fill(
        instance.client,
        store,
        made,
        options.records * options.communities,
        instance.names,
    )
    record_aggregation._measure(
        "records", instance.client, instance.text, instance.names, instance.requests
    )
    return [measure(instance, family) for family in RECORD_FAMILIES]


if __name__ == "__main__":
    main()
