#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure how fast changes of memberships are captured, and their database cost.

The benchmark fills a database with generated records, generates their community events
and starts a real Celery worker on the real broker. Then it adds records to a community
at a steady rate, one record per transaction: first with capture disabled, then with
capture enabled.

    eval "$(scripts/services env)"
    python benchmarks/live_capture.py [--records N] [--per-second N] [--seconds N]
        [--without-indexes] [--json FILE]

The database's load is the time in which its sessions executed statements, and its
processor time, both minus the same with capture disabled.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pytest
import sqlalchemy as sa

from invenio_stats_dashboard.community_events import capture
from invenio_stats_dashboard.community_events.database_indexes import DatabaseIndexes
from invenio_stats_dashboard.search.client import json_client
from invenio_stats_dashboard.search.names import Names
from invenio_stats_dashboard.tasks import send_capture
from tests.helpers import instance
from tests.helpers.capturing import without_listeners
from tests.helpers.generated_database import GeneratedDatabase
from tests.helpers.membership_changes import MembershipChanges
from tests.helpers.workers import SiteWorker
from tests.helpers.zygote import Zygote


@dataclass(frozen=True)
class Load:
    """The load of the database so far.

    Attributes:
        active: seconds in which sessions executed statements.
        processor: processor time of all processes of the server, in seconds.
        transactions: number of transactions.
    """

    active: float
    processor: float
    transactions: int

    def __sub__(self, other: "Load") -> "Load":
        """Return the load between two times."""
        return Load(
            self.active - other.active,
            self.processor - other.processor,
            self.transactions - other.transactions,
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--per-second", type=float, default=20)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--processes", type=int, default=2, help="of the worker")
    parser.add_argument("--without-indexes", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    arguments = parser.parse_args()
    with instance.place() as place:
        app = instance.create(place)
        instance.initialise(app, place)
        zygote = Zygote.forked(app)  # before anything starts threads
        world = GeneratedDatabase(arguments.records)
        with app.app_context():
            from invenio_db import db

            world.fill(db.engine)
            if arguments.without_indexes:
                DatabaseIndexes(db.engine).drop()
            extension = app.extensions["invenio-stats-dashboard"]
            report = extension.community_stats_service
            done = report.generate_record_community_events()
            print(
                f"{done.records:,} records, {done.events:,} community events generated "
                f"in {done.seconds:.0f} s",
                flush=True,
            )
        figures = _measure(app, zygote, place, world, arguments)
        zygote.end()
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def _measure(app, zygote, place, world, arguments) -> dict:
    """Change memberships with capture disabled and enabled; return the figures."""
    count = int(arguments.per_second * arguments.seconds)
    first, second = world.community_ids(2)
    changes = MembershipChanges(
        app, json_client(app), Names(place.prefix), arguments.per_second
    )
    worker = SiteWorker(zygote, place, processes=arguments.processes)
    patch = pytest.MonkeyPatch()
    try:
        worker.start()
        with worker.used_by(patch):
            worker.wait()
            capture.install(send_capture)
            before = _load(app)
            with without_listeners():
                changes.make(first, count)
                changes._waiting.clear()
            stock = _load(app) - before
            changes.watch()
            before, start = _load(app), time.monotonic()
            made = changes.make(second, count)
            making = time.monotonic() - start
            missing = changes.finish(patience=120)
            seconds = time.monotonic() - start
            ours = _load(app) - before
    finally:
        worker.remove()
        patch.undo()
    return _report(changes, made, missing, (making, seconds), ours - stock, arguments)


def _report(changes, made, missing, times, extra, arguments) -> dict:
    making, seconds = times
    taken = sorted(changes.seconds)
    figures = {
        "records": arguments.records,
        "indexes": not arguments.without_indexes,
        "changes": made,
        "per_second": round(made / making, 1),
        "not_captured": missing,
        "latency_median": round(statistics.median(taken), 3),
        "latency_p95": round(taken[int(len(taken) * 0.95)], 3),
        "latency_most": round(taken[-1], 3),
        "later_than_planned": round(changes.late, 3),
        "database_seconds_per_change": round(extra.active / made, 5),
        "database_processor_seconds_per_change": round(extra.processor / made, 5),
        "transactions_per_change": round(extra.transactions / made, 2),
    }
    print(
        f"{made:,} changes, {figures['per_second']:g} per second, {missing} not "
        f"captured after {seconds:.0f} s\n"
        f"from commit to stored event: median {figures['latency_median']} s, "
        f"P95 {figures['latency_p95']} s, at most {figures['latency_most']} s "
        f"(changes made up to {figures['later_than_planned']} s later than planned)\n"
        f"database, for each change beyond the change itself: "
        f"{1000 * extra.active / made:.1f} ms of statements, "
        f"{1000 * extra.processor / made:.1f} ms of processor time, "
        f"{extra.transactions / made:.1f} transactions"
    )
    return figures


def _load(app) -> Load:
    """Return the load of the application's database so far."""
    from invenio_db import db

    with app.app_context():
        db.session.remove()
        time.sleep(1.5)  # sessions report their work with a delay of a second
        with db.engine.connect() as connection:
            row = connection.execute(
                sa.text(
                    "SELECT active_time / 1000 AS active, xact_commit AS transactions, "
                    "pg_backend_pid() AS pid "
                    "FROM pg_stat_database WHERE datname = current_database()"
                )
            ).one()
            processor = _processor_seconds(row.pid)
    return Load(row.active, processor, row.transactions)


def _processor_seconds(session: int) -> float:
    """Return the processor time of a PostgreSQL server, including ended sessions.

    Args:
        session: process of one of its sessions.
    """
    server = int(_process_values(session)[1])
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        try:
            values = _process_values(pid)
        except OSError:
            continue
        if server in (pid, int(values[1])):
            ticks += int(values[11]) + int(values[12])  # utime, stime
            ticks += int(values[13]) + int(values[14])  # of ended children
    return ticks / 100


def _process_values(pid: int) -> list[str]:
    """Return the values of ``/proc/PID/stat`` after the name; the second is the parent."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


if __name__ == "__main__":
    main()
