# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Permanently refused community events are reported, stored, and written later."""

from datetime import timedelta

import pytest
from invenio_rdm_records.proxies import current_rdm_records_service

from invenio_stats_dashboard import tasks
from invenio_stats_dashboard.community_events.facts import registry_mark
from invenio_stats_dashboard.community_events.reconciliation import Reconciliation
from invenio_stats_dashboard.errors import NotPermittedError
from tests.helpers import content
from tests.helpers.cluster import living_on
from tests.helpers.proxies import Proxy, refused_writes
from tests.helpers.statistics import community_events

HOURS = timedelta(hours=2)


class Refusing:
    """A record whose events in one community are refused, beside a complete one."""

    def __init__(self, app, client, names):
        """Store the fixtures that a test uses, and create the records."""
        extension = app.extensions["invenio-stats-dashboard"]
        self.service = extension.community_stats_service
        self._client, self._names = client, names
        self._pipeline = f"{names.prefix}refusing"
        self.community = content.make_community()
        self.recid, _ = content.make_record(), content.make_record()
        self.service.generate_record_community_events()

    def begin(self):
        """Make OpenSearch refuse the community's events."""
        wanted = f"ctx.community_id == '{self.community}'"
        refusing = {"fail": {"if": wanted, "message": "no such thing"}}
        body = {"processors": [refusing]}
        self._client.ingest.put_pipeline(id=self._pipeline, body=body)
        self._use(self._pipeline)

    def end(self):
        """Make OpenSearch accept them again."""
        self._use("_none")

    def _use(self, pipeline):
        self._client.indices.put_settings(
            index=self._names.community_events,
            body={"index.default_pipeline": pipeline},
        )

    def remove(self):
        """Remove the pipeline."""
        self.end()
        self._client.ingest.delete_pipeline(id=self._pipeline)

    def stored_events(self):
        """Return (type, evidence) of the events of the refused community."""
        return [
            (e["event_type"], e["evidence"])
            for e in community_events(self._client, self._names, self.recid)
            if e["community_id"] == self.community
        ]

    def state(self):
        """Return the result of the last reconciliation."""
        return self.service.community_events_status().reconciliation

    def is_due(self):
        """Return whether all records should be compared again."""
        registry = registry_mark(self.service.subcounts)
        return Reconciliation(self._client, self._names, registry).is_due(7)


@pytest.fixture()
def refusing(capturing, client, names):
    """Return the record; its community's events are refused."""
    refusing = Refusing(capturing, client, names)
    refusing.begin()
    yield refusing
    refusing.remove()


def test_changes_wait_while_opensearch_permits_no_writes(
    capturing, client, names, monkeypatch
):
    service = capturing.extensions["invenio-stats-dashboard"].community_stats_service
    community, recid = content.make_community(), content.make_record()
    service.generate_record_community_events()
    record = current_rdm_records_service.record_cls.pid.resolve(recid)
    changes = {"parent_ids": [str(record.parent.id)]}
    (host,) = capturing.config["SEARCH_HOSTS"]
    proxy = Proxy(host)
    try:
        with living_on(capturing, monkeypatch, [proxy.address]):
            action = "indices:data/write/bulk"
            refusal = refused_writes(action)
            with proxy.refusing("POST", "^/_bulk", refusal=refusal) as refused:
                content.include_in_bulk([recid], community)
                # the broker redelivers the message of a task that ends with an error
                with pytest.raises(NotPermittedError, match=action):
                    tasks.capture_changes_of_message.apply(kwargs=changes, throw=True)
            assert refused.count
    finally:
        proxy.close()
    tasks.capture_changes_of_message.apply(kwargs=changes, throw=True)
    found = community_events(client, names, recid)
    assert community in {event["community_id"] for event in found}


def _let_hours_pass():
    """Date the database back, so that its records no longer count as changed."""
    content.make_older(HOURS)


def _errors(caplog):
    return [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]


def test_an_event_that_capture_cannot_write_is_logged_as_an_error(refusing, caplog):
    content.include_in_bulk([refusing.recid], refusing.community)
    assert refusing.stored_events() == []
    (said,) = _errors(caplog)
    assert "no such thing" in said and "community-events reconcile" in said


def test_refused_events_are_tried_every_time_and_others_are_not(refusing, caplog):
    content.include_in_bulk([refusing.recid], refusing.community)
    _let_hours_pass()
    caplog.clear()
    tasks.reconcile_community_events()
    assert "no such thing" in _errors(caplog)[0]
    assert not refusing.is_due()
    assert refusing.state().lacking == [refusing.recid]
    assert refusing.state().records == 2
    tasks.reconcile_community_events()
    assert len(_errors(caplog)) == 2
    assert not refusing.is_due()
    assert refusing.state().records == 1
    refusing.end()
    tasks.reconcile_community_events()
    assert len(_errors(caplog)) == 2
    # a sweep has seen the record since then, and has not corrected it
    assert refusing.stored_events() == [("added", "parent")]
    assert refusing.state().lacking == []
