# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Writing many events fast, into the indices that the stock indexer would use."""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import orjson

STOCK = {"view": "record-view", "download": "file-download"}

BATCH = 5000


def stock_index(prefix, event_type, month):
    """Return the name of the index that the stock indexer writes a month to."""
    return f"{prefix}events-stats-{STOCK[event_type]}-{month}"


def write(client, prefix, event_type, events, ledger=None, batch=BATCH):
    """Write events to the stock indices of their months, in the given order.

    An index that does not exist yet is made by the cluster, from the templates
    that are there. While one batch is on its way the next one is made.

    Args:
        client: an OpenSearch client.
        prefix: ``SEARCH_INDEX_PREFIX``.
        event_type: ``view`` or ``download``.
        events: iterable of ``(id, source)``.
        ledger: a :class:`~.ledger.Ledger` that notes what is written.
        batch: events in a request.

    Returns:
        int: number of documents sent; a repeated id counts each time.

    Raises:
        RuntimeError: OpenSearch refused a document.
    """
    events, sent, pending = iter(events), 0, None
    with ThreadPoolExecutor(1) as pool:
        while chunk := list(islice(events, batch)):
            body = _body(prefix, event_type, chunk)
            for event_id, source in chunk if ledger else ():
                ledger.add(event_type, source["timestamp"][:7], event_id, source)
            if pending:
                pending.result()
            pending = pool.submit(_send, client, body)
            sent += len(chunk)
        if pending:
            pending.result()
    return sent


def _body(prefix, event_type, chunk):
    """Return the body of a bulk request."""
    heads, lines = {}, []
    for event_id, source in chunk:
        month = source["timestamp"][:7]
        head = heads.get(month)
        if head is None:
            index = stock_index(prefix, event_type, month)
            head = heads[month] = f'{{"index":{{"_index":"{index}","_id":"'.encode()
        lines += head, event_id.encode(), b'"}}\n', orjson.dumps(source), b"\n"
    return b"".join(lines)


def _send(client, body):
    """Send a bulk request; any refused document is an error."""
    answer = client.bulk(
        body=body,
        params={"filter_path": "errors,items.*.error", "request_timeout": 120},
    )
    if answer.get("errors"):
        raise RuntimeError(f"OpenSearch refused events: {answer['items'][:3]}")
