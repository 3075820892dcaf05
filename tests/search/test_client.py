# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A partial answer is an error, and the clients of a process share connections."""

import os

import msgspec
import pytest
from opensearchpy.exceptions import TransportError

from invenio_stats_dashboard.search.client import (
    count,
    is_transient,
    json_client,
    text_client,
)
from invenio_stats_dashboard.search.multi_get import get_many, stored_sources

from ..helpers.processes import Forked

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


@pytest.mark.parametrize("kind", [json_client, text_client])
def test_the_number_of_documents_is_complete_with_either_client(app, two, kind):
    there, _ = two.split(",")
    assert count(kind(app), there) == count(kind(app), f"{there},{there}-no") == 1
    assert count(kind(app), there, {"term": {"field": 2}}) == 0
    with pytest.raises(TransportError) as failure:
        count(kind(app), two)
    assert is_transient(failure.value)


@pytest.mark.parametrize("source", [True, False])
def test_a_document_that_cannot_be_read_is_not_a_missing_one(app, two, source):
    client = json_client(app, max_retries=0)
    there, away = two.split(",")
    assert get_many(client, [{"_id": "a"}], there, source) == [None]
    assert get_many(client, [{"_id": "a"}], f"{there}-no", source) == [None]
    with pytest.raises(TransportError) as failure:
        get_many(client, [{"_id": "a", "_index": away}], None, source)
    assert is_transient(failure.value)


def test_an_undecoded_document_that_cannot_be_read_is_not_a_missing_one(app, two):
    there, away = two.split(",")

    def read(index):
        body = {"ids": ["a"]}
        answer = text_client(app).transport.perform_request(
            "POST", f"/{index}/_mget", body=body
        )
        return stored_sources(answer, msgspec.Raw)

    for index in (there, f"{there}-no"):
        (missing,) = read(index)
        assert (missing.found, missing.source) == (False, None)
    with pytest.raises(TransportError) as failure:
        read(away)
    assert is_transient(failure.value)


def test_a_caller_can_ask_for_partial_answers(app, two):
    params = {"allow_partial_search_results": "true"}
    found = json_client(app).search(index=two, body=ALL, params=params)
    assert found["hits"]["total"]["value"] == 1


def test_callers_with_equal_options_share_a_client(app):
    assert json_client(app) is json_client(app)
    assert text_client(app) is text_client(app)
    assert text_client(app) is not json_client(app)
    assert json_client(app, timeout=1) is not json_client(app, timeout=2)


def test_a_change_of_the_configuration_is_followed(app, monkeypatch):
    before = json_client(app)
    monkeypatch.setitem(app.config, "SEARCH_CLIENT_CONFIG", {"pool_maxsize": 3})
    assert json_client(app) is not before


def test_a_forked_process_does_not_use_the_connections_of_its_parent(app):
    parents = json_client(app)
    pid = os.fork()
    if pid == 0:
        child, again = json_client(app), json_client(app)
        os._exit(0 if child is again and child is not parents else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert json_client(app) is parents


def test_forks_in_tests_open_their_own_connections(app, client):
    def ports():
        client.info()
        pool = client.transport.get_connection().pool
        return {c.sock.getsockname()[1] for c in pool.pool.queue if c and c.sock}

    parents = ports()
    assert parents
    assert not parents & Forked(app, ports).wait()
    assert ports() == parents
