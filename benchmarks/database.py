#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure what live capture, look-ups and scheduled tasks cost the database, by size.

The benchmark fills its own database with generated rows and runs each operation.
PostgreSQL explains every statement. The benchmark prints visited rows and time, with
and without statistics, with and without the indexes:

    eval "$(scripts/services env)"
    python benchmarks/database.py [--records 20000,200000] [--details] [--json FILE]

2,000,000 records take about 15 GB of disk and half an hour to fill.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sqlalchemy as sa

from invenio_stats_dashboard.community_events import sql
from invenio_stats_dashboard.community_events.database import PlanKind
from invenio_stats_dashboard.community_events.database_indexes import (
    INDEXES,
    DatabaseIndexes,
)
from invenio_stats_dashboard.community_events.membership import MembershipReader
from invenio_stats_dashboard.community_events.selection import Selection
from tests.helpers import instance
from tests.helpers.generated_database import GeneratedDatabase
from tests.helpers.plans import Plan, explained, recorded

DESCRIPTION_BYTES = 1200
ROUNDS = 3

MOST_MILLISECONDS = 20.0
"""Limit for the capture of one parent with the indexes."""

MOST_VISITED = 10.0
"""Limit for the visited rows of a lookup, as a multiple of the rows that it needs."""


@dataclass(frozen=True)
class Measurement:
    """The cost of one operation.

    Attributes:
        records: number of records in the database.
        statistics: ``missing`` or ``fresh``.
        indexed: whether the indexes of this package exist.
        operation: name of the operation.
        statements: number of statements that it sent.
        milliseconds: time of the database, the median of some rounds.
        visited: rows that the busiest node of each plan has visited, added up.
        needed: requested identifiers or returned rows, the larger of both, added up.
        scans: number of sequential scans.
        megabytes: pages that were read or found in memory.
    """

    records: int
    statistics: str
    indexed: bool
    operation: str
    statements: int
    milliseconds: float
    visited: float
    needed: float
    scans: int
    megabytes: float


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", default="20000,200000", metavar="N,N…")
    parser.add_argument("--details", action="store_true", help="print every statement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    arguments = parser.parse_args()
    sizes = [int(number) for number in arguments.records.split(",")]
    measured: list[Measurement] = []
    indexes: dict[int, list[dict]] = {}
    for size in sizes:
        with _filled(GeneratedDatabase(size, DESCRIPTION_BYTES)) as (engine, world):
            measured += _measure_all(engine, world, arguments.details)
            indexes[size] = [
                {"name": s.name, "megabytes": s.bytes / 1e6, "seconds": seconds}
                for s, seconds in _created(engine)
            ]
    _print(sizes, measured, indexes)
    if arguments.json:
        figures = {"measured": [asdict(m) for m in measured], "indexes": indexes}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    if beyond := [text for m in measured for text in _beyond_limits(m)]:
        print("\nbeyond the limits:", *beyond, sep="\n  ")
        sys.exit(1)


def _beyond_limits(measured: Measurement) -> Iterator[str]:
    """Yield a sentence for each limit that a measurement exceeds."""
    state = f"{measured.operation}, {measured.records:,} records"
    if not measured.operation.startswith(("capture", "look-up")):
        return
    if not measured.indexed:
        if measured.scans > 2:
            yield f"{state}, without indexes: {measured.scans} sequential scans"
        return
    if measured.scans:
        yield f"{state}: {measured.scans} sequential scans"
    if measured.visited > MOST_VISITED * measured.needed:
        yield f"{state}: {measured.visited / measured.needed:.1f} times the rows needed"
    is_one = measured.operation == "capture of 1 parent"
    if is_one and measured.milliseconds > MOST_MILLISECONDS:
        yield f"{state}: {measured.milliseconds:.1f} ms"


@contextmanager
def _filled(
    world: GeneratedDatabase,
) -> Iterator[tuple[sa.Engine, GeneratedDatabase]]:
    """Create a database with tables and rows; remove it at the end."""
    from invenio_db import db

    with instance.place() as place:
        app = instance.create(place)
        engine = sa.create_engine(place.database_uri)
        with app.app_context():
            db.metadata.create_all(bind=engine)
        start = time.perf_counter()
        world.fill(engine)
        with engine.connect() as connection:
            name = "SELECT pg_database_size(current_database())"
            size = connection.exec_driver_sql(name).scalar_one()
        print(
            f"{world.records:,} records, {world.communities:,} communities: "
            f"{size / 1e9:.1f} GB, filled in {time.perf_counter() - start:.0f} s",
            flush=True,
        )
        try:
            yield engine, world
        finally:
            engine.dispose()


def _operations(
    engine: sa.Engine, world: GeneratedDatabase
) -> dict[str, Callable[[], object]]:
    """Return the operations to measure, by name."""
    reader = MembershipReader(engine)

    def read(pages: int = 1, **selection) -> Callable[[], object]:
        wanted = Selection(**selection)
        return lambda: list(islice(reader.select(wanted).pages(), pages))

    def capture(parent_ids: Iterable[str]) -> None:
        rows = next(reader.select(Selection(parent_ids=tuple(parent_ids))).pages(), [])
        reader.changed_since(rows)  # after events were written

    def capture_community() -> None:
        capture(reader.parents_in(tuple(world.community_ids(1))))

    def count() -> None:
        with reader.database.transaction(PlanKind.SCAN) as connection:
            connection.execute(sql.count_memberships()).all()
            connection.execute(sql.count_existing_records()).all()
        reader.select().count()

    parents, recids = world.parent_ids, world.recids
    last_hours = datetime(2025, 6, 22, 12, tzinfo=UTC)
    return {
        "capture of 1 parent": lambda: capture(parents(1)),
        "capture of 500 parents": lambda: capture(parents(500)),
        "capture of a deleted community": capture_community,
        "look-up of 1 record": read(recids=tuple(recids(1))),
        "look-up of 500 records": read(recids=tuple(recids(500))),
        "look-up of 500 unknown": read(recids=tuple(f"x{n}" for n in range(500))),
        "reconciliation, first page": read(changed_since=last_hours),
        "back-fill, first page": read(),
        "back-fill of 500 communities": read(
            community_ids=tuple(world.community_ids(min(500, world.communities)))
        ),
        "status of community events": count,
    }


def _measure_all(
    engine: sa.Engine, world: GeneratedDatabase, details: bool
) -> list[Measurement]:
    measured = []
    for statistics in ("missing", "fresh"):
        if statistics == "fresh":
            with engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            ) as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
        for indexed in (False, True):
            indexes = DatabaseIndexes(engine)
            indexes.create() if indexed else indexes.drop()
            for name, operation in _operations(engine, world).items():
                with recorded(engine) as sent:
                    operation()
                rounds = [
                    [explained(engine, s) for s in sent]
                    for _ in range(ROUNDS if indexed else 1)
                ]
                plans = sorted(rounds, key=_milliseconds)[len(rounds) // 2]
                measured.append(
                    Measurement(
                        world.records,
                        statistics,
                        indexed,
                        name,
                        len(plans),
                        _milliseconds(plans),
                        sum(plan.visited for plan in plans),
                        sum(_needed(plan) for plan in plans),
                        sum(len(plan.sequential_scans) for plan in plans),
                        sum(plan.buffers for plan in plans) * 8192 / 1e6,
                    )
                )
                last = measured[-1]
                print(
                    f"  {name}, {statistics} statistics, "
                    f"{'with' if indexed else 'without'} indexes: "
                    f"{last.milliseconds:.1f} ms",
                    file=sys.stderr,
                    flush=True,
                )
                if details:
                    _print_plans(last, plans)
    return measured


def _created(engine: sa.Engine) -> list[tuple]:
    """Create the indexes again, one by one, and return the time of each."""
    indexes = DatabaseIndexes(engine)
    seconds = {}
    for definition in INDEXES:
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(definition.drop)
        start = time.perf_counter()
        if indexes.create():
            seconds[definition.name] = time.perf_counter() - start
    return [(s, seconds[s.name]) for s in indexes.statuses() if s.name in seconds]


def _milliseconds(plans: list[Plan]) -> float:
    return sum(plan.milliseconds for plan in plans)


def _needed(plan: Plan) -> float:
    return max(1, plan.statement.identifiers, plan.returned)


def _print_plans(measurement: Measurement, plans: list[Plan]) -> None:
    indexed = "indexes" if measurement.indexed else "no index"
    print(f"\n{measurement.operation} ({measurement.statistics} statistics, {indexed})")
    for plan in plans:
        print(
            f"  {plan.milliseconds:9.2f} ms {plan.visited:12,.0f} rows visited, "
            f"{_needed(plan):8,.0f} needed  {' '.join(plan.statement.sql.split())[:200]}"
        )


def _print(
    sizes: list[int], measured: list[Measurement], indexes: dict[int, list[dict]]
) -> None:
    """Print a table for each state of the database, with the slopes."""
    cases = sorted({(m.statistics, m.indexed) for m in measured})
    for statistics, indexed in cases:
        print(
            f"\nstatistics {statistics}, {'with' if indexed else 'without'} indexes\n"
            f"{'':32}{'records':>10}{'statements':>12}{'ms':>10}{'visited':>12}"
            f"{'/needed':>9}{'scans':>7}{'MB':>9}{'slope':>7}"
        )
        names = dict.fromkeys(m.operation for m in measured)
        for name in names:
            rows = [
                m
                for m in measured
                if (m.statistics, m.indexed, m.operation) == (statistics, indexed, name)
            ]
            slopes = ["", *(f"{_slope(a, b):.2f}" for a, b in pairwise(rows))]
            for m, slope in zip(rows, slopes, strict=True):
                label = name if m.records == sizes[0] else ""
                print(
                    f"{label:32}{m.records:10,}{m.statements:12}{m.milliseconds:10.1f}"
                    f"{m.visited:12,.0f}{m.visited / m.needed:9.1f}{m.scans:7}"
                    f"{m.megabytes:9.1f}{slope:>7}"
                )
    print("\nslope: of the time, between two sizes; 0 does not grow, 1 is linear")
    for size, found in indexes.items():
        for index in found:
            print(
                f"{size:10,} records: {index['name']} {index['megabytes']:.1f} MB, "
                f"created in {index['seconds']:.1f} s"
            )


def _slope(smaller: Measurement, larger: Measurement) -> float:
    """Return the exponent with which the time grows."""
    ratio = max(larger.milliseconds, 0.1) / max(smaller.milliseconds, 0.1)
    return math.log(ratio) / math.log(larger.records / smaller.records)


if __name__ == "__main__":
    main()
