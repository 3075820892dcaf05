# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Celery workers share the steps of a run, also if one of them dies."""

import os
import signal

import pytest
from celery import Celery

from invenio_stats_dashboard.aggregations.runner import LAST_RUN, LOCK
from invenio_stats_dashboard.aggregations.usage import snapshots
from invenio_stats_dashboard.search.lock import read_lock
from invenio_stats_dashboard.search.names import USAGE_FAMILIES

from ..aggregations.usage.build import Events, changed
from ..helpers.faults import until
from ..helpers.proxies import Proxy
from ..helpers.workers import SiteWorker

pytestmark = pytest.mark.slow

TASK = "invenio_stats_dashboard.tasks.aggregate_community_stats"
# non-adjacent days make one step each; there are enough for month sums, so the worker
# and the reference agree on which months have them
DAYS = [f"2026-03-{day:02d}" for day in range(1, 19, 2)]
COMMUNITIES = [f"10000000-0000-4000-8000-{n:012d}" for n in range(21)]


def in_small_groups():
    """Make a step of every five communities, so that few make many steps."""
    snapshots.GROUP = 5


@pytest.fixture()
def events(fresh, client, names):
    """Return usage events that make many steps of both phases."""
    events = Events(fresh, client, names)
    events.days(DAYS, each=2, communities=COMMUNITIES)
    events.days(DAYS[4:9], 6, "download", first=200, communities=COMMUNITIES[:6])
    return events


@pytest.fixture()
def proxy(app):
    """Return what the worker finds OpenSearch by."""
    found = Proxy(app.config["SEARCH_HOSTS"][0])
    yield found
    found.close()


@pytest.fixture()
def worker(zygote, where, proxy):
    """Return a worker with three processes, each of which can run or help."""
    found = SiteWorker(
        zygote,
        where,
        processes=3,
        prepare=in_small_groups,
        SEARCH_HOSTS=[proxy.address],
        COMMUNITY_STATS_AGGREGATION_HELPERS=2,
    )
    try:
        found.start()
        until(lambda: "ready." in found.log(), "the worker is ready", 120)
        yield found
    finally:
        found.remove()


def send(worker):
    """Have the worker count usage."""
    celery = Celery("tests", broker=os.environ["BROKER_URL"], set_as_current=False)
    celery.conf.update(task_serializer="msgpack")
    celery.send_task(TASK, kwargs={"families": USAGE_FAMILIES}, queue=worker.queue)


def step_documents(events, kind):
    """Return the documents of one kind that the run's steps wrote to the bookmarks."""
    events.client.indices.refresh(index=events.names.bookmarks)
    hits = events.client.search(
        index=events.names.bookmarks,
        body={"size": 100, "query": {"term": {"kind": kind}}},
    )["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


def at_work(events):
    """Return the process of each step that is not given back."""
    locks = step_documents(events, "lock").items()
    return [
        lock["pid"]
        for id, lock in locks
        if id.startswith("step:") and not lock["released"]
    ]


def test_a_run_is_shared_and_a_helper_dies_amid_its_step(events, worker, proxy):
    client, names = events.client, events.names
    with proxy.gate("_bulk", "usage-delta", stored=True) as gate:
        send(worker)
        until(lambda: gate.held == 3, "all are amid a step")
        runner = read_lock(client, names.bookmarks, LOCK)["_source"]["pid"]
        first, second = sorted(set(at_work(events)) - {runner})
        os.kill(first, signal.SIGKILL)
        # so that the other helper has the steps to itself
        os.kill(runner, signal.SIGSTOP)
    try:
        # all but the step of the run and that of the dead
        until(
            lambda: len(step_documents(events, "did")) == len(DAYS) - 2,
            "the others are done",
        )
        # the last one is given back after it was written down
        until(lambda: second not in at_work(events), "it has nothing more to do")
    finally:
        os.kill(runner, signal.SIGCONT)

    def last_run():
        return client.get(index=names.bookmarks, id=LAST_RUN, ignore=[404])

    until(lambda: last_run()["found"], "the run has ended", 120)
    run = last_run()["_source"]
    assert (run["error"], run["days"], run["days_left"]) == (None, len(DAYS), 0)
    assert run["events"] == 2 * len(DAYS) + 6 * 5
    events.assert_right()
    # one process counts all again, and finds nothing to write
    again = events.aggregate(rebuild=True)
    assert again.days == len(DAYS) and changed(again) == {}
