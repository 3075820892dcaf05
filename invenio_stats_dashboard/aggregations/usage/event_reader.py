# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the events of some days exactly once, even during writes.

Each shard is read through a point in time on its primary. An event that is rewritten
between two pages is therefore neither missed nor read twice, and a page whose response
was lost can be requested again.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Generic, TypeVar, overload

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ...errors import SearchUnavailableError
from ...search.client import patiently
from ...search.concurrent_batches import ahead
from ...search.paging import (
    HitList,
    SearchPage,
    page_decoder,
    pages,
    raw_page_decoder,
    search_page,
)
from ...usage_events.event_decoding import (
    EventDecoder,
    has_usual_form,
    readable_time,
)
from .event_columns import CountedEvent

PAGE = 10_000
"""Maximum number of events in one page."""

LIMIT = 120.0
"""Seconds to retry while OpenSearch accepts no requests."""

ReportOdd = Callable[[str, str, tuple[str, ...]], None]
"""Called with the index, the ``_id`` and the unreadable fields of an event."""

_KEEP_ALIVE = "5m"
_TIMEOUT = {"request_timeout": 60}

_Source = TypeVar("_Source")
_Answer = TypeVar("_Answer")


class _Hit(msgspec.Struct, Generic[_Source], gc=False):
    source: _Source = msgspec.field(name="_source")
    sort: tuple[int, ...]


class _RawHit(msgspec.Struct, gc=False):
    id: str = msgspec.field(name="_id")
    source: msgspec.Raw = msgspec.field(name="_source")
    sort: tuple[int, ...]


def _raw_hit(hit: dict[str, Any], source: msgspec.Raw) -> _RawHit:
    return _RawHit(hit["_id"], source, tuple(hit["sort"]))


_decode_raw_page = raw_page_decoder(_RawHit, _raw_hit)


class _Opened(msgspec.Struct):
    pit_id: str


_decode_opened = msgspec.json.Decoder(_Opened).decode


class EventReader(Generic[_Source]):
    """Reads the events of whole days.

    Args:
        text_client: does not decode responses.
        waiting: called with a sentence before each pause.
        limit: seconds to retry while OpenSearch accepts no requests.
        event: a :class:`msgspec.Struct` with the fields to decode of each event.
        odd: called with the name of the index, the ``_id`` of an event, and the names
            of its fields that cannot be read. If its time cannot be read, the event is
            left out; otherwise these fields count as unknown.
    """

    @overload
    def __init__(
        self: "EventReader[CountedEvent]",
        text_client: OpenSearch,
        waiting: Callable[[str], None] | None = None,
        limit: float = LIMIT,
        *,
        odd: ReportOdd | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        text_client: OpenSearch,
        waiting: Callable[[str], None] | None = None,
        limit: float = LIMIT,
        *,
        event: type[_Source],
        odd: ReportOdd | None = None,
    ) -> None: ...

    def __init__(
        self,
        text_client: OpenSearch,
        waiting: Callable[[str], None] | None = None,
        limit: float = LIMIT,
        event: type[Any] = CountedEvent,
        odd: ReportOdd | None = None,
    ) -> None:
        self._odd = odd
        self._one = EventDecoder(event)
        self._is_timed = "timestamp" in event.__struct_fields__
        self._client, self._waiting, self._limit = text_client, waiting, limit
        # _Hit[event] is an expression here, which a type checker does not evaluate.
        self._decode_page = page_decoder(
            _Hit[event], strict=False  # type: ignore[valid-type]
        )

    def read(
        self,
        index: str,
        shards: Iterable[int],
        first: str,
        last: str,
        only: dict[str, Any],
    ) -> Iterator[list[_Source]]:
        """Yield the events of some days of an index, up to :data:`PAGE` at a time.

        Args:
            index: name of one index.
            shards: numbers of its shards.
            first: first day, ``YYYY-MM-DD``.
            last: last day, inclusive.
            only: query that the events must match.

        Raises:
            SearchUnavailableError: OpenSearch did not respond, or not completely.
        """
        days = {"gte": first, "lte": last, "format": "yyyy-MM-dd"}
        body = {
            "size": PAGE,
            "query": {"bool": {"filter": [{"range": {"timestamp": days}}, only]}},
            "sort": [{"_seq_no": "asc"}],
            "track_total_hits": False,
            # The whole source, because filtering its fields would double the work of
            # the cluster.
            "_source": True,
        }
        for shard in sorted(shards):
            with self._point_in_time(index, shard) as pit:
                # The cluster searches the next page while this one is processed.
                yield from ahead(self._pages({**body, "pit": pit}, index))

    def _pages(self, body: dict[str, Any], index: str) -> Iterator[list[_Source]]:
        def search(page: dict[str, Any]) -> list[_Hit[_Source]]:
            decode = partial(self._decoded, index)
            return self._patiently(
                lambda: search_page(
                    self._client, index, page, decode, _TIMEOUT, one_shard=True
                )
            )

        for hits in pages(search, body):
            events = [hit.source for hit in hits if hit.source is not None]
            if events:
                yield events

    def _decoded(self, index: str, answer: str | bytes) -> SearchPage[_Hit[_Source]]:
        """Decode a page; if an event in it is unusual, decode its events one by one."""
        with suppress(msgspec.DecodeError, RecursionError):
            page: SearchPage[_Hit[_Source]] = self._decode_page(answer)
            if not self._is_timed or all(
                _is_usual(hit.source.timestamp)  # type: ignore[attr-defined]
                for hit in page.hits
            ):
                return page
        raw = _decode_raw_page(answer)
        hits = [self._hit(index, hit) for hit in raw.hits]
        return SearchPage(HitList(hits), raw.timed_out, raw.shards)

    def _hit(self, index: str, hit: _RawHit) -> "_Hit[Any]":
        """Decode one event; its source is None if it must be left out."""
        event, odd = self._one.decode(hit.source)
        if self._is_timed:
            event.timestamp = readable_time(event.timestamp) or ""
            if not event.timestamp:
                odd = odd or ("timestamp",)
        if odd and self._odd:
            self._odd(index, hit.id, odd)
        if self._is_timed and not event.timestamp:
            return _Hit(None, hit.sort)
        return _Hit(event, hit.sort)

    @contextmanager
    def _point_in_time(self, index: str, shard: int) -> Iterator[dict[str, str]]:
        params = {
            "keep_alive": _KEEP_ALIVE,
            "preference": f"_shards:{shard}|_primary",
            "allow_partial_pit_creation": "false",
        }
        path = f"/{index}/_search/point_in_time"
        try:
            answer = self._patiently(
                lambda: self._client.transport.perform_request(
                    "POST", path, params={**params, **_TIMEOUT}
                )
            )
            pit = _decode_opened(answer).pit_id
        except NotFoundError:
            raise SearchUnavailableError(
                f"The index {index} no longer exists, because a cut-over has replaced "
                "it by another one. Run the same command again."
            ) from None
        try:
            yield {"id": pit, "keep_alive": _KEEP_ALIVE}
        finally:
            # If this fails, the point in time expires after _KEEP_ALIVE.
            with suppress(OpenSearchException):
                self._client.transport.perform_request(
                    "DELETE", "/_search/point_in_time", body={"pit_id": [pit]}
                )

    def _patiently(self, request: Callable[[], _Answer]) -> _Answer:
        return patiently(request, self._limit, self._waiting)


def _is_usual(timestamp: str) -> bool:
    """Return whether a timestamp has the usual form, also with a fraction or ``Z``."""
    return has_usual_form(timestamp[:19]) and timestamp[19:20] in ("", ".", "Z")
