# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test how fresh numbers are, why they are late, corrections, and the version."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from flask_babel import force_locale

from invenio_stats_dashboard.aggregations.runner import LAST_RUN, AggregationRun
from invenio_stats_dashboard.queries.freshness import FreshnessState, late
from invenio_stats_dashboard.queries.metrics import METRICS, RobotRule, definition
from invenio_stats_dashboard.queries.query import SeriesQuery
from invenio_stats_dashboard.services.series_readers import SeriesReaders

from ..aggregations.usage.build import BLUE, RED, Events

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
QUERY = SeriesQuery(RED, date(2026, 1, 1), date(2026, 1, 31))


def state(hours=None, run=None, lock=None, preparation=None, backfill=True):
    """Return a state, with numbers that are some hours old."""
    as_of = None if hours is None else (NOW - timedelta(hours=hours)).isoformat()
    return FreshnessState(
        run={"data_as_of": as_of, **(run or {})},
        lock=lock or {},
        preparation=preparation or {},
        backfill={"finished_at": "2026-01-01T00:00:00"} if backfill else {},
    )


LOCK = {
    "run": "a",
    "ttl": 60,
    "renewed_at": datetime.now(UTC).isoformat(),
    "host": "h",
    "pid": 1,
}


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (state(2), None),
        (state(2, run={"error": "connection refused"}), None),
        (state(4), "The next update has not run yet"),
        (state(), "The statistics are not complete yet"),
        (state(4, run={"error": "connection refused"}), "last update failed"),
        (state(4, run={"days_left": 3}), "Earlier days are still being counted"),
        (state(backfill=False), "membership history is still being generated"),
        (
            state(preparation={"months_left": 2}),
            "Earlier usage events are still being migrated",
        ),
    ],
)
def test_late_numbers_say_why(app, found, sentence):
    with app.app_context():
        reason = late(found, NOW)
    assert reason is None if sentence is None else sentence in reason


def test_the_reason_contains_no_error_message_of_opensearch(app):
    with app.app_context():
        reason = late(state(4, run={"error": "host db-7.internal refused"}), NOW)
    assert "db-7" not in reason


@pytest.fixture()
def events(fresh, client, names):
    """Return an instance with events on two days."""
    events = Events(fresh, client, names)
    events.days(["2026-01-05", "2026-01-06"])
    return events


def aggregate(events, **arguments):
    """Aggregate, and let searches see it."""
    events.aggregate(**arguments)
    events.client.indices.refresh(index=f"{events.names.prefix}stats-*")


def test_an_instance_without_anything_is_fresh_of_nothing(fresh, service):
    answer = service.readers.series.read(QUERY)
    assert answer.data_as_of is None
    assert "The statistics are not complete yet" in answer.late
    assert (answer.first_day, answer.last_day, answer.corrections) == (None, None, ())
    assert [series.total for series in answer.periods[0].series] == [0, 0]
    assert service.readers.freshness.version(RED)


def test_bounds_are_those_of_the_community(events, service):
    events.days(["2026-02-09"], communities=(BLUE,))
    aggregate(events, families=None)
    answer = service.readers.series.read(QUERY)
    assert (answer.first_day, answer.last_day) == (date(2026, 1, 5), date(2026, 1, 6))
    assert answer.data_as_of is not None


def test_the_definitions_have_the_number_of_robots_for_the_instance_only(
    events, service
):
    events.days(["2026-01-05"], each=3, first=70, is_robot=True)
    aggregate(events, families=None)

    def definition_of(community, key):
        query = replace(QUERY, community_id=community)
        answer = service.readers.series.read(query)
        return definition(METRICS[key], answer.robots)

    of_instance = definition_of("global", "views")
    assert of_instance.endswith(
        "Known robots are not counted. Stored views by robots that are not counted: 3."
    )
    assert definition_of("global", "downloads").endswith(
        "Known robots are not counted."
    )
    assert definition_of(RED, "views").endswith("Known robots are not counted.")


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        (
            "en",
            "Views of record pages by humans and machines. Known robots are not counted. "
            "Stored views by robots that are not counted: 1,234.",
        ),
        (
            "de",
            "Aufrufe der Seiten von Einträgen durch Menschen und Maschinen. Bekannte "
            "Robots werden nicht gezählt. Gespeicherte, nicht gezählte Aufrufe durch "
            "Robots: 1.234.",
        ),
        (
            "fr",
            "Vues des pages de notices par des humains et des machines. Les robots "
            "connus ne sont pas comptés. Vues enregistrées par des robots, non "
            "comptées : 1\u202f234.",
        ),
    ],
)
def test_a_definition_is_in_the_language_of_the_request(app, language, sentences):
    rule = RobotRule(left_out={"view": 1234, "download": 5})
    with app.test_request_context(), force_locale(language):
        assert definition(METRICS["views"], rule) == sentences


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        (
            "en",
            "The counting of known robots has changed. Some days can still have their "
            "earlier numbers.",
        ),
        (
            "de",
            "Die Zählung bekannter Robots hat sich geändert. Einige Tage können noch "
            "ihre früheren Zahlen haben.",
        ),
        (
            "fr",
            "Le comptage des robots connus a changé. Certains jours peuvent encore avoir "
            "leurs anciens nombres.",
        ),
    ],
)
def test_a_change_that_is_not_complete_is_said(app, language, sentences):
    with app.test_request_context(), force_locale(language):
        assert definition(METRICS["views"], RobotRule(None)).endswith(sentences)


@pytest.mark.parametrize("upgraded", [False, True])
def test_the_sentence_about_robots_is_that_of_the_stored_numbers(
    events, service, monkeypatch, upgraded
):
    """Until a run has counted all days by the setting, the sentence says so."""
    app = events.app
    setting = "STATS_DASHBOARD_COUNT_ROBOTS"

    def rule(value):
        monkeypatch.setitem(app.config, setting, value)
        query = replace(QUERY, community_id="global")
        return SeriesReaders(app, service.subcounts).series.read(query).robots

    assert (rule(True).counted, rule(False).counted) == (True, False)
    days = ["2026-01-05", "2026-01-06"]
    events.days(days, each=3, first=70, is_robot=True)
    monkeypatch.setitem(app.config, setting, True)
    aggregate(events, families=None)
    if upgraded:  # a version without the setting has not stored it
        index, id = events.names.bookmarks, LAST_RUN
        report = events.client.get(index=index, id=id)["_source"]
        del report["count_robots"], report["robots_left_out"]
        events.client.index(index=index, id=id, body=report, refresh=True)
    assert rule(True).counted is True
    assert rule(False) == RobotRule(None)
    monkeypatch.setitem(app.config, "COMMUNITY_STATS_CATCHUP_INTERVAL", 1)
    aggregate(events, families=None)  # one day of two
    assert rule(True) == rule(False) == RobotRule(None)
    aggregate(events, families=["records-delta-added"])
    assert rule(False) == RobotRule(None)
    aggregate(events, families=None)
    assert rule(False) == RobotRule(False, {"view": 6, "download": 0})
    assert rule(True) == RobotRule(None)


def test_a_killed_run_by_another_setting_is_not_forgotten(events, service, monkeypatch):
    events.days(["2026-01-05"], each=3, first=70, is_robot=True)
    aggregate(events, families=None)
    with monkeypatch.context() as killed:
        killed.setitem(events.app.config, "STATS_DASHBOARD_COUNT_ROBOTS", True)
        # as if it were killed: it stores no report
        killed.setattr(AggregationRun, "_note", lambda *arguments: None)
        aggregate(events, community_ids=["global"])
    events.client.indices.refresh(index=events.names.bookmarks)
    assert service.readers.series.read(QUERY).robots == RobotRule(None)


def test_a_definition_without_robots_does_not_mention_them(app):
    with app.test_request_context():
        text = definition(METRICS["records"], RobotRule(left_out={"view": 1}))
    assert text == "Records at the end of the period. Each version counts separately."


def test_the_version_changes_with_what_is_counted_and_with_nothing_else(
    events, service
):
    versions = [service.readers.freshness.version(RED)]
    aggregate(events, families=None)
    versions.append(service.readers.freshness.version(RED))
    assert service.readers.freshness.version(RED) == versions[-1]
    events.days(["2026-01-07"], first=50)
    aggregate(events, community_ids=["global"])
    versions.append(service.readers.freshness.version(RED))
    aggregate(events, families=None)
    versions.append(service.readers.freshness.version(RED))
    assert len(set(versions)) == 4


def test_the_version_changes_when_a_run_was_killed_after_it_wrote(events, service):
    aggregate(events, families=None)
    before = service.readers.freshness.version(RED), service.readers.freshness.version(
        BLUE
    )
    client, names = events.client, events.names
    id = f"{RED}:2026-01-05"
    client.delete(index=names.aggregates_from("usage-delta", 1), id=id, refresh=True)
    assert service.readers.freshness.version(RED) != before[0]
    assert service.readers.freshness.version(BLUE) == before[1]


def test_corrections_of_the_range_that_concern_the_community_are_reported(
    events, service
):
    aggregate(events, families=None)
    events.days(["2026-01-05"], each=2, first=90)
    aggregate(events, families=None)
    (correction,) = service.readers.series.read(QUERY).corrections
    assert correction["day"] == "2026-01-05"
    assert correction.keys() == {"scope", "day", "why", "updated_at"}
    later = replace(QUERY, first=date(2026, 1, 6))
    assert service.readers.series.read(later).corrections == ()
    earlier = replace(QUERY, last=date(2026, 1, 4))
    assert service.readers.series.read(earlier).corrections == ()
    other = replace(QUERY, community_id=BLUE)
    assert service.readers.series.read(other).corrections == ()
    of_records = replace(QUERY, metrics=("records",))
    assert service.readers.series.read(of_records).corrections == ()
