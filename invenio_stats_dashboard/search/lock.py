# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A lock in the cluster that dies with its holder.

The holder renews it while it lives; when it has not been renewed for its time
to live it is free, and whoever takes it then has won. Every renewal is a
compare-and-set, so a holder that was frozen learns at its first renewal that it
lost the lock.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from opensearchpy.exceptions import ConflictError, NotFoundError, OpenSearchException

from ..errors import LockedError, LockLostError


class ClusterLock:
    """Exclusive right to do one kind of work, for one process in the cluster.

    Args:
        client: an ordinary client.
        index: index of the lock's document.
        name: id of the lock's document.
        holder: unique id of this run, kept as an attribute.
        ttl: seconds after the last renewal at which it is free for others.
    """

    def __init__(self, client, index, name, holder, ttl):
        """Keep what is needed; takes nothing yet."""
        self._client, self._index, self._name = client, index, name
        self.holder, self._ttl = holder, ttl
        self._version = None
        self._renewed = 0.0
        self._stop = threading.Event()
        self._thread = None
        self._mutex = threading.Lock()

    def acquire(self, wait=0.0):
        """Take the lock.

        Args:
            wait: seconds to wait for a holder that may have died.

        Raises:
            LockedError: a living run holds it; the text says which.
        """
        end = time.monotonic() + wait
        seen = None
        while True:
            current = read_lock(self._client, self._index, self._name)
            if current is None or _is_free(current["_source"]):
                if self._take(current):
                    break
                continue
            mark = (current["_seq_no"], current["_primary_term"])
            if seen is None or seen[0] != mark:
                seen = (mark, time.monotonic())
            # the holder's clock is not ours: what counts is that nothing was
            # renewed while we watched, or that it is long gone by both clocks
            idle = time.monotonic() - seen[1]
            if idle >= self._ttl or _age(current) >= self._ttl * 2:
                if self._take(current):
                    break
                continue
            if time.monotonic() >= end:
                raise LockedError(
                    f"Another run does this right now ({describe_holder(current)}). "
                    "Wait for its end; if it has died its lock is free after "
                    f"{self._ttl * 2:.0f} seconds at most."
                )
            time.sleep(min(1.0, self._ttl / 4))
        self._thread = threading.Thread(target=self._renew_for_ever, daemon=True)
        self._thread.start()

    def check(self):
        """Make sure that the lock is still held.

        Raises:
            LockLostError: it is not, or that cannot be told any more.
        """
        if self._version is None:
            raise LockLostError(
                "This run was taken over by another one, and has stopped."
            )
        if time.monotonic() - self._renewed > self._ttl * 0.8:
            self._renew()

    def release(self):
        """Give the lock back; a lost one is left alone."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=5)
        with self._mutex:
            if self._version is None:
                return
            with suppress(OpenSearchException):  # else it expires by itself
                self._write({**self._document(), "released": True}, self._version)
            self._version = None

    def _take(self, current):
        try:
            version = None
            if current is not None:
                version = (current["_seq_no"], current["_primary_term"])
            self._version = self._write(self._document(), version)
            self._renewed = time.monotonic()
            return True
        except ConflictError:
            return False

    def _renew_for_ever(self):
        while not self._stop.wait(self._ttl / 4):
            try:
                self._renew()
            except LockLostError:
                return

    def _renew(self):
        with self._mutex:
            if self._version is None:
                raise LockLostError("This run was taken over by another one.")
            try:
                self._version = self._write(self._document(), self._version)
                self._renewed = time.monotonic()
            except ConflictError:
                self._version = self._still_mine()
                if self._version is None:
                    raise LockLostError(
                        "This run was taken over by another one, and has stopped."
                    ) from None
                self._renewed = time.monotonic()
            except OpenSearchException:
                # not reachable: the right is kept until its time is over
                if time.monotonic() - self._renewed > self._ttl:
                    self._version = None
                    raise LockLostError(
                        "This run could not renew its lock in time, and has stopped."
                    ) from None

    def _still_mine(self):
        """Return the lock's version if only the answer to a renewal was lost."""
        with suppress(OpenSearchException):
            current = read_lock(self._client, self._index, self._name)
            if current and current["_source"]["run"] == self.holder:
                return current["_seq_no"], current["_primary_term"]
        return None

    def _document(self):
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

    def _write(self, document, version):
        condition = {"op_type": "create"}
        if version is not None:
            condition = {"if_seq_no": version[0], "if_primary_term": version[1]}
        answer = self._client.index(
            index=self._index, id=self._name, body=document, params=condition
        )
        return answer["_seq_no"], answer["_primary_term"]


def read_lock(client, index, name):
    """Return the lock's document with its version, or None if there is none."""
    try:
        return client.get(index=index, id=name)
    except NotFoundError:
        return None


def is_held(document):
    """Tell whether a lock's document says that somebody holds it now."""
    source = document["_source"] if document else {"released": True}
    return not _is_free(source) and _age(document) < source["ttl"] * 2


def describe_holder(document):
    """Return who holds a lock, as a clause."""
    source = document["_source"]
    return f"run {source['run']} on {source['host']}, process {source['pid']}"


def _is_free(source):
    """Tell whether a lock was given back, or its holder died on this machine."""
    if source.get("released"):
        return True
    mine, theirs = _process(os.getpid()), source.get("process")
    if not mine or not theirs or theirs["where"] != mine["where"]:
        return False
    return _process(source["pid"]) != theirs


def _process(pid):
    """Return what tells a process apart from all others, or None if it is gone.

    The pid alone does not: it is used again, and containers count anew.
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


def _age(document):
    renewed = datetime.fromisoformat(document["_source"]["renewed_at"])
    return (datetime.now(UTC) - renewed).total_seconds()
