# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Community events that OpenSearch refuses for good are told, kept, and made later."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from invenio_db import db

from invenio_stats_dashboard import tasks
from invenio_stats_dashboard.community_events.reconciliation import Reconciliation
from tests.helpers import content
from tests.helpers.statistics import community_events

HOURS = timedelta(hours=2)


class Refusing:
    """A record whose events of one community are refused, beside one that lacks nothing."""

    def __init__(self, app, client, names):
        """Keep what a test uses, and make the records."""
        extension = app.extensions["invenio-stats-dashboard"]
        self.service = extension.community_stats_service
        self._client, self._names = client, names
        self._pipeline = f"{names.prefix}refusing"
        self.community = content.make_community()
        self.recid, _ = content.make_record(), content.make_record()
        self.service.generate_record_community_events()

    def begin(self):
        """Have OpenSearch refuse the community's events."""
        wanted = f"ctx.community_id == '{self.community}'"
        refusing = {"fail": {"if": wanted, "message": "no such thing"}}
        body = {"processors": [refusing]}
        self._client.ingest.put_pipeline(id=self._pipeline, body=body)
        self._use(self._pipeline)

    def end(self):
        """Have OpenSearch take them again."""
        self._use("_none")

    def _use(self, pipeline):
        self._client.indices.put_settings(
            index=self._names.community_events,
            body={"index.default_pipeline": pipeline},
        )

    def remove(self):
        """Leave nothing behind."""
        self.end()
        self._client.ingest.delete_pipeline(id=self._pipeline)

    def told(self):
        """Return (type, evidence) of the events that are refused."""
        return [
            (e["event_type"], e["evidence"])
            for e in community_events(self._client, self._names, self.recid)
            if e["community_id"] == self.community
        ]

    def state(self):
        """Return what the last reconciliation has found."""
        return self.service.community_events_status().reconciliation

    def is_due(self):
        """Tell whether all records should be looked at again."""
        return Reconciliation(self._client, self._names).is_due(7)


@pytest.fixture()
def refusing(capturing, client, names):
    """Return the record; its community's events are refused."""
    refusing = Refusing(capturing, client, names)
    refusing.begin()
    yield refusing
    refusing.remove()


def _let_hours_pass():
    """Let all that the database holds be older than a changed record is."""
    for table in (
        "rdm_records_metadata",
        "rdm_parents_metadata",
        "communities_metadata",
    ):
        statement = f"UPDATE {table} SET created = created - :s, updated = updated - :s"
        db.session.execute(sa.text(statement), {"s": HOURS})
    db.session.commit()


def _errors(caplog):
    return [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]


def test_what_capture_cannot_write_is_an_error_in_the_log(refusing, caplog):
    content.include_in_bulk([refusing.recid], refusing.community)
    assert refusing.told() == []
    (said,) = _errors(caplog)
    assert "no such thing" in said and "community-events reconcile" in said


def test_what_is_refused_is_tried_every_time_and_the_rest_is_not(refusing, caplog):
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
    # a sweep has seen the record since, and has not put it right
    assert refusing.told() == [("added", "parent")]
    assert refusing.state().lacking == []
