# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading community events and record facts as columns, a bounded part at a time.

A part is some communities and, where one of them is large, the records of a range of
parents: a parent's id begins with random digits, so equal ranges hold about equally
many, and all versions of a parent are in one.
"""

from dataclasses import dataclass
from itertools import pairwise

import msgspec
import polars as pl

from ...community_events.documents import ADDED
from ...errors import SearchUnavailableError
from ...search.client import patiently
from .dates import day_number, first_day
from .presence import EVENTS, RECORDS

PAGE = 10_000
"""Community events in one answer."""

RECIDS = 1000
"""Record facts in one request."""


@dataclass(frozen=True)
class Parents:
    """A range of parents.

    Attributes:
        first: their ids are not before this text; None for no bound.
        last: their ids are before this text; None for no bound.
    """

    first: str | None = None
    last: str | None = None

    @classmethod
    def split(cls, number):
        """Return ranges that hold about equally many parents.

        Args:
            number: how many, 1 to 65,536.
        """
        bounds = [f"{65_536 * i // number:04x}" for i in range(1, number)]
        ends = [None, *bounds, None]
        return [cls(*pair) for pair in pairwise(ends)]

    @property
    def query(self):
        """Return the clauses that choose them."""
        bounds = {"gte": self.first, "lt": self.last}
        bounds = {name: text for name, text in bounds.items() if text is not None}
        return [{"range": {"parent_id": bounds}}] if bounds else []


@dataclass(frozen=True)
class Part:
    """What was read of some communities.

    Attributes:
        events: frame of :data:`.presence.EVENTS`.
        records: frame of :data:`.presence.RECORDS`.
        missing: identifiers of records that have events and no facts.
    """

    events: pl.DataFrame
    records: pl.DataFrame
    missing: list[str]


class _Event(msgspec.Struct, gc=False):
    recid: str
    community_id: str
    place: int
    event_type: str
    event_date: str


class _EventHit(msgspec.Struct, gc=False):
    source: _Event = msgspec.field(name="_source")
    sort: list[int | str]


class _Hits(msgspec.Struct):
    hits: list[_EventHit]


class _Page(msgspec.Struct):
    hits: _Hits
    timed_out: bool


class _Facts(msgspec.Struct, gc=False):
    parent_id: str
    created: str
    published: str | None = None
    subcounts: dict[str, list[str]] = {}
    file_count: int | None = None
    data_volume: int | None = None
    owner: str | None = None


class _Error(msgspec.Struct):
    type: str
    reason: str | None = None


class _Doc(msgspec.Struct, gc=False):
    id: str = msgspec.field(name="_id")
    source: _Facts | None = msgspec.field(name="_source", default=None)
    error: _Error | None = None


class _Docs(msgspec.Struct):
    docs: list[_Doc]


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_docs = msgspec.json.Decoder(_Docs).decode
_NO_INDEX = "index_not_found_exception"


class Reader:
    """Reads parts, and numbers what they have in common.

    Args:
        text_client: a client that does not decode.
        names: the instance's :class:`~...search.names.Names`.
        communities: sorted UUIDs, and ``global``; their places are their numbers.
        cells: the :class:`~.cells.Cells`.
        limit: seconds to go on trying while OpenSearch takes no requests.
        waiting: called with a sentence before each pause.
    """

    def __init__(self, text_client, names, communities, cells, limit=120, waiting=None):
        """Keep what is needed; reads nothing yet."""
        self._client, self._names = text_client, names
        self._communities = {id: number for number, id in enumerate(communities)}
        self._cells = cells
        self._owners = {None: 0}
        self._limit, self._waiting = limit, waiting

    def read(self, parents):
        """Return the events of the communities and the facts of their records.

        Args:
            parents: the :class:`Parents` whose records to read.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        numbers = {}
        events = self._events(parents, numbers)
        records, missing = self._records(numbers)
        return Part(events, records, missing)

    def _events(self, parents, numbers):
        columns = {name: [] for name in EVENTS}
        community, record, place, added, day = (
            column.append for column in columns.values()
        )
        for hits in self._pages(parents):
            for hit in hits:
                event = hit.source
                community(self._communities[event.community_id])
                record(numbers.setdefault(event.recid, len(numbers)))
                place(event.place)
                added(event.event_type == ADDED)
                day(day_number(event.event_date[:10]))
        return pl.DataFrame(columns, schema=EVENTS)

    def _pages(self, parents):
        communities = {"terms": {"community_id": list(self._communities)}}
        body = {
            "size": PAGE,
            "query": {"bool": {"filter": [communities, *parents.query]}},
            # the number of a write is another's in another index
            "sort": ["_seq_no", "record_id", "community_id", "place"],
            "track_total_hits": False,
        }
        path = f"/{self._names.community_events}/_search"
        params = {
            "ignore_unavailable": "true",
            "allow_partial_search_results": "false",
        }
        while True:
            page = _decode_page(self._send("POST", path, body, params))
            if page.timed_out:
                raise SearchUnavailableError(
                    "OpenSearch did not return all community events in time. Run the "
                    "same command again when the cluster is better."
                )
            yield page.hits.hits
            if len(page.hits.hits) < PAGE:
                return
            body["search_after"] = page.hits.hits[-1].sort

    def _records(self, numbers):
        columns = {name: [] for name in RECORDS}
        parents, missing = {}, []
        recids = sorted(numbers)
        for start in range(0, len(recids), RECIDS):
            for doc in self._facts(recids[start : start + RECIDS]):
                if doc.source is None:
                    missing.append(doc.id)
                else:
                    self._append(columns, numbers[doc.id], doc.source, parents)
        return pl.DataFrame(columns, schema=RECORDS), missing

    def _append(self, columns, number, facts, parents):
        created = day_number(facts.created[:10])
        published = first_day(facts.published)
        columns["record"].append(number)
        columns["parent"].append(parents.setdefault(facts.parent_id, len(parents)))
        columns["created"].append(created)
        columns["published"].append(created if published is None else published)
        columns["files"].append(facts.file_count or 0)
        columns["volume"].append(facts.data_volume or 0)
        columns["owner"].append(self._owners.setdefault(facts.owner, len(self._owners)))
        columns["cells"].append(self._cells.of(facts.subcounts))

    def _facts(self, recids):
        path = f"/{self._names.record_facts}/_mget"
        # whole sources: to filter them takes OpenSearch ten times as long
        docs = _decode_docs(self._send("POST", path, {"ids": recids}, {})).docs
        for doc in docs:
            if doc.error and doc.error.type != _NO_INDEX:
                raise SearchUnavailableError(
                    f"OpenSearch could not read the facts of records "
                    f"({doc.error.reason}). See that the cluster is up and run the "
                    "same command again."
                )
        return docs

    def _send(self, method, path, body, params):
        encoded = msgspec.json.encode(body)
        return patiently(
            lambda: self._client.transport.perform_request(
                method, path, params=params, body=encoded
            ),
            self._limit,
            self._waiting,
        )
