# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Answers of OpenSearch, decoded into what is needed of them and no more."""

from dataclasses import fields
from typing import Any, Generic, TypeVar

import msgspec

from .facts import RecordFacts


class TimelineEntry(msgspec.Struct, frozen=True, gc=False):
    """What a timeline is made of; see :class:`.documents.CommunityEvent`."""

    community_id: str
    place: int
    event_type: str
    event_date: str
    recid: str | None = None


class FactsState(msgspec.Struct, frozen=True, gc=False):
    """What tells whether stored facts are up to date; see :class:`.facts.RecordFacts`."""

    revision: int
    registry: str


FIELDS = {
    RecordFacts: [field.name for field in fields(RecordFacts)],
    FactsState: FactsState.__struct_fields__,
    TimelineEntry: TimelineEntry.__struct_fields__,
}
"""The fields to ask for, by the type that they are read into."""


class ReadError(msgspec.Struct):
    """Why a document could not be read."""

    type: str
    reason: str | None = None


_Source = TypeVar("_Source")


class StoredState(msgspec.Struct, Generic[_Source]):
    """A document of a multi-get; without a source there is none."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    source: _Source | None = msgspec.field(name="_source", default=None)
    error: ReadError | None = None


class StoredStates(msgspec.Struct, Generic[_Source]):
    """The answer to a multi-get."""

    docs: list[StoredState[_Source]]


class EventHit(msgspec.Struct):
    """A community event that a search found."""

    source: TimelineEntry = msgspec.field(name="_source")
    sort: list


class Hits(msgspec.Struct, frozen=True):
    """A list of them."""

    hits: list[EventHit] = []


class EventPage(msgspec.Struct):
    """The answer to a search for community events."""

    hits: Hits = Hits()


class BulkResult(msgspec.Struct):
    """What became of one document of a bulk request."""

    status: int
    error: ReadError | None = None


class BulkResults(msgspec.Struct):
    """The answer to a bulk request."""

    items: list[dict[str, BulkResult]]


def decoded(answer, kind=Any):
    """Return an answer as some type, whether the client has decoded it or not."""
    if isinstance(answer, str):
        return msgspec.json.decode(answer, type=kind)
    return msgspec.convert(answer, type=kind)
