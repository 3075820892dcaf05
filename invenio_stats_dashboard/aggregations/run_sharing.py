# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Share the steps of a run with other workers.

The run that holds the lock stores the keys of its steps. The run and its helpers take
the steps one by one, each under its own lock. If a helper dies, its step becomes free
for the others. The worker that did a step stores the result.

A helper works for one run only. When that run has ended or was taken over, the helper
must not write any more.
"""

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import msgspec
import xxhash
from opensearchpy import OpenSearch

from ..errors import LockedError, LockLostError
from ..search import bulk
from ..search.lock import ClusterLock, is_held, read_lock
from .aggregate_store import WriteCounts
from .runner import LOCK, StepResult

_POLL = 0.5
_MARKS = ("plan:", "step:", "did:")
_MOST = 10_000
_LIMIT = 20.0


class SharedSteps:
    """The steps of one phase of a run.

    Args:
        client: decodes responses.
        index: the index of bookmarks.
        run: id of the run that holds the lock.
        ttl: seconds after which the step of a dead helper becomes free.
        rules: a text that depends on all rules for making documents. A worker with
            another text would make other documents and cannot help.
    """

    def __init__(
        self, client: OpenSearch, index: str, run: str, ttl: float, rules: str = ""
    ) -> None:
        self._client, self._index, self.run, self._ttl = client, index, run, ttl
        self._rules = rules

    def offer(self, keys: Iterable[str]) -> None:
        """Store the keys of the steps, in order."""
        # A killed run may have left documents.
        self._remove_marks()
        plan = {"kind": "plan", "keys": list(keys), "rules": self._rules}
        self._put(self._plan, plan)

    def offered(self) -> list[str]:
        """Return the keys of the steps that a worker with these rules can do."""
        found = self._client.get(index=self._index, id=self._plan, ignore=[404])
        plan = found.get("_source", {})
        return plan["keys"] if plan.get("rules") == self._rules else []

    def done(self, key: str) -> StepResult | None:
        """Return the result of a step, or None if it is not done."""
        found = self._client.get(
            index=self._index, id=self._id("did", key), ignore=[404]
        )
        return _done(found["_source"]["done"]) if found.get("found") else None

    def take(
        self, key: str, do: Callable[[Callable[[], None]], StepResult]
    ) -> StepResult | None:
        """Do a step unless another worker does it or has done it.

        Args:
            key: key of the step.
            do: does the step. Its argument raises if another worker has taken over the
                step.

        Returns:
            The result; None if another worker has the step, or if its phase has ended.
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
            # The order matters: close() removes the list of steps before their results,
            # so a step of a phase that has ended is either done or not on the list.
            if self.done(key) is not None or key not in self.offered():
                return None
            done = do(lock.check)
            lock.check()
            self._put(self._id("did", key), {"kind": "did", "done": asdict(done)})
            return done
        finally:
            lock.release()

    def check_run(self) -> None:
        """Check that the run still holds its lock.

        Raises:
            LockLostError: the run has lost its lock.
        """
        lock = read_lock(self._client, self._index, LOCK)
        if lock is None or lock["_source"]["run"] != self.run or not is_held(lock):
            raise LockLostError(
                "The run that this worker helps has ended or was taken over, so the "
                "worker has stopped."
            )

    def wait(self) -> None:
        """Wait a short time for other workers."""
        time.sleep(_POLL)

    def close(self) -> None:
        """Remove the list of steps and their results."""
        # The list goes first, so that no worker takes another step.
        self._client.delete(index=self._index, id=self._plan, ignore=[404])
        self._remove_marks()

    def _remove_marks(self) -> None:
        """Remove plans, steps and results of all runs; only one run holds the lock."""
        place: dict[str, Any] = {
            "index": self._index,
            "params": {"ignore_unavailable": "true"},
        }
        self._client.indices.refresh(**place)
        kinds = {"terms": {"kind": ["plan", "did", "lock"]}}
        body = {"size": _MOST, "query": kinds, "_source": False}
        hits = self._client.search(body=body, **place)["hits"]["hits"]
        ids = [hit["_id"] for hit in hits if hit["_id"].startswith(_MARKS)]
        encode = msgspec.json.encode
        actions = [encode({"delete": {"_id": id}}) + b"\n" for id in ids]
        bulk.write(self._client, self._index, actions, _LIMIT)

    @property
    def _plan(self) -> str:
        return f"plan:{self.run}"

    def _id(self, kind: str, key: str) -> str:
        # A key may name many communities, but an _id can have only 512 bytes.
        return f"{kind}:{self.run}:{xxhash.xxh3_128_hexdigest(key.encode())}"

    def _put(self, id: str, body: dict[str, Any]) -> None:
        self._client.index(index=self._index, id=id, body=body)


def _done(stored: dict[str, Any]) -> StepResult:
    written = {f: WriteCounts(**counts) for f, counts in stored["written"].items()}
    return StepResult(written, stored["events"], stored["days"])
