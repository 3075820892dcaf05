# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Keeping a process small that handles many large answers in several threads."""

import ctypes
import gc
from contextlib import contextmanager
from threading import Lock

_M_MMAP_THRESHOLD = -3
_LARGE = 256 * 1024
_COLLECTED_AFTER = 50_000


def give_large_blocks_back():
    """Have the C library return large blocks to the system when they are freed.

    A page of events is some megabytes. Freed by several threads it stays in the
    arenas of glibc, in pieces: 250 MB of a process that holds 20. A fixed
    threshold has each large block mapped and unmapped by itself. Elsewhere than
    on glibc it does nothing.
    """
    try:
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE)
    except (OSError, AttributeError):
        return


class _RareCollections:
    """Sets the collector for the first user at a time, and back after the last."""

    def __init__(self):
        self._lock, self._users, self._before = Lock(), 0, None

    def begin(self):
        with self._lock:
            if not self._users:
                self._before = gc.get_threshold()
                gc.set_threshold(_COLLECTED_AFTER, *self._before[1:])
                gc.freeze()
            self._users += 1

    def end(self):
        with self._lock:
            self._users -= 1
            if not self._users:
                gc.unfreeze()
                gc.set_threshold(*self._before)


_rare = _RareCollections()


@contextmanager
def rare_collections():
    """Let the garbage collector work less for a while.

    Decoded records and events are many short-lived objects, and none is part of a
    cycle. Collections would be frequent, and each full one would look through the
    million objects of an InvenioRDM application, which it cannot free: a third of
    the time in which pages are decoded. Several threads may want it at once; the
    collector is as it was when none of them does any more.
    """
    _rare.begin()
    try:
        yield
    finally:
        _rare.end()
