# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store usage events in memory as columns of numbers.

Records, parents, visitors and files become 64-bit hashes, so a day of a million events
needs none of their texts. Each distinct list of communities, and each distinct object
of breakdown values, gets a number when it is first seen. All events of a record between
two changes of its membership have the same bytes for these, so each list or object is
decoded once, not once per event.
"""

from array import array
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar

import msgspec
import polars as pl
import xxhash

from ...community_events.documents import GLOBAL
from ...reserved_ids import HIDDEN, id_of, ids_of
from ...subcounts import Subcount
from ...usage_events.event_decoding import is_uuid, size_of, texts_by_key, texts_of
from ..record_access import RecordAccess
from .referrers import host_of

NOBODY = 0
"""Hash of a record, parent, visitor or file that an event does not have."""

KINDS = ("view", "download")
"""The event types. Their positions are their numbers in the columns."""

_REMEMBERED = 50_000
"""Maximum number of field values, such as referrers, whose numbers are cached."""

_Text = TypeVar("_Text", bound=str | tuple[str, ...] | None)


class CountedEvent(msgspec.Struct, gc=False):
    """The fields of a stored event that counting needs."""

    timestamp: str = ""
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
    # msgspec would accept nothing but null for ``Raw | None``.
    community_ids: msgspec.Raw = None  # type: ignore[assignment]
    subcounts: msgspec.Raw = None  # type: ignore[assignment]


class Numbered(Generic[_Text]):
    """Numbers texts in the order in which they are first seen.

    Args:
        first: the texts that get the first numbers, from 0.
    """

    def __init__(self, *first: _Text) -> None:
        self._numbers = {text: number for number, text in enumerate(first)}

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._numbers)

    def __getitem__(self, text: _Text) -> int:
        """Return the number of a text; a new text gets the next number."""
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self) -> list[_Text]:
        """Return the texts, sorted by number."""
        return list(self._numbers)


class Lists:
    """Numbered lists of texts; the first appended list has the number 0."""

    def __init__(self) -> None:
        self._names: Numbered[str] = Numbered()
        self._owners, self._members = array("I"), array("I")
        self._sizes = array("I")

    def append(self, texts: Sequence[str]) -> None:
        """Add the next list."""
        self._owners.extend([len(self._sizes)] * len(texts))
        self._members.extend([self._names[text] for text in texts])
        self._sizes.append(len(texts))

    @property
    def names(self) -> list[str]:
        """Return the distinct texts of all lists, sorted by number."""
        return self._names.texts

    @property
    def sizes(self) -> pl.Series:
        """Return the length of each list."""
        return _series(self._sizes)

    def frame(self, owner: str, member: str) -> pl.DataFrame:
        """Return a row for each text of each list.

        Args:
            owner: name of the column for the number of the list.
            member: name of the column for the number of the text.
        """
        return pl.DataFrame(
            {owner: _series(self._owners), member: _series(self._members)}
        )


@dataclass(frozen=True)
class BreakdownColumn:
    """The source of the values of one breakdown.

    Attributes:
        key: name of the breakdown.
        column: the column of events whose numbers determine the values.
        values: the values for each number in that column; no list is empty.
    """

    key: str
    column: str
    values: Lists


class _Raws:
    """Numbers distinct JSON texts, and decodes each of them once.

    Args:
        decoded: called with each new value, in the order of the numbers. The number 0
            stands for a missing text; for it, ``decoded`` is called immediately, with
            None.
    """

    def __init__(self, decoded: Callable[[Any], None]) -> None:
        self._numbers: dict[object, int] = {}
        self._decoded = decoded
        decoded(None)

    def __len__(self) -> int:
        return len(self._numbers) + 1

    def __getitem__(self, raw: msgspec.Raw | None) -> int:
        if raw is None:
            return 0
        # The texts themselves would need more memory than everything else.
        digest = xxhash.xxh3_128_digest(raw)
        number = self._numbers.get(digest)
        if number is None:
            number = self._add(digest, msgspec.json.decode(raw))
        return number

    def of_value(self, value: Hashable) -> int:
        """Return the number of a value that is in no text."""
        number = self._numbers.get(value)
        return self._add(value, value) if number is None else number

    def _add(self, key: object, value: Any) -> int:
        number = self._numbers[key] = len(self._numbers) + 1
        self._decoded(value)
        return number


class EventColumns:
    """Collects events as columns.

    An event of a hidden record has up to two rows: one for the communities in which it
    counts under :data:`~...reserved_ids.HIDDEN`, and one for the restricted communities
    in which it counts under its own values. No community is in both, so all counts of a
    community stay exact.

    Args:
        subcounts: the registry of breakdowns.
        access: the hidden records; None if there are none.

    Attributes:
        communities: the communities of each number in the column ``com``, with
            ``global`` first.
    """

    def __init__(
        self,
        subcounts: Mapping[str, Subcount],
        access: RecordAccess | None = None,
    ) -> None:
        self._access = access or RecordAccess()
        self._folded: dict[tuple[int, frozenset[str]], tuple[int, int | None]] = {}
        self._events = 0
        self._subcounts = tuple(subcounts.values())
        self._days: Numbered[str] = Numbered()
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
        # The functions do not refer to self, because a reference cycle would hold the
        # memory until the next run of the garbage collector.
        self._raw_communities = _Raws(partial(_add_communities, self.communities))
        self._raw_objects = _Raws(partial(_add_object, of_records))
        self._numbers = {name: array("I") for name in ("day", "com", "sub")}
        self._hashes = {name: array("Q") for name in ("rec", "par", "vis", "file")}
        self._kinds, self._sizes = array("B"), array("q")
        self._values = {key: array("I") for key in self._of_events}

    def __len__(self) -> int:
        """Return the number of events."""
        return self._events

    @property
    def days(self) -> list[str]:
        """Return the days, ``YYYY-MM-DD``, sorted by number."""
        return self._days.texts

    @property
    def objects(self) -> int:
        """Return the number of distinct numbers that the column ``sub`` can have."""
        return len(self._raw_objects)

    def add(self, kind: int, events: Sequence[CountedEvent]) -> None:
        """Add events of one type.

        Args:
            kind: position of the type in :data:`KINDS`.
            events: the events.
        """
        self._events += len(events)
        communities = [self._raw_communities[e.community_ids] for e in events]
        objects = [self._raw_objects[e.subcounts] for e in events]
        if self._access.hidden:
            events = self._fold(events, communities, objects)
        for name, numbers in (
            ("day", [self._days[day_of(e.timestamp)] for e in events]),
            ("com", communities),
            ("sub", objects),
        ):
            self._numbers[name].extend(numbers)
        for name, texts in (
            ("rec", [e.recid for e in events]),
            ("par", [e.parent_recid for e in events]),
            ("vis", [e.visitor_id for e in events]),
            ("file", [e.file_id for e in events]),
        ):
            self._hashes[name].extend([_hash(text) for text in texts])
        self._sizes.extend([size_of(e.size) for e in events])
        self._kinds.extend([kind] * len(events))
        for subcount in self._subcounts:
            if subcount.event is not None:
                number = self._of_events[subcount.key]
                values = [getattr(e, subcount.event) for e in events]
                self._values[subcount.key].extend([number(v) for v in values])

    def _fold(
        self, events: Sequence[CountedEvent], communities: list[int], objects: list[int]
    ) -> list[CountedEvent]:
        """Divide the events of hidden records by communities.

        Args:
            events: the events.
            communities: number of the communities of each event; changed and extended.
            objects: number of the values of each event; changed and extended.

        Returns:
            The events, followed by those that have a second row.
        """
        rows = list(events)
        folded = self._raw_objects.of_value(HIDDEN)
        hidden = self._access.hidden
        for place, event in enumerate(events):
            own = hidden.get(event.recid) if event.recid else None
            if own is None:
                continue
            key = communities[place], own
            divided = self._folded.get(key)
            if divided is None:
                divided = self._folded[key] = self._divided(event, own)
            communities[place], second = divided
            if second is not None:
                rows.append(event)
                communities.append(second)
                objects.append(objects[place])
            objects[place] = folded
        return rows

    def _divided(
        self, event: CountedEvent, own: frozenset[str]
    ) -> tuple[int, int | None]:
        """Divide the communities of an event of a hidden record.

        Args:
            event: the event.
            own: the communities in which the record counts under its own values.

        Returns:
            The numbers of the lists of other communities, and of these communities;
            None if the event is in none of these.
        """
        raw = event.community_ids
        found = _communities(msgspec.json.decode(raw)) if raw is not None else []
        inside = tuple(c for c in found if c in own)
        others = tuple(c for c in found if c not in own)
        number = self._raw_communities.of_value((GLOBAL, *others))
        return number, self._raw_communities.of_value(inside) if inside else None

    def frame(self) -> pl.DataFrame:
        """Return the events, one or two rows each, with numbers in all columns.

        The columns are ``day``, ``com`` (list of communities), ``sub`` (object of
        breakdown values), the hashes ``rec``, ``par``, ``vis`` and ``file``, ``kind``,
        ``size`` in bytes, and one column for each breakdown by a field of the event.
        """
        columns = {name: _series(values) for name, values in self._numbers.items()}
        for name, values in self._hashes.items():
            columns[name] = _series(values, pl.UInt64)
        columns["kind"] = _series(self._kinds, pl.UInt8)
        columns["size"] = _series(self._sizes, pl.Int64)
        for key, values in self._values.items():
            columns[_column(key)] = _series(values)
        return pl.DataFrame(columns)

    def breakdowns(self) -> list[BreakdownColumn]:
        """Return the breakdowns in the order of the registry."""
        return [
            BreakdownColumn(
                s.key, "sub" if s.of_record else _column(s.key), self._lists[s.key]
            )
            for s in self._subcounts
        ]


def _add_communities(lists: Lists, found: Any) -> None:
    """Add a list of communities.

    Args:
        lists: all lists.
        found: a JSON value from an event, to which the instance is added; or a tuple,
            which is complete.
    """
    if not isinstance(found, tuple):
        found = (GLOBAL, *_communities(found))
    lists.append(tuple(dict.fromkeys(found)))


def _communities(found: Any) -> list[str]:
    """Return the communities in a JSON value; other texts are not from enrichment."""
    return [text for text in texts_of(found) if is_uuid(text)]


def _add_object(of_records: Iterable[tuple[str, Lists]], found: Any) -> None:
    """Add an object of breakdown values, or the reserved id that stands for all.

    Args:
        of_records: key and lists of each breakdown.
        found: a JSON value from an event, or :data:`~...reserved_ids.HIDDEN`.
    """
    values = {} if found == HIDDEN else texts_by_key(found)
    for key, lists in of_records:
        lists.append((HIDDEN,) if found == HIDDEN else ids_of(values.get(key)))


def _numbering(subcount: Subcount, lists: Lists) -> Callable[[Any], int]:
    """Return a function that numbers the field values of an event's breakdown.

    For each new number, the function appends a list with the one value.
    """
    extract, known = _EXTRACTS[subcount.extract], Numbered[tuple[str, ...]]()

    @lru_cache(_REMEMBERED)
    def number(found: Any) -> int:
        if isinstance(found, tuple):  # OpenSearch counts an event for each value
            values = ids_of(filter(None, map(extract, found)))
        else:
            values = (id_of(extract(found)),)
        before = len(known)
        place = known[values]
        if len(known) > before:
            lists.append(values)
        return place

    return number


def day_of(timestamp: str) -> str:
    """Return the UTC day, ``YYYY-MM-DD``, of a stored ISO 8601 timestamp.

    A timestamp without an offset is in UTC.
    """
    rest = timestamp[19:]
    if not rest or (rest[0] == "." and rest[1:].isdigit()) or rest[-1] == "Z":
        return timestamp[:10]
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.date().isoformat()


def _agent(is_machine: bool | None) -> str | None:
    if is_machine is None:
        return None
    return "machine" if is_machine else "human"


def _value(value: str | bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


_EXTRACTS: dict[str, Callable[[Any], str | None]] = {
    "host": host_of,
    "agent": _agent,
    "value": _value,
}


def _column(key: str) -> str:
    return f"value:{key}"


def _hash(text: str | None) -> int:
    return xxhash.xxh3_64_intdigest(text.encode()) if text else NOBODY


def _series(values: "array[int]", dtype: type[pl.DataType] = pl.UInt32) -> pl.Series:
    return pl.Series(values, dtype=dtype)
