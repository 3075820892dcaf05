# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Kill or freeze runs of the migration at a named step."""

import os
import signal
import time
from collections import Counter
from datetime import timedelta

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from invenio_stats_dashboard.errors import LockedError, StatsDashboardError
from invenio_stats_dashboard.migration.months import utc_now
from invenio_stats_dashboard.services.event_reindexing import EventReindexingService

from .processes import Forked, kill_me

PATIENCE = 60.0


def until(condition, what, patience=PATIENCE):
    """Wait until a condition holds, and return its result."""
    end = time.monotonic() + patience
    while True:
        if found := condition():
            return found
        assert time.monotonic() < end, f"{what}: not within {patience:.0f} seconds"
        time.sleep(0.02)


def later():
    """Return a time at which all current deadlines have passed."""
    return utc_now() + timedelta(hours=1)


class At:
    """A step callback that acts at the n-th occurrence of a step.

    Args:
        step: name of the step.
        action: called without arguments.
        nth: number of the occurrence.
        also: called with each earlier step, or None.
    """

    def __init__(self, step, action, nth=1, also=None):
        """Store the arguments."""
        self._step, self._action, self._nth = step, action, nth
        self._also = also
        self.seen = Counter()

    def __call__(self, step):
        """Count a step, and act if it is the chosen one."""
        self.seen[step] += 1
        if self._also:
            self._also(step)
        if step == self._step and self.seen[step] == self._nth:
            self._action()


def outcome(app, method, **arguments):
    """Call the migration's service as a separate process does.

    Returns:
        dict: ``exit_code`` and ``said``, the report or the sentence of the error.
    """
    # connections are not shared with the process that this one was forked from
    extension = app.extensions["invenio-stats-dashboard"]
    service = EventReindexingService(app, lambda: extension.subcounts)
    try:
        result = getattr(service, method)(**arguments)
    except StatsDashboardError as error:
        return {"exit_code": error.exit_code, "said": str(error)}
    if method == "reindex_events":
        return {"exit_code": result.exit_code, "said": result.as_json()}
    return {"exit_code": 0, "said": result}


def killed_at(usage, step, nth=1, method="reindex_events", also=None, **arguments):
    """Run the migration in a process that is killed at a step, and wait for its end."""
    app = usage.app
    child = Forked(
        app,
        lambda: outcome(app, method, step=At(step, kill_me, nth, also), **arguments),
    )
    answer = child.wait()
    assert answer is None, f"it was not killed at {step!r}: {answer}"


class Frozen:
    """A run in a process that freezes at a step until it is woken.

    Args:
        usage: the :class:`~.usage.Usage`.
        step: name of the step.
        nth: number of the occurrence.
        method: method of the service.
        also: called with each earlier step, in that process.
        **arguments: arguments of the method.
    """

    def __init__(
        self, usage, step, nth=1, method="reindex_events", also=None, **arguments
    ):
        """Start the process, and return when it is frozen."""
        app = usage.app

        def stop():
            os.kill(os.getpid(), signal.SIGSTOP)

        self._child = Forked(
            app,
            lambda: outcome(app, method, step=At(step, stop, nth, also), **arguments),
        )
        _, status = os.waitpid(self._child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"it did not reach the step {step!r}"
        # OpenSearch still stores what the process sent before it froze
        until(lambda: not _writes_in_progress(usage), "no write is in progress")

    def kill(self):
        """Kill the frozen process."""
        self._child.kill()
        assert self._child.wait() is None

    def wake(self):
        """Continue the process, wait for its end, and return its outcome."""
        os.kill(self._child.pid, signal.SIGCONT)
        return self._child.wait()


def _writes_in_progress(usage):
    """Return descriptions of the bulk requests for the instance's indices."""
    nodes = usage.client.tasks.list(actions="indices:data/write/bulk*", detailed=True)
    return [
        task["description"]
        for node in nodes["nodes"].values()
        for task in node["tasks"].values()
        if usage.names.prefix in task["description"]
    ]


def migrate_when_free(usage, **arguments):
    """Migrate as soon as the lock of another run has expired."""
    found = []

    def attempt():
        try:
            found.append(usage.migrate(**arguments))
        except LockedError:
            return False
        return True

    until(attempt, "the lock was free")
    return found[0]


def until_completed(usage, **arguments):
    """Run the migration again for as long as it stops with the advice to do so.

    Nodes that have just started may be unhealthy for longer than a test waits: their
    heap is small, and full until the first collection.

    Returns:
        The reports of all runs.
    """
    reports = []

    def attempt():
        report = migrate_when_free(usage, **arguments)
        reports.append(report)
        if report["stopped"] is None:
            assert report["completed"], report
            return True
        assert report["stopped"]["resumable"], report["stopped"]
        return False

    until(attempt, "the migration was complete")
    return reports


def cluster_of(usage):
    """Return all that a run can change: indices, settings, documents, bookmarks."""
    client, prefix = usage.client, usage.names.prefix
    found = {}
    for pattern in (f"{prefix}events-stats-*", f"{prefix}backup-*"):
        for name, details in client.indices.get(index=pattern).items():
            hits = usage.seen(index=name)
            found[name] = (details, sorted(hits, key=lambda hit: hit[0]))
    client.indices.refresh(index=usage.names.reindexing)
    hits = client.search(
        index=usage.names.reindexing,
        body={
            "size": 100,
            "query": {"bool": {"must_not": {"exists": {"field": "ttl"}}}},
        },
    )["hits"]["hits"]
    found["bookmarks"] = {
        hit["_id"]: hit["_source"] for hit in hits if "ttl" not in hit["_source"]
    }
    return found


def own_client(usage):
    """Return a new client, for a process that was forked."""
    return OpenSearch(usage.app.config["SEARCH_HOSTS"], timeout=60)


def write_once(usage, event_type, month, id, source):
    """Write one event by the month's stock name; return whether it was accepted."""
    try:
        usage.client.index(
            index=usage.names.events_month(event_type, month), id=id, body=source
        )
    except OpenSearchException:
        return False
    return True


def assert_no_marks(usage):
    """Check that no run has left a mark or a write block on an index."""
    for name, details in usage.client.indices.get(
        index=f"{usage.names.prefix}*events-stats-*"
    ).items():
        marks = [alias for alias in details.get("aliases", {}) if "-switch-" in alias]
        assert marks == [], f"{name} is marked by {marks}"
