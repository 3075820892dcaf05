# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Sharing the steps of a run with other workers.

The run that holds the lock writes down the keys of its steps. It and its helpers take
them one by one, each under a lock of its own, so that a helper that dies leaves its step
to the others. Who has done a step writes down what was done. A helper works for one run
only: when that has ended, or was taken over, it may write nothing more.
"""

import time
import uuid
from dataclasses import asdict

import xxhash

from ..errors import LockedError, LockLostError
from ..search.lock import ClusterLock, is_held, read_lock
from .aggregate_store import WriteCounts
from .runner import LOCK, StepResult

_POLL = 0.5
_MARKS = ("plan:", "step:", "did:")
_MOST, _AT_ONCE = 10_000, 1000


class SharedSteps:
    """The steps of one phase of a run.

    Args:
        client: an ordinary client.
        index: the index of bookmarks.
        run: id of the run that holds the lock.
        ttl: seconds after which the step of a helper that died is free.
        rules: text that is another one where the same step would give other documents;
            such a worker cannot help.
    """

    def __init__(self, client, index, run, ttl, rules=""):
        """Keep what is needed."""
        self._client, self._index, self.run, self._ttl = client, index, run, ttl
        self._rules = rules

    def offer(self, keys):
        """Write down the steps that there are.

        Args:
            keys: of the steps, in their order.
        """
        # what a run has left that was killed
        self._remove_marks()
        plan = {"kind": "plan", "keys": list(keys), "rules": self._rules}
        self._put(self._plan, plan)

    def offered(self):
        """Return the keys of the steps that there are for a worker with these rules."""
        found = self._client.get(index=self._index, id=self._plan, ignore=[404])
        plan = found.get("_source", {})
        return plan["keys"] if plan.get("rules") == self._rules else []

    def done(self, key):
        """Return what was done in a step as a :class:`~.runner.StepResult`, or None."""
        found = self._client.get(
            index=self._index, id=self._id("did", key), ignore=[404]
        )
        return _done(found["_source"]["done"]) if found.get("found") else None

    def take(self, key, do):
        """Do a step unless somebody else does it or has done it.

        Args:
            key: of the step.
            do: called with a function that raises when the step is another's by now;
                returns a :class:`~.runner.StepResult`.

        Returns:
            Done: what was done; None if it is another's, or of a phase that has ended.
        """
        holder = uuid.uuid4().hex[:12]
        lock = ClusterLock(
            self._client, self._index, self._id("step", key), holder, self._ttl
        )
        try:
            lock.acquire()
        except LockedError:
            return None
        try:
            # in this order: what is written down goes after the list of the steps, so
            # a step of a phase that has ended is either done or not on the list
            if self.done(key) is not None or key not in self.offered():
                return None
            done = do(lock.check)
            lock.check()
            self._put(self._id("did", key), {"kind": "did", "done": asdict(done)})
            return done
        finally:
            lock.release()

    def check_run(self):
        """Make sure that the run is still under way.

        Raises:
            LockLostError: it is not.
        """
        lock = read_lock(self._client, self._index, LOCK)
        if lock is None or lock["_source"]["run"] != self.run or not is_held(lock):
            raise LockLostError(
                "The run that this helps has ended or was taken over; nothing more is "
                "written for it."
            )

    def wait(self):
        """Wait a little for others."""
        time.sleep(_POLL)

    def close(self):
        """Remove what was written down."""
        # first, so that nobody takes a step any more
        self._client.delete(index=self._index, id=self._plan, ignore=[404])
        self._remove_marks()

    def _remove_marks(self):
        """Remove plans, steps and what was done, of whichever run: one has the lock."""
        place = {"index": self._index, "params": {"ignore_unavailable": "true"}}
        self._client.indices.refresh(**place)
        kinds = {"terms": {"kind": ["plan", "did", "lock"]}}
        body = {"size": _MOST, "query": kinds, "_source": False}
        hits = self._client.search(body=body, **place)["hits"]["hits"]
        ids = [hit["_id"] for hit in hits if hit["_id"].startswith(_MARKS)]
        for start in range(0, len(ids), _AT_ONCE):
            chosen = ids[start : start + _AT_ONCE]
            actions = [{"delete": {"_index": self._index, "_id": id}} for id in chosen]
            self._client.bulk(body=actions)

    @property
    def _plan(self):
        return f"plan:{self.run}"

    def _id(self, kind, key):
        # a key may name many communities; an _id has room for 512 bytes
        return f"{kind}:{self.run}:{xxhash.xxh3_128_hexdigest(key.encode())}"

    def _put(self, id, body):
        self._client.index(index=self._index, id=id, body=body)


def _done(stored):
    written = {f: WriteCounts(**counts) for f, counts in stored["written"].items()}
    return StepResult(written, stored["events"], stored["days"])
