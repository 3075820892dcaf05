# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Decode the fields of OpenSearch responses that this package uses."""

from typing import Any

import msgspec


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
    access: str | None = None
    communities: list[str] = []


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
