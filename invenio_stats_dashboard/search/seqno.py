# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read an index in the order in which it was written, by ``_seq_no``.

Each write to a shard gets the next sequence number. "Greater than the last number read"
is therefore both the resume point and the query for new documents. A number can become
visible before a smaller one, but all numbers up to the shard's *global checkpoint* are
stored. A reader first reads the checkpoint, then refreshes the index, and never reads
past that checkpoint.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from .paging import raw_page_decoder, search_page

NOTHING = -1
"""The position before the first sequence number."""


@dataclass(frozen=True)
class ShardPosition:
    """The sequence numbers of a primary shard.

    Attributes:
        history: id of the history. A new id means that the numbers start again, because
            the index was recreated or restored from a snapshot.
        checkpoint: the global checkpoint. All numbers up to this one are stored.
        last: the largest assigned number.
    """

    history: str
    checkpoint: int
    last: int


@dataclass(frozen=True)
class IndexPositions:
    """The sequence numbers of the primary shards of one index.

    Attributes:
        uuid: UUID of the index. A recreated index of the same name has another UUID.
        shards: the positions by shard number.
    """

    uuid: str
    shards: dict[int, ShardPosition]


class StoredDocument(msgspec.Struct, gc=False):
    """One document of a page: its exact source bytes and its sequence number."""

    id: str = msgspec.field(name="_id")
    source: msgspec.Raw = msgspec.field(name="_source")
    sort: tuple[int, ...]
    term: int = msgspec.field(name="_primary_term", default=0)

    @property
    def seq_no(self) -> int:
        """Return the sequence number of the document's last write."""
        return self.sort[0]


def _stored_document(hit: dict[str, Any], source: msgspec.Raw) -> StoredDocument:
    term = hit.get("_primary_term", 0)
    return StoredDocument(hit["_id"], source, tuple(hit["sort"]), term)


_decode_page = raw_page_decoder(StoredDocument, _stored_document)


def positions(client: OpenSearch, index: str) -> dict[int, ShardPosition]:
    """Return the position of each primary shard of one index.

    Args:
        client: decodes responses.
        index: name of one index.

    Returns:
        The positions by shard number. A shard without a started primary is missing.
    """
    found = positions_of_all(client, index)
    merged: dict[int, ShardPosition] = {}
    for one in found.values():
        merged.update(one.shards)
    return merged


def positions_of_all(client: OpenSearch, target: str) -> dict[str, IndexPositions]:
    """Return the positions of all indices behind a name, in one request.

    Args:
        client: decodes responses.
        target: an alias, an index or a pattern; it may match no index.

    Returns:
        The positions by name of the index.
    """
    answer = client.indices.stats(
        index=target,
        level="shards",
        metric="docs",
        params={"ignore_unavailable": "true"},
    )
    return {
        name: IndexPositions(details["uuid"], _primaries(details["shards"]))
        for name, details in answer.get("indices", {}).items()
    }


def _primaries(shards: dict[str, list[dict[str, Any]]]) -> dict[int, ShardPosition]:
    found = {}
    for number, copies in shards.items():
        for copy in copies:
            if copy["routing"]["primary"] and "seq_no" in copy:
                found[int(number)] = ShardPosition(
                    history=copy["commit"]["user_data"]["history_uuid"],
                    checkpoint=copy["seq_no"]["global_checkpoint"],
                    last=copy["seq_no"]["max_seq_no"],
                )
    return found


def page(
    text_client: OpenSearch,
    index: str,
    shard: int,
    after: int,
    upto: int,
    size: int,
    timeout: float = 60,
    only: dict[str, Any] | None = None,
    terms: bool = False,
) -> list[StoredDocument]:
    """Return the next documents of a shard in the order of their sequence numbers.

    Args:
        text_client: does not decode responses (:func:`.client.text_client`).
        index: name of one index.
        shard: number of the shard.
        after: the sequence number that was read last.
        upto: the last sequence number to read, inclusive.
        size: maximum number of documents.
        timeout: seconds for the request.
        only: a query that the documents must match.
        terms: return the primary term of each document too.

    Returns:
        Fewer than ``size`` documents if no more exist up to ``upto``.

    Raises:
        IncompletePageError: the shard failed or timed out.
    """
    window = {"range": {"_seq_no": {"gt": after, "lte": upto}}}
    body = {
        "size": size,
        "query": {"bool": {"filter": [window, *([only] if only else [])]}},
        "seq_no_primary_term": terms,
        "sort": ["_seq_no"],
        "track_total_hits": False,
    }
    params = {
        "preference": f"_shards:{shard}|_primary",
        "request_timeout": timeout,
    }
    return search_page(text_client, index, body, _decode_page, params, one_shard=True)


_WIDEST = 64


def scan(
    fetch: Callable[[int, int], list[StoredDocument]],
    after: int,
    upto: int,
    size: int,
) -> Iterator[tuple[int, list[StoredDocument]]]:
    """Read a shard from one sequence number to another, in windows.

    A query for the first documents of "everything after" makes the cluster examine the
    whole rest of the shard for each page. A window costs the same at the end of a large
    shard as at its beginning. Windows become wider where few of their numbers have a
    document, because it was written again or does not match.

    Args:
        fetch: called with two sequence numbers; returns the first ``size`` documents
            after the first number and up to the second.
        after: the sequence number that was read last.
        upto: the last sequence number to read, inclusive.
        size: maximum number of documents that ``fetch`` returns.

    Yields:
        The sequence number up to which all documents were read, and the documents.
    """
    width = size
    while after < upto:
        end = min(after + width, upto)
        hits = fetch(after, end)
        # If the window has more numbers than ``size``, more documents may follow.
        cut_off = len(hits) == size and end - after > size
        after = hits[-1].seq_no if cut_off else end
        sparse = len(hits) < size // 4
        width = min(width * 2, size * _WIDEST) if sparse else size
        yield after, hits


def settled_positions(
    client: OpenSearch, index: str, timeout: float = 60
) -> dict[int, ShardPosition]:
    """Return the positions of an index, and refresh it.

    A search then finds all documents up to the returned checkpoints. The checkpoints
    are read before the refresh, because a number above them can become visible before
    a smaller one.

    Args:
        client: decodes responses.
        index: name of one index.
        timeout: seconds for the refresh.

    Returns:
        The positions by shard number.
    """
    found = positions(client, index)
    client.indices.refresh(index=index, params={"request_timeout": timeout})
    return found
