# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""After a cut-over, indices are read again only where the earlier proof fails."""

import pytest

from invenio_stats_dashboard.migration import backups
from invenio_stats_dashboard.migration.backup_completeness import holds_all
from invenio_stats_dashboard.migration.months import utc_now

from ..helpers.faults import At

PAST = "2026-03"
ARGUMENTS = {"batch_size": 20, "ignore_stock_workers": True}
EVENTS = 60


@pytest.fixture()
def proofs(monkeypatch):
    """Return whether each comparison was decided without reading the indices."""
    answers = []

    def holds(run, month, data):
        answers.append(holds_all(run, month, data))
        return answers[-1]

    monkeypatch.setattr(backups, "holds_all", holds)
    return answers


def _migrate(usage, at, action, month=PAST):
    events = usage.legacy("view", month, EVENTS)
    target = usage.names.events_target("view", month)
    first = next(iter(events))

    def act():
        if action:
            action(usage.client, target, first, events[first])

    report = usage.service.reindex_events(step=At(at, act), **ARGUMENTS)
    return events, report


def _delete(client, target, id, _source):
    client.delete(index=target, id=id, refresh=True)


def _write_new(client, target, _id, source):
    client.index(index=target, id="new", body=source, refresh=True)


def _write_again(client, target, id, source):
    client.index(index=target, id=id, body={**source, "country": "XX"}, refresh=True)


def _write_the_same(client, target, id, _source):
    stored = client.get(index=target, id=id)["_source"]
    client.index(index=target, id=id, body=stored, refresh=True)


def _delete_on_both_sides(client, target, id, _source):
    month = target.removesuffix(".v2.0.0")
    client.delete(index=month, id=id, refresh=True)
    client.delete(index=target, id=id, refresh=True)


def _write_twice_at_the_source(client, target, _id, source):
    for country in ("XX", "YY"):
        body = {**source, "country": country}
        client.index(index=target.removesuffix(".v2.0.0"), id="new", body=body)


def _delete_and_write_new(client, target, id, source):
    _delete(client, target, id, source)
    _write_new(client, target, id, source)


@pytest.mark.parametrize(
    "at, action, enough",
    [
        ("switched", None, True),
        ("switched", _write_new, True),
        ("switched", _write_again, True),
        ("block", _write_the_same, True),
        ("switched", _delete, False),
        ("switched", _delete_and_write_new, False),
        ("block", _write_again, False),
        ("replicas", _delete_on_both_sides, False),
        ("replicas", _write_twice_at_the_source, False),
    ],
)
def test_both_indices_are_read_unless_later_writes_explain_all(
    events_of, proofs, at, action, enough
):
    _migrate(events_of, at, action)
    assert proofs == [enough]


def test_deleted_event_comes_back_although_another_was_written(events_of, proofs):
    events, report = _migrate(events_of, "switched", _delete_and_write_new)
    assert report.completed and proofs == [False]
    assert {id for id, _ in events_of.seen()} == {*events, "new"}


def test_current_month_that_is_written_all_along_is_not_read_again(events_of, proofs):
    month = utc_now().strftime("%Y-%m")
    _migrate(events_of, "switched", _write_new, month)
    assert proofs == [True]


@pytest.mark.parametrize("blocked_again", [False, True])
def test_backup_that_was_written_is_read(events_of, proofs, blocked_again):
    usage = events_of
    backup = usage.names.events_backup("view", PAST)

    def action(client, _target, _id, source):
        client.indices.put_settings(index=backup, body={"index.blocks.write": False})
        client.index(index=backup, id="new", body=source, refresh=True)
        client.delete(index=backup, id="new", refresh=True)
        if blocked_again:
            client.indices.put_settings(index=backup, body={"index.blocks.write": True})

    _migrate(usage, "switched", action)
    assert proofs == [False]


def test_loss_that_a_deletion_at_the_source_hides_from_the_totals_is_found(
    events_of, proofs
):
    usage = events_of

    def action(client, target, id, _source):
        month = target.removesuffix(".v2.0.0")
        client.delete(index=month, id=id, refresh=True)
        others = {"query": {"bool": {"must_not": {"ids": {"values": [id]}}}}, "size": 1}
        (hit,) = client.search(index=target, body=others)["hits"]["hits"]
        client.delete(index=target, id=hit["_id"], refresh=True)
        lost.append(hit["_id"])

    lost = []
    _migrate(usage, "replicas", action)
    assert proofs == [False]
    assert set(lost) <= {id for id, _ in usage.seen()}


def test_fresh_start_reads_both_again(events_of, proofs):
    _migrate(events_of, "switched", None)
    events_of.migrate(fresh_start=True, **ARGUMENTS)
    assert proofs == [True]
