# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Usage events as columns of numbers.

Records, parents, visitors and files are 64-bit hashes, so that a day of a million
events holds none of their texts. A whole list of communities or object of breakdown
values is numbered when it is seen first. All events of a record between two changes of
its membership carry the same bytes of these, so each is decoded once, not once an event.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from urllib.parse import urlsplit

import msgspec
import polars as pl
import xxhash

from ...community_events.documents import GLOBAL

NOBODY = 0
"""Stands for a record, visitor and so on that an event does not have."""

UNKNOWN = "unknown"
"""The cell of what has no value."""

KINDS = ("view", "download")
"""The event types, by their numbers in the columns."""

_REMEMBERED = 50_000
"""Texts of events, such as referrers, whose value is remembered."""


class CountedEvent(msgspec.Struct, gc=False):
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
    """Texts by their number, as they are seen.

    Args:
        first: what has the first numbers.
    """

    def __init__(self, *first):
        """Begin with what comes first."""
        self._numbers = {text: number for number, text in enumerate(first)}

    def __len__(self):
        """Return how many there are."""
        return len(self._numbers)

    def __getitem__(self, text):
        """Return the number of a text, a new one if it is new."""
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self):
        """Return the texts by their number."""
        return list(self._numbers)


class Lists:
    """Lists of texts, each of which has a number."""

    def __init__(self):
        """Begin with no list."""
        self._names = Numbered()
        self._owners, self._members = array("I"), array("I")
        self._sizes = array("I")

    def append(self, texts):
        """Add the next list."""
        self._owners.extend([len(self._sizes)] * len(texts))
        self._members.extend([self._names[text] for text in texts])
        self._sizes.append(len(texts))

    @property
    def names(self):
        """Return the texts by their number."""
        return self._names.texts

    @property
    def sizes(self):
        """Return the length of each list, as a column."""
        return _series(self._sizes)

    def frame(self, owner, member):
        """Return a data frame with a row for each list and text in it.

        Args:
            owner: name of the column of lists.
            member: name of the column of texts.
        """
        return pl.DataFrame(
            {owner: _series(self._owners), member: _series(self._members)}
        )


@dataclass(frozen=True)
class BreakdownColumn:
    """How one breakdown's values are found.

    Attributes:
        key: name of the breakdown.
        column: the column that decides on the values.
        values: the :class:`Lists` of values by the numbers in that column; none is
            empty.
    """

    key: str
    column: str
    values: Lists


class _Raws:
    """Numbers JSON texts, and decodes each that is new."""

    def __init__(self, decoded):
        self._numbers, self._decoded = {}, decoded
        decoded(None)

    def __len__(self):
        return len(self._numbers) + 1

    def __getitem__(self, raw):
        if raw is None:
            return 0
        # the texts themselves would take more memory than all the rest
        digest = xxhash.xxh3_128_digest(raw)
        number = self._numbers.get(digest)
        if number is None:
            number = self._numbers[digest] = len(self._numbers) + 1
            self._decoded(msgspec.json.decode(raw))
        return number


class EventColumns:
    """Collects events as columns.

    Args:
        subcounts: the registry of breakdowns.
    """

    def __init__(self, subcounts):
        """Begin with no event."""
        self._subcounts = tuple(subcounts.values())
        self._days = Numbered()
        self.communities = Lists()
        self._lists = {s.key: Lists() for s in self._subcounts}
        self._of_events = {
            s.key: _numbering(s, self._lists[s.key])
            for s in self._subcounts
            if not s.of_record
        }
        of_records = [
            (s.key, self._lists[s.key]) for s in subcounts.values() if s.of_record
        ]
        # nothing here knows this object: it would be kept until cycles are looked for
        self._raw_communities = _Raws(partial(_add_communities, self.communities))
        self._raw_objects = _Raws(partial(_add_object, of_records))
        self._numbers = {name: array("I") for name in ("day", "com", "sub")}
        self._hashes = {name: array("Q") for name in ("rec", "par", "vis", "file")}
        self._kinds, self._sizes = array("B"), array("q")
        self._values = {key: array("I") for key in self._of_events}

    def __len__(self):
        """Return how many events there are."""
        return len(self._kinds)

    @property
    def days(self):
        """Return the days by their number, ``YYYY-MM-DD``."""
        return self._days.texts

    @property
    def objects(self):
        """Return how many numbers there are in the column ``sub``."""
        return len(self._raw_objects)

    def add(self, kind, events):
        """Add events.

        Args:
            kind: number of their type in :data:`KINDS`.
            events: list of :class:`CountedEvent`.
        """
        for name, numbered, texts in (
            ("day", self._days, [day_of(e.timestamp) for e in events]),
            ("com", self._raw_communities, [e.community_ids for e in events]),
            ("sub", self._raw_objects, [e.subcounts for e in events]),
        ):
            self._numbers[name].extend([numbered[text] for text in texts])
        for name, texts in (
            ("rec", [e.recid for e in events]),
            ("par", [e.parent_recid for e in events]),
            ("vis", [e.visitor_id for e in events]),
            ("file", [e.file_id for e in events]),
        ):
            self._hashes[name].extend([_hash(text) for text in texts])
        self._sizes.extend([int(e.size or 0) for e in events])
        self._kinds.extend([kind] * len(events))
        for subcount in self._subcounts:
            if not subcount.of_record:
                number = self._of_events[subcount.key]
                values = [getattr(e, subcount.event) for e in events]
                self._values[subcount.key].extend([number(v) for v in values])

    def frame(self):
        """Return the events as a data frame of numbers."""
        columns = {name: _series(values) for name, values in self._numbers.items()}
        for name, values in self._hashes.items():
            columns[name] = _series(values, pl.UInt64)
        columns["kind"] = _series(self._kinds, pl.UInt8)
        columns["size"] = _series(self._sizes, pl.Int64)
        for key, values in self._values.items():
            columns[_column(key)] = _series(values)
        return pl.DataFrame(columns)

    def breakdowns(self):
        """Return the :class:`BreakdownColumn` s, in the order of the registry."""
        return [
            BreakdownColumn(
                s.key, "sub" if s.of_record else _column(s.key), self._lists[s.key]
            )
            for s in self._subcounts
        ]


def _add_communities(lists, found):
    lists.append(tuple(dict.fromkeys((GLOBAL, *(found or ())))))


def _add_object(of_records, found):
    found = found or {}
    for key, lists in of_records:
        values = found.get(key)
        lists.append(tuple(dict.fromkeys(values)) if values else (UNKNOWN,))


def _numbering(subcount, lists):
    """Return a function that numbers the values of a breakdown of the event itself."""
    extract, known = _EXTRACTS[subcount.extract], Numbered()

    @lru_cache(_REMEMBERED)
    def number(found):
        value, before = extract(found), len(known)
        place = known[value]
        if len(known) > before:
            lists.append((value,))
        return place

    return number


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


def _column(key):
    return f"value:{key}"


def _hash(text):
    return NOBODY if text is None else xxhash.xxh3_64_intdigest(text.encode())


def _series(values, dtype=pl.UInt32):
    return pl.Series(values, dtype=dtype)
