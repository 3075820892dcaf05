# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading stored events to write them again, never over a write of the live site."""

import msgspec

from ...search.client import patiently
from ...search.seqno import page

LIMIT = 120.0
"""Seconds to go on trying while OpenSearch takes no requests."""


def events_of(text_client, index, shard, after, upto, size, only, waiting=None):
    """Return the next events of a shard that match, with their versions.

    Args:
        text_client: a client that does not decode.
        index: name of one index.
        shard: number of the shard.
        after: the position that was read last.
        upto: the position to stop at, inclusive.
        size: how many at most.
        only: a query that they must match.
        waiting: called with a sentence before each pause.

    Returns:
        list[Hit]: fewer than ``size`` means that there are no more.

    Raises:
        SearchUnavailableError: OpenSearch does not answer, or not completely.
    """

    def request():
        return page(text_client, index, shard, after, upto, size, only=only, terms=True)

    return patiently(request, LIMIT, waiting)


def if_unchanged(hit, source):
    """Return the bulk lines that replace an event if nobody has written it since.

    Args:
        hit: the event as it was read, with its version.
        source: bytes of what replaces it.
    """
    return b'{"index":{"_id":%b,"if_seq_no":%d,"if_primary_term":%d}}\n%b\n' % (
        msgspec.json.encode(hit.id),
        hit.seq_no,
        hit.term,
        source,
    )
