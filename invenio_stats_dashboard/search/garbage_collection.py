# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Limit the memory and CPU time of a process that decodes many large responses."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_M_MMAP_THRESHOLD = -3
_LARGE = 256 * 1024
_COLLECTED_AFTER = 50_000


def give_large_blocks_back() -> None:
    """Make the C library return large blocks to the system when they are freed.

    A page of events takes some megabytes. If several threads free pages, glibc retains
    the memory in fragments: 250 MB for a process that uses 20. With a fixed threshold,
    glibc maps and unmaps each large block separately. Without glibc, nothing happens.
    """
    try:
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE)
    except (OSError, AttributeError):
        return


class _RareCollections:
    """Collects less often while at least one caller asks for it."""

    _before: tuple[int, int, int]

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0

    def begin(self) -> None:
        with self._lock:
            if not self._users:
                self._before = gc.get_threshold()
                gc.set_threshold(_COLLECTED_AFTER, *self._before[1:])
                gc.freeze()
            self._users += 1

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                gc.unfreeze()
                gc.set_threshold(*self._before)


_rare = _RareCollections()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Run the garbage collector less often inside this context.

    Decoded records and events are many short-lived objects, and none is in a cycle.
    They would trigger collections often. Each full collection examines the million
    objects of an InvenioRDM application, which it cannot free. That costs a third of
    the time for decoding pages. Several threads may use this context at the same time.
    The collector is reset when the last one leaves it.
    """
    _rare.begin()
    try:
        yield
    finally:
        _rare.end()
