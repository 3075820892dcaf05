# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Changes are captured without the database indexes, and by a slow database."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict

import pytest
import sqlalchemy as sa
from invenio_db import db

from invenio_stats_dashboard.community_events import (
    capture,
    database_indexes,
    deferred_captures,
    membership,
    scan_budget,
)
from invenio_stats_dashboard.community_events.database import (
    Database,
    StatementTimeoutError,
)
from invenio_stats_dashboard.community_events.database_indexes import (
    INDEXES,
    REQUIRED,
    DatabaseIndexes,
    look_again,
)
from invenio_stats_dashboard.community_events.deferred_captures import (
    KIND,
    NO_INDEX,
    TIMEOUT,
    DeferredCaptures,
)
from invenio_stats_dashboard.community_events.live_capture import (
    DeferredCaptureRun,
    LiveCapture,
)
from invenio_stats_dashboard.community_events.lookup import RecordLookup
from invenio_stats_dashboard.community_events.membership import MembershipReader
from invenio_stats_dashboard.community_events.membership_changes import (
    MembershipChanges,
)
from invenio_stats_dashboard.community_events.resolver import DatabaseResolver
from invenio_stats_dashboard.community_events.scan_budget import LEASE, ScanBudget
from invenio_stats_dashboard.community_events.selection import Selection
from invenio_stats_dashboard.errors import (
    LookupPostponedError,
    NotReadyError,
    SearchUnavailableError,
)
from invenio_stats_dashboard.usage_events.enrichment import Splicer
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
    """Remove the indexes for the duration of a test."""
    indexes = DatabaseIndexes(db.engine)
    db.session.rollback()  # PostgreSQL waits for transactions that use the table
    indexes.drop()
    yield
    db.session.rollback()
    indexes.create()


@pytest.fixture()
def messages(fresh, monkeypatch):
    """Return the messages that live capture sends; nobody receives them."""
    sent = []
    monkeypatch.setattr(
        capture.Watcher, "send", staticmethod(lambda **m: sent.append(m))
    )
    monkeypatch.setattr(capture, "has_request_context", lambda: False)
    return sent


def _included(messages, community=None):
    """Include a new record in a community; return both and the messages.

    Args:
        messages: what live capture sends.
        community: a community to which the record is added in bulk; None for a new
            community that accepts a request.
    """
    accepted = community is None
    community, recid = community or content.make_community(), content.make_record()
    del messages[:]
    if accepted:
        content.include(recid, community)
    else:
        content.include_in_bulk([recid], community)
    return recid, community, list(messages)


def _deliver(service, messages):
    return [service.capture(MembershipChanges.of(message)) for message in messages]


def _deferred(service, client, names):
    client.indices.refresh(index=names.reindexing)
    return service.status().deferred_captures


def _budget(client, names, per_minute):
    return ScanBudget(client, names, per_minute, Database(db.engine).now)


def _scans_requests(statement):
    """Return whether a statement reads all requests."""
    return (
        "request_metadata AS request" in statement.sql
        and "LATERAL" not in statement.sql
    )


def _per_minute(fresh, monkeypatch, number):
    monkeypatch.setitem(fresh.config, "STATS_DASHBOARD_SCANS_PER_MINUTE", number)


def test_captures_beyond_the_budget_wait_for_one_batch(
    service, without_indexes, messages, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    one = content.make_community()
    first, *others = [_included(messages, one) for _ in "1234"]
    report, *_ = _deliver(service, first[2])
    assert report.written is not None and not report.deferred
    reports = [r for _, _, m in others for r in _deliver(service, m)]
    assert all(report.written is None and report.deferred for report in reports)
    # one of them has scheduled the next batch
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
    monkeypatch.setattr(database_indexes, "REMEMBERED", 60)
    community = content.make_community()

    def statements(number):
        waiting = [
            message
            for _ in range(number)
            for message in _included(messages, community)[2]
        ]
        with monkeypatch.context() as patch:
            patch.setattr(ScanBudget, "take", lambda self: 1.0)
            _deliver(service, waiting)
        time.sleep(0.2)
        with recorded(db.engine) as sent:
            assert service.capture_deferred_changes().written.records == number
        return len(sent)

    statements(1)  # reads the indexes
    assert statements(1) == statements(3)


def test_a_noticed_row_dates_a_deferred_change(
    service, without_indexes, messages, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    recid, community, inclusion = _included(messages)
    _deliver(service, inclusion)
    del messages[:]
    content.remove(recid, community)
    removal = list(messages)
    assert all(report.deferred for report in _deliver(service, removal))
    # the parent changes again before the batch
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


def test_the_reconciliation_captures_deferred_changes(
    service, without_indexes, messages, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    _deliver(service, _included(messages)[2])
    recid, community, waiting = _included(messages)
    assert all(report.deferred for report in _deliver(service, waiting))
    _per_minute(fresh, monkeypatch, 600)  # so that the reconciliation need not wait
    service.reconcile_community_events(changed_only=True)
    assert _deferred(service, client, names).waiting == 0
    (event,) = [
        e
        for e in community_events(client, names, recid)
        if e["community_id"] == community
    ]
    # not "reconciled": what live capture had noticed was still stored
    assert (event["cause"], event["evidence"]) == ("accepted", "request")


def test_only_one_of_many_processes_may_scan(fresh, client, names):
    budgets = [_budget(client, names, 1) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        waits = list(pool.map(lambda budget: budget.take(), budgets))
    assert waits.count(0) == 1
    assert all(0 < wait <= 60 for wait in waits if wait)
    with ThreadPoolExecutor(6) as pool:
        scheduled = list(pool.map(lambda budget: budget.schedule(30), budgets))
    assert scheduled.count(True) == 1


def test_a_message_that_takes_too_long_does_not_defer_others(fresh, client, names):
    def cancel(_):
        raise StatementTimeoutError("The database canceled a statement.")

    deferred = DeferredCaptures(client, names)
    live = LiveCapture(
        cancel, cancel, lambda: True, deferred, _budget(client, names, 6)
    )
    messages = [MembershipChanges(("a",)), MembershipChanges(("b",))]
    with pytest.raises(StatementTimeoutError):
        live.capture(messages)
    for message in messages:
        assert live.capture([message]).deferred
    client.indices.refresh(index=names.reindexing)
    assert deferred.state().timed_out == 2


def test_a_batch_that_nobody_ran_is_scheduled_again(fresh, client, names):
    clock = [1_000_000.0]
    budget = ScanBudget(client, names, per_minute=6, clock=lambda: clock[0])
    assert budget.schedule(10)
    assert not budget.schedule(10)
    clock[0] += 11
    assert budget.schedule(10)


def test_a_clock_set_back_delays_scans_by_at_most_one_interval(fresh, client, names):
    clock = [1_000_000.0]
    budget = ScanBudget(client, names, 6, clock=lambda: clock[0])
    assert budget.take() == 0
    clock[0] -= 3600
    assert budget.take() == 10
    clock[0] += 10
    assert budget.take() == 0


def test_all_processes_use_the_clock_of_the_database(fresh):
    with db.engine.connect() as connection:
        statement = sa.text("SELECT extract(epoch FROM clock_timestamp())")
        before = float(connection.scalar(statement))
        now = Database(db.engine).now()
        assert before <= now <= float(connection.scalar(statement))


def test_the_next_scan_starts_an_interval_after_the_end_of_this_one(
    fresh, client, names
):
    clock = [1_000_000.0]
    budget = ScanBudget(client, names, 6, clock=lambda: clock[0])
    assert budget.take() == 0
    clock[0] += 50
    assert budget.take() > 0  # the scan has not ended
    budget.release()
    clock[0] += 9
    assert budget.take() == pytest.approx(1)
    clock[0] += 1
    assert budget.take() == 0
    clock[0] += LEASE  # the process with the permission was killed
    other = ScanBudget(client, names, 6, clock=lambda: clock[0])
    assert other.take() == 0
    budget.release()  # or it was only slow: the permission is no longer its own
    assert budget.take() > 0
    other.release()
    clock[0] += 10
    assert budget.take() == 0


def test_a_long_scan_retains_its_permission(fresh, client, names, monkeypatch):
    monkeypatch.setattr(scan_budget, "LEASE", 0.4)
    budget, other = _budget(client, names, 6000), _budget(client, names, 6000)
    assert budget.take() == 0
    with budget.released():
        time.sleep(1)
        assert other.take() > 0
    time.sleep(0.05)
    assert other.take() == 0


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
    subcounts = fresh.extensions["invenio-stats-dashboard"].subcounts
    return DatabaseResolver(fresh, client, names, subcounts, lambda _: None, **options)


def test_a_look_up_is_postponed_while_no_scan_is_allowed(
    unknown, without_indexes, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    assert _budget(client, names, 1).take() == 0
    resolver = _resolver(fresh, client, names)
    with pytest.raises(LookupPostponedError, match="database-indexes create"):
        resolver([unknown])
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        _per_minute(fresh, monkeypatch, 600)
        monkeypatch.setattr(ScanBudget, "take", lambda self: 0.0)

    patient = _resolver(fresh, client, names, wait=lambda budget: budget.wait(sleep))
    assert set(patient([unknown])) == {unknown}
    assert len(slept) == 1 and 0 < slept[0] <= 60


def test_records_that_do_not_exist_use_no_budget(
    service, without_indexes, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    assert _resolver(fresh, client, names)(["nobody", "no-one"]) == {}
    assert _budget(client, names, 1).take() == 0


def test_events_of_a_postponed_record_are_not_enriched(
    unknown, without_indexes, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 1)
    assert _budget(client, names, 1).take() == 0
    subcounts = fresh.extensions["invenio-stats-dashboard"].subcounts
    resolver = _resolver(fresh, client, names)
    event = json.dumps({"recid": unknown, "timestamp": "2026-01-01T00:00:00"}).encode()

    def splicer(**options):
        lookup = RecordLookup(client, names, subcounts, resolver=resolver, **options)
        return Splicer(lookup, "2026-01-01T00:00:00+00:00")

    # a caller that would enrich such events with empty lists gets an error
    with pytest.raises(LookupPostponedError):
        splicer().splice([event])
    live = splicer(postponed_is_unknown=True, unknown_ttl=0)
    assert live.splice_known([event]) == [event]
    _per_minute(fresh, monkeypatch, 600)
    monkeypatch.setattr(ScanBudget, "take", lambda self: 0.0)
    assert b"enriched_at" in live.splice_known([event])[0]


def test_filling_waits_for_the_budget(fresh):
    service = fresh.extensions["invenio-stats-dashboard"].event_reindexing_service
    lookup = service._splicer()._lookup
    assert lookup._resolver._wait is ScanBudget.wait
    assert not lookup._postponed_is_unknown


def test_a_deleted_community_is_captured_without_reading_its_requests(
    service, messages, fresh, client, names
):
    _, community, inclusion = _included(messages)
    _deliver(service, inclusion)
    with recorded(db.engine) as sent:
        service.capture(MembershipChanges(community_ids=(community,)))
    assert not any(_scans_requests(statement) for statement in sent)


def test_changes_are_stored_in_the_order_of_their_arrival(fresh, client, names):
    deferred = DeferredCaptures(client, names)
    fresh.extensions[
        "invenio-stats-dashboard"
    ].community_stats_service.generate_record_community_events()
    for moment, added in (("1", True), ("2", False)):
        rows = (("parent", "community", added, moment),)
        deferred.add([MembershipChanges(("parent",), (), rows)], NO_INDEX)
    batch = deferred.next_batch()
    assert batch.changes.written == {"parent": {"community": (False, "2")}}
    assert batch.changes.parent_ids == ("parent",)
    deferred.remove(batch)
    assert deferred.next_batch().ids == []


class _Budget:
    """A budget that always permits a scan, and counts the scans."""

    interval = 10.0
    taken = 0

    def take(self):
        """Permit a scan."""
        self.taken += 1
        return 0.0

    def wait(self, sleep):
        """Permit a scan."""
        self.taken += 1

    released = nullcontext

    def schedule(self, seconds):
        """Reserve the next batch."""
        return True


def _parents(number, start=0):
    return [MembershipChanges((f"parent {n}",)) for n in range(start, start + number)]


def test_a_batch_ends_when_it_has_enough_parents(service, client, names, monkeypatch):
    monkeypatch.setattr(deferred_captures, "PARENTS", 5)
    deferred = DeferredCaptures(client, names)
    for changes in (*_parents(4), MembershipChanges(("a", "b", "c")), *_parents(2, 4)):
        deferred.add([changes], NO_INDEX)
    batch = deferred.next_batch()
    assert len(batch.ids) == 5 and len(batch.changes.parent_ids) == 7
    deferred.remove(batch)
    assert deferred.next_batch().changes.parent_ids == ("parent 4", "parent 5")


def test_a_message_that_always_takes_too_long_delays_no_other(service, client, names):
    deferred, captured = DeferredCaptures(client, names), []
    for changes in _parents(4):
        deferred.add([changes], TIMEOUT)

    def capture(changes):
        if "parent 0" in changes.parent_ids:
            raise StatementTimeoutError("The database canceled a statement.")
        captured.extend(changes.parent_ids)
        return len(captured)

    budget = _Budget()
    run = DeferredCaptureRun(capture, lambda: False, deferred, budget)
    assert len(run.run()) == 2
    assert captured == ["parent 1", "parent 2", "parent 3"]
    # all four; the first two; the first; the second; the others together
    assert budget.taken == 5
    assert deferred.next_batch(TIMEOUT).changes.parent_ids == ("parent 0",)


def test_a_run_captures_a_bounded_number_of_batches(
    service, client, names, monkeypatch
):
    deferred, captured = DeferredCaptures(client, names), []
    for changes in _parents(4):
        deferred.add([changes], TIMEOUT)
    monkeypatch.setattr(deferred_captures, "PARENTS", 1)
    run = DeferredCaptureRun(
        captured.append, lambda: True, deferred, _Budget(), batches=3
    )
    run.run()
    assert len(captured) == 3
    assert len(deferred.next_batch(TIMEOUT).ids) == 1
    late = DeferredCaptureRun(
        captured.append, lambda: True, deferred, _Budget(), seconds=0
    )
    assert late.run() == []


def test_a_thousand_captures_that_took_too_long_take_few_batches(
    service, client, names
):
    deferred, captured = DeferredCaptures(client, names), []
    lines = []
    for changes in _parents(1000):
        document = {"kind": KIND, "state": TIMEOUT, "updated_at": "2026-01-01"}
        lines += [{"index": {}}, {**document, **asdict(changes)}]
    client.bulk(index=names.reindexing, body=lines)
    DeferredCaptureRun(captured.append, lambda: True, deferred, _Budget()).run()
    assert len(captured) == 2
    assert len({p for changes in captured for p in changes.parent_ids}) == 1000


def test_the_last_write_of_a_row_counts_in_any_order_of_messages():
    removed = MembershipChanges(("p",), rows=(("p", "c", False, "2026-01-02"),))
    added = MembershipChanges(("p",), rows=(("p", "c", True, "2026-01-01"),))
    for order in ((removed, added), (added, removed)):
        together = MembershipChanges.together(order)
        assert together.written == {"p": {"c": (False, "2026-01-02")}}


def test_changes_are_stored_once_although_their_batch_fails(service, client, names):
    deferred = DeferredCaptures(client, names)

    def capture(changes):
        raise SearchUnavailableError("OpenSearch accepts no requests.")

    live = LiveCapture(capture, capture, lambda: False, deferred, _Budget())
    report = live.capture(_parents(1))
    assert report.deferred and report.next_batch == 10
    assert len(deferred.next_batch().ids) == 1
    # the task of the batch fails, and is tried again
    with pytest.raises(SearchUnavailableError):
        live.capture_batch()


def test_the_batch_after_one_that_took_too_long_is_scheduled(
    service, client, names, monkeypatch
):
    monkeypatch.setattr(deferred_captures, "PARENTS", 1)
    deferred = DeferredCaptures(client, names)
    for changes in _parents(2):
        deferred.add([changes], NO_INDEX)

    def capture(changes):
        raise StatementTimeoutError("The database canceled a statement.")

    live = LiveCapture(None, capture, lambda: False, deferred, _Budget())
    assert live.capture_batch().next_batch == 10
    assert len(deferred.next_batch(TIMEOUT).ids) == 1
    assert len(deferred.next_batch().ids) == 1


def test_pages_of_one_selection_scan_the_requests_once(
    service, without_indexes, messages, monkeypatch
):
    community = content.make_community()
    recids = [content.make_record() for _ in range(3)]
    content.include_in_bulk(recids, community)
    monkeypatch.setattr(membership, "PAGE_CHARACTERS", 10)
    reader = MembershipReader(db.engine)
    with recorded(db.engine) as sent:
        pages = list(reader.select(Selection(recids=tuple(recids))).pages())
    assert len(pages) == 3
    assert sum(map(_scans_requests, sent)) == 1


def test_with_the_indexes_no_selection_scans_the_requests(service, messages):
    recids = [content.make_record() for _ in range(3)]
    reader = MembershipReader(db.engine, page_size=2)
    with recorded(db.engine) as sent:
        list(reader.select(Selection(recids=tuple(recids))).pages())
    assert not any(s.planner["enable_seqscan"] == "on" for s in sent)


def test_captures_in_quick_succession_read_the_catalog_once(
    service, messages, monkeypatch
):
    _, _, sent_messages = _included(messages)
    monkeypatch.setattr(database_indexes, "REMEMBERED", 60)
    look_again(db.engine)
    with recorded(db.engine) as sent:
        for _ in range(3):
            _deliver(service, sent_messages)
    assert sum("pg_index" in statement.sql for statement in sent) == 1


def test_a_backlog_that_is_not_captured_is_a_problem(service, client, names):
    deferred = DeferredCaptures(client, names)
    deferred.add(_parents(1), NO_INDEX)
    assert not any(
        "deferred captures" in problem for problem in service.status().problems
    )
    client.indices.refresh(index=names.reindexing)
    client.update_by_query(
        index=names.reindexing,
        body={
            "query": {"term": {"kind": deferred_captures.KIND}},
            "script": "ctx._source.updated_at = '2026-01-01T00:00:00+00:00'",
        },
        refresh=True,
    )
    (problem,) = [p for p in service.status().problems if "deferred captures" in p]
    assert "1 deferred captures" in problem


def test_missing_indexes_are_a_problem(service, without_indexes):
    (problem,) = [p for p in service.status().problems if "no index" in p]
    assert "database-indexes create" in problem
    DatabaseIndexes(db.engine).create()
    assert not [p for p in service.status().problems if "no index" in p]


def test_the_capture_of_a_deleted_record_scans_no_requests(service, messages):
    recid = content.make_record()
    del messages[:]
    content.delete_record(recid)
    with recorded(db.engine) as sent:
        report, *_ = _deliver(service, messages)
    assert report.written.records == 1 and not report.deferred
    assert not any(map(_scans_requests, sent))


# the files of a record have two such indexes
@pytest.fixture(params=REQUIRED[:2], ids=lambda definition: definition.table)
def without_stock_index(service, request):
    """Drop an index of InvenioRDM's own; return its table and column."""
    definition = request.param
    db.session.rollback()
    number = INDEXES.index(definition)
    used = DatabaseIndexes(db.engine).statuses()[number].used

    def execute(statement):
        engine = db.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)

    execute(f"DROP INDEX {used}")
    look_again(db.engine)
    yield f"{definition.table}.{definition.key}"
    db.session.rollback()
    execute(f"DROP INDEX IF EXISTS {definition.name}")
    execute(f"CREATE INDEX {used} ON {definition.table} ({definition.key})")
    look_again(db.engine)


def test_without_an_index_of_invenio_rdm_no_records_are_read(
    service, messages, without_stock_index, fresh, client, names, monkeypatch
):
    _per_minute(fresh, monkeypatch, 600)
    recid, community, inclusion = _included(messages)
    with pytest.raises(NotReadyError, match=without_stock_index):
        service.generate_record_community_events()
    with pytest.raises(LookupPostponedError, match=without_stock_index):
        _resolver(fresh, client, names)([recid])
    assert all(report.deferred for report in _deliver(service, inclusion))
    db.session.rollback()
    DatabaseIndexes(db.engine).create()
    service.capture_deferred_changes()
    assert history(client, names, recid, community) == ["added"]
