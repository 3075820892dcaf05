# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Days that are counted together."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

CHUNK = 60_000
"""Events that are counted at a time; a day is never cut."""


@dataclass(frozen=True)
class DayBatch:
    """Days that are counted together.

    Attributes:
        first: first day, ``YYYY-MM-DD``.
        last: last day, inclusive.
        events: how many events there are, whether they count or not.
    """

    first: str
    last: str
    events: int

    @property
    def days(self):
        """Return the days as a list."""
        first, last = date.fromisoformat(self.first), date.fromisoformat(self.last)
        return [
            (first + timedelta(days=n)).isoformat()
            for n in range((last - first).days + 1)
        ]


def units(days, counts, limit=CHUNK):
    """Put days together that are counted at a time.

    Args:
        days: iterable of days.
        counts: day -> number of events.
        limit: events in a unit of more than one day.

    Returns:
        list[Unit]: in the order of days. Days of a unit are neighbours in a month.
    """
    found = []
    for day in sorted(days):
        events = counts.get(day, 0)
        if found and _goes_on(found[-1], day) and found[-1].events + events <= limit:
            found[-1] = replace(found[-1], last=day, events=found[-1].events + events)
        else:
            found.append(DayBatch(day, day, events))
    return found


def _goes_on(unit, day):
    following = date.fromisoformat(unit.last) + timedelta(days=1)
    return following.isoformat() == day and unit.last[:7] == day[:7]
