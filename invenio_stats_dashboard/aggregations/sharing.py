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
from opensearchpy.exceptions import NotFoundError

from ..errors import LockedError, LockLostError
from ..search.lock import ClusterLock, is_held, read_lock
from .run import LOCK, Done
from .store import Written

_POLL = 0.5


class SharedSteps:
    """The steps of one phase of a run.

    Args:
        client: an ordinary client.
        index: the index of bookmarks.
        run: id of the run that holds the lock.
        ttl: seconds after which the step of a helper that died is free.
    """

    def __init__(self, client, index, run, ttl):
        """Keep what is needed."""
        self._client, self._index, self.run, self._ttl = client, index, run, ttl
        self._keys = []

    def offer(self, keys):
        """Write down the steps that there are.

        Args:
            keys: of the steps, in their order.
        """
        self._keys = list(keys)
        self._put(self._plan, {"kind": "plan", "keys": self._keys})

    def offered(self):
        """Return the keys of the steps that there are."""
        found = self._client.get(index=self._index, id=self._plan, ignore=[404])
        return found.get("_source", {}).get("keys", [])

    def done(self, key):
        """Return what was done in a step as a :class:`~.run.Done`, or None."""
        found = self._client.get(
            index=self._index, id=self._id("did", key), ignore=[404]
        )
        return _done(found["_source"]["done"]) if found.get("found") else None

    def take(self, key, do):
        """Do a step unless somebody else does it or has done it.

        Args:
            key: of the step.
            do: called with a function that raises when the step is another's by now;
                returns a :class:`~.run.Done`.

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
        ids = [self._plan]
        ids += [self._id(kind, key) for key in self._keys for kind in ("step", "did")]
        for id in ids:
            try:
                self._client.delete(index=self._index, id=id)
            except NotFoundError:
                continue
        self._keys = []

    @property
    def _plan(self):
        return f"plan:{self.run}"

    def _id(self, kind, key):
        # a key may name many communities; an _id has room for 512 bytes
        return f"{kind}:{self.run}:{xxhash.xxh3_128_hexdigest(key.encode())}"

    def _put(self, id, body):
        self._client.index(index=self._index, id=id, body=body)


def _done(stored):
    written = {f: Written(**counts) for f, counts in stored["written"].items()}
    return Done(written, stored["events"], stored["days"])
