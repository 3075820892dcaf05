# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Repeated uses by a visitor count once within the double-click window."""

import pytest
from invenio_app_rdm.config import STATS_EVENTS
from invenio_stats.processors import EventsIndexer

from invenio_stats_dashboard import config, config_validation
from invenio_stats_dashboard.errors import ConfigurationError
from invenio_stats_dashboard.usage_events.indexer import PatientEventsIndexer, install

from ..helpers.queues import views

VARIABLE = "STATS_DASHBOARD_DOUBLE_CLICK_SECONDS"


def installed(app, seconds, events=STATS_EVENTS):
    """Return the configured events of a site with a window."""

    class Site:
        config = {"STATS_EVENTS": events, VARIABLE: seconds}
        extensions, logger = {}, app.logger

    install(Site)
    return Site.config["STATS_EVENTS"]


def stored(broker, seconds, *times):
    """Return the sorted times of the stored events, after views by one visitor."""
    event = installed(broker.usage.app, seconds)["record-view"]
    indexer = event["cls"](**event["params"], queue=broker.queue)
    indexer.index = broker.usage.names.events_alias("view")
    (view,) = views(1, broker.usage.records[1].recid)
    broker.queue.publish([{**view, "timestamp": f"2026-03-05T{t}"} for t in times])
    indexer.run()
    return sorted(source["timestamp"][11:] for _, source in broker.usage.seen("view"))


def test_two_views_25_seconds_apart_count_once_in_a_window_of_30(broker):
    clicks = ("12:00:02", "12:00:27.5")
    assert stored(broker, 30, *clicks) == ["12:00:27"]


def test_without_a_configured_window_the_events_own_window_applies(broker):
    clicks = ("12:00:02", "12:00:09", "12:00:27")
    assert stored(broker, None, *clicks) == ["12:00:09", "12:00:27"]


def test_windows_are_fixed_and_do_not_start_at_a_click(broker):
    clicks = ("12:00:27", "12:00:32", "12:01:01")
    assert stored(broker, 30, *clicks) == list(clicks)


def test_the_window_applies_only_to_views_and_downloads_of_this_package(app):
    class Foreign(EventsIndexer):
        pass

    class OfTheSite(PatientEventsIndexer):
        pass

    events = installed(
        app,
        60,
        {
            "record-view": {"cls": OfTheSite, "params": {"double_click_window": 5}},
            "file-download": {"cls": Foreign, "params": {"double_click_window": 5}},
            "search-query": {"cls": EventsIndexer, "params": {}},
        },
    )
    windows = {n: e["params"].get("double_click_window") for n, e in events.items()}
    assert windows == {"record-view": 60, "file-download": 5, "search-query": None}
    assert "double_click_window" not in STATS_EVENTS["record-view"]["params"]


@pytest.mark.parametrize("value", [0, 3601, -5, 30.0, "30", True])
def test_an_invalid_window_is_refused_at_start(value):
    good = {name: getattr(config, name) for name in config_validation.CHECKS}
    config_validation.check_config(good)
    config_validation.check_config({**good, VARIABLE: 1})
    config_validation.check_config({**good, VARIABLE: 3600})
    with pytest.raises(ConfigurationError, match=f"{VARIABLE} is {value!r}; it must"):
        config_validation.check_config({**good, VARIABLE: value})
