# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Usage events as columns of small numbers.

Texts are numbered as they are seen: a record, a visitor, and also a whole list of
communities or object of breakdown values. All events of a record between two changes
of its membership carry the same bytes of these, so each is decoded once, not once an
event.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
import polars as pl
import xxhash

NOBODY = 0
"""Number of a text that an event does not have."""

UNKNOWN = "unknown"
"""The cell of what has no value."""

KINDS = ("view", "download")
"""The event types, by their numbers in the columns."""


class Event(msgspec.Struct, gc=False):
    """What counting needs of a stored event."""

    timestamp: str
    recid: str | None = None
    parent_recid: str | None = None
    visitor_id: str | None = None
    file_id: str | None = None
    size: float | None = None
    country: str | None = None
    referrer: str | None = None
    is_machine: bool | None = None
    is_robot: bool | None = None
    via_api: bool | None = None
    community_ids: msgspec.Raw = None
    subcounts: msgspec.Raw = None


class Numbered:
    """Texts and their numbers; number 0 is nothing."""

    def __init__(self):
        """Begin with nothing."""
        self._numbers = {None: NOBODY}

    def __getitem__(self, text):
        """Return the number of a text, a new one if it is new."""
        return self._numbers.setdefault(text, len(self._numbers))

    def __len__(self):
        """Return how many there are, nothing included."""
        return len(self._numbers)

    @property
    def texts(self):
        """Return the texts by their number."""
        return list(self._numbers)

    def hashes(self):
        """Return a 64-bit hash of each text, by number; that of nothing is 0."""
        return [
            xxhash.xxh3_64_intdigest(text.encode()) if text is not None else 0
            for text in self._numbers
        ]


@dataclass(frozen=True)
class Breakdown:
    """How one breakdown's values are found.

    Attributes:
        key: name of the breakdown.
        column: the column that decides on the values.
        values: number in that column -> tuple of values, never empty.
    """

    key: str
    column: str
    values: list


class Columns:
    """Collects events as columns.

    Args:
        subcounts: the registry of breakdowns.
    """

    def __init__(self, subcounts):
        """Begin with no event."""
        self._subcounts = tuple(subcounts.values())
        self._extracted = [s for s in self._subcounts if not s.of_record]
        self.days, self.records, self.parents = Numbered(), Numbered(), Numbered()
        self.visitors, self.files = Numbered(), Numbered()
        self.communities, self.objects = Numbered(), Numbered()
        self._event_values = {s.key: Numbered() for s in self._extracted}
        self._numbers = {
            name: array("I") for name in ("day", "com", "sub", "rec", "par", "vis")
        }
        self._files, self._kinds = array("I"), array("B")
        self._sizes = array("q")
        self._values = {s.key: array("I") for s in self._extracted}

    def __len__(self):
        """Return how many events there are."""
        return len(self._kinds)

    def add(self, kind, events):
        """Add events.

        Args:
            kind: number of their type in :data:`KINDS`.
            events: list of :class:`Event`.
        """
        days = self.days
        add = self._numbers
        add["day"].extend([days[day_of(e.timestamp)] for e in events])
        for name, numbered, texts in (
            ("rec", self.records, [e.recid for e in events]),
            ("par", self.parents, [e.parent_recid for e in events]),
            ("vis", self.visitors, [e.visitor_id for e in events]),
            ("com", self.communities, [_raw(e.community_ids) for e in events]),
            ("sub", self.objects, [_raw(e.subcounts) for e in events]),
        ):
            add[name].extend([numbered[text] for text in texts])
        self._files.extend([self.files[e.file_id] for e in events])
        self._sizes.extend([int(e.size or 0) for e in events])
        self._kinds.extend([kind] * len(events))
        for subcount in self._extracted:
            numbered = self._event_values[subcount.key]
            values = [getattr(e, subcount.event) for e in events]
            self._values[subcount.key].extend([numbered[v] for v in values])

    def frame(self):
        """Return the events as a data frame of numbers."""
        columns = {name: _series(values) for name, values in self._numbers.items()}
        columns["file"] = _series(self._files)
        columns["kind"] = _series(self._kinds, pl.UInt8)
        columns["size"] = _series(self._sizes, pl.Int64)
        for key, values in self._values.items():
            columns[_column(key)] = _series(values)
        return pl.DataFrame(columns)

    def community_lists(self):
        """Return the communities of each number in the column ``com``."""
        return [
            tuple(dict.fromkeys(_decoded(raw, []))) for raw in self.communities.texts
        ]

    def breakdowns(self):
        """Return the :class:`Breakdown` s, in the order of the registry."""
        objects = [_decoded(raw, {}) for raw in self.objects.texts]
        return [
            (
                Breakdown(s.key, "sub", [_values(o.get(s.key)) for o in objects])
                if s.of_record
                else Breakdown(
                    s.key,
                    _column(s.key),
                    [
                        (_EXTRACTS[s.extract](value),)
                        for value in self._event_values[s.key].texts
                    ],
                )
            )
            for s in self._subcounts
        ]


def day_of(timestamp):
    """Return the UTC day of a stored timestamp."""
    rest = timestamp[19:]
    if not rest or (rest[0] == "." and rest[1:].isdigit()) or rest[-1] == "Z":
        return timestamp[:10]
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.date().isoformat()


def _host(referrer):
    try:
        return (urlsplit(referrer).hostname if referrer else None) or UNKNOWN
    except ValueError:
        return UNKNOWN


def _agent(is_machine):
    if is_machine is None:
        return UNKNOWN
    return "machine" if is_machine else "human"


def _value(value):
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


_EXTRACTS: dict[str, Callable] = {"host": _host, "agent": _agent, "value": _value}


def _values(values):
    return tuple(dict.fromkeys(values)) if values else (UNKNOWN,)


def _column(key):
    return f"value:{key}"


def _raw(raw):
    return None if raw is None else bytes(raw)


def _decoded(raw, nothing):
    return nothing if raw is None else (msgspec.json.decode(raw) or nothing)


def _series(values, dtype=pl.UInt32):
    return pl.Series(values, dtype=dtype)
