# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Group days into batches that are counted in one step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

CHUNK = 60_000
"""Maximum number of events in a batch of several days; a day is never split."""


@dataclass(frozen=True)
class DayBatch:
    """Days that are counted together.

    Attributes:
        first: first day, ``YYYY-MM-DD``.
        last: last day, inclusive.
        events: number of events, including those that do not count.
    """

    first: str
    last: str
    events: int

    @property
    def days(self) -> list[str]:
        """Return all days of the batch, in order."""
        first, last = date.fromisoformat(self.first), date.fromisoformat(self.last)
        return [
            (first + timedelta(days=n)).isoformat()
            for n in range((last - first).days + 1)
        ]


def units(
    days: Iterable[str], counts: Mapping[str, int], limit: int = CHUNK
) -> list[DayBatch]:
    """Group days into batches, sorted by day.

    The days of a batch are consecutive and in the same month.

    Args:
        days: the days to group.
        counts: day -> number of events.
        limit: maximum number of events in a batch of more than one day.
    """
    found: list[DayBatch] = []
    for day in sorted(days):
        events = counts.get(day, 0)
        if found and _goes_on(found[-1], day) and found[-1].events + events <= limit:
            found[-1] = replace(found[-1], last=day, events=found[-1].events + events)
        else:
            found.append(DayBatch(day, day, events))
    return found


def _goes_on(unit: DayBatch, day: str) -> bool:
    """Return whether a day follows a batch and is in the same month."""
    following = date.fromisoformat(unit.last) + timedelta(days=1)
    return following.isoformat() == day and unit.last[:7] == day[:7]
