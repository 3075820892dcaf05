# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Refuse to use Polars in a process that was forked after Polars was used.

Polars starts threads. They do not exist in a forked process, which would wait for them
forever. Celery forks its workers before any task, so this can only happen in a program
that aggregates first and forks afterwards.
"""

import os

from ..errors import StatsDashboardError

_used_by: int | None = None


def require_same_process() -> None:
    """Record that this process uses Polars.

    Raises:
        StatsDashboardError: a parent process used Polars before this one was forked.
    """
    global _used_by
    if _used_by not in (None, os.getpid()):
        raise StatsDashboardError(
            "This process was forked from one that has already aggregated, so Polars "
            "cannot work here. Restart the program, or aggregate only in the first "
            "process."
        )
    _used_by = os.getpid()
