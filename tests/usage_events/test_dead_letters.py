# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Events that OpenSearch refuses permanently are stored, and can be replayed."""

import json

import pytest

from invenio_stats_dashboard.errors import StatsDashboardError
from invenio_stats_dashboard.search.client import text_client
from invenio_stats_dashboard.usage_events import dead_letters

MONTH = "2026-03"


def letters(usage, count, event_type="view", reason="a mapper complains", seed=8):
    """Return refused actions of a month."""
    index = usage.names.events_month(event_type, MONTH)
    return [
        (
            {"_index": index, "_id": id, "_op_type": "index"},
            json.dumps(source).encode(),
            reason,
        )
        for id, source in usage.events(event_type, MONTH, count, seed)
    ]


def stored_letters(usage):
    """Return all dead letters, by ``_id``."""
    return dict(usage.seen(index=usage.names.dead_letter))


def store_letters(usage, found):
    """Store actions as dead letters, with a new client."""
    dead_letters.keep(text_client(usage.app), usage.names, found, limit=5)


def test_a_refused_action_is_stored_unchanged(usage):
    head, source, reason = letters(usage, 1)[0]
    store_letters(usage, [(head, source, reason)])
    ((_, letter),) = stored_letters(usage).items()
    assert letter.pop("refused_at").endswith("+00:00")
    assert letter == {
        "index": head["_index"],
        "id": head["_id"],
        "op_type": "index",
        "reason": reason,
        "source": json.loads(source),
    }


def test_storing_twice_makes_one_dead_letter_with_the_newest_reason(usage):
    found = letters(usage, 3)
    store_letters(usage, found)
    store_letters(usage, [(head, source, "another") for head, source, _ in found])
    assert {letter["reason"] for letter in stored_letters(usage).values()} == {
        "another"
    }
    status = dead_letters.read_dead_letters(usage.client, usage.names)
    assert (status.count, status.reason) == (3, "another")


def test_opensearch_parses_no_field_of_an_event(usage):
    head, _, reason = letters(usage, 1)[0]
    one = (head, b'{"country": {"a": 1}}', reason)
    other = ({**head, "_id": "other"}, b'{"country": "DE"}', reason)
    store_letters(usage, [one, other])
    assert len(stored_letters(usage)) == 2
    mapping = usage.client.indices.get_mapping(index=usage.names.dead_letter)
    properties = mapping[usage.names.dead_letter]["mappings"]["properties"]
    assert properties["source"] == {"type": "object", "enabled": False}


def test_the_index_gets_its_mapping_without_its_template(usage):
    name = next(iter(dead_letters.index_templates(usage.names)))
    found = usage.client.indices.get_index_template(name=name)
    usage.client.indices.delete_index_template(name=name)
    try:
        test_opensearch_parses_no_field_of_an_event(usage)
    finally:
        body = found["index_templates"][0]["index_template"]
        usage.client.indices.put_index_template(name=name, body=body)


def test_a_dead_letter_that_cannot_be_stored_is_an_error(usage):
    head, _, reason = letters(usage, 1)[0]
    with pytest.raises(StatsDashboardError, match="refuses to store 1 dead letters"):
        store_letters(usage, [(head, b'{"not": json}', reason)])


def test_without_an_index_there_are_no_dead_letters(usage):
    assert (
        dead_letters.read_dead_letters(usage.client, usage.names)
        == dead_letters.DeadLetters()
    )
