# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read community events and record facts as columns, in batches of bounded size.

A batch contains the records of some parents, or of some communities. Large communities
are read by ranges of parents. A parent's id begins with random digits, so equal ranges
contain similar numbers of parents. All versions of a parent are in the same range.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
import polars as pl
from opensearchpy import OpenSearch

from ...community_events.documents import ADDED
from ...search.client import patiently
from ...search.multi_get import StoredSource, stored_sources
from ...search.names import Names
from ...search.paging import page_decoder, pages, search_page
from ..record_access import AccessRules
from .dates import day_number, first_day
from .numbers import Numbers
from .presence import EVENTS, RECORDS
from .value_numbering import CellNumbers

PAGE = 10_000
"""Maximum number of community events in one response."""

RECIDS = 1000
"""Maximum number of record facts in one request."""


@dataclass(frozen=True)
class Parents:
    """A range of parents.

    Attributes:
        first: the smallest possible id in the range; None for no bound.
        last: an id above all ids in the range; None for no bound.
    """

    first: str | None = None
    last: str | None = None

    @classmethod
    def of(cls, first: int, last: int, number: int) -> "Parents":
        """Return consecutive ranges of equal size, joined into one.

        Args:
            first: number of the first range, from 0.
            last: number of the range after the last one.
            number: number of equal ranges; see :func:`bounds`.
        """
        ends = [None, *bounds(number), None]
        return cls(ends[first], ends[last])

    @property
    def query(self) -> list[dict[str, Any]]:
        """Return the clauses that select the parents."""
        bounds = {"gte": self.first, "lt": self.last}
        bounds = {name: text for name, text in bounds.items() if text is not None}
        return [{"range": {"parent_id": bounds}}] if bounds else []


@lru_cache(maxsize=64)
def bounds(number: int) -> tuple[str, ...]:
    """Return the sorted bounds between equal ranges of parents.

    Args:
        number: number of ranges, 1 to 65,536.

    Returns:
        One bound fewer than ranges. A range includes its lower bound.
    """
    return tuple(f"{65_536 * i // number:04x}" for i in range(1, number))


@dataclass(frozen=True)
class RecordBatch:
    """Events and facts of some records.

    Attributes:
        events: frame of :data:`.presence.EVENTS`.
        records: frame of :data:`.presence.RECORDS`.
        recids: identifier of each record, by its number.
        parents: number of each record's parent, by the record's number.
    """

    events: pl.DataFrame
    records: pl.DataFrame
    recids: list[str]
    parents: list[int]


class _Event(msgspec.Struct, gc=False):
    recid: str
    parent_id: str
    community_id: str
    place: int
    event_type: str
    event_date: str


class _EventHit(msgspec.Struct, gc=False):
    source: _Event = msgspec.field(name="_source")
    sort: list[int | str]


class _Facts(msgspec.Struct, gc=False):
    created: str
    published: str | None = None
    subcounts: dict[str, list[str]] = {}
    file_count: int | None = None
    data_volume: int | None = None
    owner: str | None = None
    access: str | None = None
    communities: list[str] = []


_Answer = TypeVar("_Answer")

_decode_page = page_decoder(_EventHit)


class RecordReader:
    """Reads batches that share the numbers of parents, communities and values.

    Args:
        text_client: does not decode responses.
        names: the instance's index names.
        cells: numbers of breakdown values.
        parents: numbers of parents' ids.
        communities: numbers of UUIDs, and of ``global``.
        rules: the site's rules for hidden records.
        limit: seconds to retry while OpenSearch accepts no requests.
        waiting: called with a sentence before each pause.
    """

    def __init__(
        self,
        text_client: OpenSearch,
        names: Names,
        cells: CellNumbers,
        parents: Numbers,
        communities: Numbers,
        rules: AccessRules,
        limit: float = 120,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        self._client, self._names, self._cells = text_client, names, cells
        self._parents, self._communities = parents, communities
        self._rules = rules
        self._limit, self._waiting = limit, waiting

    def of_communities(
        self, communities: Iterable[str], parents: Parents
    ) -> RecordBatch:
        """Read the records of some communities.

        Args:
            communities: UUIDs, and ``global``.
            parents: the range of parents to read.

        Raises:
            SearchUnavailableError: OpenSearch accepted no requests for too long.
        """
        chosen = {"terms": {"community_id": list(communities)}}
        return self._read([chosen, *parents.query])

    def of_parents(self, parents: Iterable[str]) -> RecordBatch:
        """Read the records of some parents, in all communities.

        Args:
            parents: up to 65,536 ids.
        """
        return self._read([{"terms": {"parent_id": list(parents)}}])

    def _read(self, filters: list[dict[str, Any]]) -> RecordBatch:
        recids = Numbers()
        parents: list[int] = []
        events = self._events(filters, recids, parents)
        records = self._records(recids, parents)
        return RecordBatch(events, records, list(recids), parents)

    def _events(
        self, filters: list[dict[str, Any]], recids: Numbers, parents: list[int]
    ) -> pl.DataFrame:
        columns: dict[str, list[Any]] = {name: [] for name in EVENTS}
        community, record, place, added, day = (
            column.append for column in columns.values()
        )
        for hits in self._pages(filters):
            for hit in hits:
                event = hit.source
                number = recids[event.recid]
                if number == len(parents):
                    parents.append(self._parents[event.parent_id])
                community(self._communities[event.community_id])
                record(number)
                place(event.place)
                added(event.event_type == ADDED)
                day(day_number(event.event_date[:10]))
        return pl.DataFrame(columns, schema=EVENTS)

    def _pages(self, filters: list[dict[str, Any]]) -> Iterator[Sequence[_EventHit]]:
        body: dict[str, Any] = {
            "size": PAGE,
            "query": {"bool": {"filter": filters}},
            # Not by _seq_no alone: two indices can give the same number to two events.
            "sort": ["_seq_no", "record_id", "community_id", "place"],
            "track_total_hits": False,
        }
        alias, params = self._names.community_events, {"ignore_unavailable": "true"}
        return pages(
            lambda page: self._patiently(
                lambda: search_page(self._client, alias, page, _decode_page, params)
            ),
            body,
        )

    def _records(self, recids: Numbers, parents: Sequence[int]) -> pl.DataFrame:
        columns: dict[str, list[Any]] = {name: [] for name in RECORDS}
        ids = sorted(recids)
        for start in range(0, len(ids), RECIDS):
            for doc in self._facts(ids[start : start + RECIDS]):
                if doc.found:
                    number = recids[doc.id]
                    self._append(columns, doc.id, number, parents[number], doc.source)
        return pl.DataFrame(columns, schema=RECORDS)

    def _append(
        self,
        columns: dict[str, list[Any]],
        recid: str,
        number: int,
        parent: int,
        facts: _Facts,
    ) -> None:
        created = day_number(facts.created[:10])
        published = first_day(facts.published)
        columns["record"].append(number)
        columns["parent"].append(parent)
        columns["created"].append(created)
        columns["published"].append(created if published is None else published)
        columns["files"].append(facts.file_count or 0)
        columns["volume"].append(facts.data_volume or 0)
        columns["cells"].append(self._cells.of(facts.subcounts, facts.owner))
        inside = self._rules.own_communities(recid, facts.access, facts.communities)
        columns["hidden_cells"].append(
            None if inside is None else self._cells.of_hidden(facts.owner)
        )
        own = [self._communities[c] for c in sorted(inside or ())]
        columns["own_communities"].append(own)

    def _facts(self, recids: Sequence[str]) -> list[StoredSource[_Facts]]:
        # Whole sources, because OpenSearch takes ten times as long to filter them.
        path = f"/{self._names.record_facts}/_mget"
        body = msgspec.json.encode({"ids": recids})
        return self._patiently(
            lambda: stored_sources(
                self._client.transport.perform_request("POST", path, body=body), _Facts
            )
        )

    def _patiently(self, request: Callable[[], _Answer]) -> _Answer:
        return patiently(request, self._limit, self._waiting)
