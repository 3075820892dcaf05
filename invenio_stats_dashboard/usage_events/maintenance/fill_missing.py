# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Enriching events that came into enriched indices without their enrichment.

A stock worker writes such events while a site is deployed, or an indexer that
could not look a record up. Every event is written with the version at which it
was read, so a write of the live site is never overwritten: it is left for the
next run.
"""

from dataclasses import dataclass

from opensearchpy.exceptions import OpenSearchException

from ...errors import SearchUnavailableError
from ...search import bulk
from ...search.seqno import NOTHING, settled_positions
from ..indices import look
from .event_rewriter import LIMIT, events_of, if_unchanged

LACKING = {"bool": {"must_not": {"exists": {"field": "enriched_at"}}}}
"""The query for events without enrichment."""


@dataclass
class FillReport:
    """What one run has done.

    Attributes:
        events: that were written with their enrichment, or by somebody else
            meanwhile.
        refused: that OpenSearch refuses with their enrichment; they stay as they
            were.
        reason: of the last refusal, or None.
    """

    events: int = 0
    refused: int = 0
    reason: str | None = None


class FillMissing:
    """Enriches events of enriched indices that have no enrichment.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's names.
        splicer: adds the enrichment (:class:`~..enrichment.Splicer`). A record that
            nobody knows gets empty lists, so that its events are done, too.
        waiting: called with a sentence before each pause.
    """

    def __init__(self, client, text_client, names, splicer, waiting=None):
        """Keep what is needed."""
        self._client, self._text_client, self._names = client, text_client, names
        self._splicer, self._waiting = splicer, waiting

    def run(self, event_types, limit, batch=500):
        """Enrich events, newest months first.

        Args:
            event_types: the event types to look at.
            limit: how many events at most.
            batch: events at a time.

        Returns:
            Filled: what was done.

        Raises:
            SearchUnavailableError: OpenSearch does not answer, or not completely.
        """
        done = FillReport()
        lacking = not_enriched(self._client, self._names, event_types)
        if lacking is None:
            raise SearchUnavailableError(
                "OpenSearch did not tell completely which events are not enriched; "
                "the next run asks again."
            )
        if not lacking:
            return done
        served = look(self._client, self._names, event_types)
        for index in reversed(served.indices):
            # all events of an index without the mark may be legacy ones
            if index.schema is not None and lacking.get(index.name):
                self._index(index.name, limit, batch, done)
        return done

    def _index(self, index, limit, batch, done):
        for shard, position in settled_positions(self._client, index).items():
            after = NOTHING
            while (left := limit - done.events) > 0:
                size = min(batch, left)
                hits = events_of(
                    self._text_client,
                    index,
                    shard,
                    after,
                    position.checkpoint,
                    size,
                    LACKING,
                    self._waiting,
                )
                if hits:
                    self._write(index, hits, done)
                    after = hits[-1].seq_no
                if len(hits) < size:
                    break

    def _write(self, index, hits, done):
        sources = self._splicer.splice([hit.source for hit in hits])
        actions = [
            if_unchanged(hit, source)
            for hit, (_, source) in zip(hits, sources, strict=True)
        ]
        refusals = bulk.write(
            self._text_client, index, actions, LIMIT, waiting=self._waiting
        )
        done.events += len(hits) - len(refusals)
        done.refused += len(refusals)
        if refusals:
            done.reason = str(refusals[-1])


def not_enriched(client, names, event_types):
    """Return how many events without enrichment each index that serves has.

    Args:
        client: an ordinary client.
        names: the instance's names.
        event_types: the event types to look at.

    Returns:
        dict | None: name of the index -> number; None if the cluster does not tell
        of all of them.
    """
    try:
        answer = _search_not_enriched(client, names, event_types)
    except OpenSearchException:
        return None
    if answer["timed_out"] or answer["_shards"]["failed"]:
        return None
    buckets = answer.get("aggregations", {}).get("indices", {}).get("buckets", ())
    return {bucket["key"]: bucket["doc_count"] for bucket in buckets}


def _search_not_enriched(client, names, event_types):
    return client.search(
        index=[names.events_alias(event_type) for event_type in event_types],
        body={
            "size": 0,
            "query": {"bool": {"must_not": {"exists": {"field": "enriched_at"}}}},
            "aggs": {"indices": {"terms": {"field": "_index", "size": 10_000}}},
        },
        params={"ignore_unavailable": "true", "request_timeout": 120},
    )
