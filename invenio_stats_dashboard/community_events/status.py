# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Compare the counts of community events with those of the database."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from opensearchpy import OpenSearch

from ..search.client import count, decoded
from ..search.names import Names
from ..search.paging import composite
from . import sql
from .backfill_state import BackfillState, backfill_state
from .database import PlanKind
from .documents import ADDED, GLOBAL
from .membership import MembershipReader
from .reconciliation import ReconciliationState, reconciliation_state

_PAGE = 1000

_Dates: TypeAlias = tuple[str | None, str | None]
"""Dates of the first and the last event."""

_Count: TypeAlias = tuple[int, str | None, str | None]
"""Number of events, and the dates of the first and the last one."""


@dataclass(frozen=True)
class CommunityCounts:
    """The counts of one community.

    Attributes:
        community_id: UUID, or ``global``.
        slug: its slug; None for ``global`` and for a community that no longer exists.
        records: number of records in it now, according to the database.
        records_by_events: the same number according to the community events.
        added: number of events that add a record.
        removed: number of events that remove a record.
        first_event: date of the first event.
        last_event: date of the last event.
    """

    community_id: str
    slug: str | None
    records: int
    records_by_events: int
    added: int = 0
    removed: int = 0
    first_event: str | None = None
    last_event: str | None = None


@dataclass(frozen=True)
class EventsStatus:
    """The state of the community events.

    Attributes:
        backfill: the progress of the back-fill.
        reconciliation: the result of the last reconciliation.
        records: number of published records, with deleted ones and all versions.
        records_with_events: number of records that have events.
        records_lacking_events: lower bound of the number of records without events.
        records_with_facts: number of records that have facts.
        events: number of community events.
        first_event: date of the first event.
        last_event: date of the last event.
        drift: lower bound of the number of memberships that differ between database
            and events, computed from the counts of each community. A dry run of the
            back-fill compares record by record.
        communities: the counts of each community and of ``global``.
    """

    backfill: BackfillState
    reconciliation: ReconciliationState
    records: int
    records_with_events: int
    records_lacking_events: int
    records_with_facts: int
    events: int
    first_event: str | None
    last_event: str | None
    drift: int
    communities: tuple[CommunityCounts, ...] = field(default=())


def events_status(
    client: OpenSearch,
    names: Names,
    reader: MembershipReader,
    community_ids: Collection[str] | None = None,
) -> EventsStatus:
    """Compare the counts of the community events with those of the database.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.
        reader: reads the database.
        community_ids: UUIDs; None for all communities and ``global``.

    Returns:
        The counts of all records and events, but only the given communities and their
        drift.

    Raises:
        DatabaseUnavailableError: the database does not answer.
        OpenSearchException: the cluster does not respond.
    """
    state = backfill_state(client, names)
    counted = _by_events(client, names, community_ids)
    with reader.database.transaction(PlanKind.SCAN) as connection:
        counts = sql.count_memberships(of_some=community_ids is not None)
        values = {} if community_ids is None else {"values": list(community_ids)}
        present = {id_: count for id_, count in connection.execute(counts, values)}
        if community_ids is None:
            existing = connection.execute(sql.count_existing_records())
            present[GLOBAL] = existing.scalar_one()
    slugs = reader.slugs({*counted, *present, *(community_ids or ())} - {GLOBAL})
    records = reader.select().count()
    first_places: dict[str, Any] = {
        "bool": {"filter": [{"term": {"community_id": GLOBAL}}]}
    }
    first_places["bool"]["filter"].append({"term": {"place": 1}})
    with_events = count(client, names.community_events, first_places)
    communities = tuple(
        _counts(id_, slugs.get(id_), present.get(id_, 0), counted.get(id_, {}))
        for id_ in sorted({*counted, *present, *(community_ids or ())})
    )
    first, last = _span(client, names)
    return EventsStatus(
        backfill=state,
        reconciliation=reconciliation_state(client, names),
        records=records,
        records_with_events=with_events,
        records_lacking_events=max(0, records - with_events),
        records_with_facts=count(client, names.record_facts),
        events=state.events,
        first_event=first,
        last_event=last,
        drift=sum(abs(c.records - c.records_by_events) for c in communities),
        communities=communities,
    )


def _counts(
    community_id: str, slug: str | None, records: int, kinds: Mapping[str, _Count]
) -> CommunityCounts:
    added, first_added, last_added = kinds.get(ADDED, (0, None, None))
    removed, first_removed, last_removed = kinds.get("removed", (0, None, None))
    firsts = [d for d in (first_added, first_removed) if d]
    lasts = [d for d in (last_added, last_removed) if d]
    return CommunityCounts(
        community_id=community_id,
        slug=slug,
        records=records,
        records_by_events=added - removed,
        added=added,
        removed=removed,
        first_event=min(firsts, default=None),
        last_event=max(lasts, default=None),
    )


def _by_events(
    client: OpenSearch, names: Names, community_ids: Collection[str] | None
) -> dict[str, dict[str, _Count]]:
    """Return community -> event type -> (count, first date, last date)."""
    found: dict[str, dict[str, _Count]] = defaultdict(dict)
    query: dict[str, Any] = {"match_all": {}}
    if community_ids is not None:
        query = {"terms": {"community_id": list(community_ids)}}

    def search(kinds: dict[str, Any]) -> dict[str, Any]:
        answer = _search(client, names, {"query": query, "aggs": {"kinds": kinds}})
        return answer.get("aggregations", {}).get("kinds", {})

    fields = {"community": "community_id", "type": "event_type"}
    for bucket in composite(search, fields, _PAGE, _SPAN):
        key = bucket["key"]
        counts = (bucket["doc_count"], *_dates(bucket))
        found[key["community"]][key["type"]] = counts
    return found


def _span(client: OpenSearch, names: Names) -> _Dates:
    """Return the dates of the first and the last event."""
    answer = _search(client, names, {"aggs": _SPAN})
    return _dates(answer.get("aggregations", {}))


_FORMAT = "yyyy-MM-dd'T'HH:mm:ss"
_SPAN = {
    "first": {"min": {"field": "event_date", "format": _FORMAT}},
    "last": {"max": {"field": "event_date", "format": _FORMAT}},
}


def _dates(bucket: Mapping[str, Any]) -> _Dates:
    first, last = (
        bucket.get(name, {}).get("value_as_string") for name in ("first", "last")
    )
    return first, last


def _search(client: OpenSearch, names: Names, body: dict[str, Any]) -> Any:
    return decoded(
        client.transport.perform_request(
            "POST",
            f"/{names.community_events}/_search",
            params={
                "ignore_unavailable": "true",
                "allow_partial_search_results": "false",
            },
            body={"size": 0, **body},
        )
    )
