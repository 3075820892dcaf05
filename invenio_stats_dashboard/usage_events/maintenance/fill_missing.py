# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Enrich events that were stored in enriched indices without enrichment.

Two sources write such events: stock workers during a deployment, and an indexer whose
look-up of a record failed. Each write names the version of the event that was read, so
it never overwrites a write of the live site. The next run handles an event that has
changed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ...errors import SearchUnavailableError
from ...search import bulk
from ...search.names import Names
from ...search.seqno import NOTHING, StoredDocument, settled_positions
from ..enrichment import Splicer
from ..indices import look
from .event_rewriter import LIMIT, events_of, if_unchanged

LACKING = {"bool": {"must_not": {"exists": {"field": "enriched_at"}}}}
"""The query for events without enrichment."""


@dataclass
class FillReport:
    """The outcome of one run.

    Attributes:
        events: number of events that were enriched, or that another process has
            written in the meantime.
        refused: number of events that OpenSearch refuses with their enrichment. They
            remain unchanged.
        reason: reason of the last refusal, or None.
    """

    events: int = 0
    refused: int = 0
    reason: str | None = None


class FillMissing:
    """Enriches events of enriched indices that have no enrichment.

    Args:
        client: decodes responses.
        text_client: does not decode responses.
        names: the instance's index names.
        splicer: adds the enrichment. Events of an unknown record get empty lists, so
            they also count as enriched.
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

    def run(
        self, event_types: Sequence[str], limit: int, batch: int = 500
    ) -> FillReport:
        """Enrich events, newest months first.

        Args:
            event_types: the event types to process.
            limit: maximum number of events.
            batch: events in a batch.

        Raises:
            SearchUnavailableError: OpenSearch does not respond, or not completely.
        """
        done = FillReport()
        lacking = not_enriched(self._client, self._names, event_types)
        if lacking is None:
            raise SearchUnavailableError(
                "OpenSearch returned an incomplete count of the events without "
                "enrichment; the next run repeats the request."
            )
        if not lacking:
            return done
        served = look(self._client, self._names, event_types)
        for index in reversed(served.indices):
            # All events of an index without a schema version may be legacy events.
            if index.schema is not None and lacking.get(index.name):
                self._index(index.name, limit, batch, done)
        return done

    def _index(self, index: str, limit: int, batch: int, done: FillReport) -> None:
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

    def _write(
        self, index: str, hits: Sequence[StoredDocument], done: FillReport
    ) -> None:
        sources = self._splicer.splice([hit.source for hit in hits])
        actions = [
            if_unchanged(hit, source)
            for hit, (_, source, _) in zip(hits, sources, strict=True)
        ]
        refusals = bulk.write(
            self._text_client,
            index,
            actions,
            LIMIT,
            bulk.PAST_PIPELINES,
            waiting=self._waiting,
        )
        done.events += len(hits) - len(refusals)
        done.refused += len(refusals)
        if refusals:
            done.reason = str(refusals[-1])


def not_enriched(
    client: OpenSearch, names: Names, event_types: Sequence[str]
) -> dict[str, int] | None:
    """Return the number of events without enrichment for each index in service.

    Args:
        client: decodes responses.
        names: the instance's index names.
        event_types: the event types to examine.

    Returns:
        Name of the index -> number of events, without indices that have none. None if
        OpenSearch does not respond, or not completely.
    """
    try:
        answer = _search_not_enriched(client, names, event_types)
    except OpenSearchException:
        return None
    buckets = answer.get("aggregations", {}).get("indices", {}).get("buckets", ())
    return {bucket["key"]: bucket["doc_count"] for bucket in buckets}


def _search_not_enriched(
    client: OpenSearch, names: Names, event_types: Sequence[str]
) -> dict[str, Any]:
    return client.search(
        index=[names.events_alias(event_type) for event_type in event_types],
        body={
            "size": 0,
            "query": {"bool": {"must_not": {"exists": {"field": "enriched_at"}}}},
            "aggs": {"indices": {"terms": {"field": "_index", "size": 10_000}}},
        },
        params={"ignore_unavailable": "true", "request_timeout": 120},
    )
