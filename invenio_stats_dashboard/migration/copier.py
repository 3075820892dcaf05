# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Copying a month: read by sequence number, enrich, write, remember; in parallel.

A reader fetches and enriches the next batch while the last one is written, and
what was written is read back beside both, so that a verified copy takes hardly
longer than a copy. Every batch is bounded and so is the number under way.
"""

import threading
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from opensearchpy.exceptions import OpenSearchException

from ..errors import LockLostError, StatsDashboardError
from ..search import bulk
from ..search.client import patiently
from ..search.seqno import NOTHING, IncompletePageError, page, positions, scan
from .fingerprints import Fingerprints, fingerprint, read_fingerprints

_READ_BACK_EVERY = 50_000
ALIAS_MISSING = "index_not_found_exception"


class RefusedEventsError(StatsDashboardError):
    """OpenSearch refuses events of a month for good; the month cannot be copied."""


@dataclass(frozen=True)
class EventBatch:
    """Events ready to be written.

    Attributes:
        shard: of the source.
        position: sequence number up to which the shard is done with this batch.
        actions: bulk actions, bytes each.
        prints: ``(id, day, hash)`` of each event.
    """

    shard: int
    position: int
    actions: list
    prints: list


@dataclass(frozen=True)
class Copier:
    """Copies what one source index holds to its target.

    Attributes:
        client: an ordinary client.
        text_client: a client that does not decode.
        splicer: adds the enrichment.
        gate: closed while the cluster is not fit.
        batch_size: events in a batch.
        write_limit: seconds to go on when writes are refused.
        timeout: seconds for one request.
        check: called before each batch; raises when the run must end.
        waiting: called with a sentence while it waits.
        sleep: waits for seconds; may raise.
    """

    client: object
    text_client: object
    splicer: object
    gate: object
    batch_size: int
    write_limit: float
    timeout: float
    check: object
    waiting: object
    sleep: object

    def batches(self, source, after, upto, gated=True):
        """Yield enriched batches of a source, shard by shard.

        Args:
            source: name of the source index.
            after: shard -> position read before.
            upto: shard -> position to read up to.
            gated: ask the health gate before each; not while writers wait.
        """
        for shard in sorted(upto):

            def fetch(start, end, shard=shard):
                self.check()
                if gated:
                    self.gate.wait([source])
                return self._page(source, shard, start, end)

            first = after.get(shard, NOTHING)
            for position, hits in scan(fetch, first, upto[shard], self.batch_size):
                yield self.batch(shard, position, hits)

    def _page(self, source, shard, after, upto):
        def request():
            return page(
                self.text_client,
                source,
                shard,
                after,
                upto,
                self.batch_size,
                self.timeout,
            )

        for attempt in range(5):
            try:
                return patiently(request, self.write_limit, self.waiting, self.sleep)
            except IncompletePageError:
                self.waiting("OpenSearch answered a page incompletely")
                self.sleep(1 + attempt)
        return request()

    def batch(self, shard, position, hits):
        """Enrich what was read, ready to be written.

        Args:
            shard: of the source.
            position: that the shard is done with afterwards.
            hits: what was read.

        Returns:
            Batch: one action for each.
        """
        sources = self.splicer.splice([hit.source for hit in hits])
        actions, prints = [], []
        for hit, (native, source) in zip(hits, sources, strict=True):
            prints.append((hit.id, *fingerprint(hit.id, native)))
            actions.append(
                b'{"index":{"_id":%b,"version":%d,"version_type":"external_gte"}}\n%b\n'
                % (msgspec.json.encode(hit.id), hit.seq_no, source)
            )
        return EventBatch(shard, position, actions, prints)

    def write(self, fence, batch):
        """Store a batch in the target through the run's fence.

        Raises:
            LockLostError: the fence is gone; another run has the month.
            RefusedEventsError: events are refused for good.
        """
        refusals = bulk.write(
            self.text_client,
            fence,
            batch.actions,
            self.write_limit,
            params={"require_alias": "true"},
            timeout=self.timeout,
            waiting=self.waiting,
            sleep=self.sleep,
        )
        if not refusals:
            return
        if any(r.type == ALIAS_MISSING for r in refusals):
            raise LockLostError(
                "Another run has taken over this month; this one has stopped."
            )
        first = refusals[0]
        raise RefusedEventsError(
            f"OpenSearch refuses {len(refusals)} of {len(batch.actions)} events of a "
            f"batch; the first is {first}. Mend the event or the mapping and run "
            "the migration of this month again."
        )


class ReadBack:
    """Reads what has been written to a target, beside the writing.

    Attributes:
        read_upto: shard -> :class:`~...search.seqno.ShardPosition` up to which
            :meth:`finish` has read.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        target: name of the target.
    """

    def __init__(self, client, text_client, target):
        """Start empty; :meth:`written` starts the reading."""
        self._client, self._text_client = client, text_client
        self._target = target
        self.prints = Fingerprints()
        self.read_upto = {}
        self._after = {}
        self._pending = 0
        self._thread = None

    def written(self, count):
        """Say that so many events were written; reads now and then."""
        self._pending += count
        busy = self._thread is not None and self._thread.is_alive()
        if self._pending >= _READ_BACK_EVERY and not busy:
            self._pending = 0
            self._thread = threading.Thread(target=self._quietly, daemon=True)
            self._thread.start()

    def finish(self):
        """Read all that is left and return the :class:`Fingerprints`.

        Call it while no write is under way: then everything up to the last number
        given out is stored, although an async translog has not confirmed it yet.
        """
        if self._thread is not None:
            self._thread.join()
        self.read_upto = positions(self._client, self._target)
        self._read({shard: p.last for shard, p in self.read_upto.items()})
        return self.prints

    def _quietly(self):
        # beside the work; whatever goes wrong, finish() reads on from there
        with suppress(OpenSearchException, IncompletePageError):
            found = positions(self._client, self._target)
            self._read({shard: p.checkpoint for shard, p in found.items()})

    def _read(self, upto):
        self._client.indices.refresh(
            index=self._target, params={"request_timeout": 120}
        )
        read_fingerprints(
            self._text_client,
            self._target,
            upto,
            after=self._after,
            prints=self.prints,
        )
