# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the comparison by counts."""

from contextlib import contextmanager

import pytest
from opensearchpy.exceptions import TransportError

from invenio_stats_dashboard.community_events.backfill_state import backfill_state
from invenio_stats_dashboard.search.client import is_transient, json_client, text_client
from tests.helpers import content


@pytest.fixture()
def service(fresh):
    """Return the service."""
    return fresh.extensions["invenio-stats-dashboard"].community_stats_service


def test_before_the_back_fill_everything_is_missing(service):
    content.make_record(communities=[content.make_community()])
    status = service.community_events_status()
    assert not status.backfill.complete
    assert (status.records, status.records_lacking_events) == (1, 1)
    assert (status.events, status.first_event, status.records_with_facts) == (
        0,
        None,
        0,
    )
    assert status.drift == 2  # the record is in a community, and in global


def test_after_the_back_fill_nothing_is_missing(service):
    community = content.make_community()
    recid = content.make_record(communities=[community])
    content.new_version(recid)
    content.delete_record(content.make_record(communities=[community]))
    service.generate_record_community_events()
    status = service.community_events_status()
    assert status.backfill.complete
    assert (status.records, status.records_lacking_events) == (3, 0)
    assert (status.records_with_facts, status.drift) == (3, 0)
    assert status.first_event <= status.last_event
    counts = {c.community_id: c for c in status.communities}
    assert (counts[community].records, counts["global"].records) == (2, 2)
    assert (counts[community].added, counts[community].removed) == (3, 1)


def test_a_membership_without_events_is_drift(service):
    one, two = content.make_community(), content.make_community()
    recid = content.make_record(communities=[one, two])
    service.generate_record_community_events()
    content.remove(recid, one)
    assert service.community_events_status().drift == 1
    assert service.community_events_status([one]).drift == 1
    assert service.community_events_status([content.slug_of(two)]).drift == 0
    service.generate_record_community_events()
    assert service.community_events_status().drift == 0


def test_a_requested_community_without_events_is_counted(service):
    community = content.make_community()
    (counts,) = service.community_events_status([community]).communities
    assert (counts.slug, counts.records) == (content.slug_of(community), 0)


@contextmanager
def unavailable(client, index):
    """Create an index whose shard no node has, for the duration of the block."""
    nowhere = {"index.routing.allocation.require._name": "no-such-node"}
    client.indices.create(
        index=index,
        body={"settings": nowhere},
        params={"wait_for_active_shards": "0"},
    )
    try:
        yield
    finally:
        client.indices.delete(index=index)


@pytest.mark.parametrize("kind", [json_client, text_client])
def test_community_events_in_an_unavailable_shard_are_not_left_out(
    service, app, client, names, kind
):
    content.make_record()
    service.generate_record_community_events()
    away = names.community_events_year(1990)
    with unavailable(client, away), pytest.raises(TransportError) as failure:
        backfill_state(kind(app), names)
    assert is_transient(failure.value)
