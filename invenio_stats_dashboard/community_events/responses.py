# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Answers of OpenSearch, decoded into what is needed of them and no more."""

from dataclasses import fields
from typing import Any, Generic, TypeVar

import msgspec

from .facts import RecordFacts


class Mark(msgspec.Struct, frozen=True, gc=False):
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
    Mark: Mark.__struct_fields__,
}
"""The fields to ask for, by the type that they are read into."""


class Error(msgspec.Struct):
    """Why a document could not be read."""

    type: str
    reason: str | None = None


_Source = TypeVar("_Source")


class Doc(msgspec.Struct, Generic[_Source]):
    """A document of a multi-get; without a source there is none."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    source: _Source | None = msgspec.field(name="_source", default=None)
    error: Error | None = None


class Docs(msgspec.Struct, Generic[_Source]):
    """The answer to a multi-get."""

    docs: list[Doc[_Source]]


class Hit(msgspec.Struct):
    """A community event that a search found."""

    source: Mark = msgspec.field(name="_source")
    sort: list


class Hits(msgspec.Struct, frozen=True):
    """A list of them."""

    hits: list[Hit] = []


class Page(msgspec.Struct):
    """The answer to a search for community events."""

    hits: Hits = Hits()


class Result(msgspec.Struct):
    """What became of one document of a bulk request."""

    status: int
    error: Error | None = None


class Results(msgspec.Struct):
    """The answer to a bulk request."""

    items: list[dict[str, Result]]


def decoded(answer, kind=Any):
    """Return an answer as some type, whether the client has decoded it or not."""
    if isinstance(answer, str):
        return msgspec.json.decode(answer, type=kind)
    return msgspec.convert(answer, type=kind)
