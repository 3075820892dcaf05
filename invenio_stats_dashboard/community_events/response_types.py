# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Decode the fields of OpenSearch responses that this package uses."""

from typing import Any, Generic, TypeVar, overload

import msgspec

_Kind = TypeVar("_Kind")


class TimelineEntry(msgspec.Struct, frozen=True, gc=False):
    """The fields of a :class:`.documents.CommunityEvent` that form a timeline."""

    community_id: str
    place: int
    event_type: str
    event_date: str
    recid: str | None = None


class FactsState(msgspec.Struct, frozen=True, gc=False):
    """The fields that show whether a :class:`.facts.RecordFacts` is up to date."""

    revision: int
    registry: str


class ReadError(msgspec.Struct):
    """The reason why OpenSearch could not read or write a document."""

    type: str
    reason: str | None = None


_Source = TypeVar("_Source")


class StoredState(msgspec.Struct, Generic[_Source]):
    """A document of a multi-get; a missing document has no source."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    source: _Source | None = msgspec.field(name="_source", default=None)
    error: ReadError | None = None


class StoredStates(msgspec.Struct, Generic[_Source]):
    """The response to a multi-get."""

    docs: list[StoredState[_Source]]


class EventHit(msgspec.Struct):
    """A community event that a search found."""

    source: TimelineEntry = msgspec.field(name="_source")
    sort: list[Any]


class Hits(msgspec.Struct, frozen=True):
    """The hits of a page."""

    hits: list[EventHit] = []


class EventPage(msgspec.Struct):
    """The response to a search for community events."""

    hits: Hits = Hits()


class BulkResult(msgspec.Struct):
    """The outcome of one document of a bulk request."""

    status: int
    error: ReadError | None = None


class BulkResults(msgspec.Struct):
    """The response to a bulk request."""

    items: list[dict[str, BulkResult]]


@overload
def decoded(answer: Any) -> Any: ...
@overload
def decoded(answer: Any, kind: type[_Kind]) -> _Kind: ...
def decoded(answer: Any, kind: Any = Any) -> Any:
    """Return a response as a type, whether or not the client has decoded it.

    Args:
        answer: what either OpenSearch client returns.
        kind: the type.
    """
    if isinstance(answer, str):
        return msgspec.json.decode(answer, type=kind)
    return msgspec.convert(answer, type=kind)
