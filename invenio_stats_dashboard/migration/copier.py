# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read a month's events by sequence number, enrich them, write them, read them back.

The caller overlaps these steps: it reads and enriches the next batch while the previous
one is written. Written events are read back at the same time, so a verified copy takes
hardly longer than a copy. The size of a batch is bounded.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..errors import LockLostError, StatsDashboardError
from ..search import bulk
from ..search.client import patiently
from ..search.health import HealthGate
from ..search.paging import IncompletePageError
from ..search.seqno import NOTHING, ShardPosition, StoredDocument, page, positions, scan
from ..usage_events.enrichment import Splicer
from .fingerprints import Fingerprints, fingerprint, read_fingerprints

_READ_BACK_EVERY = 50_000


class RefusedEventsError(StatsDashboardError):
    """OpenSearch permanently refuses to store or delete events of a month."""


@dataclass(frozen=True)
class EventBatch:
    """Enriched events, ready to be written.

    Attributes:
        shard: number of the source's shard.
        position: sequence number up to which the shard is copied after this batch.
        actions: bulk actions, one for each event.
        prints: id, day and hash of each event.
        odd: the unreadable fields of events that have some, by ``_id``.
    """

    shard: int
    position: int
    actions: list[bytes]
    prints: list[tuple[str, str, int]]
    odd: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Copier:
    """Copies events of a source index to its target.

    Attributes:
        client: decodes responses.
        text_client: does not decode responses.
        splicer: adds the enrichment.
        gate: blocks while the cluster is not healthy.
        batch_size: events in a batch.
        write_limit: seconds to retry while OpenSearch stores nothing.
        timeout: seconds for one request.
        check: called before each batch; raises when the run must end.
        waiting: called with the reason before each pause.
        sleep: waits for the given seconds; may raise to end the waiting.
    """

    client: OpenSearch
    text_client: OpenSearch
    splicer: Splicer
    gate: HealthGate
    batch_size: int
    write_limit: float
    timeout: float
    check: Callable[[], None]
    waiting: Callable[[str], None]
    sleep: Callable[[float], None]

    def batches(
        self,
        source: str,
        after: Mapping[int, int],
        upto: Mapping[int, int],
        gated: bool = True,
    ) -> Iterator[EventBatch]:
        """Yield enriched batches of a source, shard by shard.

        Args:
            source: name of the source index.
            after: shard -> position that was read before.
            upto: shard -> position to read up to.
            gated: pass the health gate before each page; off while writes are refused.
        """
        for shard in sorted(upto):

            def fetch(start: int, end: int, shard: int = shard) -> list[StoredDocument]:
                self.check()
                if gated:
                    self.gate.wait([source])
                return self._page(source, shard, start, end)

            first = after.get(shard, NOTHING)
            for position, hits in scan(fetch, first, upto[shard], self.batch_size):
                yield self.batch(shard, position, hits)

    def _page(
        self, source: str, shard: int, after: int, upto: int
    ) -> list[StoredDocument]:
        def request() -> list[StoredDocument]:
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
                self.waiting("OpenSearch returned an incomplete page")
                self.sleep(1 + attempt)
        return request()

    def batch(
        self, shard: int, position: int, hits: Sequence[StoredDocument]
    ) -> EventBatch:
        """Enrich events and return the batch that writes them.

        Args:
            shard: number of the source's shard.
            position: up to which the shard is copied afterwards.
            hits: events as read from the source.
        """
        sources = self.splicer.splice([hit.source for hit in hits])
        actions, prints, odd = [], [], {}
        for hit, (native, source, fields) in zip(hits, sources, strict=True):
            if fields:
                odd[hit.id] = fields
            prints.append((hit.id, *fingerprint(hit.id, native)))
            actions.append(
                b'{"index":{"_id":%b,"version":%d,"version_type":"external_gte"}}\n%b\n'
                % (msgspec.json.encode(hit.id), hit.seq_no, source)
            )
        return EventBatch(shard, position, actions, prints, odd)

    def write(self, fence: str, batch: EventBatch) -> None:
        """Store a batch in the target through the run's fence.

        Raises:
            LockLostError: the fence does not exist; another run has the month.
            RefusedEventsError: OpenSearch permanently refuses events.
            SearchUnavailableError: OpenSearch stored nothing for too long.
        """
        self._send(fence, batch.actions)

    def delete(self, fence: str, ids: Sequence[str]) -> None:
        """Delete events by id through the run's fence, as :meth:`write` stores them.

        Raises:
            LockLostError: the fence does not exist; another run has the month.
            RefusedEventsError: OpenSearch permanently refuses a deletion.
            SearchUnavailableError: OpenSearch deleted nothing for too long.
        """
        encode = msgspec.json.encode
        self._send(fence, [b'{"delete":{"_id":%b}}\n' % encode(id) for id in ids])

    def _send(self, fence: str, actions: Sequence[bytes]) -> None:
        refusals = bulk.write(
            self.text_client,
            fence,
            actions,
            self.write_limit,
            params={"require_alias": "true", **bulk.PAST_PIPELINES},
            timeout=self.timeout,
            waiting=self.waiting,
            sleep=self.sleep,
        )
        if not refusals:
            return
        if any(r.misses_index for r in refusals):
            raise LockLostError(
                "Another run has taken over this month. This run has stopped."
            )
        first = refusals[0]
        raise RefusedEventsError(
            f"OpenSearch refuses {len(refusals)} of {len(actions)} events of a "
            f"batch; the first is {first}. Fix the event or the mapping, then run the "
            "same command again."
        )


class ReadBack:
    """Reads the written events back from a target, in a thread beside the writing.

    Attributes:
        prints: fingerprints of the events that were read.
        read_upto: shard -> position up to which :meth:`finish` has read.

    Args:
        client: decodes responses.
        text_client: does not decode responses.
        target: name of the target.
    """

    def __init__(
        self, client: OpenSearch, text_client: OpenSearch, target: str
    ) -> None:
        self._client, self._text_client = client, text_client
        self._target = target
        self.prints = Fingerprints()
        self.read_upto: dict[int, ShardPosition] = {}
        self._after: dict[int, int] = {}
        self._pending = 0
        self._thread: threading.Thread | None = None

    def written(self, count: int) -> None:
        """Record that events were written; starts reading after enough of them."""
        self._pending += count
        busy = self._thread is not None and self._thread.is_alive()
        if self._pending >= _READ_BACK_EVERY and not busy:
            self._pending = 0
            self._thread = threading.Thread(target=self._quietly, daemon=True)
            self._thread.start()

    def finish(self) -> Fingerprints:
        """Read all remaining events and return the fingerprints of all events.

        Call it while no write is running. All operations up to the last assigned
        sequence number are then stored, although the global checkpoint may lag behind
        with an asynchronous translog.
        """
        if self._thread is not None:
            self._thread.join()
        self.read_upto = positions(self._client, self._target)
        self._read({shard: p.last for shard, p in self.read_upto.items()})
        return self.prints

    def _quietly(self) -> None:
        # after a failure here, finish() continues from the last position
        with suppress(OpenSearchException, IncompletePageError):
            found = positions(self._client, self._target)
            self._read({shard: p.checkpoint for shard, p in found.items()})

    def _read(self, upto: Mapping[int, int]) -> None:
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
