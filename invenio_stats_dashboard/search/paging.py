# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read all hits of a search, or all buckets of an aggregation, page by page.

:func:`search_page` sends one search with the client that does not decode responses. It
decodes only the fields that a type declares, and a partial answer is an error.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from ..errors import SearchUnavailableError

_SOURCE = '"_source":'

_WINDOW = re.compile(r"less than or equal to: \[(\d+)\].*\[index\.max_result_window\]")

_Hit = TypeVar("_Hit")


class IncompletePageError(SearchUnavailableError):
    """OpenSearch returned an incomplete page; the same request can succeed later."""


class _Shards(msgspec.Struct):
    failed: int
    successful: int


class HitList(msgspec.Struct, Generic[_Hit]):
    """The part of a response that holds the hits."""

    hits: list[_Hit]


class SearchPage(msgspec.Struct, Generic[_Hit]):
    """One page of search results.

    Attributes:
        timed_out: whether OpenSearch stopped before it had searched all documents.
    """

    found: HitList[_Hit] = msgspec.field(name="hits")
    timed_out: bool
    shards: _Shards = msgspec.field(name="_shards")

    @property
    def hits(self) -> list[_Hit]:
        """Return the hits."""
        return self.found.hits

    @property
    def is_complete(self) -> bool:
        """Return whether no shard failed and the search did not time out."""
        return not self.timed_out and not self.shards.failed


def page_decoder(
    hit: type[_Hit], strict: bool = True
) -> Callable[[str | bytes], SearchPage[_Hit]]:
    """Return a function that decodes the body of a response.

    Args:
        hit: a :class:`msgspec.Struct`.
        strict: reject values that need a conversion.
    """
    # SearchPage[hit] is an expression here, which a type checker does not evaluate.
    return msgspec.json.Decoder(
        SearchPage[hit], strict=strict  # type: ignore[valid-type]
    ).decode


def raw_page_decoder(
    hit: type[_Hit], made: Callable[[dict[str, Any], msgspec.Raw], _Hit]
) -> Callable[[str | bytes], SearchPage[_Hit]]:
    """Return a function that decodes any response, with the exact bytes of sources.

    Args:
        hit: a :class:`msgspec.Struct` whose source is a :class:`msgspec.Raw`.
        made: returns a hit, given its decoded fields and its source. It is called for
            a page that msgspec cannot decode, such as one with a lone surrogate.
    """
    usual = page_decoder(hit)

    def decode(answer: str | bytes) -> SearchPage[_Hit]:
        try:
            return usual(answer)
        except msgspec.DecodeError:
            return _exact_page(answer, made)

    return decode


def _exact_page(
    answer: str | bytes, hit: Callable[[dict[str, Any], msgspec.Raw], _Hit]
) -> SearchPage[_Hit]:
    text = answer if isinstance(answer, str) else answer.decode("utf-8", "replace")
    decoder, end, hits = json.JSONDecoder(), 0, []
    page = decoder.decode(text)
    for fields in page["hits"]["hits"]:
        # Within a text, the quotation marks of this key would be escaped.
        start = text.index(_SOURCE, end) + len(_SOURCE)
        _, end = decoder.raw_decode(text, start)
        raw = msgspec.Raw(text[start:end].encode("utf-8", "replace"))
        hits.append(hit(fields, raw))
    shards = _Shards(page["_shards"]["failed"], page["_shards"]["successful"])
    return SearchPage(HitList(hits), page["timed_out"], shards)


def search_page(
    text_client: OpenSearch,
    index: str,
    body: Mapping[str, Any],
    decode: Callable[[str | bytes], SearchPage[_Hit]],
    params: Mapping[str, Any] | None = None,
    one_shard: bool = False,
) -> list[_Hit]:
    """Return the hits of one page of a search.

    If the page is larger than ``index.max_result_window`` of the index allows, it is
    read in several requests.

    Args:
        text_client: does not decode responses.
        index: index or alias; only named in the error if the body has a point in time.
        body: the body of the request, with a ``sort`` that is unique for each document.
        decode: the result of :func:`page_decoder`.
        params: parameters of the request.
        one_shard: the search selects exactly one shard, which must answer.

    Raises:
        IncompletePageError: a shard is missing, failed or timed out.
        TransportError: the request failed.
    """

    def search(page: Mapping[str, Any]) -> list[_Hit]:
        return _sent(text_client, index, page, decode, params, one_shard)

    try:
        return search(body)
    except RequestError as error:
        window = _window_of(error)
        if not window:
            raise
    hits: list[_Hit] = []
    for part in pages(search, {**body, "size": min(window, body["size"])}):
        hits += part
        if len(hits) >= body["size"]:
            break
    return hits[: body["size"]]


def _window_of(error: RequestError) -> int | None:
    """Return the largest page of an index, if a search was refused because of it."""
    found = _WINDOW.search(str(error.info))
    return int(found.group(1)) if found else None


def _sent(
    text_client: OpenSearch,
    index: str,
    body: Mapping[str, Any],
    decode: Callable[[str | bytes], SearchPage[_Hit]],
    params: Mapping[str, Any] | None,
    one_shard: bool,
) -> list[_Hit]:
    """Send one search and return its hits; see :func:`search_page`."""
    answer = text_client.transport.perform_request(
        "POST",
        "/_search" if "pit" in body else f"/{index}/_search",
        params={"allow_partial_search_results": "false", **(params or {})},
        body=msgspec.json.encode(body),
    )
    page = decode(answer)
    if not page.is_complete or (one_shard and page.shards.successful != 1):
        raise IncompletePageError(
            f"The response of {index} is incomplete. Run the same command again when "
            "the cluster is healthy."
        )
    return page.hits


def pages(
    search: Callable[[dict[str, Any]], Sequence[_Hit]], body: Mapping[str, Any]
) -> Iterator[Sequence[_Hit]]:
    """Yield the hits of each page of a search; the last page may be empty.

    Args:
        search: sends the body of one page and returns its hits. A partial answer must
            be an error: a page with fewer hits than requested is taken for the last
            one.
        body: the body of the first page, with its ``size`` and a ``sort`` that is
            unique for each document.
    """
    after: dict[str, Any] = {}
    while True:
        hits = search({**body, **after})
        yield hits
        if len(hits) < body["size"]:
            return
        after = {"search_after": _sort_values(hits[-1])}


def _sort_values(hit: Any) -> Any:
    return hit["sort"] if isinstance(hit, dict) else hit.sort


def composite(
    search: Callable[[dict[str, Any]], Mapping[str, Any]],
    fields: Mapping[str, str],
    size: int,
    aggs: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield one bucket for each combination of values, sorted by the values.

    Args:
        search: sends one aggregation and returns its result, which is empty if the
            indices do not exist. A partial answer must be an error.
        fields: key in ``bucket["key"]`` -> name of a keyword field.
        size: maximum number of buckets in one response.
        aggs: aggregations of each bucket.
    """
    sources = [{key: {"terms": {"field": field}}} for key, field in fields.items()]
    inner = {"aggs": aggs} if aggs else {}
    after: dict[str, Any] = {}
    while True:
        of_page = {"size": size, "sources": sources, **after}
        found = search({"composite": of_page, **inner})
        buckets = found.get("buckets", [])
        yield from buckets
        if len(buckets) < size:
            return
        after = {"after": found["after_key"]}
