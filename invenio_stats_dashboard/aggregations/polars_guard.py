# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Seeing that Polars can work in this process.

It keeps threads. They are not there in a process that was forked after they were
started, which would wait for them for ever. Celery forks its workers before any task, so
this happens only to a program that counts and forks then.
"""

import os

from ..errors import StatsDashboardError

_used_by = None


def require_same_process():
    """Note that this process counts.

    Raises:
        StatsDashboardError: a parent of it did before it was forked.
    """
    global _used_by
    if _used_by not in (None, os.getpid()):
        raise StatsDashboardError(
            "This process was forked from one that has aggregated before, in which "
            "Polars cannot work. Start the program anew, or aggregate in the first "
            "process only."
        )
    _used_by = os.getpid()
