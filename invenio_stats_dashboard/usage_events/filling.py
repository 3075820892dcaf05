# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Enriching events that came into enriched months without their enrichment.

A stock worker writes such events while a site is deployed, or an indexer that
could not look a record up. Every event is written with the version at which it
was read, so a write of the live site is never overwritten: it is left for the
next run.
"""

from dataclasses import dataclass

import msgspec

from ..errors import SearchUnavailableError
from ..search import bulk
from ..search.client import patiently
from ..search.seqno import NOTHING, IncompletePageError, page
from .migration.copying import settled_positions
from .migration.months import survey
from .migration.status import not_enriched

LACKING = {"bool": {"must_not": {"exists": {"field": "enriched_at"}}}}
"""The query for events without enrichment."""

_LIMIT = 120.0


@dataclass
class Filled:
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


class Filling:
    """Enriches events of enriched months that have no enrichment.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's names.
        splicer: adds the enrichment (:class:`~.enrichment.Splicer`). A record that
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
        done = Filled()
        lacking = not_enriched(self._client, self._names, event_types)
        if lacking is None:
            raise SearchUnavailableError(
                "OpenSearch did not tell completely which events are not enriched; "
                "the next run asks again."
            )
        months, _ = (
            survey(self._client, self._names, event_types) if lacking else ((), ())
        )
        for month in reversed(months):
            index = serving(self._names, month)
            if index is not None and lacking.get(index.name):
                self._index(index.name, limit, batch, done)
        return done

    def _index(self, index, limit, batch, done):
        for shard, position in settled_positions(self._client, index).items():
            after = NOTHING
            while (left := limit - done.events) > 0:
                size = min(batch, left)
                hits = self._page(index, shard, after, position.checkpoint, size)
                if hits:
                    self._write(index, hits, done)
                    after = hits[-1].seq_no
                if len(hits) < size:
                    break

    def _page(self, index, shard, after, upto, size):
        def request():
            return page(
                self._text_client,
                index,
                shard,
                after,
                upto,
                size,
                only=LACKING,
                terms=True,
            )

        try:
            return patiently(request, _LIMIT, self._waiting)
        except IncompletePageError as error:
            raise SearchUnavailableError(f"{error}; the next run goes on.") from error

    def _write(self, index, hits, done):
        sources = self._splicer.splice([hit.source for hit in hits])
        actions = [
            b'{"index":{"_id":%b,"if_seq_no":%d,"if_primary_term":%d}}\n%b\n'
            % (msgspec.json.encode(hit.id), hit.seq_no, hit.term, source)
            for hit, (_, source) in zip(hits, sources, strict=True)
        ]
        refusals = bulk.write(
            self._text_client, index, actions, _LIMIT, waiting=self._waiting
        )
        done.events += len(hits) - len(refusals)
        done.refused += len(refusals)
        if refusals:
            done.reason = str(refusals[-1])


def serving(names, month):
    """Return the enriched index of a month that serves, or None.

    The source of a migration is none: its events are enriched when they are copied.

    Args:
        names: the instance's names.
        month: a :class:`~.migration.months.Month`.
    """
    stock = names.events_month(month.event_type, month.month)
    if month.target is not None and stock in month.target.aliases:
        return month.target
    return month.native
