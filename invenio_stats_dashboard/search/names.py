# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The names of all indices and aliases: the only place that knows how they are made.

Every name carries the instance's prefix (``SEARCH_INDEX_PREFIX``), so that two
instances on one cluster never meet.
"""

import re
from dataclasses import dataclass

from ..errors import UsageError

SCHEMA = "2.0.0"
"""Version of the enriched event mapping, kept in the ``_meta`` of each index."""

META_KEY = "invenio_stats_dashboard"
"""Key of this package in the ``_meta`` of mappings and templates."""

EVENT_TYPES = ("view", "download")
"""The event types as the command line names them."""

STOCK_EVENTS = {"view": "record-view", "download": "file-download"}
"""Event type -> name of the event in ``STATS_EVENTS``."""

BASES = ("created", "published", "added")
"""What the day of a record's coming can be: see docs/aggregates.md."""

RECORD_FAMILIES = tuple(
    f"records-{kind}-{basis}" for kind in ("delta", "snapshot") for basis in BASES
)
"""The aggregate families of records."""

USAGE_DELTA, USAGE_SNAPSHOT = "usage-delta", "usage-snapshot"

USAGE_FAMILIES = (USAGE_DELTA, USAGE_SNAPSHOT)
"""The aggregate families of usage."""

FAMILIES = RECORD_FAMILIES + USAGE_FAMILIES
"""All aggregate families: one document a community and day."""

USAGE_SEEN = "usage-seen"
"""A family beside the usage deltas, for this package alone: what was seen in a day."""

USAGE_MONTH = "usage-month"
"""Another one: sums of a month's deltas, of cells that snapshots do not show."""

INTERNAL = (USAGE_SEEN, USAGE_MONTH)
"""Families that nobody else reads."""

FIRST_YEAR = 1
"""The year from which on the first index of an aggregate family holds documents.

Publication dates go back for centuries; no document is dated before it.
"""

_MONTH = re.compile(r"^\d{4}-(0[1-9]|1[0-2])$")


@dataclass(frozen=True)
class Names:
    """Index and alias names of one instance.

    Args:
        prefix: ``SEARCH_INDEX_PREFIX``, maybe empty.
    """

    prefix: str = ""

    @classmethod
    def of(cls, app):
        """Return the names for a Flask application."""
        return cls(app.config.get("SEARCH_INDEX_PREFIX") or "")

    # -- usage events -----------------------------------------------------

    def events_alias(self, event_type):
        """Return the stock read alias over all months of an event type."""
        if event_type not in STOCK_EVENTS:
            raise UsageError(
                f"Unknown event type {event_type!r}; there are "
                f"{' and '.join(EVENT_TYPES)}."
            )
        return f"{self.prefix}events-stats-{STOCK_EVENTS[event_type]}"

    def events_month(self, event_type, month):
        """Return the stock name of a month: an index, or the alias that writes."""
        return f"{self.events_alias(event_type)}-{month}"

    def events_target(self, event_type, month):
        """Return the name of the enriched index that a month is migrated to."""
        return f"{self.events_month(event_type, month)}.v{SCHEMA}"

    def events_backup(self, event_type, month):
        """Return the name of the legacy index of a month after its switch."""
        stock = STOCK_EVENTS[event_type]
        return f"{self.prefix}backup-events-stats-{stock}-{month}"

    def events_fence(self, event_type, month, run):
        """Return the alias that marks a month's target as one run's to switch."""
        return f"{self.events_target(event_type, month)}-switch-{run}"

    def month_of(self, event_type, index):
        """Return the ``YYYY-MM`` of an index of the family, or None.

        Only exact monthly names count; what follows the month (a version, a
        suffix) is ignored.
        """
        match = re.match(
            re.escape(self.events_alias(event_type)) + r"-(\d{4}-\d{2})(?!-?\d)", index
        )
        return match.group(1) if match and _MONTH.match(match.group(1)) else None

    @property
    def reindexing(self):
        """Return the index of the migration's bookmarks."""
        return f"{self.prefix}stats-community-events-reindexing"

    @property
    def dead_letter(self):
        """Return the index of events that OpenSearch refuses for good."""
        return f"{self.prefix}events-stats-dead-letter"

    @property
    def unacknowledged(self):
        """Return the index of what messages in the hands of workers are called."""
        return f"{self.prefix}events-stats-unacknowledged"

    # -- community events -------------------------------------------------

    @property
    def community_events(self):
        """Return the alias over the yearly indices of community events."""
        return f"{self.prefix}stats-community-events"

    def community_events_year(self, year):
        """Return the index of one year's community events."""
        return f"{self.community_events}-{year:04d}"

    @property
    def record_facts(self):
        """Return the index of the record facts."""
        return f"{self.prefix}stats-community-record-facts"

    # -- aggregates -------------------------------------------------------

    def aggregates(self, family):
        """Return the alias over the indices of an aggregate family.

        Args:
            family: one of :data:`FAMILIES` or of :data:`INTERNAL`.
        """
        if family not in (*FAMILIES, *INTERNAL):
            raise UsageError(
                f"Unknown family {family!r}; there are {', '.join(FAMILIES)}."
            )
        return f"{self.prefix}stats-community-{family}"

    def aggregates_from(self, family: str, year: int) -> str:
        """Return the index that holds documents of a family from a year on.

        It holds them up to the year from which on the next one does; see
        :mod:`..aggregations.index_layout`.
        """
        return f"{self.aggregates(family)}-from-{year:04d}"

    def aggregates_pattern(self, family: str) -> str:
        """Return the index pattern of an aggregate family.

        ``alias-*`` would swallow indices of other families that begin alike.
        """
        return f"{self.aggregates(family)}-from-*"

    def year_from(self, family: str, index: str) -> int | None:
        """Return from which year on an index holds documents of a family, or None."""
        start = re.escape(f"{self.aggregates(family)}-from-")
        match = re.fullmatch(rf"{start}(\d{{4}})", index)
        return int(match.group(1)) if match else None

    @property
    def between_runs(self) -> str:
        """Return the index of what the next run of the aggregation goes on from.

        These are the running totals that usage snapshots are continued from, and what
        records contribute to the aggregates.
        """
        return f"{self.prefix}stats-community-between-runs"

    @property
    def bookmarks(self):
        """Return the index of the aggregations' bookmarks and locks."""
        return f"{self.prefix}stats-community-bookmarks"


def yearly_patterns(alias):
    """Return the index patterns of a yearly family: ``-1*`` and ``-2*``.

    ``alias-*`` would swallow indices of other families that begin alike.
    """
    return [f"{alias}-1*", f"{alias}-2*"]
