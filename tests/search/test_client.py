# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A partial answer of OpenSearch is an error, not a smaller number."""

import pytest
from opensearchpy.exceptions import TransportError

from invenio_stats_dashboard.search.client import is_found, is_transient, json_client

ALL = {"query": {"match_all": {}}}


@pytest.fixture()
def two(app, client, names):
    """Return an index with a document, and one whose shard no node has."""
    there, away = indices = [f"{names.prefix}{name}" for name in ("there", "away")]
    client.index(index=there, body={"field": 1}, refresh=True)
    nowhere = {"index.routing.allocation.require._name": "no-such-node"}
    client.indices.create(
        index=away,
        body={"settings": nowhere},
        params={"wait_for_active_shards": "0"},
    )
    yield ",".join(indices)
    for index in indices:
        client.indices.delete(index=index)


def test_the_stock_client_returns_what_there_is(client, two):
    assert client.search(index=two, body=ALL)["hits"]["total"]["value"] == 1
    assert client.count(index=two)["count"] == 1


def test_a_search_that_misses_a_shard_fails_and_can_be_repeated(app, two):
    with pytest.raises(TransportError) as failure:
        json_client(app, max_retries=0).search(index=two, body=ALL)
    assert is_transient(failure.value)


def test_a_count_that_misses_a_shard_fails_and_can_be_repeated(app, two):
    with pytest.raises(TransportError) as failure:
        json_client(app, max_retries=0).count(index=two)
    assert is_transient(failure.value)


def test_a_document_that_cannot_be_read_is_not_a_missing_one(app, two):
    client = json_client(app, max_retries=0)
    there, away = two.split(",")
    (missing,) = client.mget(index=there, body={"ids": ["a"]})["docs"]
    assert not is_found(missing)
    (unreadable,) = client.mget(index=away, body={"ids": ["a"]})["docs"]
    with pytest.raises(TransportError) as failure:
        is_found(unreadable)
    assert is_transient(failure.value)


def test_a_caller_can_ask_for_partial_answers(app, two):
    params = {"allow_partial_search_results": "true"}
    found = json_client(app).search(index=two, body=ALL, params=params)
    assert found["hits"]["total"]["value"] == 1
