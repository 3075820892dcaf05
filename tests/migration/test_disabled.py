# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Disabling the extension during a cut-over leaves no month that refuses writes."""

from flask import Flask

from invenio_stats_dashboard.ext import InvenioStatsDashboard
from invenio_stats_dashboard.tasks import recover_overdue_switches

from ..helpers.faults import assert_no_marks, killed_at, later, write_once


def test_a_disabled_extension_still_aborts_unfinished_cut_overs():
    app = Flask("disabled")
    app.config["COMMUNITY_STATS_ENABLED"] = False
    InvenioStatsDashboard(app)
    (entry,) = app.config["CELERY_BEAT_SCHEDULE"].values()
    assert entry["task"] == recover_overdue_switches.name
    app.config.update(
        CELERY_BEAT_SCHEDULE={}, COMMUNITY_STATS_SCHEDULED_TASKS_ENABLED=False
    )
    InvenioStatsDashboard(app)
    assert app.config["CELERY_BEAT_SCHEDULE"] == {}


def test_a_cut_over_during_which_it_was_disabled_is_aborted(events_of, monkeypatch):
    usage, month = events_of, "2026-03"
    events = usage.legacy("view", month, 20)
    killed_at(usage, "flush", ignore_stock_workers=True)
    late = dict(usage.events("view", month, 1, seed=12))
    assert not any(write_once(usage, "view", month, *event) for event in late.items())
    monkeypatch.setitem(usage.app.config, "COMMUNITY_STATS_ENABLED", False)
    assert usage.service.recover_overdue(now=later) == [f"view-{month}"]
    assert all(write_once(usage, "view", month, *event) for event in late.items())
    usage.assert_seen({**events, **late})
    assert_no_marks(usage)
