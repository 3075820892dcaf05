# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Re-attribute enriched events after a change of membership that was detected late.

The list of records to process is stored in OpenSearch, with one document (an *entry*)
for each record and change. An entry is removed when a complete pass over the record's
events writes nothing and none of these events is in a month that is being copied. An
entry that is written again in the meantime stays. An entry that has to wait moves to
the end of the list, so that it does not delay others.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from flask import Flask
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ...errors import SearchUnavailableError, StatsDashboardError
from ...search import bulk
from ...search.client import text_client
from ...search.names import EVENT_TYPES, Names
from ...search.seqno import NOTHING, StoredDocument, settled_positions
from ...search.template_composition import make_reindexing_index
from ..enrichment import Splicer
from ..event_decoding import EventDecoder
from ..indices import ENRICHED, ServedIndices, buckets, look
from .event_rewriter import LIMIT, events_of, if_unchanged

KIND = "re-attribution"
"""Value of the field ``kind`` in the entries of the list."""
REST = 1800.0
"""Seconds that an entry stays on the list before it is processed.

A worker may cache the old membership for a minute. It may also hold events for twenty
minutes until OpenSearch accepts them.
"""
KNOWN_SECONDS = 600.0
"""Seconds for which a long-running process may cache a membership.

It must be clearly less than :data:`REST`. Otherwise, after a record has left the list,
a migration could still have its old membership in the cache, start a month, and enrich
the record's events with the old membership.
"""
RUN_SECONDS = 480.0
"""Seconds after which a run starts no more records. The next run starts after 600."""


@dataclass
class ReattributionReport:
    """The outcome of one run.

    Attributes:
        records: number of entries that were removed from the list.
        events: number of events that were written again.
        pending: number of entries that were processed and remain on the list.
    """

    records: int = 0
    events: int = 0
    pending: int = 0


def note(
    client: OpenSearch, names: Names, changes: Mapping[str, str], limit: float = LIMIT
) -> None:
    """Add records whose events must be re-attributed to the list.

    Args:
        client: does not decode responses.
        names: the instance's index names.
        changes: recid -> time of the earliest change, naive UTC ISO 8601.
        limit: seconds to retry while OpenSearch accepts no requests.

    Raises:
        StatsDashboardError: OpenSearch refuses an entry.
        SearchUnavailableError: OpenSearch stored nothing for ``limit`` seconds.
    """
    now = datetime.now(UTC).isoformat()
    actions = []
    for recid, since in changes.items():
        # A repeated entry gets a new version, which a run that read the old one
        # cannot remove.
        head = {"index": {"_id": f"{KIND}-{recid}-{since}"}}
        body = {"kind": KIND, "recid": recid, "since": since, "updated_at": now}
        lines = (msgspec.json.encode(head), msgspec.json.encode(body), b"")
        actions.append(b"\n".join(lines))
    refusals = bulk.write(client, names.reindexing, actions, limit)
    if any(refusal.misses_index for refusal in refusals):
        # the cluster creates no indices for writes; the actions can be repeated
        make_reindexing_index(client, names)
        refusals = bulk.write(client, names.reindexing, actions, limit)
    if refusals:
        raise StatsDashboardError(
            f"{len(refusals)} records cannot be added to the list for re-attribution; "
            f"the first: {refusals[0]}."
        )


def noted_among(client: OpenSearch, names: Names, recids: Collection[str]) -> set[str]:
    """Return the records that are on the list.

    Args:
        client: decodes responses.
        names: the instance's index names.
        recids: identifiers to look for.
    """
    if not recids or not client.indices.exists(index=names.reindexing):
        return set()
    client.indices.refresh(index=names.reindexing)
    only: list[dict[str, Any]] = [
        {"term": {"kind": KIND}},
        {"terms": {"recid": sorted(recids)}},
    ]
    found = buckets(client, names.reindexing, only, "recid", len(recids))
    return set(found)


def noting(app: Flask, names: Names) -> Callable[[Mapping[str, str]], None]:
    """Return :func:`note` with the client and the names of an application.

    Args:
        app: the application.
        names: the instance's index names.
    """
    return partial(note, text_client(app), names)


class Reattribution:
    """Re-attributes the events of the records on the list.

    Args:
        client: decodes responses.
        text_client: does not decode responses.
        names: the instance's index names.
        splicer: updates the communities of events. Its look-up must see the change, so
            it must be new for each run and cache no longer than :data:`KNOWN_SECONDS`.
        waiting: called with a sentence before each pause.
    """

    def __init__(
        self,
        client: OpenSearch,
        text_client: OpenSearch,
        names: Names,
        splicer: Splicer,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        self._client, self._text_client, self._names = client, text_client, names
        self._splicer, self._waiting = splicer, waiting
        self._refused: dict[str | None, str] = {}

    def run(
        self,
        limit: int,
        records: int = 1000,
        batch: int = 500,
        rest: float = REST,
        seconds: float = RUN_SECONDS,
    ) -> ReattributionReport:
        """Re-attribute the events of the records on the list, oldest entries first.

        Args:
            limit: approximate maximum number of events to write.
            records: number of entries to process at a time.
            batch: events in a batch.
            rest: seconds that an entry must have been on the list.
            seconds: time after which no more records are started.

        Raises:
            StatsDashboardError: OpenSearch refuses events. All others are written, and
                the records of the refused events stay on the list.
            SearchUnavailableError: OpenSearch does not return all events, or stores
                nothing.
            OpenSearchException: another request failed. After either error, the
                entries that were being processed move to the end of the list.
        """
        done, end = ReattributionReport(), time.monotonic() + seconds
        served: ServedIndices | None = None
        # Fixed for the whole run, because its look-up does not see later changes.
        before = datetime.now(UTC) - timedelta(seconds=rest)
        while noted := self._noted(records, before):
            if served is None:
                served = self._look()
                records = min(records, served.max_terms)
                noted = noted[:records]
            try:
                ended = self._work_off(noted, served, limit, batch, done)
            except (SearchUnavailableError, OpenSearchException):
                # An index that accepts no writes must not delay all other records.
                self._store([_put_off(hit) for hit in noted])
                raise
            if not ended:
                break
            if done.events >= limit or time.monotonic() >= end:
                break
        if self._refused:
            raise StatsDashboardError(
                f"OpenSearch refuses events of {len(self._refused)} records with their "
                f"new communities; the first: {next(iter(self._refused.values()))}. "
                "These events are unchanged, and a later run tries again."
            )
        return done

    def _noted(self, size: int, before: datetime) -> list[dict[str, Any]]:
        """Return the oldest entries that have been on the list long enough, as hits."""
        index = self._names.reindexing
        if not self._client.indices.exists(index=index):
            return []
        self._client.indices.refresh(index=index)
        body = {
            "size": size,
            "query": {
                "bool": {
                    "filter": [
                        {"term": {"kind": KIND}},
                        {"range": {"updated_at": {"lte": before.isoformat()}}},
                    ]
                }
            },
            "sort": ["updated_at"],
            "seq_no_primary_term": True,
        }
        return self._client.search(index=index, body=body)["hits"]["hits"]

    def _look(self) -> ServedIndices:
        """Return the indices in service, refreshed."""
        served = look(self._client, self._names, EVENT_TYPES)
        self._client.indices.refresh(
            index=[self._names.events_alias(kind) for kind in EVENT_TYPES],
            params={"ignore_unavailable": "true", "request_timeout": 120},
        )
        return served

    def _work_off(
        self,
        noted: Sequence[dict[str, Any]],
        served: ServedIndices,
        limit: int,
        batch: int,
        done: ReattributionReport,
    ) -> bool:
        """Process some entries; return False if the limit of events was reached."""
        only = _events_since(noted)
        # Events that are being copied may have the old membership. They are in service
        # only after the cut-over.
        waiting: Set[str | None] = served.being_copied(
            self._client, only, len({hit["_source"]["recid"] for hit in noted})
        )
        indices = served.holding(self._client, [only, ENRICHED])
        settled = False
        while not settled and done.events < limit:
            # Conflicts are not reported, so only a pass without a write is complete.
            written = 0
            for name in indices:
                written += self._index(name, only, limit - done.events - written, batch)
            done.events += written
            settled = not written
        if not settled:
            done.pending += len(noted)
            return False
        waiting = waiting | set(self._refused)
        later = [hit for hit in noted if hit["_source"]["recid"] in waiting]
        ready = [hit for hit in noted if hit["_source"]["recid"] not in waiting]
        self._store([_removal(hit) for hit in ready] + [_put_off(hit) for hit in later])
        done.records += len(ready)
        done.pending += len(later)
        return True

    def _index(self, index: str, since: dict[str, Any], limit: int, batch: int) -> int:
        """Re-attribute the events of one index; return the number of written events."""
        only = {"bool": {"filter": [since, ENRICHED]}}
        written = 0
        for shard, position in settled_positions(self._client, index).items():
            after = NOTHING
            while written < limit:
                hits = events_of(
                    self._text_client,
                    index,
                    shard,
                    after,
                    position.checkpoint,
                    batch,
                    only,
                    self._waiting,
                )
                written += self._write(index, hits)
                if len(hits) < batch:
                    break
                after = hits[-1].seq_no
        return written

    def _write(self, index: str, hits: Sequence[StoredDocument]) -> int:
        """Write the events whose communities differ; return their number."""
        sources = self._splicer.splice([hit.source for hit in hits])
        changed = [
            (hit, source)
            for hit, (_, source, _) in zip(hits, sources, strict=True)
            if _decode(hit.source).community_ids != _decode(source).community_ids
        ]
        refusals = bulk.write(
            self._text_client,
            index,
            [if_unchanged(hit, source) for hit, source in changed],
            LIMIT,
            bulk.PAST_PIPELINES,
            waiting=self._waiting,
        )
        for refusal in refusals:
            hit, _ = changed[refusal.position]
            self._refused[_decode(hit.source).recid] = f"{refusal} in {index}"
        return len(changed) - len(refusals)

    def _store(self, actions: Sequence[bytes]) -> None:
        refusals = bulk.write(
            self._text_client,
            self._names.reindexing,
            actions,
            LIMIT,
            waiting=self._waiting,
        )
        if refusals:
            raise StatsDashboardError(
                "The list of records for re-attribution cannot be written: "
                f"{refusals[0]}. It is unchanged, and a later run processes it again."
            )


def _events_since(noted: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a query for the events of records since their changes.

    Records are grouped by the month of their change and share its earliest time, so one
    old change does not select all events of all other records.
    """
    months: dict[str, tuple[str, set[str]]] = {}
    for hit in noted:
        since, recid = hit["_source"]["since"], hit["_source"]["recid"]
        earliest, recids = months.get(since[:7], (since, set()))
        months[since[:7]] = min(since, earliest), recids | {recid}
    return {
        "bool": {
            "should": [_of_records(recids, since) for since, recids in months.values()],
            "minimum_should_match": 1,
        }
    }


def _of_records(recids: Collection[str], since: str) -> dict[str, Any]:
    moment = {"gte": since, "format": "strict_date_optional_time"}
    return {
        "bool": {
            "filter": [
                {"terms": {"recid": sorted(recids)}},
                {"range": {"timestamp": moment}},
            ]
        }
    }


def _unless_noted_again(hit: dict[str, Any]) -> dict[str, Any]:
    """Return the bulk metadata for the version of an entry that was read."""
    return {
        "_id": hit["_id"],
        "if_seq_no": hit["_seq_no"],
        "if_primary_term": hit["_primary_term"],
    }


def _removal(hit: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"delete": _unless_noted_again(hit)}) + b"\n"


def _put_off(hit: dict[str, Any]) -> bytes:
    """Return the bulk action that moves an entry to the end of the list."""
    head = {"index": _unless_noted_again(hit)}
    body = {**hit["_source"], "updated_at": datetime.now(UTC).isoformat()}
    return msgspec.json.encode(head) + b"\n" + msgspec.json.encode(body) + b"\n"


class _Attributed(msgspec.Struct):
    recid: str | None = None
    community_ids: list[str] = []


_decoder = EventDecoder(_Attributed)


def _decode(source: bytes) -> _Attributed:
    return _decoder.decode(source).event
