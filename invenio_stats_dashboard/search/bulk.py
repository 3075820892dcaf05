# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Writing many documents in one request, again and again until each is stored."""

import time
from dataclasses import dataclass

import msgspec
from opensearchpy.exceptions import OpenSearchException

from ..errors import SearchUnavailableError
from .client import TRANSIENT_STATUSES, describe, is_transient, pauses

_BLOCK = "cluster_block_exception"
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


_decode_brief = msgspec.json.Decoder(_Brief).decode
_decode_full = msgspec.json.Decoder(_Full).decode


@dataclass(frozen=True)
class Refusal:
    """A document that OpenSearch refuses for good.

    Attributes:
        position: place of the action in the request.
        id: ``_id`` of the document.
        status: HTTP status of the refusal.
        type: kind of the error in OpenSearch's terms.
        reason: OpenSearch's own sentence.
    """

    position: int
    id: str
    status: int
    type: str
    reason: str

    def __str__(self):
        """Return the refusal as a clause."""
        return f"{self.id}: {self.type}: {self.reason}"

    @property
    def is_block(self):
        """Tell whether the index takes no writes, whatever the document."""
        return self.type == _BLOCK


class NotStoredError(SearchUnavailableError):
    """Documents were refused for too long for a reason that can pass.

    Args:
        text: the sentence.
        refused: list of :class:`Refusal` for good.
        waiting: list of those that were to be sent again; what is in neither list is
            stored. None if OpenSearch did not answer in the end: nobody knows.
    """

    def __init__(self, text, refused=(), waiting=None):
        """Keep what was refused."""
        super().__init__(text)
        self.refused, self.waiting = list(refused), waiting


def write(
    text_client,
    index,
    actions,
    limit,
    params=None,
    timeout=60,
    waiting=None,
    sleep=time.sleep,
):
    """Store documents; what is refused for a passing reason is sent again.

    The actions must be safe to send twice (an id, and a version or ``create``).

    Args:
        text_client: a client that does not decode.
        index: index or alias that all of them go to; None if each names its own.
        actions: list of bytes, each the action line and the source line of one
            document, both with their line feed.
        limit: seconds to go on trying without any document being stored.
        params: parameters of the request, such as ``require_alias``.
        timeout: seconds for one request.
        waiting: called with a sentence before each pause.
        sleep: waits for the given seconds; may raise to end the waiting.

    Returns:
        list[Refusal]: what will never be stored as it is; empty if all is well.

    Raises:
        NotStoredError: nothing could be stored for ``limit`` seconds.
        OpenSearchException: the whole request was refused for good.
    """
    if not actions:
        return []
    params = dict(params or {}, request_timeout=timeout)
    pending = list(range(len(actions)))
    refusals = []
    backoff = pauses(limit)
    brief = True
    while True:
        reason = waiting_ones = None
        try:
            body = b"".join([actions[i] for i in pending])
            answer = text_client.transport.perform_request(
                "POST",
                f"/{index}/_bulk" if index else "/_bulk",
                params=dict(params, filter_path="errors") if brief else params,
                headers={"content-type": "application/x-ndjson"},
                body=body,
            )
            if not _decode_brief(answer).errors:
                return refusals
            if brief:
                # which ones is only in the long answer: ask once more for that
                brief = False
                continue
            before = len(pending)
            waiting_ones, refused = _sort_out(pending, _decode_full(answer).items)
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
                f"OpenSearch has taken no documents for {limit:.0f} seconds "
                f"({reason}). Run the same command again when it does.",
                refusals,
                waiting_ones,
            )
        if waiting:
            waiting(f"OpenSearch refuses writes for now ({reason})")
        sleep(pause)


def _sort_out(pending, items):
    """Return what is to be sent again, and what is refused for good."""
    again, refused = [], []
    for position, item in zip(pending, items, strict=True):
        result = next(iter(item.values()))
        if result.error is None or _is_stored(result):
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


def _is_stored(result):
    """Tell whether a conflict says that this or a later version is there already."""
    return result.error.type == "version_conflict_engine_exception"
