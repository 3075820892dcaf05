# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Distinct values of a field, exactly and however many there are."""

from ...search.client import patiently

PAGE = 10_000
"""Values in one answer."""


def distinct(client, index, field, filters=(), shard=None, limit=120, page=PAGE):
    """Yield the distinct values of a keyword field and how many documents have each.

    Args:
        client: an ordinary client.
        index: index, alias, or several; what does not exist holds nothing.
        field: the field; a document without it is left out.
        filters: queries that the documents must match.
        shard: number of the one shard to ask, by its primary; None for all.
        limit: seconds to go on trying while OpenSearch takes no requests.
        page: values in one answer.

    Yields:
        tuple[str, int]: value and number, sorted by value.

    Raises:
        SearchUnavailableError: OpenSearch took no requests for too long.
    """
    source = {"sources": [{"value": {"terms": {"field": field}}}], "size": page}
    body = {
        "size": 0,
        "query": {"bool": {"filter": list(filters)}},
        "aggs": {"values": {"composite": source}},
        "track_total_hits": False,
    }
    params = {"ignore_unavailable": "true", "allow_partial_search_results": "false"}
    if shard is not None:
        params["preference"] = f"_shards:{shard}|_primary"
    while True:
        answer = patiently(
            lambda: client.search(index=index, body=body, params=params), limit
        )
        found = answer.get("aggregations", {}).get("values", {"buckets": []})
        for bucket in found["buckets"]:
            yield bucket["key"]["value"], bucket["doc_count"]
        if len(found["buckets"]) < page:
            return
        source["after"] = found["after_key"]
