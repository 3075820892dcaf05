# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Open months are not cut over while a worker runs the stock event indexer."""

from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Timer
from time import sleep

import pytest

from invenio_stats_dashboard.usage_events.stock_workers import (
    MARKER_TASK,
    STOCK_TASK,
    TIMEOUT,
    StockWorkers,
)

from ..helpers.brokers import (
    frozen,
    real_broker,
    stock_worker,
    unreachable_broker,
)
from .test_faults import NOW, month_of

PATIENCE = "STATS_DASHBOARD_REINDEXING_HEALTH_TIMEOUT"
ANSWER = 0.5
"""Seconds that a worker of these tests may take to answer; it has nothing else to do."""


@pytest.fixture(scope="module")
def running(names):
    """Return the name of a stock worker that runs during all tests of this module."""
    with stock_worker(names.prefix.rstrip("-")) as name:
        yield name


@pytest.fixture()
def worker(usage, running, monkeypatch):
    """Return the name of a stock worker that answers on the application's broker."""
    monkeypatch.setitem(usage.app.config, PATIENCE, 4 * ANSWER)
    monkeypatch.setitem(usage.app.config, TIMEOUT, ANSWER)
    with real_broker(monkeypatch):
        yield running


def now():
    """Return a moment in the middle of the month."""
    return datetime(2026, 3, 15, tzinfo=UTC)


def test_a_current_month_waits_and_stops_resumable_but_a_past_one_is_switched(
    usage, worker
):
    usage.legacy("view", "2026-02", 100)
    usage.legacy("view", "2026-03", 200)
    reasons = []
    report = usage.migrate(now=now, progress=lambda p: reasons.append(p.waiting))
    assert month_of(report, "view", "2026-02")["state"] == "done"
    current = month_of(report, "view", "2026-03")
    assert not current["switched"] and current["state"] == "verified"
    assert report["stopped"]["resumable"]
    sentence = f"The workers {worker} run the stock event indexer"
    assert report["stopped"]["reason"].startswith(sentence)
    assert any(t and t.startswith(sentence) for t in reasons)


def test_the_plan_warns_of_the_worker(usage, worker):
    usage.legacy("view", "2026-03", 100)
    assert any(worker in w for w in usage.service.plan(now=now).warnings)
    assert not any(worker in w for w in usage.service.plan(now=NOW).warnings)


def test_workers_are_not_queried_if_no_month_may_still_get_events(usage, monkeypatch):
    requests = []
    monkeypatch.setattr(StockWorkers, "_ask", lambda workers: requests.append(1) or ())
    usage.legacy("view", "2026-03", 100)
    usage.service.plan(now=NOW)
    assert month_of(usage.migrate(now=NOW), "view", "2026-03")["state"] == "done"
    assert requests == []
    usage.legacy("view", "2026-04", 100)
    usage.service.plan(now=lambda: now().replace(month=4))
    assert requests == [1, 1]


def test_workers_have_as_long_to_answer_as_the_configuration_says(usage, monkeypatch):
    waited = []
    monkeypatch.setattr(
        StockWorkers, "_ask", lambda workers: waited.append(workers._timeout) or ()
    )
    monkeypatch.setitem(usage.app.config, TIMEOUT, 0.03)
    usage.legacy("view", "2026-03", 100)
    usage.service.plan(now=now)
    report = usage.migrate(now=now)
    assert month_of(report, "view", "2026-03")["state"] == "done"
    assert waited == [0.03] * 4


def test_a_switch_that_is_forced_states_the_loss_it_may_have_caused(usage, worker):
    usage.legacy("view", "2026-03", 200)
    report = usage.migrate(now=now, ignore_stock_workers=True)
    assert month_of(report, "view", "2026-03")["state"] == "done"
    (stated,) = [p for p in report["problems"] if worker in p]
    assert "are lost" in stated and "view-2026-03" in stated


def test_a_worker_that_answers_late_is_not_overlooked_beside_another(usage, worker):
    late = f"{usage.names.prefix}late"
    with stock_worker(late) as name:
        thaw = ExitStack()
        thaw.enter_context(frozen(name))
        Timer(1.5, thaw.close).start()
        assert StockWorkers(timeout=1.0).names() == sorted([worker, name])


def test_a_worker_found_once_counts_until_it_has_been_silent_for_long(usage, worker):
    workers = StockWorkers(timeout=ANSWER, gone=4 * ANSWER)
    assert workers.names() == [worker]
    with frozen(worker):
        assert workers.names() == [worker]
        sleep(4 * ANSWER)
        assert workers.names() == []


def test_a_safe_worker_hides_no_stock_worker_of_the_same_name(usage, worker):
    answers = [(worker, [STOCK_TASK]), (worker, [STOCK_TASK, MARKER_TASK])]
    workers = StockWorkers()
    workers._ask = lambda: answers
    assert workers.names() == [worker]


def test_nothing_is_stated_when_no_worker_is_running(usage):
    usage.legacy("view", "2026-03", 100)
    report = usage.migrate(now=now, ignore_stock_workers=True)
    assert not [p for p in report["problems"] if "workers" in p]


def test_a_current_month_is_not_switched_while_workers_cannot_be_queried(
    usage, monkeypatch
):
    monkeypatch.setitem(usage.app.config, PATIENCE, 1)
    usage.legacy("view", "2026-03", 100)
    with unreachable_broker(monkeypatch):
        report = usage.migrate(now=now)
        assert any("broker" in w for w in usage.service.plan(now=now).warnings)
    month = month_of(report, "view", "2026-03")
    assert not month["switched"] and report["stopped"]["resumable"]
    assert report["stopped"]["reason"].startswith("The message broker does not answer")
