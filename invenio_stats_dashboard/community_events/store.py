# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading and writing community events and record facts in OpenSearch."""

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import msgspec
from opensearchpy.exceptions import OpenSearchException

from ..errors import SearchUnavailableError
from ..search.client import (
    TRANSIENT_STATUSES,
    describe,
    is_transient,
    patiently,
    pauses,
    require_read,
)
from ..search.index_templates import put_missing_templates
from ..search.site_templates import reindexing_template
from .documents import event_id, index_templates
from .facts import RecordFacts
from .responses import (
    FIELDS,
    BulkResults,
    EventPage,
    FactsState,
    StoredStates,
    TimelineEntry,
    decoded,
)

MAX_RECIDS = 1000
"""Identifiers in one request."""

PAGE = 5000
"""Community events in one answer; there are as many answers as it takes."""

MAX_ACTIONS, MAX_BYTES = 2000, 4_000_000
"""Documents and bytes in one bulk request."""

_PLACES = 8
_BLOCKED = "cluster_block_exception"


@dataclass(frozen=True)
class WriteOutcome:
    """The outcome of writing documents.

    Attributes:
        stored: number of documents that were stored.
        conflicts: those whose place was taken, in the order given.
        refused: (document, reason) of those that OpenSearch refuses for good.
    """

    stored: int
    conflicts: list
    refused: list


class EventStore:
    """Community events and record facts of one instance.

    It may be used by several threads and needs no application context.

    Args:
        client: an OpenSearch client, whether it decodes its answers or not.
        names: the instance's :class:`~..search.names.Names`.
        limit: seconds to go on trying while OpenSearch takes no requests.
        waiting: called with a sentence before each pause.
        sleep: waits for the given seconds; may raise to end the waiting.
        settings: returns the site's shards and replicas; called without arguments when
            a template is missing. None for those of a site that says nothing of them.
    """

    def __init__(
        self,
        client,
        names,
        limit=120,
        waiting=None,
        sleep=time.sleep,
        settings=None,
    ):
        """Keep what is needed."""
        self._settings = settings
        self._client = client
        self._names = names
        self._limit = limit
        self._waiting = waiting
        self._sleep = sleep

    # -- reading ------------------------------------------------------------

    def facts(self, recids):
        """Return the stored facts of records, as of this moment.

        Args:
            recids: identifiers.

        Returns:
            dict: recid -> :class:`.facts.RecordFacts`, for those that have facts.
        """
        return self._facts(recids, RecordFacts)

    def facts_states(self, recids):
        """Return what tells whether stored facts are up to date, as of this moment.

        Args:
            recids: identifiers.

        Returns:
            dict: recid -> :class:`FactsState`, for those that have facts.
        """
        return self._facts(recids, FactsState)

    def _facts(self, recids, kind):
        found = {}
        for chunk in _chunks(sorted(recids), MAX_RECIDS):
            docs = [{"_id": recid} for recid in chunk]
            found.update(self._mget(docs, self._names.record_facts, kind))
        return found

    def marks(self, recids):
        """Return the community events of records that a search finds.

        Events written within the last refresh interval can be missing.

        Args:
            recids: identifiers.

        Returns:
            dict: recid -> list of :class:`TimelineEntry`, for those that have events.
        """
        found = defaultdict(list)
        for chunk in _chunks(sorted(recids), MAX_RECIDS):
            for mark in self._scan({"terms": {"recid": chunk}}):
                found[mark.recid].append(mark)
        return dict(found)

    def marks_now(self, timelines):
        """Return the events of records and communities, read in real time.

        Args:
            timelines: (record UUID, community UUID or ``global``, year in which
                the record was created) of each.

        Returns:
            dict: (record, community) -> list of :class:`TimelineEntry`, by place.
        """
        marks = {(record, community): [] for record, community, _ in timelines}
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
            found = {}
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

    def _mget(self, docs, index, kind):
        """Return the documents found, ``_id`` -> source as some type."""
        path = f"/{index}/_mget" if index else "/_mget"
        params = {
            "_source": ",".join(FIELDS[kind]),
            "filter_path": "docs._id,docs._index,docs._source,docs.error",
        }

        def read():
            answer = self._request("POST", path, {"docs": docs}, params)
            return require_read(decoded(answer, StoredStates[kind]).docs)

        found = self.patiently(read)
        return {doc.id: doc.source for doc in found if doc.source is not None}

    def _scan(self, query):
        """Yield the marks of all community events that match, page after page."""
        body = {
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
        while True:
            path = f"/{self._names.community_events}/_search"
            hits = self._send("POST", path, body, params, EventPage).hits.hits
            yield from (hit.source for hit in hits)
            if len(hits) < PAGE:
                return
            body["search_after"] = hits[-1].sort

    # -- writing ------------------------------------------------------------

    def ensure_templates(self):
        """Put the index templates that are missing.

        Without them OpenSearch would guess a mapping and set no alias.
        """
        names = self._names
        wanted = {**index_templates(names), **reindexing_template(names)}
        # in one request, since this is asked for with each change that is captured
        pattern = f"{names.prefix}stats-community-*"
        put_missing_templates(self._send, pattern, wanted, self._settings)

    def create_events(self, events):
        """Store community events, each only if its place is free.

        Args:
            events: list of :class:`.documents.CommunityEvent`.

        Returns:
            Written: with the events whose place was taken as conflicts.
        """
        alias = self._names.community_events
        return self._write(
            events,
            # all of it is made of UUIDs and numbers: nothing to escape
            lambda e: (
                f'{{"create":{{"_index":"{alias}-{e.year:04d}","_id":"{e.id}"}}}}\n'
            ).encode(),
        )

    def put_facts(self, facts):
        """Store record facts, each unless later ones of its record are there.

        Args:
            facts: list of :class:`.facts.RecordFacts`.

        Returns:
            Written: with the facts that were older than the stored as conflicts.
        """
        encode, index = msgspec.json.encode, self._names.record_facts
        return self._write(
            facts,
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

    def refresh(self):
        """Make everything that was written visible to searches."""
        alias, facts = self._names.community_events, self._names.record_facts
        self._send(
            "POST", f"/{alias},{facts}/_refresh", params={"ignore_unavailable": "true"}
        )

    def _write(self, documents, action):
        stored, conflicts, refused = 0, [], []
        encode = msgspec.json.encode
        lines = [(d, action(d) + encode(d) + b"\n") for d in documents]
        for pending in _bounded(lines):
            backoff = pauses(self._limit)
            while pending:
                pending, done, reason = self._attempt(pending, conflicts, refused)
                stored += done
                if done:
                    backoff = pauses(self._limit)
                if pending:
                    self._pause(backoff, reason)
        return WriteOutcome(stored, conflicts, refused)

    def _attempt(self, pending, conflicts, refused):
        """Send documents once; return what to send again, the stored, a reason."""
        body = b"".join([line for _, line in pending])
        try:
            answer = self._request(
                "POST",
                "/_bulk",
                body,
                {"filter_path": "items.*.status,items.*.error"},
                {"content-type": "application/x-ndjson"},
            )
        except OpenSearchException as error:
            if not is_transient(error):
                raise
            return pending, 0, describe(error)
        again, done, reason = [], 0, None
        items = decoded(answer, BulkResults).items
        for entry, item in zip(pending, items, strict=True):
            (result,) = item.values()
            if (error := result.error) is None:
                done += 1
            elif result.status == 409:
                conflicts.append(entry[0])
            elif result.status in TRANSIENT_STATUSES or error.type == _BLOCKED:
                again.append(entry)
                reason = f"{result.status} {error.type}: {error.reason}"
            else:
                refused.append((entry[0], f"{error.type}: {error.reason}"))
        return again, done, reason

    def _pause(self, backoff, reason):
        pause = next(backoff, None)
        if pause is None:
            raise SearchUnavailableError(
                f"OpenSearch has taken no documents for {self._limit:.0f} seconds "
                f"({reason}). Run the same command again when it does."
            )
        if self._waiting:
            self._waiting(f"OpenSearch refuses writes for now ({reason})")
        self._sleep(pause)

    # -- requests -----------------------------------------------------------

    def patiently(self, request):
        """Send a request again while it fails for a passing reason.

        Args:
            request: called without arguments; may be sent twice.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        return patiently(request, self._limit, self._waiting, self._sleep)

    def _send(self, method, path, body=None, params=None, kind=Any):
        answer = self.patiently(lambda: self._request(method, path, body, params))
        return decoded(answer, kind)

    def _request(self, method, path, body=None, params=None, headers=None):
        return self._client.transport.perform_request(
            method, path, params=dict(params or {}), headers=headers, body=body
        )


def _chunks(items, size):
    return (items[i : i + size] for i in range(0, len(items), size))


def _bounded(lines):
    """Yield the lines in groups of bounded number and size."""
    group, size = [], 0
    for line in lines:
        if group and (len(group) == MAX_ACTIONS or size + len(line[1]) > MAX_BYTES):
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line[1])
    if group:
        yield group
