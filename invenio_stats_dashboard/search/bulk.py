# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write many documents in one request, and retry those that can succeed later."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..errors import NotPermittedError, SearchUnavailableError
from .client import TRANSIENT_STATUSES, decoded, describe, is_transient, pauses

_BLOCK = "cluster_block_exception"
_NO_INDEX = "index_not_found_exception"
_CONFLICT = "version_conflict_engine_exception"
_PATHS = "errors,items.*._id,items.*.status,items.*.error"
_RETRIED_TYPES = frozenset(
    {
        _BLOCK,
        "unavailable_shards_exception",
        "process_cluster_event_timeout_exception",
        "no_shard_available_action_exception",
    }
)


class _Error(msgspec.Struct):
    type: str
    reason: str | None = None


class _Result(msgspec.Struct):
    status: int
    id: str | None = msgspec.field(name="_id", default=None)
    error: _Error | None = None


class _Brief(msgspec.Struct):
    errors: bool


class _Full(msgspec.Struct):
    errors: bool
    items: list[dict[str, _Result]]


@dataclass(frozen=True)
class Refusal:
    """A document that OpenSearch refused.

    Attributes:
        position: index of its action in the list that was to be written.
        id: ``_id`` of the document.
        status: HTTP status of the refusal.
        type: type of the error, as OpenSearch names it.
        reason: OpenSearch's own sentence, cut after 500 characters.
    """

    position: int
    id: str
    status: int
    type: str
    reason: str

    def __str__(self) -> str:
        """Return the refusal as a clause."""
        return f"{self.id}: {self.type}: {self.reason}"

    @property
    def is_of_index(self) -> bool:
        """Return whether the cause is not the document, but the index or the user."""
        return self.misses_index or self.status in (401, 403)

    @property
    def is_block(self) -> bool:
        """Return whether a block refuses all writes to the index."""
        return self.type == _BLOCK

    @property
    def misses_index(self) -> bool:
        """Return whether the index, or the required alias, does not exist."""
        return self.type == _NO_INDEX


PAST_PIPELINES = {"pipeline": "_none"}
"""Parameter of a write of events that have passed the index's pipelines before.

It has no effect on a ``final_pipeline``, which no write can avoid.
"""


def require_permitted(refusals: Iterable[Refusal]) -> None:
    """Check that no refusal concerns all documents of an index.

    Raises:
        NotPermittedError: one does; the text names the permission.
    """
    for refusal in refusals:
        if refusal.misses_index:
            raise NotPermittedError(
                f"OpenSearch refuses writes ({refusal.type}: {refusal.reason}). Create "
                "the index, or let the cluster create indices for writes "
                "(action.auto_create_index), then run the same command again."
            )
        if refusal.is_of_index:
            raise NotPermittedError(
                f"OpenSearch refuses writes ({refusal.status} {refusal.type}: "
                f"{refusal.reason}). Grant the application's OpenSearch user the "
                "permission 'indices:data/write/bulk*' on these indices, then run the "
                "same command again."
            )


class NotStoredError(SearchUnavailableError):
    """OpenSearch refused documents for too long, for temporary reasons.

    Args:
        text: the sentence.
        refused: documents that were refused permanently.
        waiting: documents that still had to be sent again. A document in neither list
            is stored. None if OpenSearch did not respond to the last request, so that
            it is unknown which documents are stored.
    """

    def __init__(
        self,
        text: str,
        refused: Iterable[Refusal] = (),
        waiting: list[Refusal] | None = None,
    ) -> None:
        super().__init__(text)
        self.refused, self.waiting = list(refused), waiting


def write(
    client: OpenSearch,
    index: str | None,
    actions: Sequence[bytes],
    limit: float,
    params: Mapping[str, Any] | None = None,
    timeout: float = 60,
    waiting: Callable[[str], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    conflicts: list[int] | None = None,
) -> list[Refusal]:
    """Store documents, and retry those that are refused for temporary reasons.

    The actions must be safe to send twice (an id, and a version or ``create``). A
    version conflict is not a refusal: this or a later version is stored.

    Args:
        client: may or may not decode responses.
        index: index or alias for all documents; None if each action names its own.
        actions: the action line and the source line of each document, both with their
            line feed.
        limit: seconds to retry while no document is stored.
        params: parameters of the request, such as ``require_alias``.
        timeout: seconds for one request.
        waiting: called with a sentence before each pause.
        sleep: waits for the given seconds; may raise to stop the retries.
        conflicts: extended by the positions of the actions with a version conflict, in
            any order. If the response to an earlier attempt was lost, they include
            those that it stored. None does not read them, so that OpenSearch returns
            the outcomes of single actions only after an error.

    Returns:
        The documents that are refused permanently.

    Raises:
        NotStoredError: no document was stored for ``limit`` seconds.
        OpenSearchException: the whole request failed permanently.
    """
    if not actions:
        return []
    params = dict(params or {}, request_timeout=timeout)
    pending = list(range(len(actions)))
    refusals: list[Refusal] = []
    backoff = pauses(limit)
    # To read conflicts, the first response must be full: in the second one, everything
    # that the first request created would be a conflict.
    brief = conflicts is None
    reason: str | None
    waiting_ones: list[Refusal] | None
    while True:
        reason = waiting_ones = None
        try:
            body = b"".join([actions[i] for i in pending])
            answer = client.transport.perform_request(
                "POST",
                f"/{index}/_bulk" if index else "/_bulk",
                params=dict(params, filter_path="errors" if brief else _PATHS),
                headers={"content-type": "application/x-ndjson"},
                body=body,
            )
            if not decoded(answer, _Brief).errors:
                return refusals
            if brief:
                # Only the full response names the documents, so request that.
                brief = False
                continue
            before = len(pending)
            items = decoded(answer, _Full).items
            if conflicts is not None:
                conflicts += _conflicting(pending, items)
            waiting_ones, refused = _sort_out(pending, items)
            refusals += refused
            if not waiting_ones:
                return refusals
            pending = [refusal.position for refusal in waiting_ones]
            last = waiting_ones[-1]
            reason = f"{last.status} {last.type}: {last.reason}"
            if len(pending) < before:
                backoff = pauses(limit)
        except OpenSearchException as error:
            if not is_transient(error):
                raise
            reason = describe(error)
        pause = next(backoff, None)
        if pause is None:
            raise NotStoredError(
                f"OpenSearch has accepted no documents for {limit:.0f} seconds "
                f"({reason}). Run the same command again when it accepts writes.",
                refusals,
                waiting_ones,
            )
        if waiting:
            waiting(f"OpenSearch temporarily refuses writes ({reason})")
        sleep(pause)


def _sort_out(
    pending: list[int], items: list[dict[str, _Result]]
) -> tuple[list[Refusal], list[Refusal]]:
    """Return the documents to send again, and those that are refused permanently."""
    again: list[Refusal] = []
    refused: list[Refusal] = []
    for position, item in zip(pending, items, strict=True):
        result = next(iter(item.values()))
        if result.error is None or _conflicts(result):
            continue
        passes = (
            result.status in TRANSIENT_STATUSES or result.error.type in _RETRIED_TYPES
        )
        (again if passes else refused).append(
            Refusal(
                position=position,
                id=result.id or "",
                status=result.status,
                type=result.error.type,
                reason=(result.error.reason or "")[:500],
            )
        )
    return again, refused


def _conflicting(pending: list[int], items: list[dict[str, _Result]]) -> list[int]:
    """Return the positions of the actions with a version conflict."""
    results = (next(iter(item.values())) for item in items)
    return [n for n, result in zip(pending, results, strict=True) if _conflicts(result)]


def _conflicts(result: _Result) -> bool:
    """Return whether a conflict shows that this or a later version is stored."""
    return result.error is not None and result.error.type == _CONFLICT
