# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Build database rows and events with few arguments."""

from datetime import datetime, timedelta

from invenio_stats_dashboard import config, subcounts
from invenio_stats_dashboard.community_events.record_rows import (
    AcceptedRequest,
    CommunityRow,
    RecordRow,
)
from invenio_stats_dashboard.community_events.stored_fields import TimelineEntry
from invenio_stats_dashboard.community_events.timestamps import as_second

REGISTRY = subcounts.load(config.COMMUNITY_STATS_SUBCOUNTS)


def day(number):
    """Return the start of a day, counted from 2024-01-01, in the format of rows."""
    return f"{second(number)}.000000"


def second(number):
    """Return the start of a day in the format of events."""
    return as_second(datetime(2024, 1, 1) + timedelta(days=number))


def added(community_id, place, number):
    """Return a timeline entry: added on a day."""
    return TimelineEntry(community_id, place, "added", second(number))


def removed(community_id, place, number):
    """Return a timeline entry: removed on a day."""
    return TimelineEntry(community_id, place, "removed", second(number))


def community(community_id, created=-10, accepted=None, requested=None, **changes):
    """Return a row of the parent-community table; days are numbers."""
    return CommunityRow(
        community_id=community_id,
        created=day(created),
        updated=day(changes.pop("updated", created)),
        requested=None if requested is None else day(requested),
        accepted=None if accepted is None else day(accepted),
        deleted=day(changes.pop("deleted")) if "deleted" in changes else None,
        deleted_by="tombstone",
    )


def ended(community_id, accepted, requested):
    """Return an accepted request whose row no longer exists; days are numbers."""
    return AcceptedRequest(community_id, day(requested), day(accepted))


def row(record=None, parent=None, created=0, parent_updated=0, **changes):
    """Return a record row with the given related rows; days are numbers."""
    deleted = changes.pop("deleted", None)
    return RecordRow(
        record_id="00000000-0000-0000-0000-000000000001",
        parent_id="00000000-0000-0000-0000-000000000002",
        created=day(created),
        updated=day(changes.pop("updated", created)),
        parent_updated=day(parent_updated),
        revision=changes.pop("revision", 2),
        is_deleted=deleted is not None,
        deleted=None if deleted is None else day(deleted),
        deleted_by=None if deleted is None else "tombstone",
        record={"id": "abcde-12345", **(record or {})},
        parent={"id": "fghij-67890", **(parent or {})},
        **changes,
    )
