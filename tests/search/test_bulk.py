# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Documents of a bulk write are stored, refused permanently, or tried again."""

import json
import threading
import time

import pytest

from invenio_stats_dashboard.errors import SearchUnavailableError
from invenio_stats_dashboard.search import bulk
from invenio_stats_dashboard.search.client import json_client, text_client

MAPPING = {"properties": {"number": {"type": "long"}}}


@pytest.fixture()
def numbers(client, index):
    """Return an index that accepts only numbers."""
    client.indices.create(
        index=index,
        body={"mappings": MAPPING, "settings": {"number_of_replicas": 0}},
    )
    return index


def action(id, number, **meta):
    """Return a bulk action."""
    head = json.dumps({"index": {"_id": id, **meta}})
    return f"{head}\n{json.dumps({'number': number})}\n".encode()


def stored(client, index):
    """Return the stored numbers, by id."""
    client.indices.refresh(index=index)
    hits = client.search(index=index, body={"size": 100})["hits"]["hits"]
    return {hit["_id"]: hit["_source"]["number"] for hit in hits}


def test_a_refused_document_is_named_and_the_others_are_stored(client, text, numbers):
    actions = [action("a", 1), action("b", "no number"), action("c", 3)]
    (refusal,) = bulk.write(text, numbers, actions, limit=5)
    assert (refusal.position, refusal.id, refusal.status) == (1, "b", 400)
    assert refusal.type == "mapper_parsing_exception"
    assert stored(client, numbers) == {"a": 1, "c": 3}


def test_an_existing_version_counts_as_stored(client, text, numbers):
    external = {"version_type": "external_gte"}
    assert not bulk.write(text, numbers, [action("a", 2, version=2, **external)], 5)
    older = [action("a", 1, version=1, **external), action("b", 1)]
    assert bulk.write(text, numbers, older, 5) == []
    assert stored(client, numbers) == {"a": 2, "b": 1}


@pytest.mark.parametrize("kind", [json_client, text_client])
def test_a_conflict_is_reported_if_the_caller_requests_conflicts(
    app, client, numbers, kind
):
    def create(id, number):
        return action(id, number).replace(b'"index"', b'"create"')

    assert not bulk.write(kind(app), numbers, [create("b", 1)], 5)
    conflicts = []
    actions = [create("a", 1), create("b", 2), create("c", "no number"), create("d", 4)]
    (refusal,) = bulk.write(kind(app), numbers, actions, 5, conflicts=conflicts)
    assert (refusal.position, conflicts) == (2, [1])
    assert stored(client, numbers) == {"a": 1, "b": 1, "d": 4}


def test_a_blocked_index_is_tried_again_until_the_block_is_lifted(
    client, text, numbers
):
    client.transport.perform_request("PUT", f"/{numbers}/_block/write")
    reasons = []

    def lift():
        time.sleep(1)
        client.indices.put_settings(index=numbers, body={"index.blocks.write": None})

    thread = threading.Thread(target=lift)
    thread.start()
    refusals = bulk.write(text, numbers, [action("a", 1)], 30, waiting=reasons.append)
    thread.join()
    assert refusals == []
    assert stored(client, numbers) == {"a": 1}
    assert reasons and "temporarily refuses writes" in reasons[0]


def test_only_documents_that_were_not_stored_are_sent_again(client, text, numbers):
    def lift(_):
        client.indices.put_settings(index=numbers, body={"index.blocks.write": None})

    client.transport.perform_request("PUT", f"/{numbers}/_block/write")
    actions = [action("a", 1), action("b", "no number"), action("c", 3)]
    (refusal,) = bulk.write(text, numbers, actions, 30, sleep=lift)
    assert (refusal.position, refusal.id) == (1, "b")
    assert stored(client, numbers) == {"a": 1, "c": 3}


def test_a_permanent_block_ends_with_a_sentence(client, text, numbers):
    client.transport.perform_request("PUT", f"/{numbers}/_block/write")
    start = time.monotonic()
    actions = [action("a", 1), action("b", 2)]
    with pytest.raises(SearchUnavailableError, match="accepted no documents") as raised:
        bulk.write(text, numbers, actions, limit=1)
    assert time.monotonic() - start < 5
    assert [(r.position, r.is_block) for r in raised.value.waiting] == [
        (0, True),
        (1, True),
    ]


def test_a_missing_alias_refuses_all_documents(client, text, numbers):
    refusals = bulk.write(
        text,
        f"{numbers}-alias",
        [action("a", 1), action("b", 2)],
        limit=5,
        params={"require_alias": "true"},
    )
    assert {r.type for r in refusals} == {"index_not_found_exception"}
    assert len(refusals) == 2
    assert not client.indices.exists(index=f"{numbers}-alias")


def test_waiting_can_be_stopped_from_outside(client, text, numbers):
    class Stopped(Exception):
        pass

    def sleep(_):
        raise Stopped

    client.transport.perform_request("PUT", f"/{numbers}/_block/write")
    with pytest.raises(Stopped):
        bulk.write(text, numbers, [action("a", 1)], limit=60, sleep=sleep)
