# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading the events of some days, each exactly once, whatever is written meanwhile.

A point in time is taken of each shard's primary, so that an event that is written
again between two pages is neither missed nor seen twice, and a page can be asked for
again when its answer is lost.
"""

from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

import msgspec
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ...errors import SearchUnavailableError
from ...search.client import patiently
from ...search.paging import page_decoder
from ...search.pipelining import ahead
from .event_columns import CountedEvent

PAGE = 10_000
"""Events in one answer."""

LIMIT = 120.0
"""Seconds to go on trying while OpenSearch takes no requests."""

_KEEP_ALIVE = "5m"


_Source = TypeVar("_Source")


class _Hit(msgspec.Struct, Generic[_Source], gc=False):
    source: _Source = msgspec.field(name="_source")
    sort: tuple[int, ...]


class _Opened(msgspec.Struct):
    pit_id: str


_decode_opened = msgspec.json.Decoder(_Opened).decode


class EventReader:
    """Reads events of whole days.

    Args:
        text_client: a client that does not decode.
        waiting: called with a sentence before each pause.
        limit: seconds to go on trying while OpenSearch takes no requests.
        event: the :class:`msgspec.Struct` of what is needed of an event.
    """

    def __init__(self, text_client, waiting=None, limit=LIMIT, event=CountedEvent):
        """Keep what is needed."""
        self._client, self._waiting, self._limit = text_client, waiting, limit
        self._decode_page = page_decoder(_Hit[event], strict=False)

    def read(self, index, shards, first, last, only):
        """Yield the events of some days of an index.

        Args:
            index: name of one index.
            shards: numbers of its shards.
            first: first day, ``YYYY-MM-DD``.
            last: last day, inclusive.
            only: the query that the events must match.

        Yields:
            list: events, up to :data:`PAGE` of them.

        Raises:
            SearchUnavailableError: OpenSearch did not answer, or not completely.
        """
        days = {"gte": first, "lte": last, "format": "yyyy-MM-dd"}
        body = {
            "size": PAGE,
            "query": {"bool": {"filter": [{"range": {"timestamp": days}}, only]}},
            "sort": [{"_seq_no": "asc"}],
            "track_total_hits": False,
            # whole: filtering the fields costs the cluster as much again as reading
            "_source": True,
        }
        for shard in sorted(shards):
            with self._point_in_time(index, shard) as pit:
                # the cluster looks for the next page while this one is taken in
                yield from ahead(self._pages({**body, "pit": pit}, index))

    def _pages(self, body, index):
        while True:
            page = self._decode_page(self._send("POST", "/_search", body))
            if not page.is_complete or page.shards.successful != 1:
                raise SearchUnavailableError(
                    f"{index} did not answer completely. Run the same command again "
                    "when the cluster is better."
                )
            hits = page.hits
            if hits:
                yield [hit.source for hit in hits]
            if len(hits) < PAGE:
                return
            body = {**body, "search_after": hits[-1].sort}

    @contextmanager
    def _point_in_time(self, index, shard):
        params = {
            "keep_alive": _KEEP_ALIVE,
            "preference": f"_shards:{shard}|_primary",
            "allow_partial_pit_creation": "false",
        }
        path = f"/{index}/_search/point_in_time"
        try:
            pit = _decode_opened(self._send("POST", path, None, params)).pit_id
        except NotFoundError:
            raise SearchUnavailableError(
                f"The index {index} is not there any more; its month was switched to "
                "another one meanwhile. Run the same command again."
            ) from None
        try:
            yield {"id": pit, "keep_alive": _KEEP_ALIVE}
        finally:
            with suppress(OpenSearchException):  # else it expires by itself
                self._client.transport.perform_request(
                    "DELETE", "/_search/point_in_time", body={"pit_id": [pit]}
                )

    def _send(self, method, path, body, params=None):
        return patiently(
            lambda: self._client.transport.perform_request(
                method,
                path,
                params=dict(params or {}, request_timeout=60),
                body=None if body is None else msgspec.json.encode(body),
            ),
            self._limit,
            self._waiting,
        )
