# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading page by page returns everything once, and a partial page is an error."""

from functools import partial

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opensearchpy.exceptions import TransportError

from invenio_stats_dashboard.search.client import is_transient, json_client
from invenio_stats_dashboard.search.paging import (
    IncompletePageError,
    composite,
    page_decoder,
    pages,
    search_page,
)


class Hit(msgspec.Struct):
    """The sort values of a document."""

    sort: list[int]


@pytest.fixture()
def seven(client, index):
    """Return an index with the numbers from 0 to 6, each with one of three letters."""
    mapping = {"properties": {"number": {"type": "long"}, "of": {"type": "keyword"}}}
    settings = {"number_of_shards": 2, "number_of_replicas": 0}
    client.indices.create(index=index, body={"mappings": mapping, "settings": settings})
    for number in range(7):
        body = {"number": number, "of": "abc"[number % 3]}
        client.index(index=index, id=str(number), body=body)
    client.indices.refresh(index=index)
    return index


@pytest.mark.parametrize(("size", "lengths"), [(3, [3, 3, 1]), (7, [7, 0]), (9, [7])])
def test_each_hit_is_on_one_page(app, text, seven, size, lengths):
    body = {"size": size, "sort": ["number"]}

    def decoded(page):
        answer = json_client(app).search(index=seven, body=page)
        return answer["hits"]["hits"]

    found = list(pages(decoded, body))
    assert [len(hits) for hits in found] == lengths
    assert [h["sort"][0] for hits in found for h in hits] == list(range(7))
    assert body == {"size": size, "sort": ["number"]}  # can be used again
    undecoded = partial(search_page, text, seven, decode=page_decoder(Hit))
    found = pages(lambda page: undecoded(page), body)
    assert [[h.sort[0] for h in hits] for hits in found] == [
        list(range(7))[n * size : n * size + lengths[n]] for n in range(len(lengths))
    ]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(window=st.integers(1, 9), size=st.integers(1, 9))
def test_a_page_may_be_larger_than_the_window_of_the_index(
    client, text, seven, window, size
):
    limit = {"index.max_result_window": window}
    client.indices.put_settings(index=seven, body=limit)
    undecoded = partial(search_page, text, seven, decode=page_decoder(Hit))
    found = pages(lambda page: undecoded(page), {"size": size, "sort": ["number"]})
    numbers = [[hit.sort[0] for hit in hits] for hits in found]
    assert (
        numbers
        == [list(range(7))[start : start + size] for start in range(0, 8, size)][
            : 7 // size + 1
        ]
    )


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_each_combination_of_values_has_one_bucket(app, seven, size):
    def search(aggregation):
        body = {"size": 0, "aggs": {"found": aggregation}}
        return json_client(app).search(index=seven, body=body)["aggregations"]["found"]

    largest = {"largest": {"max": {"field": "number"}}}
    found = list(composite(search, {"letter": "of"}, size, largest))
    assert [
        (b["key"]["letter"], b["doc_count"], b["largest"]["value"]) for b in found
    ] == [("a", 3, 6), ("b", 2, 4), ("c", 2, 5)]


def test_a_missing_index_has_no_buckets():
    assert list(composite(lambda _: {}, {"letter": "of"}, 3)) == []


def test_a_page_without_an_unavailable_shard_is_an_error(client, text, seven):
    away = f"{seven}-away"
    nowhere = {"index.routing.allocation.require._name": "no-such-node"}
    client.indices.create(
        index=away, body={"settings": nowhere}, params={"wait_for_active_shards": "0"}
    )
    try:
        with pytest.raises(TransportError) as failure:
            search_page(text, f"{seven},{away}", {}, page_decoder(Hit))
    finally:
        client.indices.delete(index=away)
    assert is_transient(failure.value)


def test_a_page_of_one_shard_does_not_come_from_two(text, seven):
    body, decode = {"sort": ["number"]}, page_decoder(Hit)
    with pytest.raises(IncompletePageError, match=f"{seven} is incomplete"):
        search_page(text, seven, body, decode, one_shard=True)
    first = {"preference": "_shards:0"}
    assert search_page(text, seven, body, decode, first, one_shard=True)
