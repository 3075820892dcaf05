# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Names of all indices and aliases; no other module builds such a name.

Every name starts with the instance's prefix (``SEARCH_INDEX_PREFIX``), so two instances
on one cluster never share an index.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Self

from flask import Flask

from ..errors import UsageError

SCHEMA = "2.0.0"
"""Version of the enriched event mapping, stored in the ``_meta`` of each index."""

META_KEY = "invenio_stats_dashboard"
"""Key of this package in the ``_meta`` of mappings and templates."""

EVENT_TYPES = ("view", "download")
"""The event types as the command line names them."""

STOCK_EVENTS = {"view": "record-view", "download": "file-download"}
"""Event type -> name of the event in ``STATS_EVENTS``."""

BASES = ("created", "published", "added")
"""The dates by which a record can count; see docs/aggregates.md."""

RECORD_FAMILIES = tuple(
    f"records-{kind}-{basis}" for kind in ("delta", "snapshot") for basis in BASES
)
"""The aggregate families of records."""

USAGE_DELTA, USAGE_SNAPSHOT = "usage-delta", "usage-snapshot"

USAGE_FAMILIES = (USAGE_DELTA, USAGE_SNAPSHOT)
"""The aggregate families of usage."""

FAMILIES = RECORD_FAMILIES + USAGE_FAMILIES
"""All public aggregate families: one document for each community and day."""

USAGE_SEEN = "usage-seen"
"""Internal family beside the usage deltas, for what was seen on a day."""

USAGE_MONTH = "usage-month"
"""Internal family of month sums, with breakdown values that snapshots do not list."""

INTERNAL = (USAGE_SEEN, USAGE_MONTH)
"""Families that only this package reads."""

FIRST_YEAR = 1
"""First year of the first index of an aggregate family.

Publication dates can be centuries old. No document has a date before this year.
"""

MONTH_PATTERN = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])\Z")
"""The format of a month in index names, ``YYYY-MM``."""


@dataclass(frozen=True)
class Names:
    """Index and alias names of one instance.

    Args:
        prefix: ``SEARCH_INDEX_PREFIX``; may be empty.
    """

    prefix: str = ""

    @classmethod
    def of(cls, app: Flask) -> Self:
        """Return the names for a Flask application."""
        return cls(app.config.get("SEARCH_INDEX_PREFIX") or "")

    # -- usage events -----------------------------------------------------

    def events_alias(self, event_type: str) -> str:
        """Return the stock read alias for all months of an event type.

        Raises:
            UsageError: the event type is unknown.
        """
        if event_type not in STOCK_EVENTS:
            raise UsageError(
                f"Unknown event type {event_type!r}. Known event types: "
                f"{', '.join(EVENT_TYPES)}."
            )
        return f"{self.prefix}events-stats-{STOCK_EVENTS[event_type]}"

    def events_month(self, event_type: str, month: str) -> str:
        """Return the stock name of a month: its index, or its write alias."""
        return f"{self.events_alias(event_type)}-{month}"

    def events_target(self, event_type: str, month: str) -> str:
        """Return the name of a month's target index."""
        return f"{self.events_month(event_type, month)}.v{SCHEMA}"

    def events_backup(self, event_type: str, month: str) -> str:
        """Return the name of a month's backup index."""
        stock = STOCK_EVENTS[event_type]
        return f"{self.prefix}backup-events-stats-{stock}-{month}"

    def month_of(self, event_type: str, index: str) -> str | None:
        """Return the ``YYYY-MM`` of an index of usage events, or None.

        The name must contain an exact month. Text after the month, such as a version or
        a suffix, is ignored.
        """
        match = re.match(
            re.escape(self.events_alias(event_type)) + r"-([0-9]{4}-[0-9]{2})(?!-?\d)",
            index,
        )
        return match.group(1) if match and MONTH_PATTERN.match(match.group(1)) else None

    @property
    def reindexing(self) -> str:
        """Return the index of the migration's bookmarks."""
        return f"{self.prefix}stats-community-events-reindexing"

    @property
    def dead_letter(self) -> str:
        """Return the index of dead letters."""
        return f"{self.prefix}events-stats-dead-letter"

    @property
    def unacknowledged(self) -> str:
        """Return the index of the redelivery journal.

        It stores the ``_id`` of each event whose message is not yet acknowledged.
        """
        return f"{self.prefix}events-stats-unacknowledged"

    # -- community events -------------------------------------------------

    @property
    def community_events(self) -> str:
        """Return the alias for the yearly indices of community events."""
        return f"{self.prefix}stats-community-events"

    def community_events_year(self, year: int) -> str:
        """Return the index of one year's community events."""
        return f"{self.community_events}-{year:04d}"

    @property
    def record_facts(self) -> str:
        """Return the index of the record facts."""
        return f"{self.prefix}stats-community-record-facts"

    # -- aggregates -------------------------------------------------------

    def aggregates(self, family: str) -> str:
        """Return the alias for the indices of an aggregate family.

        Args:
            family: one of :data:`FAMILIES` or of :data:`INTERNAL`.

        Raises:
            UsageError: the family is unknown.
        """
        if family not in (*FAMILIES, *INTERNAL):
            raise UsageError(
                f"Unknown family {family!r}. Known families: {', '.join(FAMILIES)}."
            )
        return f"{self.prefix}stats-community-{family}"

    def aggregates_from(self, family: str, year: int) -> str:
        """Return the index of a family that starts at a year.

        It ends where the next index starts; see :mod:`..aggregations.index_layout`.
        """
        return f"{self.aggregates(family)}-from-{year:04d}"

    def aggregates_pattern(self, family: str) -> str:
        """Return the index pattern of an aggregate family.

        ``alias-*`` would also match indices of families with a longer name.
        """
        return f"{self.aggregates(family)}-from-*"

    def year_from(self, family: str, index: str) -> int | None:
        """Return the first year of a family's index, or None for any other index."""
        start = re.escape(f"{self.aggregates(family)}-from-")
        match = re.fullmatch(rf"{start}(\d{{4}})", index)
        return int(match.group(1)) if match else None

    def is_yearly(self, index: str) -> bool:
        """Return whether an index of aggregates is named after a single year.

        Versions before the first release named them so, and so did the earlier
        extension; see :mod:`.foreign_indices`.
        """
        alias, _, year = index.rpartition("-")
        return bool(re.fullmatch(r"[12]\d{3}", year)) and alias in {
            self.aggregates(family) for family in (*FAMILIES, *INTERNAL)
        }

    @property
    def between_runs(self) -> str:
        """Return the index of the state from which the next aggregation run continues.

        It contains the checkpoints of usage snapshots and the contributions of records
        to the aggregates.
        """
        return f"{self.prefix}stats-community-between-runs"

    @property
    def bookmarks(self) -> str:
        """Return the index of the aggregations' bookmarks and locks."""
        return f"{self.prefix}stats-community-bookmarks"

    # -- all of these except usage events -------------------------------------

    @property
    def community_start(self) -> str:
        """Return how all names begin except those of usage events."""
        return f"{self.prefix}stats-community-"

    def is_source(self, index: str) -> bool:
        """Return whether a name belongs to what aggregates are counted from.

        These are community events, record facts, and the migration's bookmarks. The
        name of an alias belongs to them, too: no other index may have it.
        """
        return bool(_source_names(self).fullmatch(index))

    def is_used(self, index: str) -> bool:
        """Return whether this package uses a name that is none of usage events."""
        return self.is_source(index) or bool(_aggregate_names(self).fullmatch(index))

    def is_shared(self, index: str) -> bool:
        """Return whether another extension can have an index of a name of this package.

        The others are names that only this package has ever used: bookmarks,
        intermediate results, and indices of aggregates from a year on.
        """
        single = (self.reindexing, self.between_runs, self.bookmarks)
        is_only_ours = index in single or "-from-" in index.removeprefix(self.prefix)
        return self.is_used(index) and not is_only_ours


@cache
def _source_names(names: Names) -> re.Pattern[str]:
    events = re.escape(names.community_events)
    single = map(re.escape, (names.reindexing, names.record_facts))
    return re.compile("|".join([rf"{events}(-\d{{4}})?", *single]))


@cache
def _aggregate_names(names: Names) -> re.Pattern[str]:
    single = map(re.escape, (names.between_runs, names.bookmarks))
    families = (
        rf"{re.escape(names.aggregates(family))}(-from-\d{{4}}|-\d{{4}})?"
        for family in (*FAMILIES, *INTERNAL)
    )
    return re.compile("|".join([*single, *families]))


def yearly_patterns(alias: str) -> list[str]:
    """Return the index patterns of a yearly family: ``-1*`` and ``-2*``.

    ``alias-*`` would also match indices of families with a longer name.
    """
    return [f"{alias}-1*", f"{alias}-2*"]
