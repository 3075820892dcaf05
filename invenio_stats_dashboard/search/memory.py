# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Keeping a process small that handles many large answers in several threads."""

import ctypes
import gc
from contextlib import contextmanager

_M_MMAP_THRESHOLD = -3
_LARGE = 256 * 1024


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


@contextmanager
def collecting_only_new():
    """Leave what the application has made so far out of garbage collections.

    An InvenioRDM application is a million objects. Thousands of events a second
    have Python look through them over and over again, which took a third of the
    time in which pages were decoded.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
