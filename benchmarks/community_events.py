#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Measure the speed and memory of the back-fill of community events.

The benchmark creates records by SQL in its own database and index prefix. It runs the
back-fill while a real Celery worker captures changes of memberships, then once more. It
prints the figures of both and removes everything:

    eval "$(scripts/services env)"
    python benchmarks/community_events.py [--records N] [--changes N] [--json FILE]
"""

import argparse
import json
import random
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pytest

from invenio_stats_dashboard.community_events import capture
from invenio_stats_dashboard.search.client import json_client
from invenio_stats_dashboard.search.names import Names
from invenio_stats_dashboard.tasks import send_capture
from tests.helpers import content, instance
from tests.helpers.membership_changes import MembershipChanges
from tests.helpers.workers import SiteWorker
from tests.helpers.zygote import Zygote

COMMUNITIES = 50
START = datetime(2020, 1, 1, tzinfo=UTC)
DAYS = 2000


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument(
        "--changes", type=float, default=5, help="changes of memberships per second"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    arguments = parser.parse_args()
    with instance.place() as place:
        app = instance.create(place)
        instance.initialise(app, place)
        zygote = Zygote.forked(app)  # before anything starts threads
        with app.app_context():
            start = time.perf_counter()
            expected = World(arguments.records).insert()
            print(
                f"{arguments.records:,} records in {COMMUNITIES} communities created "
                f"by SQL in {time.perf_counter() - start:.0f} s"
            )
            figures = measure(app, zygote, place, expected, arguments.changes)
        zygote.end()
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(app, zygote, place, expected, per_second):
    """Run the back-fill twice, the first time beside live capture.

    Args:
        app: the application.
        zygote: the process that the worker is forked from.
        place: the resources of the instance.
        expected: number of events of the records before the changes.
        per_second: number of changes of memberships per second during the first run.

    Returns:
        dict: the figures.
    """
    service = app.extensions["invenio-stats-dashboard"].community_stats_service
    changes = MembershipChanges(app, json_client(app), Names(place.prefix), per_second)
    worker, patch = SiteWorker(zygote, place, processes=2), pytest.MonkeyPatch()
    try:
        worker.start()
        with worker.used_by(patch):
            worker.wait()
            capture.install(send_capture)
            idle = _memory("VmRSS")
            _reset_peak()
            with changed_meanwhile(changes) as made:
                first = service.generate_record_community_events()
            peak = _memory("VmHWM")
            missing = changes.finish(patience=300)
    finally:
        worker.remove()
        patch.undo()
    second = service.generate_record_community_events()
    assert first.complete and not first.refused
    events = service.community_events_status().events
    # a record that was added to the additional community has one event more
    assert events == expected + made[0], (events, expected, made)
    assert (second.events, second.facts) == (0, 0)
    taken = sorted(changes.seconds)
    figures = {
        "records": first.records,
        "communities": COMMUNITIES,
        "events": events,
        "facts": first.facts,
        "seconds": round(first.seconds, 2),
        "records_per_second": round(first.records / first.seconds),
        "memory_idle_mb": round(idle),
        "memory_above_idle_mb": round(peak - idle),
        "changes": made[0],
        "not_captured": missing,
        "capture_seconds_median": taken and round(taken[len(taken) // 2], 3),
        "capture_seconds_most": taken and round(taken[-1], 3),
        "second_run_seconds": round(second.seconds, 2),
        "second_run_records_per_second": round(second.records / second.seconds),
    }
    print(
        f"back-fill: {figures['records_per_second']:,} records/s "
        f"({figures['seconds']} s; {first.events:,} events, {first.facts:,} facts)\n"
        f"memory: at most {figures['memory_above_idle_mb']} MB above the idle "
        f"application ({figures['memory_idle_mb']} MB)\n"
        f"live capture during the run: {made[0]:,} changes, {per_second:g} per second, "
        f"{missing} not captured; commit to event {figures['capture_seconds_median']}"
        f" s median, {figures['capture_seconds_most']} s at most\n"
        f"second run, which writes nothing: "
        f"{figures['second_run_records_per_second']:,} records/s "
        f"({figures['second_run_seconds']} s)"
    )
    return figures


@contextmanager
def changed_meanwhile(changes):
    """Change memberships inside the context.

    Yields:
        list: the number of changes, when the block has ended.
    """
    made, stop = [], threading.Event()
    with changes.app.app_context():
        community = content.make_community()
    thread = threading.Thread(
        target=lambda: made.append(changes.make(community, 100_000, stop))
    )
    changes.watch()
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join()


class World:
    """Rows of records as in an instance after some years.

    A fifth of the records is in no community, some are in several; two of three were
    added by an accepted request. One record in fifty was removed again, and one in
    fifty is deleted. Every fifth has a second version. One record in a thousand has
    hundreds of authors.

    Args:
        records: number of records, with all versions.
    """

    def __init__(self, records):
        """Prepare the generator of the rows."""
        self._records = records
        self._random = random.Random(1)
        self._rows = {}
        self._location = None
        self._communities = [self._uuid() for _ in range(COMMUNITIES)]

    def insert(self):
        """Insert the rows; return the number of events that they result in."""
        from invenio_db import db
        from invenio_files_rest.models import Location

        self._location = Location.query.one().id
        for community_id in self._communities:
            self._add(
                "communities_metadata",
                id=community_id,
                json={"metadata": {"title": "A community"}},
                slug=f"community-{community_id}",
                deletion_status="P",
                **self._dates(START - timedelta(days=1)),
            )
        events = made = 0
        while made < self._records:
            versions = min(2 if made % 5 == 0 else 1, self._records - made)
            events += self._parent(made, versions)
            made += versions
            if made % 1000 < versions:
                self._flush(db)
        self._flush(db)
        with db.engine.begin() as connection:
            connection.execute(db.text("ANALYZE"))
        return events

    def _parent(self, number, versions):
        """Add a parent with its versions; return the number of their events."""
        parent_id, created = self._uuid(), START + timedelta(
            seconds=self._random.randrange(DAYS * 86400)
        )
        wanted = self._random.choices([0, 1, 2, 3], [20, 60, 15, 5])[0]
        communities = self._random.sample(self._communities, wanted)
        removed = bool(communities) and self._random.random() < 0.02
        recids = [f"r{number + i:08}" for i in range(versions)]
        self._add(
            "rdm_parents_metadata",
            id=parent_id,
            json={
                "id": f"p{number:08}",
                "access": {"owned_by": {"user": str(self._random.randrange(500))}},
                "communities": {"ids": [str(c) for c in communities]},
            },
            **self._dates(created, created + timedelta(days=90)),
        )
        events = 0
        for index, recid in enumerate(recids, start=1):
            deleted = self._random.random() < 0.02
            at = created + timedelta(days=(index - 1) * 30)
            self._record(recid, parent_id, index, at, deleted)
            stays = 1 + len(communities)
            events += stays * 2 if deleted else stays + removed
        for place, community_id in enumerate(communities):
            gone = removed and place == 0
            request_id = None
            if gone or self._random.random() < 0.67:
                request_id = self._request(recids[0], community_id, created)
            if not gone:
                self._add(
                    "rdm_parents_community",
                    community_id=community_id,
                    record_id=parent_id,
                    request_id=request_id,
                )
        return events

    def _record(self, recid, parent_id, index, created, deleted):
        record_id = self._uuid()
        tombstone = {"removal_date": (created + timedelta(days=120)).isoformat()}
        self._add(
            "rdm_records_metadata",
            id=record_id,
            parent_id=parent_id,
            index=index,
            json={
                "id": recid,
                "access": {"record": "public", "files": "public"},
                "files": {"enabled": True},
                "metadata": self._metadata(created),
                "custom_fields": {"journal:journal": {"title": "Annals of tests"}},
                **({"tombstone": tombstone} if deleted else {}),
            },
            deletion_status="D" if deleted else "P",
            **self._dates(created),
        )
        self._add(
            "pidstore_pid",
            pid_type="recid",
            pid_value=recid,
            status="R",
            object_type="rec",
            object_uuid=record_id,
            **_without_version(self._dates(created)),
        )
        bucket_id = self._bucket(created)
        for name in ("data.csv", "article.pdf"):
            self._file(record_id, bucket_id, name, created)

    def _metadata(self, created):
        authors = 500 if self._random.random() < 0.001 else self._random.randint(1, 12)
        return {
            "title": "A record of the benchmark " * 3,
            "description": "What it is about. " * 40,
            "publication_date": created.date().isoformat(),
            "publisher": f"Press {self._random.randrange(40)}",
            "resource_type": {"id": self._random.choice(["dataset", "publication"])},
            "languages": [{"id": "eng"}],
            "rights": [{"id": "cc-by-4.0"}],
            "subjects": [
                {"subject": f"Subject {self._random.randrange(3000)}"} for _ in range(5)
            ],
            "funding": [{"funder": {"id": f"funder-{self._random.randrange(100)}"}}],
            "creators": [
                {
                    "person_or_org": {
                        "type": "personal",
                        "name": "Curie, Marie",
                        "family_name": "Curie",
                        "given_name": "Marie",
                    },
                    "affiliations": [{"name": f"Lab {self._random.randrange(2000)}"}],
                }
                for _ in range(authors)
            ],
        }

    def _file(self, record_id, bucket_id, name, created):
        file_id, version_id = self._uuid(), self._uuid()
        dates = self._dates(created)
        plain = _without_version(dates)
        self._add("files_files", id=file_id, uri=str(file_id), size=1000, **plain)
        self._add(
            "files_object",
            version_id=version_id,
            key=name,
            bucket_id=bucket_id,
            file_id=file_id,
            is_head=True,
            **plain,
        )
        self._add(
            "rdm_records_files",
            id=self._uuid(),
            json={},
            key=name,
            record_id=record_id,
            object_version_id=version_id,
            **dates,
        )

    def _bucket(self, created):
        bucket_id = self._uuid()
        self._add(
            "files_bucket",
            id=bucket_id,
            default_location=self._location,
            default_storage_class="S",
            size=0,
            locked=True,
            deleted=False,
            **_without_version(self._dates(created)),
        )
        return bucket_id

    def _request(self, recid, community_id, created):
        request_id = self._uuid()
        accepted = created + timedelta(days=self._random.randrange(1, 29))
        self._add(
            "request_metadata",
            id=request_id,
            json={
                "type": "community-inclusion",
                "status": "accepted",
                "topic": {"record": recid},
                "receiver": {"community": str(community_id)},
                "created_by": {"user": "1"},
            },
            **self._dates(created, accepted),
        )
        self._add(
            "request_events",
            id=self._uuid(),
            json={"payload": {"event": "accepted"}},
            type="L",
            request_id=request_id,
            **self._dates(accepted),
        )
        return request_id

    def _uuid(self):
        return UUID(int=self._random.getrandbits(128), version=4)

    @staticmethod
    def _dates(created, updated=None):
        return {"created": created, "updated": updated or created, "version_id": 1}

    def _add(self, table, **values):
        self._rows.setdefault(table, []).append(values)

    def _flush(self, db):
        """Insert the collected rows, in an order that satisfies the foreign keys."""
        # through the engine, because a session would capture these rows
        with db.engine.begin() as connection:
            for table in db.metadata.sorted_tables:
                rows = iter(self._rows.pop(table.name, ()))
                while chunk := list(islice(rows, 1000)):
                    connection.execute(table.insert(), chunk)


def _without_version(dates):
    return {k: v for k, v in dates.items() if k != "version_id"}


def _memory(name):
    """Return a line of the process's memory status in MB."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    raise RuntimeError(f"the system does not report {name}")


def _reset_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


if __name__ == "__main__":
    main()
