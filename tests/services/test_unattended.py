# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Beat and a worker alone migrate and count everything."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from opensearchpy.exceptions import OpenSearchException

from invenio_stats_dashboard.aggregations.runner import LAST_RUN
from invenio_stats_dashboard.services.preparation import MIGRATION, read_preparation
from scripts.demo.bulk import write
from scripts.demo.legacy_events import File, Record, generate

from ..helpers import content
from ..helpers.faults import until
from ..helpers.simulation import Stored
from ..helpers.stored import assert_equal_to_reference
from ..helpers.usage import Usage
from ..helpers.workers import SiteWorker

pytestmark = pytest.mark.slow

CREATED = datetime(2026, 6, 3)
"""When the records and communities were created."""

MONTHS = ("2026-06", "2026-08")
"""Months with legacy events, besides the current one."""

EACH, BATCH = 80, 30
"""Number of events in a month, and of those that are migrated at a time."""

SECONDS = 300


class Site(Usage):
    """An instance with records, communities and legacy events; nobody did anything."""

    def __init__(self, app, client, names):
        """Make them by the services, and long ago."""
        self.app, self.client, self.names = app, client, names
        red, blue = content.make_community(), content.make_community()
        one, two, none = (content.make_record(files={"a.csv": b"1"}) for _ in range(3))
        # by rows alone: an accepted request would date the addition
        content.include_in_bulk([one, two], red)
        content.include_in_bulk([two], blue)
        self.expected = {one: [red], two: sorted([red, blue]), none: []}
        content.date_back(CREATED)
        self.events_by_type = {"view": {}, "download": {}}
        records = [self._record(recid) for recid in self.expected]
        for seed, month in enumerate((*MONTHS, datetime.now(UTC).strftime("%Y-%m"))):
            for event_type in ("view", "download"):
                self._legacy(event_type, month, records, seed)

    def _record(self, recid):
        files = (File(f"bucket of {recid}", f"file of {recid}", "a.csv", 1000),)
        return Record(recid, f"parent of {recid}", CREATED + timedelta(days=1), files)

    def _legacy(self, event_type, month, records, seed):
        now = datetime.now(UTC).replace(tzinfo=None)
        self.legacy_index(event_type, month)
        events = dict(generate(event_type, month, EACH, records, seed, now))
        write(self.client, self.names.prefix, event_type, events.items())
        self.events_by_type[event_type].update(events)

    def stored(self):
        """Return all that is counted from, as it is stored."""
        names = self.names
        facts = dict(self.seen(index=names.record_facts))
        return Stored(
            views=dict(self.seen("view")),
            downloads=dict(self.seen("download")),
            facts=facts,
            community_events=dict(self.seen(index=names.community_events)),
        )


@pytest.fixture()
def worker(zygote, where):
    """Return a worker and beat, whose times are short."""
    task = "invenio_stats_dashboard.tasks.catch_up_community_stats"
    worker = SiteWorker(
        zygote,
        where,
        CELERY_BEAT_SCHEDULE={
            "stats-dashboard-catch-up": {"task": task, "schedule": 0.5}
        },
        COMMUNITY_STATS_PREPARATION_SECONDS=0.1,
        COMMUNITY_STATS_CATCHUP_INTERVAL=20,
        COMMUNITY_STATS_AGGREGATION_LOCK_TTL=1,
        STATS_DASHBOARD_REINDEXING_LOCK_TTL=1,
        STATS_DASHBOARD_REINDEXING_BATCH_SIZE=BATCH,
    )
    yield worker
    worker.remove()


@pytest.fixture()
def beat(worker, tmp_path):
    """Start the beat of a site."""
    schedule = ("-s", str(tmp_path / "schedule"), "--pidfile=")
    process = worker.program("beat", *schedule, "-l", "info", log=tmp_path / "log")
    yield process
    process.kill()
    process.wait()


def test_statistics_appear_although_the_worker_is_killed_twice(
    fresh, client, names, worker, request
):
    with fresh.app_context():
        site = Site(fresh, client, names)
        worker.start()
        request.getfixturevalue("beat")

        def prepared():
            with suppress(OpenSearchException):  # the index is only just made
                return read_preparation(client, names) or {}
            return {}

        until(lambda: prepared().get("step") == MIGRATION, "migration begins", SECONDS)
        worker.kill()
        worker.start()
        until(lambda: counted(client, names), "counting begins", SECONDS)
        worker.kill()
        worker.start()
        until(lambda: completed(client, names), "all is counted", SECONDS)
        assert prepared()["step"] == "ready"

        stored = site.stored()
        for seen, event_type in (
            (stored.views, "view"),
            (stored.downloads, "download"),
        ):
            assert seen.keys() == site.events_by_type[event_type].keys()
            for source in seen.values():
                assert source["community_ids"] == site.expected[source["recid"]]
        registry = fresh.config["COMMUNITY_STATS_SUBCOUNTS"]
        today = datetime.now(UTC).strftime("%Y-%m-%d")
        assert_equal_to_reference(client, names, stored, registry, today)


def counted(client, names):
    """Return whether any run has counted something."""
    pattern = f"{names.aggregates('usage-delta')}-*"
    with suppress(OpenSearchException):  # an index that is only just made
        return client.count(index=pattern, ignore_unavailable=True)["count"] > 0


def completed(client, names):
    """Return whether the last run has left nothing to do."""
    with suppress(OpenSearchException):
        return client.get(index=names.bookmarks, id=LAST_RUN)["_source"]["completed"]
