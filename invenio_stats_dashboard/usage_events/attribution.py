# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Attributing enriched events again when a change of membership is known late.

Which records have to be looked at is a list of documents, so that it outlives any
process. A record leaves the list when a whole pass over its events found nothing to
write, and no month that it concerns is being copied; one that was noted again meanwhile
stays.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from ..errors import StatsDashboardError
from ..search import bulk
from ..search.client import text_client
from ..search.seqno import NOTHING
from .migration.copying import settled_positions
from .migration.months import serving, survey
from .rewriting import LIMIT, events_of, if_unchanged

KIND = "re-attribution"
REST = 1800.0
"""Seconds that a record rests on the list before it is worked on.

A worker may have the old membership in its cache for a minute, and may wait with events
in hand for twenty until OpenSearch takes them.
"""


@dataclass
class Attributed:
    """What one run has done.

    Attributes:
        records: that are done and have left the list.
        events: that were written again.
        pending: records that are still on the list of this run.
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


def noting(app, names):
    """Return :func:`note` for an application, as a function of the changes.

    Args:
        app: the Flask application.
        names: the instance's names.
    """
    return partial(note, text_client(app), names)


class Attribution:
    """Works the list off.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's names.
        splicer: brings communities up to date (:class:`~.enrichment.Splicer`); its
            look-up must know the change, so it is a fresh one for each run.
        waiting: called with a sentence before each pause.
    """

    def __init__(self, client, text_client, names, splicer, waiting=None):
        """Keep what is needed."""
        self._client, self._text_client, self._names = client, text_client, names
        self._splicer, self._waiting = splicer, waiting

    def run(self, event_types, limit, records=100, batch=500, rest=REST):
        """Attribute events of the records that have waited longest.

        Args:
            event_types: the event types to look at.
            limit: how many events to write at most.
            records: how many records to take from the list.
            batch: events at a time.
            rest: seconds that a record must have been on the list.

        Returns:
            Attributed: what was done.

        Raises:
            StatsDashboardError: OpenSearch refuses an event; the list stays.
            SearchUnavailableError: OpenSearch does not answer completely.
        """
        done = Attributed()
        noted = self._noted(records, rest)
        if not noted:
            return done
        months, _ = survey(self._client, self._names, event_types)
        since = min(hit["_source"]["since"] for hit in noted)
        recids = sorted({hit["_source"]["recid"] for hit in noted})
        concerned = [month for month in months if month.month >= since[:7]]
        served = [serving(self._names, month) for month in concerned]
        indices = [index.name for index in served if index is not None]
        # what is copied already may hold the old membership; it serves later
        copying = any(
            month.target is not None and index is not month.target
            for month, index in zip(concerned, served, strict=True)
        )
        settled = False
        while not settled and done.events < limit:
            # a conflict is not told, so only a pass without a write is the end
            written = sum(
                self._index(name, recids, since, limit - done.events, batch)
                for name in indices
            )
            done.events += written
            settled = not written
        if settled and not copying:
            self._remove(noted)
            done.records = len(noted)
        else:
            done.pending = len(noted)
        return done

    def _noted(self, size, rest):
        index = self._names.reindexing
        if not self._client.indices.exists(index=index):
            return []
        self._client.indices.refresh(index=index)
        latest = datetime.now(UTC) - timedelta(seconds=rest)
        body = {
            "size": size,
            "query": {
                "bool": {
                    "filter": [
                        {"term": {"kind": KIND}},
                        {"range": {"updated_at": {"lte": latest.isoformat()}}},
                    ]
                }
            },
            "sort": ["updated_at"],
            "seq_no_primary_term": True,
        }
        return self._client.search(index=index, body=body)["hits"]["hits"]

    def _index(self, index, recids, since, limit, batch):
        moment = {"gte": since, "format": "strict_date_optional_time"}
        only = {
            "bool": {
                "filter": [
                    {"terms": {"recid": recids}},
                    {"range": {"timestamp": moment}},
                    {"exists": {"field": "enriched_at"}},
                ]
            }
        }
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
        actions = [
            if_unchanged(hit, source)
            for hit, (_, source) in zip(hits, sources, strict=True)
            if _communities(hit.source) != _communities(source)
        ]
        refusals = bulk.write(
            self._text_client, index, actions, LIMIT, waiting=self._waiting
        )
        if refusals:
            raise StatsDashboardError(
                f"{len(refusals)} events are refused by {index}; the first is "
                f"{refusals[0]}. They are as they were, and will be tried again."
            )
        return len(actions)

    def _remove(self, noted):
        actions = [
            msgspec.json.encode(
                {
                    "delete": {
                        "_id": hit["_id"],
                        "if_seq_no": hit["_seq_no"],
                        "if_primary_term": hit["_primary_term"],
                    }
                }
            )
            + b"\n"
            for hit in noted
        ]
        bulk.write(
            self._text_client,
            self._names.reindexing,
            actions,
            LIMIT,
            waiting=self._waiting,
        )


class _Attributed(msgspec.Struct):
    community_ids: list[str] = []


_decode_attributed = msgspec.json.Decoder(_Attributed).decode


def _communities(source):
    return _decode_attributed(source).community_ids
