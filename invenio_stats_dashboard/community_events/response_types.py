# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Decode the fields of OpenSearch responses that this package uses."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import msgspec

from .facts import RecordFacts


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


FIELDS: dict[type, Sequence[str]] = {
    RecordFacts: [field.name for field in fields(RecordFacts)],
    FactsState: FactsState.__struct_fields__,
    TimelineEntry: TimelineEntry.__struct_fields__,
}
"""The fields to request, by the type that they are decoded into."""


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
