# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""COUNTER reports and most used records are counted once for each version of events."""

import pytest
from invenio_access.permissions import system_identity

from invenio_stats_dashboard.reports.counter.events import CountedEvents
from invenio_stats_dashboard.reports.top_records import TopRecordsReader

from ..aggregations.usage.build import Events

MONTH = "2019-04"


class Counting:
    """How often numbers were counted."""

    def __init__(self, monkeypatch):
        self.number = 0
        for cls, method in ((CountedEvents, "indices"), (TopRecordsReader, "read")):
            self._watch(monkeypatch, cls, method)

    def _watch(self, monkeypatch, cls, method):
        original = getattr(cls, method)

        def counting(*arguments):
            self.number += 1
            return original(*arguments)

        monkeypatch.setattr(cls, method, counting)


@pytest.fixture()
def counting(monkeypatch):
    """Return how often numbers were counted."""
    return Counting(monkeypatch)


@pytest.fixture()
def events(site, client, names):
    """Return the usage events of a month that has no others."""
    events = Events(site.app, client, names)
    add_event(events, site, 1)
    yield events
    client.indices.delete(index=names.events_month("view", MONTH))


def add_event(events, site, number):
    """Store a view, without waiting until searches find it."""
    community = site.communities["open"]
    timestamp = f"{MONTH}-02T10:00:00"
    events.write([events.event(number, timestamp, communities=[community])])


@pytest.fixture()
def path(site):
    """Return the path of a community that everyone may read."""
    return f"/stats-dashboard/communities/{site.slugs['open']}"


def test_a_counter_report_is_counted_once_for_each_version(
    events, site, path, anyone, counting
):
    path = f"{path}/counter?month={MONTH}"
    first = anyone.get(path)
    assert (first.status_code, counting.number) == (200, 1)
    again = anyone.get(path)
    assert again.json["report-datasets"] == first.json["report-datasets"]
    assert site.as_("stranger").get(path).status_code == 200
    assert counting.number == 1
    add_event(events, site, 2)
    assert anyone.get(path).status_code == 200
    assert counting.number == 2


def test_the_stored_counts_are_those_that_are_counted(events, site, client, names):
    community = site.communities["open"]
    for number in range(2, 40):
        add_event(events, site, number)
    client.indices.refresh(index=names.events_month("view", MONTH))
    service = site.app.extensions["invenio-stats-dashboard"].community_stats_service
    with site.app.test_request_context():
        item = service.read(system_identity, community)
        counted = item.counter_report(MONTH, hidden=True).as_json()
        for _ in range(2):
            shared = item.counter_report(MONTH, hidden=True, shared=True).as_json()
            for found in (shared, counted):
                found["report-header"].pop("created", None)
            assert shared == counted
    assert len(counted["report-datasets"]) == 7


def test_a_counter_report_that_has_not_changed_is_not_sent_again(
    events, site, path, anyone, counting
):
    path = f"{path}/counter?month={MONTH}"
    tag = anyone.get(path).headers["ETag"]
    counted = counting.number
    again = anyone.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data, counting.number) == (304, b"", counted)
    assert anyone.head(path).headers["ETag"] == tag
    other = site.as_("stranger").get(path, headers={"If-None-Match": tag})
    assert other.status_code == 200, "another caller may see other records"
    add_event(events, site, 3)
    assert anyone.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_changed_record_changes_the_tag_of_a_counter_report(
    events, path, anyone, client, names
):
    path, index = f"{path}/counter?month={MONTH}", f"{names.prefix}rdmrecords-records"
    tag = anyone.get(path).headers["ETag"]
    found = client.search(index=index, body={"size": 1})["hits"]["hits"][0]
    client.index(index=found["_index"], id=found["_id"], body=found["_source"])
    assert anyone.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_most_used_records_are_counted_once_for_each_version(
    events, site, path, anyone, counting, monkeypatch
):
    path = f"{path}/records?from={MONTH}-01&to={MONTH}-28"
    # as if the seconds of the stored version were over
    version = "invenio_stats_dashboard.services.most_used_records.cached"
    monkeypatch.setattr(version, lambda keys: {})

    def total(size):
        answer = anyone.get(f"{path}&size={size}")
        assert answer.status_code == 200
        return answer.json["total"]

    assert (total(10), total(3), counting.number) == (1, 1, 1)
    add_event(events, site, 2)
    assert (total(10), total(100), counting.number) == (2, 2, 2)


def test_stored_numbers_are_those_of_the_setting_for_robots(
    events, site, path, anyone, counting, monkeypatch
):
    # as if the seconds of the stored version were over
    version = "invenio_stats_dashboard.services.most_used_records.cached"
    monkeypatch.setattr(version, lambda keys: {})
    community, timestamp = site.communities["open"], f"{MONTH}-02T11:00:00"
    events.write([events.event(70, timestamp, communities=[community], is_robot=True)])

    def numbers():
        report = anyone.get(f"{path}/counter?month={MONTH}").json
        listed = anyone.get(f"{path}/records?from={MONTH}-01&to={MONTH}-28").json
        names = {
            a["name"]: a["value"] for a in report["report-header"]["report-attributes"]
        }
        return listed["total"], names["robots"].startswith("Robots are excluded")

    assert (numbers(), numbers(), counting.number) == ((1, True), (1, True), 2)
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_COUNT_ROBOTS", True)
    assert (numbers(), numbers(), counting.number) == ((2, False), (2, False), 4)
    monkeypatch.setitem(site.app.config, "STATS_DASHBOARD_COUNT_ROBOTS", False)
    assert (numbers(), counting.number) == ((1, True), 4)


def test_the_version_of_events_is_read_again_after_some_seconds(
    events, site, path, anyone, counting
):
    path = f"{path}/records?from={MONTH}-02&to={MONTH}-27&size=9"
    before = anyone.get(path).json["total"]
    add_event(events, site, 50)
    assert anyone.get(path).json["total"] == before, "it is not cached"
    assert counting.number == 1
