# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read and write community events and record facts in OpenSearch."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar, cast

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..search import bulk
from ..search.client import count, decoded, patiently
from ..search.failures import as_error
from ..search.index_templates import Adapt, make, put_missing_templates
from ..search.multi_get import StoredSource, stored_sources
from ..search.names import Names
from ..search.paging import pages
from ..search.template_composition import reindexing_template
from .documents import (
    CommunityEvent,
    event_id,
    event_mapping,
    facts_mapping,
    index_templates,
)
from .facts import RecordFacts
from .stored_fields import EventHit, EventPage, FactsState, TimelineEntry

MAX_RECIDS = 1000
"""Maximum number of identifiers in one request."""

PAGE = 5000
"""Maximum number of community events in one response; more need another search."""

MAX_ACTIONS, MAX_BYTES = 2000, 4_000_000
"""Maximum number of documents and of bytes in one bulk request."""

_PLACES = 8

_Kind = TypeVar("_Kind")
_Document = TypeVar("_Document")
_Item = TypeVar("_Item")

_Line: TypeAlias = tuple[_Document, bytes]
"""A document, and the lines of a bulk request that write it."""


@dataclass(frozen=True)
class WriteOutcome(Generic[_Document]):
    """The outcome of writing documents.

    Attributes:
        stored: number of documents that were stored.
        conflicts: documents whose ``_id`` or version was taken, in the order given.
        refused: (document, reason) of documents that OpenSearch refuses permanently.
    """

    stored: int
    conflicts: list[_Document]
    refused: list[tuple[_Document, str]]


class EventStore:
    """Community events and record facts of one instance.

    Several threads may use it. It needs no application context.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.
        limit: seconds to retry while OpenSearch accepts no requests.
        waiting: called with a sentence before each pause.
        sleep: waits for the given seconds; may raise to stop the retries.
        adapt: adds the site's settings and priority to templates; called when one is
            missing. None if the site has no such settings.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        limit: float = 120,
        waiting: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        adapt: Adapt | None = None,
    ) -> None:
        self._adapt = adapt
        self._without_template: set[str] = set()
        self._client = client
        self._names = names
        self._limit = limit
        self._waiting = waiting
        self._sleep = sleep

    # -- reading ------------------------------------------------------------

    def facts(self, recids: Iterable[str]) -> dict[str, RecordFacts]:
        """Return the stored facts of records, read in real time.

        Args:
            recids: identifiers.

        Returns:
            recid -> facts, for those that have facts.
        """
        return self._facts(recids, RecordFacts)

    def facts_states(self, recids: Iterable[str]) -> dict[str, FactsState]:
        """Return the state of the stored facts of records, read in real time.

        Args:
            recids: identifiers.

        Returns:
            recid -> state, for those that have facts.
        """
        return self._facts(recids, FactsState)

    def _facts(self, recids: Iterable[str], kind: type[_Kind]) -> dict[str, _Kind]:
        found: dict[str, _Kind] = {}
        for chunk in _chunks(sorted(recids), MAX_RECIDS):
            docs = [{"_id": recid} for recid in chunk]
            found.update(self._mget(docs, self._names.record_facts, kind))
        return found

    def marks(self, recids: Iterable[str]) -> dict[str, list[TimelineEntry]]:
        """Return the community events of records that a search finds.

        Events written within the last refresh interval can be missing.

        Args:
            recids: identifiers.

        Returns:
            recid -> events, for those that have events.
        """
        found: dict[str, list[TimelineEntry]] = defaultdict(list)
        for chunk in _chunks(sorted(recids), MAX_RECIDS):
            for mark in self._scan({"terms": {"recid": chunk}}):
                # A search returns the identifier of each event.
                found[cast(str, mark.recid)].append(mark)
        return dict(found)

    def marks_now(
        self, timelines: Collection[tuple[str, str, int]]
    ) -> dict[tuple[str, str], list[TimelineEntry]]:
        """Return the events of records in communities, read in real time.

        Args:
            timelines: (record UUID, community UUID or ``global``, year in which the
                record was created) of each timeline.

        Returns:
            (record UUID, community) -> events, by sequence number.
        """
        marks: dict[tuple[str, str], list[TimelineEntry]] = {
            (record, community): [] for record, community, _ in timelines
        }
        years = {(record, community): year for record, community, year in timelines}
        wanted, first, places = list(marks), 1, _PLACES
        while wanted:
            docs = [
                {
                    "_index": self._names.community_events_year(years[key]),
                    "_id": event_id(*key, place),
                }
                for key in wanted
                for place in range(first, first + places)
            ]
            found: dict[str, TimelineEntry] = {}
            for chunk in _chunks(docs, MAX_RECIDS):
                found.update(self._mget(chunk, None, TimelineEntry))
            longer = []
            for key in wanted:
                for place in range(first, first + places):
                    mark = found.get(event_id(*key, place))
                    if mark is None:
                        break
                    marks[key].append(mark)
                else:
                    longer.append(key)
            wanted, first, places = longer, first + places, places * 2
        return marks

    def _mget(
        self, docs: Sequence[dict[str, str]], index: str | None, kind: type[_Kind]
    ) -> dict[str, _Kind]:
        """Return the documents that exist, ``_id`` -> source as the given type."""
        path = f"/{index}/_mget" if index else "/_mget"
        # Whole sources: OpenSearch takes 5 to 30 times as long to filter each of them.
        params = {"filter_path": "docs._id,docs._index,docs._source,docs.error"}

        def read() -> list[StoredSource[_Kind]]:
            answer = self._request("POST", path, {"docs": docs}, params)
            return stored_sources(answer, kind)

        found = self.patiently(read)
        return {doc.id: doc.source for doc in found if doc.source is not None}

    def _scan(self, query: dict[str, Any]) -> Iterator[TimelineEntry]:
        """Yield all community events that match, page after page."""
        body: dict[str, Any] = {
            "size": PAGE,
            "query": query,
            "sort": ["recid", "community_id", "place"],
            "_source": list(TimelineEntry.__struct_fields__),
            "track_total_hits": False,
        }
        params = {
            "ignore_unavailable": "true",
            "allow_partial_search_results": "false",
            "filter_path": "hits.hits._source,hits.hits.sort",
        }
        path = f"/{self._names.community_events}/_search"

        def search(body: dict[str, Any]) -> list[EventHit]:
            page: EventPage = self._send("POST", path, body, params, EventPage)
            return page.hits.hits

        for hits in pages(search, body):
            yield from (hit.source for hit in hits)

    # -- writing ------------------------------------------------------------

    def ensure_templates(self) -> None:
        """Put the index templates that are missing.

        Without them, OpenSearch would guess a mapping and set no alias. So if it
        refuses one, the indices are created explicitly before they are written.
        """
        names = self._names
        wanted = {**index_templates(names), **reindexing_template(names)}
        # One request, because each capture of a change calls this.
        pattern = f"{names.prefix}stats-community-*"
        refused = put_missing_templates(self._send, pattern, wanted, self._adapt)
        self._without_template = set(refused)

    def create_events(
        self, events: Iterable[CommunityEvent]
    ) -> WriteOutcome[CommunityEvent]:
        """Store community events, each only if no event has its ``_id``.

        Args:
            events: the events.

        Returns:
            The outcome; its conflicts are the events whose ``_id`` was taken.
        """
        names, alias = self._names, self._names.community_events
        return self._write(
            events,
            lambda e: names.community_events_year(e.year),
            # Names, UUIDs and numbers need no escaping.
            lambda e: (
                f'{{"create":{{"_index":"{alias}-{e.year:04d}","_id":"{e.id}"}}}}\n'
            ).encode(),
        )

    def put_facts(self, facts: Iterable[RecordFacts]) -> WriteOutcome[RecordFacts]:
        """Store record facts, each unless later facts of its record are stored.

        Args:
            facts: the facts.

        Returns:
            The outcome; its conflicts are the facts that are older than stored ones.
        """
        outcome = self._put_facts(facts)
        if not any(_is_unmapped(reason) for _, reason in outcome.refused):
            return outcome
        # An earlier version of this package has created the index.
        self._send("PUT", f"/{self._names.record_facts}/_mapping", facts_mapping())
        again = self._put_facts(f for f, why in outcome.refused if _is_unmapped(why))
        refused = [(f, why) for f, why in outcome.refused if not _is_unmapped(why)]
        return WriteOutcome(
            outcome.stored + again.stored,
            outcome.conflicts + again.conflicts,
            refused + again.refused,
        )

    def _put_facts(self, facts: Iterable[RecordFacts]) -> WriteOutcome[RecordFacts]:
        encode, index = msgspec.json.encode, self._names.record_facts
        return self._write(
            facts,
            lambda _: index,
            lambda fact: encode(
                {
                    "index": {
                        "_index": index,
                        "_id": fact.recid,
                        "version": fact.revision,
                        "version_type": "external_gte",
                    }
                }
            )
            + b"\n",
        )

    def refresh(self) -> None:
        """Make all stored events and facts visible to searches."""
        self._refresh(f"{self._names.community_events},{self._names.record_facts}")

    def refresh_events(self) -> None:
        """Make all stored events visible to searches.

        Comparing records needs no more, because facts are read in real time.
        """
        self._refresh(self._names.community_events)

    def _refresh(self, indices: str) -> None:
        path, params = f"/{indices}/_refresh", {"ignore_unavailable": "true"}
        self._send("POST", path, params=params)

    def _write(
        self,
        documents: Iterable[_Document],
        index: Callable[[_Document], str],
        action: Callable[[_Document], bytes],
    ) -> WriteOutcome[_Document]:
        """Write documents.

        Args:
            documents: to write.
            index: returns the name of a document's index.
            action: returns a document's action line.

        Raises:
            StatsDashboardError: OpenSearch refuses not a document, but all writes to
                an index.
        """
        stored = 0
        conflicts: list[_Document] = []
        refused: list[tuple[_Document, str]] = []
        encode = msgspec.json.encode
        lines = [(d, action(d) + encode(d) + b"\n") for d in documents]
        for group in _bounded(lines):
            if self._without_template:
                self._make({index(document) for document, _ in group})
            taken: list[int] = []
            refusals = self._send_lines(group, taken)
            lacking = [r.position for r in refusals if r.misses_index]
            if lacking:  # the cluster creates no indices for writes
                again = [group[position] for position in lacking]
                self._make({index(document) for document, _ in again})
                late: list[int] = []
                second = self._send_lines(again, late)
                taken += [lacking[position] for position in late]
                refusals = [r for r in refusals if not r.misses_index]
                refusals += [replace(r, position=lacking[r.position]) for r in second]
            bulk.require_permitted(refusals)
            conflicts += [group[position][0] for position in sorted(taken)]
            refused += [
                (group[r.position][0], f"{r.type}: {r.reason}") for r in refusals
            ]
            stored += len(group) - len(taken) - len(refusals)
        return WriteOutcome(stored, conflicts, refused)

    def _send_lines(
        self, group: Sequence[_Line[Any]], taken: list[int]
    ) -> list[bulk.Refusal]:
        return bulk.write(
            self._client,
            None,
            [line for _, line in group],
            self._limit,
            waiting=self._waiting,
            sleep=self._sleep,
            conflicts=taken,
        )

    def _make(self, indices: Collection[str]) -> None:
        """Create indices that are missing, without their templates."""
        names = self._names
        for index in sorted(indices):
            if index == names.record_facts:
                request = partial(make, self._client, index, facts_mapping())
            else:
                aliases: dict[str, Any] = {names.community_events: {}}
                request = partial(make, self._client, index, event_mapping(), aliases)
            try:
                self.patiently(request)
            except OpenSearchException as error:
                raise as_error(error) from error

    # -- requests -----------------------------------------------------------

    def patiently(self, request: Callable[[], _Item]) -> _Item:
        """Send a request, and repeat it while the cause of its failure is temporary.

        Args:
            request: sends a request that is safe to send twice.

        Raises:
            SearchUnavailableError: OpenSearch accepted no requests for too long.
        """
        return patiently(request, self._limit, self._waiting, self._sleep)

    def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        kind: Any = Any,
    ) -> Any:
        answer = self.patiently(lambda: self._request(method, path, body, params))
        return decoded(answer, kind)

    def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        return self._client.transport.perform_request(
            method, path, params=dict(params or {}), body=body
        )


def count_outdated_facts(client: OpenSearch, names: Names, registry: str) -> int:
    """Return the number of record facts that other breakdowns or code computed.

    Args:
        client: may or may not decode responses.
        names: the instance's index names.
        registry: digest of the current breakdowns; see :func:`.facts.registry_mark`.
    """
    others = {"bool": {"must_not": [{"term": {"registry": registry}}]}}
    return count(client, names.record_facts, others)


def _is_unmapped(reason: str) -> bool:
    """Return whether a document was refused because of a field that is not mapped."""
    return reason.startswith("strict_dynamic_mapping_exception")


def _chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _bounded(lines: Iterable[_Line[_Document]]) -> Iterator[list[_Line[_Document]]]:
    """Yield the lines in groups of bounded number and size."""
    group: list[_Line[_Document]] = []
    size = 0
    for line in lines:
        if group and (len(group) == MAX_ACTIONS or size + len(line[1]) > MAX_BYTES):
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line[1])
    if group:
        yield group
