# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the distinct values of a field exactly, even if it has millions."""

from collections.abc import Iterable, Iterator
from typing import Any

from opensearchpy import OpenSearch

from ..search.client import patiently
from ..search.paging import composite

PAGE = 10_000
"""Maximum number of values in one response."""


def distinct(
    client: OpenSearch,
    index: str,
    field: str,
    filters: Iterable[dict[str, Any]] = (),
    shard: int | None = None,
    limit: float = 120,
    page: int = PAGE,
) -> Iterator[tuple[str, int]]:
    """Yield the distinct values of a keyword field with their numbers of documents.

    The values are sorted.

    Args:
        client: decodes responses.
        index: index, alias, or several, comma-separated. A missing one is not an error.
        field: name of the field. Documents without it are ignored.
        filters: queries that the documents must match.
        shard: number of the only shard to read, from its primary; None for all shards.
        limit: seconds to retry while OpenSearch accepts no requests.
        page: maximum number of values in one response.

    Raises:
        SearchUnavailableError: OpenSearch accepted no requests for too long.
    """
    query = {"bool": {"filter": list(filters)}}
    params = {"ignore_unavailable": "true"}
    if shard is not None:
        params["preference"] = f"_shards:{shard}|_primary"

    def search(values: dict[str, Any]) -> dict[str, Any]:
        body = {
            "size": 0,
            "query": query,
            "aggs": {"values": values},
            "track_total_hits": False,
        }
        answer = patiently(
            lambda: client.search(index=index, body=body, params=params), limit
        )
        return answer.get("aggregations", {}).get("values", {})

    for bucket in composite(search, {"value": field}, page):
        yield bucket["key"]["value"], bucket["doc_count"]
