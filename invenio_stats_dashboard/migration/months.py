# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Parse the months that a command names, and check that a month can be migrated."""

from collections.abc import Iterable
from datetime import UTC, datetime

from ..errors import UsageError
from ..search.names import EVENT_TYPES, MONTH_PATTERN, Names
from ..usage_events.indices import EventsIndex, Month
from .alias_actions import is_mark


def parse_months(specs: Iterable[str], now: datetime) -> list[tuple[str, str]]:
    """Parse ``YYYY-MM`` and ``YYYY-MM:YYYY-MM`` arguments.

    Args:
        specs: the arguments; without any, all months are meant.
        now: aware; later months are refused.

    Returns:
        First and last month of each range, inclusive.

    Raises:
        UsageError: an argument is malformed, reversed, or in the future.
    """
    ranges = []
    for spec in specs:
        first, colon, last = spec.partition(":")
        last = last if colon else first
        for month in (first, last):
            if not MONTH_PATTERN.match(month):
                raise UsageError(
                    f"{spec!r} is not a month; write YYYY-MM or YYYY-MM:YYYY-MM."
                )
        if first > last:
            raise UsageError(f"The range {spec!r} ends before it begins.")
        if last > now.strftime("%Y-%m"):
            raise UsageError(f"The month {last} is in the future.")
        ranges.append((first, last))
    return ranges


def check_event_types(event_types: Iterable[str]) -> tuple[str, ...]:
    """Return the requested event types without duplicates, or all if none is given.

    Raises:
        UsageError: one does not exist.
    """
    for event_type in event_types:
        if event_type not in EVENT_TYPES:
            raise UsageError(
                f"Unknown event type {event_type!r}; the event types are "
                f"{' and '.join(EVENT_TYPES)}."
            )
    return tuple(dict.fromkeys(event_types)) or EVENT_TYPES


def source_problem(names: Names, month: Month) -> str | None:
    """Return the reason why a month's legacy index cannot be migrated, or None.

    Args:
        names: the instance's index names.
        month: must have an open legacy index.
    """
    source, read = month.source, names.events_alias(month.event_type)
    assert source is not None
    blocked = source.block
    if blocked:
        return (
            f"{blocked.sentences} Until then, {source.name} cannot be migrated; its "
            "events remain visible as before."
        )
    if source.source_setting:
        return (
            f"{incomplete_sentence(source)} So copies of them would lack fields. "
            f"{source.name} is not migrated; its events remain visible as before, and "
            "count for the instance only."
        )
    stock = names.events_month(month.event_type, month.month)
    restricted = sorted(source.restricted & {read, stock})
    if restricted:
        return (
            f"The alias {restricted[0]} of the index {source.name} has a filter or a "
            "routing, which a migration does not retain, so readers would see other "
            "events. Add the index to the alias without them."
        )
    others = sorted(
        alias
        for alias in source.aliases
        if alias not in (read, stock) and not is_mark(source.name, alias)
    )
    if others:
        return (
            f"The index {source.name} is in the alias {others[0]}, which a migration "
            "does not move, so its readers would lose these events. Remove the index "
            f"from the alias. After the migration, add the new index of {month.id} to "
            "the alias."
        )
    if month.native is not None:
        return (
            f"The index {source.name} exists besides {month.native.name}, which is "
            "enriched already and receives the month's events. Copy the events that "
            f"only {source.name} holds to {month.native.name} and delete "
            f"{source.name}, or rename it."
        )
    halfway = month.target is not None and read in month.target.aliases
    if read not in source.aliases and not halfway:
        return (
            f"The index {source.name} is not in the alias {read}, so its events are "
            "not visible now, but would be after the migration. Add it to the alias, "
            "rename it, or delete it."
        )
    return None


def incomplete_sentence(index: EventsIndex) -> str:
    """Return why OpenSearch does not return the events of an index completely."""
    return (
        f"The mapping of the index {index.name} has {index.source_setting}, so "
        "OpenSearch does not return its events completely, which cannot be changed for "
        "stored events."
    )


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)
