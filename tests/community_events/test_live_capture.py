# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Capture without the database indexes, and when the database is slow."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_rdm_records.proxies import current_rdm_records_service

from invenio_stats_dashboard.community_events import capture
from invenio_stats_dashboard.community_events.database_indexes import DatabaseIndexes
from invenio_stats_dashboard.community_events.deferred_captures import DeferredCaptures
from invenio_stats_dashboard.community_events.resolver import DatabaseResolver
from invenio_stats_dashboard.community_events.scan_budget import ScanBudget
from tests.helpers import content
from tests.helpers.plans import recorded
from tests.helpers.statistics import community_events, history


@pytest.fixture()
def service(fresh):
    """Return the service of an instance whose back-fill is complete."""
    service = fresh.extensions["invenio-stats-dashboard"].community_stats_service
    service.generate_record_community_events()
    return service


@pytest.fixture()
def without_indexes(service):
    """Remove the indexes for the time of a test."""
    indexes = DatabaseIndexes(db.engine)
    db.session.rollback()  # PostgreSQL waits for transactions that use the table
    indexes.drop()
    yield
    db.session.rollback()
    indexes.create()


@pytest.fixture()
def messages(fresh, monkeypatch):
    """Return the list of the messages that live capture sends; nobody receives them."""
    sent = []
    monkeypatch.setattr(
        capture.Watcher, "send", staticmethod(lambda **m: sent.append(m))
    )
    monkeypatch.setattr(capture, "has_request_context", lambda: False)
    return sent


def _included(messages):
    """Include a new record in a new community; return both and the messages."""
    community, recid = content.make_community(), content.make_record()
    del messages[:]
    content.include(recid, community)
    return recid, community, list(messages)


def _deliver(service, messages):
    return [service.capture_changes(**message) for message in messages]


def _deferred(service, client, names):
    client.indices.refresh(index=names.reindexing)
    return service.status().deferred_captures


def _per_minute(fresh, monkeypatch, number):
    monkeypatch.setitem(fresh.config, "STATS_DASHBOARD_SCANS_PER_MINUTE", number)


def test_captures_beyond_the_budget_wait_for_one_batch(
    service, without_indexes, messages, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    first, *others = [_included(messages) for _ in "1234"]
    report, *_ = _deliver(service, first[2])
    assert report.written is not None and not report.deferred
    reports = [r for _, _, m in others for r in _deliver(service, m)]
    assert all(report.written is None and report.deferred for report in reports)
    # one of them has the next batch sent for
    due = [r.next_batch for r in reports if r.next_batch is not None]
    assert len(due) == 1 and 0 < due[0] <= 60
    assert _deferred(service, client, names).waiting == len(reports)
    assert history(client, names, others[0][0], others[0][1]) == []

    _per_minute(fresh, monkeypatch, 600)
    time.sleep(0.2)
    assert service.capture_deferred_changes().written.events == 6
    assert service.capture_deferred_changes().written is None
    assert _deferred(service, client, names).waiting == 0
    for recid, community, _ in others:
        assert history(client, names, recid, community) == ["added"]
    assert service.reconcile_community_events().events == 0


def test_a_batch_scans_each_table_once_however_many_messages_it_has(
    service, without_indexes, messages, fresh, monkeypatch
):
    _per_minute(fresh, monkeypatch, 600)

    def statements(number):
        waiting = [m for _ in range(number) for m in _included(messages)[2]]
        with monkeypatch.context() as patch:
            patch.setattr(ScanBudget, "take", lambda self: 1.0)
            _deliver(service, waiting)
        time.sleep(0.2)
        with recorded(db.engine) as sent:
            assert service.capture_deferred_changes().written.records == number
        return len(sent)

    assert statements(1) == statements(5)


def test_what_was_noticed_of_a_row_dates_a_deferred_change(
    service, without_indexes, messages, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    recid, community, inclusion = _included(messages)
    _deliver(service, inclusion)
    del messages[:]
    content.remove(recid, community)
    removal = list(messages)
    assert all(report.deferred for report in _deliver(service, removal))
    # the parent is changed again before the batch
    content.include(recid, content.make_community())
    _per_minute(fresh, monkeypatch, 600)
    time.sleep(0.2)
    service.capture_deferred_changes()
    last = [
        e
        for e in community_events(client, names, recid)
        if e["community_id"] == community
    ][-1]
    (noticed,) = {moment[:19] for m in removal for *_, moment in m.get("rows", ())}
    assert (last["event_type"], last["evidence"]) == ("removed", "row")
    assert last["event_date"] == noticed


def test_the_reconciliation_captures_what_waits(
    service, without_indexes, messages, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    _deliver(service, _included(messages)[2])
    recid, community, waiting = _included(messages)
    assert all(report.deferred for report in _deliver(service, waiting))
    service.reconcile_community_events(changed_only=True)
    assert _deferred(service, client, names).waiting == 0
    (event,) = [
        e
        for e in community_events(client, names, recid)
        if e["community_id"] == community
    ]
    # not "reconciled": what live capture had noticed was still known
    assert (event["cause"], event["evidence"]) == ("accepted", "request")


def test_only_one_of_many_processes_may_scan(fresh, client, names):
    budgets = [ScanBudget(client, names, per_minute=1) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        waits = list(pool.map(lambda budget: budget.take(), budgets))
    assert waits.count(0) == 1
    assert all(0 < wait <= 60 for wait in waits if wait)
    with ThreadPoolExecutor(6) as pool:
        scheduled = list(pool.map(lambda budget: budget.schedule(30), budgets))
    assert scheduled.count(True) == 1


def test_a_batch_that_nobody_ran_is_scheduled_again(fresh, client, names):
    clock = [1_000_000.0]
    budget = ScanBudget(client, names, per_minute=6, clock=lambda: clock[0])
    assert budget.schedule(10)
    assert not budget.schedule(10)
    clock[0] += 11
    assert budget.schedule(10)


def test_a_clock_that_is_ahead_holds_up_the_others_for_one_turn(fresh, client, names):
    assert ScanBudget(client, names, 6, clock=lambda: time.time() + 3600).take() == 0
    assert ScanBudget(client, names, 6).take() <= 10


@pytest.fixture()
def locked():
    """Return a function that locks a table until it is called again."""
    engine = sa.create_engine(db.engine.url)
    connection = engine.connect()

    def lock(table=None):
        connection.rollback()
        if table:
            connection.exec_driver_sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

    yield lock
    connection.close()
    engine.dispose()


def test_a_capture_that_takes_too_long_is_left_to_the_reconciliation(
    service, messages, locked, fresh, client, names, monkeypatch
):
    monkeypatch.setitem(fresh.config, "STATS_DASHBOARD_STATEMENT_TIMEOUT", 0.3)
    recid, community, inclusion = _included(messages)
    db.session.rollback()
    locked("rdm_parents_community")
    reports = _deliver(service, inclusion)
    assert all(r.deferred and r.next_batch is None for r in reports)
    assert _deferred(service, client, names).timed_out == len(reports)
    problems = service.status().problems
    assert any("STATS_DASHBOARD_STATEMENT_TIMEOUT" in p for p in problems)
    # it is not tried again in a batch, which would take as long
    assert service.capture_deferred_changes().written is None

    monkeypatch.setitem(fresh.config, "STATS_DASHBOARD_SCAN_TIMEOUT", 0.3)
    with pytest.raises(Exception, match="canceled a statement"):
        service.reconcile_community_events(changed_only=True)
    assert _deferred(service, client, names).timed_out == len(reports)

    locked()
    monkeypatch.setitem(fresh.config, "STATS_DASHBOARD_SCAN_TIMEOUT", 60)
    service.reconcile_community_events(changed_only=True)
    assert _deferred(service, client, names).timed_out == 0
    assert history(client, names, recid, community) == ["added"]


@pytest.fixture()
def unknown(service, fresh, client, names):
    """Return a record that only the database knows."""
    recid = content.make_record()
    return recid


def _resolver(fresh, client, names, **options):
    return DatabaseResolver(fresh, client, names, lambda _: None, **options)


def test_an_unknown_record_remains_unknown_while_no_scan_is_allowed(
    unknown, without_indexes, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    assert ScanBudget(client, names, 1).take() == 0
    resolver = _resolver(fresh, client, names)
    assert resolver([unknown]) == {}
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        _per_minute(fresh, monkeypatch, 600)
        monkeypatch.setattr(ScanBudget, "take", lambda self: 0.0)

    patient = _resolver(fresh, client, names, wait=lambda budget: budget.wait(sleep))
    assert set(patient([unknown])) == {unknown}
    assert len(slept) == 1 and 0 < slept[0] <= 60


def test_records_that_do_not_exist_take_nothing_of_the_budget(
    service, without_indexes, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    assert _resolver(fresh, client, names)(["nobody", "no-one"]) == {}
    assert ScanBudget(client, names, 1).take() == 0


def test_a_deleted_community_is_captured_without_reading_its_requests(
    service, messages, fresh, client, names
):
    _, community, inclusion = _included(messages)
    _deliver(service, inclusion)
    with recorded(db.engine) as sent:
        service.capture_changes(community_ids=[community])
    table = "FROM request_metadata AS request"
    assert not any(table in s.sql and "LATERAL" not in s.sql for s in sent)


def test_changes_are_stored_in_the_order_in_which_they_came(fresh, client, names):
    from invenio_stats_dashboard.community_events.deferred_captures import (
        NO_INDEX,
        MembershipChanges,
    )

    deferred = DeferredCaptures(client, names)
    fresh.extensions[
        "invenio-stats-dashboard"
    ].community_stats_service.generate_record_community_events()
    for moment, added in (("1", True), ("2", False)):
        rows = (("parent", "community", added, moment),)
        deferred.add(MembershipChanges(("parent",), (), rows), NO_INDEX)
    batch = deferred.next_batch()
    assert batch.changes.written == {"parent": {"community": (False, "2")}}
    assert batch.changes.parent_ids == ("parent",)
    deferred.remove(batch)
    assert deferred.next_batch().ids == []


def test_missing_indexes_are_a_problem(service, without_indexes):
    (problem,) = [p for p in service.status().problems if "no index" in p]
    assert "database-indexes create" in problem
    DatabaseIndexes(db.engine).create()
    assert not [p for p in service.status().problems if "no index" in p]


def test_parents_of_a_removed_record_are_not_scanned_for(service):
    recid = content.make_record()
    parent = current_rdm_records_service.record_cls.pid.resolve(recid).parent.id
    report = service.capture_changes(parent_ids=[str(parent)])
    assert report.written.records == 1 and not report.deferred
