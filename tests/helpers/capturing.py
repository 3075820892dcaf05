# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""An instance as it is without this package's live capture."""

from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.orm import Session

from invenio_stats_dashboard.community_events import capture


@contextmanager
def without_listeners():
    """Take the listeners off all database sessions for as long as it lasts."""
    for name in capture.LISTENERS:
        sa.event.remove(Session, name, getattr(capture.Watcher, name))
    try:
        yield
    finally:
        capture.install(capture.Watcher.send)
