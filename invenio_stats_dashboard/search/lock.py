# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A lock in the cluster that expires when its holder dies.

The holder renews the lock in a thread. If the holder has not renewed it for its time to
live, the lock is free and the next run takes it. Every renewal is a compare-and-set. A
holder that was frozen finds at its next renewal that it has lost the lock.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError, OpenSearchException

from ..errors import LockedError, LockLostError
from .compare_and_set import Version, put_version, version_of


class ClusterLock:
    """Exclusive right of one process in the cluster to do one kind of work.

    Args:
        client: decodes responses.
        index: index of the lock's document.
        name: id of the lock's document.
        holder: unique id of this run.
        ttl: seconds after the last renewal at which the lock is free.

    Attributes:
        holder: unique id of this run.
    """

    def __init__(
        self, client: OpenSearch, index: str, name: str, holder: str, ttl: float
    ) -> None:
        self._client, self._index, self._name = client, index, name
        self.holder, self._ttl = holder, ttl
        self._version: Version | None = None
        self._renewed = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._mutex = threading.Lock()

    def acquire(self, wait: float = 0.0) -> None:
        """Take the lock, and start the thread that renews it.

        Args:
            wait: seconds to wait for a holder that may have died.

        Raises:
            LockedError: a living run holds the lock; the text names the run.
        """
        end = time.monotonic() + wait
        seen: tuple[Version, float] | None = None
        while True:
            current = read_lock(self._client, self._index, self._name)
            if current is None or _is_free(current["_source"]):
                if self._take(current):
                    break
                continue
            mark = version_of(current)
            if seen is None or seen[0] != mark:
                seen = (mark, time.monotonic())
            # The holder's clock may differ. The lock is free if nobody renewed it while
            # this run watched, or if twice its time to live has passed by this clock.
            idle = time.monotonic() - seen[1]
            if idle >= self._ttl or _age(current) >= self._ttl * 2:
                if self._take(current):
                    break
                continue
            if time.monotonic() >= end:
                raise LockedError(
                    f"Another run is active ({describe_holder(current)}). "
                    "Wait until it ends. If it has died, its lock expires within "
                    f"{self._ttl * 2:.0f} seconds."
                )
            time.sleep(min(1.0, self._ttl / 4))
        self._thread = threading.Thread(target=self._renew_for_ever, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Check that this run still holds the lock.

        Raises:
            LockLostError: it does not, or could not renew the lock in time.
        """
        if self._version is None:
            raise LockLostError(
                "Another run has taken over from this run, which has stopped."
            )
        if time.monotonic() - self._renewed > self._ttl * 0.8:
            self._renew()

    def release(self) -> None:
        """Release the lock; do nothing if it is lost."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=5)
        with self._mutex:
            if self._version is None:
                return
            with suppress(OpenSearchException):  # Otherwise it expires.
                self._write({**self._document(), "released": True}, self._version)
            self._version = None

    def _take(self, current: dict[str, Any] | None) -> bool:
        try:
            version = None if current is None else version_of(current)
            self._version = self._write(self._document(), version)
            self._renewed = time.monotonic()
            return True
        except ConflictError:
            # Another run was first, or the response to a first attempt was lost.
            self._version = self._still_mine()
            self._renewed = time.monotonic()
            return self._version is not None

    def _renew_for_ever(self) -> None:
        while not self._stop.wait(self._ttl / 4):
            try:
                self._renew()
            except LockLostError:
                return

    def _renew(self) -> None:
        with self._mutex:
            if self._version is None:
                raise LockLostError("Another run has taken over from this run.")
            try:
                self._version = self._write(self._document(), self._version)
                self._renewed = time.monotonic()
            except ConflictError:
                self._version = self._still_mine()
                if self._version is None:
                    raise LockLostError(
                        "Another run has taken over from this run, which has stopped."
                    ) from None
                self._renewed = time.monotonic()
            except OpenSearchException:
                # OpenSearch is unreachable: the lock remains valid until it expires.
                if time.monotonic() - self._renewed > self._ttl:
                    self._version = None
                    raise LockLostError(
                        "This run could not renew its lock in time and has stopped."
                    ) from None

    def _still_mine(self) -> Version | None:
        """Return the lock's version if only the response to a write was lost."""
        with suppress(OpenSearchException):
            current = read_lock(self._client, self._index, self._name)
            if current and current["_source"]["run"] == self.holder:
                return version_of(current)
        return None

    def _document(self) -> dict[str, Any]:
        return {
            "kind": "lock",
            "run": self.holder,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process": _process(os.getpid()),
            "ttl": self._ttl,
            "renewed_at": datetime.now(UTC).isoformat(),
            "released": False,
        }

    def _write(self, document: dict[str, Any], version: Version | None) -> Version:
        return put_version(self._client, self._index, self._name, document, version)


def read_lock(client: OpenSearch, index: str, name: str) -> dict[str, Any] | None:
    """Return the response to a get of the lock's document; None if it is missing."""
    try:
        return client.get(index=index, id=name)
    except NotFoundError:
        return None


def is_held(document: dict[str, Any] | None) -> bool:
    """Return whether a run holds a lock now.

    Args:
        document: the result of :func:`read_lock`.
    """
    if not document:
        return False
    source = document["_source"]
    return not _is_free(source) and _age(document) < source["ttl"] * 2


def describe_holder(document: dict[str, Any]) -> str:
    """Return a clause that names the run, host and process that hold a lock."""
    source = document["_source"]
    return f"run {source['run']} on {source['host']}, process {source['pid']}"


def _is_free(source: dict[str, Any]) -> bool:
    """Return whether a lock was released, or its holder has died on this machine."""
    if source.get("released"):
        return True
    mine, theirs = _process(os.getpid()), source.get("process")
    if not mine or not theirs or theirs["where"] != mine["where"]:
        return False
    return _process(source["pid"]) != theirs


def _process(pid: int) -> dict[str, str] | None:
    """Return a unique identity of a running process, or None if it has ended.

    The pid alone is not unique: the system reuses it, and each container has its own
    pids.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        where = f"{boot} {os.readlink('/proc/self/ns/pid')}"
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if stat[0] == "Z":
        return None
    return {"where": where, "started": stat[19]}


def _age(document: dict[str, Any]) -> float:
    """Return the seconds since the last renewal; the two clocks may differ."""
    renewed = datetime.fromisoformat(document["_source"]["renewed_at"])
    return (datetime.now(UTC) - renewed).total_seconds()
