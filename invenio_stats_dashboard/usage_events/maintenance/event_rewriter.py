# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read stored events, and replace those that nobody has written since."""

from collections.abc import Callable
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from ...search.client import patiently
from ...search.seqno import StoredDocument, page

LIMIT = 120.0
"""Seconds to retry while OpenSearch accepts no requests."""


def events_of(
    text_client: OpenSearch,
    index: str,
    shard: int,
    after: int,
    upto: int,
    size: int,
    only: dict[str, Any],
    waiting: Callable[[str], None] | None = None,
) -> list[StoredDocument]:
    """Return the next events of a shard that match a query, with their versions.

    Args:
        text_client: does not decode responses.
        index: name of one index.
        shard: number of the shard.
        after: the last position that was read.
        upto: the position to stop at, inclusive.
        size: maximum number of events.
        only: query that the events must match.
        waiting: called with a sentence before each pause.

    Returns:
        The events; fewer than ``size`` means that no more follow.

    Raises:
        SearchUnavailableError: OpenSearch does not respond, or not completely.
    """

    def request() -> list[StoredDocument]:
        return page(text_client, index, shard, after, upto, size, only=only, terms=True)

    return patiently(request, LIMIT, waiting)


def if_unchanged(hit: StoredDocument, source: bytes) -> bytes:
    """Return the bulk action that replaces an event unless it was written since.

    Args:
        hit: the event as it was read, with its version.
        source: the new event.
    """
    return b'{"index":{"_id":%b,"if_seq_no":%d,"if_primary_term":%d}}\n%b\n' % (
        msgspec.json.encode(hit.id),
        hit.seq_no,
        hit.term,
        source,
    )
