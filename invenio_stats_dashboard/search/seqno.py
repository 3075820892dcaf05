# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading an index in the order in which it was written, by ``_seq_no``.

Each write to a shard gets the next sequence number, so "greater than the last
one read" is the resume point and the query for what came since. A number can
become visible before a smaller one; all numbers up to the shard's *global
checkpoint* are stored for certain, so reading never goes past the checkpoint
that was taken before the refresh which made them visible.
"""

import json
from dataclasses import dataclass

import msgspec

from ..errors import SearchUnavailableError
from .paging import page_decoder

NOTHING = -1
"""The position before the first sequence number."""


@dataclass(frozen=True)
class ShardPosition:
    """What a primary shard says of its history.

    Attributes:
        history: id of the history; another one means the numbers start anew
            (an index that was recreated or restored from a snapshot).
        checkpoint: all numbers up to this one are stored.
        last: the largest number given out.
    """

    history: str
    checkpoint: int
    last: int


@dataclass(frozen=True)
class IndexPositions:
    """What the primary shards of one index say of their histories.

    Attributes:
        uuid: of the index; a recreated one of the same name has another.
        shards: shard number -> :class:`ShardPosition`.
    """

    uuid: str
    shards: dict[int, ShardPosition]


class StoredDocument(msgspec.Struct, gc=False):
    """One document of a page: its exact source bytes and its number."""

    id: str = msgspec.field(name="_id")
    source: msgspec.Raw = msgspec.field(name="_source")
    sort: tuple[int, ...]
    term: int = msgspec.field(name="_primary_term", default=0)

    @property
    def seq_no(self):
        """Return the sequence number of the document's last write."""
        return self.sort[0]


_decode_page = page_decoder(StoredDocument)


class IncompletePageError(SearchUnavailableError):
    """A page was answered without all it should hold; ask again."""


def positions(client, index):
    """Return the position of each primary shard of one index.

    Args:
        client: an ordinary (decoding) client.
        index: name of one index.

    Returns:
        dict: shard number -> :class:`ShardPosition`. A shard without a started
        primary is missing.
    """
    found = positions_of_all(client, index)
    merged = {}
    for one in found.values():
        merged.update(one.shards)
    return merged


def positions_of_all(client, target):
    """Return the positions of all indices behind a name, in one request.

    Args:
        client: an ordinary (decoding) client.
        target: an alias, an index or a pattern; one that leads nowhere is no error.

    Returns:
        dict: name of the index -> :class:`IndexPositions`.
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


def _primaries(shards):
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
    text_client, index, shard, after, upto, size, timeout=60, only=None, terms=False
):
    """Return the next documents of a shard in the order of their numbers.

    Args:
        text_client: a client that does not decode (:func:`.client.text_client`).
        index: name of one index.
        shard: number of the shard.
        after: the position that was read last.
        upto: the position to stop at, inclusive.
        size: how many at most.
        timeout: seconds for the request.
        only: a query that the documents must match, or None.
        terms: return the primary term of each document too.

    Returns:
        list[Hit]: fewer than ``size`` means that there are no more up to ``upto``.

    Raises:
        IncompletePageError: the shard failed or timed out on the way.
    """
    window = {"range": {"_seq_no": {"gt": after, "lte": upto}}}
    body = {
        "size": size,
        "query": {"bool": {"filter": [window, *([only] if only else [])]}},
        "seq_no_primary_term": terms,
        "sort": ["_seq_no"],
        "track_total_hits": False,
    }
    answer = text_client.transport.perform_request(
        "POST",
        f"/{index}/_search",
        params={
            "preference": f"_shards:{shard}|_primary",
            "allow_partial_search_results": "false",
            "request_timeout": timeout,
        },
        body=json.dumps(body).encode(),
    )
    decoded = _decode_page(answer)
    if not decoded.is_complete or decoded.shards.successful != 1:
        raise IncompletePageError(
            f"Shard {shard} of {index} did not answer completely. Run the same command "
            "again; it goes on from here."
        )
    return decoded.hits


_WIDEST = 64


def scan(fetch, after, upto, size):
    """Read a shard from one position to another, in windows of sequence numbers.

    Asking for "everything after" and the first few of it has the cluster look at
    all the rest of the shard for each page; a window is as cheap at the end of a
    large shard as at its beginning. Where few numbers of a window have a document
    (they were written again, or do not match), the windows get wider.

    Args:
        fetch: called with two positions; returns the first ``size`` hits after the
            first one and up to the second.
        after: the position that was read last.
        upto: the position to stop at, inclusive.
        size: how many hits ``fetch`` returns at most.

    Yields:
        tuple: the position that everything is read up to, and the hits.
    """
    width = size
    while after < upto:
        end = min(after + width, upto)
        hits = fetch(after, end)
        # more numbers than hits were asked for: there may be others behind them
        cut_off = len(hits) == size and end - after > size
        after = hits[-1].seq_no if cut_off else end
        sparse = len(hits) < size // 4
        width = min(width * 2, size * _WIDEST) if sparse else size
        yield after, hits


def settled_positions(client, index, timeout=60):
    """Return how far an index can be read, and make it visible up to there.

    The checkpoint is read before the refresh: a number above it can become
    visible before a smaller one does.

    Returns:
        dict: shard -> :class:`ShardPosition`.
    """
    found = positions(client, index)
    client.indices.refresh(index=index, params={"request_timeout": timeout})
    return found
