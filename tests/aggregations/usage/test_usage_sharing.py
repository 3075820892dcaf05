# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Several workers share the steps of a run; any of them can do any step."""

import threading

import pytest

from invenio_stats_dashboard.aggregations.aggregate_store import WriteCounts
from invenio_stats_dashboard.aggregations.run_sharing import SharedSteps
from invenio_stats_dashboard.aggregations.runner import LOCK, StepResult
from invenio_stats_dashboard.aggregations.usage import aggregator, snapshots
from invenio_stats_dashboard.errors import LockLostError

from ...helpers.faults import until
from ...helpers.processes import kill_me
from ...helpers.search_requests import before_requests
from .build import BLUE, RED, changed

DAYS = [f"2026-03-{n:02d}" for n in range(1, 9)]
MORE = [f"10000000-0000-4000-8000-{n:012d}" for n in range(4)]


def service(app):
    """Return the service."""
    return app.extensions["invenio-stats-dashboard"].community_stats_service


def ready(app):
    """Do nothing, so that the process is ready."""


def help_with(app, run, kill_at=None):
    """Help with a run; with ``kill_at``, be killed before that write."""
    writes = []

    def count(request):
        if request.path.endswith("_bulk"):
            writes.append(request)
            if len(writes) == kill_at:
                kill_me()

    snapshots.GROUP = 1
    with before_requests(count):
        return service(app).help_aggregating(run)


@pytest.fixture()
def much(events, monkeypatch):
    """Return events of some days and communities that need many steps."""
    monkeypatch.setattr(aggregator.units, "__defaults__", (1,))
    monkeypatch.setattr(snapshots, "GROUP", 1)
    events.days(DAYS, communities=(RED, *MORE))
    events.days(DAYS[3:6], kind="download", communities=(BLUE,), first=200)
    return events


class Helper:
    """Helps from another process when it is called.

    Args:
        events: the events that the run counts.
        zygote: starts the process.
        kill_at: number of the write before which it is killed.
    """

    def __init__(self, events, zygote, kill_at=None):
        self._events, self._zygote, self._kill_at = events, zygote, kill_at
        self._threads, self.did = [], []
        zygote.run(ready)  # otherwise it would start late

    def call(self, run, steps):
        """Start the helper, and wait until it has done a step or was killed."""
        thread = threading.Thread(target=self._help, args=(run,))
        thread.start()
        self._threads.append(thread)
        until(lambda: self._has_done_a_step() or not thread.is_alive(), "it helps")

    def _has_done_a_step(self):
        client, index = self._events.client, self._events.names.bookmarks
        client.indices.refresh(index=index)
        return client.count(index=index, body={"query": {"term": {"kind": "did"}}})[
            "count"
        ]

    def _help(self, run):
        self.did.append(self._zygote.run(help_with, run, self._kill_at))

    def wait(self):
        """Wait until the helper ends."""
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("kill_at", [None, 1, 4])
def test_the_work_of_helpers_is_correct_and_the_rest_is_done(much, zygote, kill_at):
    helper = Helper(much, zygote, kill_at)
    done = much.aggregate(call=helper.call)
    helper.wait()
    assert (done.days, done.events, done.completed) == (8, 8 * 6 + 18, True)
    # steps of both phases were offered; finished steps are counted once
    assert len(helper.did) == 2
    assert (helper.did == [None, None]) == bool(kill_at)
    if not kill_at:
        assert sum(helper.did) > 2
        assert changed(done) == {
            family: len(documents) for family, documents in much.wanted().items()
        }
    much.assert_right()
    much.client.indices.refresh(index=much.names.bookmarks)
    found = much.client.search(
        index=much.names.bookmarks,
        body={"query": {"terms": {"kind": ["plan", "did"]}}},
    )
    assert found["hits"]["hits"] == []
    assert changed(much.aggregate(rebuild=True)) == {}


def test_a_helper_of_a_run_that_has_ended_writes_nothing(much):
    seen = []
    much.aggregate(call=lambda run, steps: seen.append(run))
    with much.app.app_context():
        assert service(much.app).help_aggregating(seen[0]) == 0
    shared = SharedSteps(much.client, much.names.bookmarks, seen[0], 60)
    with pytest.raises(LockLostError, match="has ended"):
        shared.check_run()


def test_a_worker_with_other_rules_does_not_help(much, monkeypatch):
    did = []

    def call(run, steps):
        with monkeypatch.context() as patch, much.app.app_context():
            # its site was deployed before or after that of the run
            patch.setitem(much.app.config, "COMMUNITY_STATS_TOP_SUBCOUNT_LIMIT", 1)
            did.append(service(much.app).help_aggregating(run))

    much.aggregate(call=call)
    assert did == [0, 0]
    much.assert_right()


def test_documents_of_a_killed_run_are_removed(much):
    index, left = much.names.bookmarks, ("plan:dead", "did:dead:a", "step:dead:a")
    for id in left:
        kind = {"step": "lock"}.get(id.partition(":")[0], id.partition(":")[0])
        body = {"kind": kind, "keys": ["a"]}
        much.client.index(index=index, id=id, body=body, refresh=True)
    much.aggregate(call=lambda run, steps: None)
    assert not [id for id in left if much.client.exists(index=index, id=id)]
    assert much.client.exists(index=index, id=LOCK)


def test_a_step_is_done_once(much):
    shared = SharedSteps(much.client, much.names.bookmarks, "run", 60)
    did = StepResult({"usage-delta": WriteCounts(created=2)}, events=7, days=1)

    def while_it_is_done(check):
        check()
        assert shared.take("a", lambda _: pytest.fail("done twice")) is None
        return did

    shared.offer(["a", "b"])
    assert shared.offered() == ["a", "b"]
    assert shared.done("a") is None
    assert shared.take("a", while_it_is_done) == did == shared.done("a")
    assert shared.take("a", lambda _: pytest.fail("done twice")) is None
    shared.close()
    assert shared.offered() == [] and shared.done("a") is None
