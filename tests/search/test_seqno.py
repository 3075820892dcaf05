# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the rules of reading an index by sequence number."""

import random

import pytest
from opensearchpy.exceptions import TransportError

from invenio_stats_dashboard.search.seqno import NOTHING, page, positions, scan


def fill(client, index, count=10, **settings):
    """Create an index of numbered documents."""
    client.indices.create(
        index=index, body={"settings": {"number_of_replicas": 0, **settings}}
    )
    write(client, index, range(count))


def write(client, index, ids):
    """Write documents in one request, without a refresh."""
    actions = []
    for id in ids:
        actions += [{"index": {"_id": str(id)}}, {"id": id}]
    assert not client.bulk(index=index, body=actions)["errors"]


def test_pages_follow_each_other_without_gap_or_overlap(client, text, index):
    fill(client, index, 25)
    client.indices.refresh(index=index)
    upto, position, seen = positions(client, index)[0].checkpoint, NOTHING, []
    while hits := page(text, index, 0, position, upto, 10):
        seen += [hit.id for hit in hits]
        position = hits[-1].seq_no
    assert seen == [str(n) for n in range(25)]


def test_nothing_is_read_past_the_earlier_checkpoint(client, text, index):
    fill(client, index, 5)
    upto = positions(client, index)[0].checkpoint
    write(client, index, range(5, 8))
    client.indices.refresh(index=index)
    assert len(page(text, index, 0, NOTHING, upto, 100)) == 5


def test_a_changed_document_is_read_again_at_its_new_position(client, text, index):
    fill(client, index, 5)
    write(client, index, [0])
    client.indices.refresh(index=index)
    found = positions(client, index)[0]
    assert [h.id for h in page(text, index, 0, NOTHING, found.last, 100)] == list(
        "12340"
    )


def test_shards_together_hold_every_document_once(client, text, index):
    fill(client, index, 60, number_of_shards=2)
    client.indices.refresh(index=index)
    ids = []
    for shard, found in positions(client, index).items():
        hits = page(text, index, shard, NOTHING, found.checkpoint, 100)
        assert hits
        ids += [int(hit.id) for hit in hits]
    assert sorted(ids) == list(range(60))


def test_a_recreated_index_has_another_history(client, index):
    fill(client, index)
    before = positions(client, index)[0]
    client.indices.delete(index=index)
    fill(client, index)
    after = positions(client, index)[0]
    assert (before.checkpoint, before.last) == (after.checkpoint, after.last)
    assert before.history != after.history


def test_with_an_async_translog_the_checkpoint_moves_only_at_a_flush(client, index):
    translog = {"durability": "async", "sync_interval": "1h"}
    fill(client, index, 10, translog=translog)
    found = positions(client, index)[0]
    assert found.last == 9 and found.checkpoint < found.last
    client.indices.flush(index=index)
    assert positions(client, index)[0].checkpoint == 9


def test_a_shard_that_does_not_respond_is_an_error_and_not_a_short_page(
    client, text, index
):
    client.indices.create(
        index=index,
        body={"settings": {"index.routing.allocation.require._name": "nowhere"}},
        params={"wait_for_active_shards": "0"},
    )
    assert positions(client, index) == {}
    with pytest.raises(TransportError) as raised:
        page(text, index, 0, NOTHING, 9, 100)
    assert raised.value.status_code == 503


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_scan_reads_each_document_once_with_any_gaps_between_numbers(size):
    class Found:
        def __init__(self, seq_no):
            self.seq_no = seq_no

    rng = random.Random(size)
    numbers = sorted(rng.sample(range(20_000), 300) + list(range(20_000, 20_100)))

    def fetch(after, upto):
        return [Found(n) for n in numbers if after < n <= upto][:size]

    pages = list(scan(fetch, 5, 20_050, size))
    seen = [hit.seq_no for _, hits in pages for hit in hits]
    assert seen == [n for n in numbers if 5 < n <= 20_050]
    assert pages[-1][0] == 20_050
    assert len(pages) < 20_050 / size + 450
