# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""An instance without this package's live capture."""

from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.orm import Session

from invenio_stats_dashboard.community_events import capture


@contextmanager
def without_listeners():
    """Remove the listeners from all database sessions inside the context."""
    for name in capture.LISTENERS:
        sa.event.remove(Session, name, getattr(capture.Watcher, name))
    try:
        yield
    finally:
        capture.install(capture.Watcher.send)
