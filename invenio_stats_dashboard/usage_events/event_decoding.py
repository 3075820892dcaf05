# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Decode the fields of stored events, of any type that OpenSearch has accepted.

A keyword field of OpenSearch also accepts numbers, truth values and lists, and indexes
each of them as text. An event that was stored years ago can therefore have a value of
any type. :class:`EventDecoder` reads a value as OpenSearch does. If a field must have
one value and has several, or if it has none of its type, its value is unknown, and the
event is *odd*: it is counted, and its ``_id`` is reported.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import UnionType
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as types_of

import msgspec

from ..community_events.timestamps import as_second, second_of

_Event = TypeVar("_Event", bound=msgspec.Struct)

UNREADABLE = "the whole event"
"""The name that stands for all fields of an event that cannot be decoded."""

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_EPOCH_FROM = 100_000
"""Smallest number that is a time in milliseconds and not a year."""

_LARGEST_SIZE = 2.0**50
"""Bytes of a file that are taken for a mistake; the sum of many must fit 64 bits."""


class _NoValueError(Exception):
    """A field has several values, or none of its type."""


class _PartOfValueError(Exception):
    """Only a part of a value can be read.

    Args:
        value: the part.
    """

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Literal(float):
    """A number with the characters that stand for it in the JSON text."""

    literal: str

    def __new__(cls, literal: str) -> "_Literal":
        """Return the number."""
        number = super().__new__(cls, literal)
        number.literal = literal
        return number


class DecodedEvent(NamedTuple, Generic[_Event]):
    """The fields of one event.

    Attributes:
        event: the fields; None for those without a readable value.
        odd: names of the fields that have a value which cannot be read.
    """

    event: _Event
    odd: tuple[str, ...] = ()


class EventDecoder(Generic[_Event]):
    """Decodes the fields of events that a type declares.

    Only an event that msgspec rejects is decoded a second time, field by field.

    Args:
        kind: the type; all its fields have defaults. A field of the type ``Raw`` gets
            its JSON as it is. A field with the default ``UNSET`` has it only if the
            event lacks the field.
    """

    def __init__(self, kind: type[_Event]) -> None:
        self._kind = kind
        self._usual = msgspec.json.Decoder(kind, strict=False).decode
        self._readers: dict[str, Callable[[Any], Any]] = {
            name: _READERS_OF_FIELDS.get(name) or _READERS[_plain(annotation)]
            for name, annotation in types_of(kind).items()
        }
        self._unset = {
            field.name
            for field in msgspec.structs.fields(kind)
            if field.default is msgspec.UNSET
        }

    def decode(self, source: bytes | msgspec.Raw) -> DecodedEvent[_Event]:
        """Return the fields of an event.

        Args:
            source: a JSON object, as stored.
        """
        (event,), odd = self.decode_all([source])
        return DecodedEvent(event, odd.get(0, ()))

    def decode_all(
        self, sources: Iterable[bytes | msgspec.Raw]
    ) -> tuple[list[_Event], dict[int, tuple[str, ...]]]:
        """Return the fields of events, and the names of unreadable fields by position.

        Args:
            sources: JSON objects, as stored.
        """
        events, odd = [], {}
        for position, source in enumerate(sources):
            try:
                events.append(self._usual(source))
            except (msgspec.DecodeError, RecursionError):
                event, fields = self._field_by_field(bytes(source))
                events.append(event)
                if fields:
                    odd[position] = fields
        return events, odd

    def _field_by_field(self, source: bytes) -> DecodedEvent[_Event]:
        try:
            # Unlike msgspec, the standard library accepts lone surrogates.
            text = source.decode("utf-8", "replace")
            fields = json.loads(text, parse_float=_Literal)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            return DecodedEvent(self._kind(), (UNREADABLE,))
        values: dict[str, Any] = dict.fromkeys(self._unset & fields.keys())
        odd = []
        for name, read in self._readers.items():
            try:
                value = read(fields.get(name))
            except (_NoValueError, ValueError, OverflowError, RecursionError):
                odd.append(name)
                continue
            except _PartOfValueError as error:
                odd.append(name)
                value = error.value
            if value is not None:
                values[name] = value
        return DecodedEvent(self._kind(**values), tuple(odd))


def text_of(value: Any) -> str | None:
    """Return a single JSON value as the text that OpenSearch indexes; None for null."""
    if value is None or isinstance(value, str):
        # A lone surrogate cannot be encoded again.
        return value and value.encode("utf-8", "replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Literal):
        return value.literal
    if isinstance(value, (int, float)):
        return str(value)
    raise _NoValueError


def texts_of(value: Any) -> list[str]:
    """Return the distinct texts of a JSON value or of a list, without empty ones.

    Values that are no texts, numbers or truth values are left out.
    """
    found: list[str] = []
    for item in _flat(value):
        try:
            text = text_of(item)
        except _NoValueError:
            continue
        if text and text not in found:
            found.append(text)
    return found


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID in the form in which InvenioRDM stores it."""
    return _UUID.fullmatch(text) is not None


def texts_by_key(value: Any) -> dict[str, list[str]]:
    """Return the texts of each member of a JSON object; empty for any other value."""
    if not isinstance(value, Mapping):
        return {}
    return {key: texts_of(inner) for key, inner in value.items()}


def _flat(value: Any) -> list[Any]:
    """Return the items of a list of any depth, or a single value as a list."""
    if not isinstance(value, list):
        return [] if value is None else [value]
    return [item for inner in value for item in _flat(inner)]


def _single(value: Any) -> Any:
    """Return the one value that a field has, or None.

    Raises:
        _NoValueError: it has several distinct values.
    """
    found = _flat(value)
    if any(item != found[0] or type(item) is not type(found[0]) for item in found):
        raise _NoValueError
    return found[0] if found else None


def _text(value: Any) -> str | None:
    return text_of(_single(value)) or None


def _any_text(value: Any) -> str | tuple[str, ...] | None:
    """Return the text, or all texts of a list, of a field that may have several."""
    found = texts_of(value)
    if not found and _flat(value) and any(item != "" for item in _flat(value)):
        raise _NoValueError
    return tuple(found) if len(found) > 1 else next(iter(found), None)


def _only_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise _NoValueError


def _list_of_texts(value: Any) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise _NoValueError
    return value


def _lists_of_texts(value: Any) -> dict[str, list[str]] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _NoValueError
    found = texts_by_key(value)
    if any(value[key] != texts for key, texts in found.items()):
        raise _PartOfValueError(found)
    return found


def _number(value: Any) -> float | None:
    found = _single(value)
    if found is None or found == "":
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float, str)):
        raise _NoValueError
    number = float(found)
    if not abs(number) < _LARGEST_SIZE:
        raise _NoValueError
    return number


def size_of(size: float | None) -> int:
    """Return the bytes of a download; 0 if they are unknown or impossible."""
    return int(size) if size and abs(size) < _LARGEST_SIZE else 0


def _flag(value: Any) -> bool | None:
    found = _single(value)
    if found is None or isinstance(found, bool):
        return found
    # OpenSearch reads an empty text as false.
    if found in ("true", "false", ""):
        return bool(found == "true")
    raise _NoValueError


def _time(value: Any) -> str | None:
    """Return a time as ``YYYY-MM-DDTHH:MM:SS`` in UTC.

    OpenSearch reads a large number, also as text, as milliseconds since 1970.
    """
    found = _single(value)
    if found is None or found == "":
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float, str)):
        raise _NoValueError
    text = str(found)
    if text.isdigit() and int(text) >= _EPOCH_FROM:
        return as_second(datetime.fromtimestamp(int(text) / 1000, UTC))
    missing = "0000-01-01"[len(text) :] if text.replace("-", "").isdigit() else ""
    return second_of(text + missing)


def readable_time(timestamp: str | None) -> str | None:
    """Return the time of an event as ``YYYY-MM-DDTHH:MM:SS`` in UTC.

    Args:
        timestamp: the text that is stored; None if the event has none.

    Returns:
        The time; None if it cannot be read.
    """
    if not timestamp or has_usual_form(timestamp):
        return timestamp or None
    try:
        return _time(timestamp)
    except (_NoValueError, ValueError, OverflowError):
        return None


def has_usual_form(timestamp: str) -> bool:
    """Return whether a timestamp has the form in which InvenioRDM stores it.

    Args:
        timestamp: the text that is stored.
    """
    return len(timestamp) == 19 and timestamp[10:17:6] == "T:"


def _raw(value: Any) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(json.dumps(value).encode())


_READERS: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    float: _number,
    bool: _flag,
    list[str]: _list_of_texts,
    dict[str, list[str]]: _lists_of_texts,
    msgspec.Raw: _raw,
}

_READERS_OF_FIELDS: dict[str, Callable[[Any], Any]] = {
    "timestamp": _time,
    "country": _any_text,
    "referrer": _any_text,
    "enriched_at": _only_text,
}
"""Readers of fields whose values are more than their type says."""


def _plain(annotation: Any) -> Any:
    """Return the type that an annotation names beside None and ``UNSET``."""
    if get_origin(annotation) in (Union, UnionType):
        none = (type(None), msgspec.UnsetType)
        (annotation,) = [a for a in get_args(annotation) if a not in none]
    return annotation
