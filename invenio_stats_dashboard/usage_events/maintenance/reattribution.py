# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Attributing enriched events again when a change of membership is known late.

Which records have to be looked at is a list of documents, so that it outlives any
process. A record leaves the list when a whole pass over its events found nothing to
write, and none of them is in a month that is being copied; one that was noted again
meanwhile stays. One that has to wait goes to the end of the list, so that it keeps
nobody else waiting.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
from opensearchpy.exceptions import OpenSearchException

from ...errors import SearchUnavailableError, StatsDashboardError
from ...search import bulk
from ...search.client import text_client
from ...search.names import EVENT_TYPES
from ...search.seqno import NOTHING, settled_positions
from ..indices import ENRICHED, buckets, look
from .event_rewriter import LIMIT, events_of, if_unchanged

KIND = "re-attribution"
REST = 1800.0
"""Seconds that a record rests on the list before it is worked on.

A worker may have the old membership in its cache for a minute, and may wait with events
in hand for twenty until OpenSearch takes them.
"""
KNOWN_SECONDS = 600.0
"""Seconds that whoever works for long may go by what it knows of a membership.

Clearly fewer than :data:`REST`. A migration begins with months whose records left the
list long ago; what it knew of them before they were noted must be forgotten by then.
"""
RUN_SECONDS = 480.0
"""Seconds after which a run takes no more records; the next one comes after 600."""


@dataclass
class ReattributionReport:
    """What one run has done.

    Attributes:
        records: notes of records that are done and have left the list.
        events: that were written again.
        pending: notes that were looked at and are still on the list.
    """

    records: int = 0
    events: int = 0
    pending: int = 0


def note(client, names, changes, limit=LIMIT):
    """Note that events of records have to be attributed again.

    Args:
        client: a client that does not decode.
        names: the instance's names.
        changes: recid -> moment of the earliest change, naive UTC ISO 8601.
        limit: seconds to go on trying.

    Raises:
        StatsDashboardError: it cannot be noted.
        SearchUnavailableError: OpenSearch took nothing for ``limit`` seconds.
    """
    now = datetime.now(UTC).isoformat()
    actions = []
    for recid, since in changes.items():
        # noted again it is a new version, which whoever works on the old one leaves
        head = {"index": {"_id": f"{KIND}-{recid}-{since}"}}
        body = {"kind": KIND, "recid": recid, "since": since, "updated_at": now}
        lines = (msgspec.json.encode(head), msgspec.json.encode(body), b"")
        actions.append(b"\n".join(lines))
    refusals = bulk.write(client, names.reindexing, actions, limit)
    if refusals:
        raise StatsDashboardError(
            f"{len(refusals)} records cannot be noted for re-attribution; the first "
            f"is {refusals[0]}."
        )


def noted_among(client, names, recids):
    """Return which of some records are noted.

    Args:
        client: an ordinary client.
        names: the instance's names.
        recids: identifiers.

    Returns:
        set[str]: those whose events will be attributed again.
    """
    if not recids or not client.indices.exists(index=names.reindexing):
        return set()
    client.indices.refresh(index=names.reindexing)
    only = [{"term": {"kind": KIND}}, {"terms": {"recid": sorted(recids)}}]
    found = buckets(client, names.reindexing, only, "recid", len(recids))
    return set(found)


def noting(app, names):
    """Return :func:`note` for an application, as a function of the changes.

    Args:
        app: the Flask application.
        names: the instance's names.
    """
    return partial(note, text_client(app), names)


class Reattribution:
    """Works the list off.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's names.
        splicer: brings communities up to date (:class:`~..enrichment.Splicer`); its
            look-up must know the change, so it is a fresh one for each run, and
            forgets after :data:`KNOWN_SECONDS`.
        waiting: called with a sentence before each pause.
    """

    def __init__(self, client, text_client, names, splicer, waiting=None):
        """Keep what is needed."""
        self._client, self._text_client, self._names = client, text_client, names
        self._splicer, self._waiting = splicer, waiting
        self._refused = {}

    def run(self, limit, records=1000, batch=500, rest=REST, seconds=RUN_SECONDS):
        """Attribute events of records, those that have waited longest first.

        Args:
            limit: how many events to write at most.
            records: how many records to work on at a time.
            batch: events at a time.
            rest: seconds that a record must have been on the list.
            seconds: after which no more records are begun.

        Returns:
            Attributed: what was done.

        Raises:
            StatsDashboardError: OpenSearch refuses events; all others are done, and
                these records stay on the list.
            SearchUnavailableError: OpenSearch does not answer completely, or takes
                nothing; the records worked on go to the end of the list.
        """
        done, end, served = ReattributionReport(), time.monotonic() + seconds, None
        # the same for the whole run: what is noted meanwhile is unknown to its look-up
        before = datetime.now(UTC) - timedelta(seconds=rest)
        while noted := self._noted(records, before):
            served = served or self._look()
            try:
                ended = self._work_off(noted, served, limit, batch, done)
            except (SearchUnavailableError, OpenSearchException):
                # one index that takes nothing must not keep all others waiting
                self._store([_put_off(hit) for hit in noted])
                raise
            if not ended:
                break
            if done.events >= limit or time.monotonic() >= end:
                break
        if self._refused:
            raise StatsDashboardError(
                f"Events of {len(self._refused)} records are refused with their new "
                f"communities; one is {next(iter(self._refused.values()))}. They are "
                "as they were, and will be tried again."
            )
        return done

    def _noted(self, size, before):
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

    def _look(self):
        """Return where events are served, with all that rested records have."""
        served = look(self._client, self._names, EVENT_TYPES)
        self._client.indices.refresh(
            index=[self._names.events_alias(kind) for kind in EVENT_TYPES],
            params={"ignore_unavailable": "true", "request_timeout": 120},
        )
        return served

    def _work_off(self, noted, served, limit, batch, done):
        """Work some records off; tell whether that came to its end."""
        only = _events_since(noted)
        # what is copied already may hold the old membership; it serves later
        waiting = served.being_copied(
            self._client, only, len({hit["_source"]["recid"] for hit in noted})
        )
        indices = served.holding(self._client, [only, ENRICHED])
        settled = False
        while not settled and done.events < limit:
            # a conflict is not told, so only a pass without a write is the end
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

    def _index(self, index, since, limit, batch):
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

    def _write(self, index, hits):
        """Write the events whose communities differ; return how many."""
        sources = self._splicer.splice([hit.source for hit in hits])
        changed = [
            (hit, source)
            for hit, (_, source) in zip(hits, sources, strict=True)
            if _decode(hit.source).community_ids != _decode(source).community_ids
        ]
        refusals = bulk.write(
            self._text_client,
            index,
            [if_unchanged(hit, source) for hit, source in changed],
            LIMIT,
            waiting=self._waiting,
        )
        for refusal in refusals:
            hit, _ = changed[refusal.position]
            self._refused[_decode(hit.source).recid] = f"{refusal} in {index}"
        return len(changed) - len(refusals)

    def _store(self, actions):
        refusals = bulk.write(
            self._text_client,
            self._names.reindexing,
            actions,
            LIMIT,
            waiting=self._waiting,
        )
        if refusals:
            raise StatsDashboardError(
                f"The list of records for re-attribution cannot be written: "
                f"{refusals[0]}. It is as it was, and will be worked on again."
            )


def _events_since(noted):
    """Return a query for the events of records since their changes.

    Those of one month together, so that one old change does not have all events of
    all other records looked at.
    """
    months = {}
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


def _of_records(recids, since):
    moment = {"gte": since, "format": "strict_date_optional_time"}
    return {
        "bool": {
            "filter": [
                {"terms": {"recid": sorted(recids)}},
                {"range": {"timestamp": moment}},
            ]
        }
    }


def _unless_noted_again(hit):
    return {
        "_id": hit["_id"],
        "if_seq_no": hit["_seq_no"],
        "if_primary_term": hit["_primary_term"],
    }


def _removal(hit):
    return msgspec.json.encode({"delete": _unless_noted_again(hit)}) + b"\n"


def _put_off(hit):
    """Return the lines that put a note at the end of the list."""
    head = {"index": _unless_noted_again(hit)}
    body = {**hit["_source"], "updated_at": datetime.now(UTC).isoformat()}
    return msgspec.json.encode(head) + b"\n" + msgspec.json.encode(body) + b"\n"


class _Attributed(msgspec.Struct):
    recid: str | None = None
    community_ids: list[str] = []


_decode = msgspec.json.Decoder(_Attributed).decode
