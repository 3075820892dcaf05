# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A removal that is detected a day late is dated correctly, and usage follows."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from invenio_communities.proxies import current_communities
from invenio_db import db

from invenio_stats_dashboard.community_events import capture, timestamps
from invenio_stats_dashboard.tasks import send_capture
from scripts.demo.legacy_events import generate, synthetic_records
from tests.helpers import content
from tests.helpers.statistics import community_events

DAY = timedelta(days=1)


class Late:
    """A record that was removed from a community yesterday without a message.

    Attributes:
        removed: when it was removed or last changed, in the format of events.
        held: the messages that were held back.
    """

    def __init__(self, app, client, names):
        """Store the fixtures that a test uses."""
        extension = app.extensions["invenio-stats-dashboard"]
        self.events = extension.community_stats_service
        self.usage = extension.event_reindexing_service
        self.app, self._client, self._names = app, client, names
        self.community, self.other = content.make_community(), content.make_community()
        self.recid = content.make_record()
        content.include(self.recid, self.community)
        self.held, self.removed = [], None

    def stored_events(self, community=None):
        """Return the events of a community; by default, the one that it left."""
        return [
            e
            for e in community_events(self._client, self._names, self.recid)
            if e["community_id"] == (community or self.community)
        ]

    def forget(self):
        """Delete the events captured in this second, so that yesterday's are made."""
        for index in (self._names.community_events, self._names.record_facts):
            self._client.indices.delete(index=f"{index}*")

    def view(self, *moments, community=None, counts=True):
        """Store views, enriched with or without the membership in a community."""
        record = synthetic_records(1)[0]
        ((_, event),) = generate("view", "2026-03", 1, [record])
        for moment in moments:
            self._client.index(
                index=self._names.events_month("view", moment[:7]),
                id=f"view-{moment}",
                body={**event, "recid": self.recid, "timestamp": moment},
                refresh=True,
            )
        assert self.usage.fill_usage_events().events == len(moments)
        counted = self.counted(community)
        assert {counted[moment] for moment in moments} == {counts}

    def counted(self, community=None):
        """Return time -> whether the view counts for a community."""
        alias = self._names.events_alias("view")
        self._client.indices.refresh(index=alias)
        hits = self._client.search(index=alias, body={"size": 100})["hits"]["hits"]
        return {
            hit["_source"]["timestamp"]: (community or self.community)
            in hit["_source"]["community_ids"]
            for hit in hits
        }


@pytest.fixture()
def late(capturing, client, names, monkeypatch):
    """Return a record that was added two days ago and removed one day ago."""
    late = Late(capturing, client, names)
    late.forget()
    _age(2 * DAY)
    late.events.generate_record_community_events()
    monkeypatch.setattr(
        capture.Watcher, "send", staticmethod(lambda **m: _hold_back(m))
    )
    _hold_back = late.held.append
    with monkeypatch.context() as patch:
        patch.setattr(capture.timestamps, "moment_now", _yesterday)
        content.remove(late.recid, late.community)
    _made_yesterday(late)
    return late


def _made_yesterday(late):
    """Date the last change of the record's parent one day back."""
    _age(DAY)
    (updated,) = db.session.execute(
        sa.text("SELECT max(updated) FROM rdm_parents_metadata")
    ).one()
    late.removed = timestamps.as_second(updated)


def _yesterday():
    return timestamps.moment_of((datetime.now(UTC) - DAY).isoformat())


def _age(span):
    """Date everything in the database back by a time span."""
    content.make_older(span, "request_metadata", "request_events")


def _rename(community):
    service = current_communities.service
    data = service.read(content.system_identity, community).data
    data["metadata"]["title"] = "Another title"
    service.update(content.system_identity, community, data)


def _near(late, seconds):
    moment = datetime.fromisoformat(late.removed) + timedelta(seconds=seconds)
    return timestamps.as_second(moment)


def _apart(one, other):
    return datetime.fromisoformat(one) - datetime.fromisoformat(other)


@pytest.mark.parametrize("meanwhile", ["nothing", "another community", "an edition"])
def test_a_removal_detected_a_day_late_is_dated_when_it_happened(
    late, monkeypatch, meanwhile
):
    before = [_near(late, s) for s in (-3600, -2)]
    after = [_near(late, s) for s in (2, 60, 86000)]
    late.view(*before, *after)
    if meanwhile == "another community":
        content.include_in_bulk([late.recid], late.other)
    elif meanwhile == "an edition":
        content.edit(late.recid, title="Another title")
    for message in late.held:
        send_capture(**message)
    rows = {row for message in late.held for row in message.get("rows", ())}
    assert (late.community, False) in {row[1:3] for row in rows}
    added, removed = late.stored_events()
    assert added["event_type"] == "added" and removed["event_type"] == "removed"
    assert abs(_apart(removed["event_date"], late.removed)) <= timedelta(seconds=1)
    late.usage.attribute_again(rest=0)
    assert late.counted() == {
        **dict.fromkeys(before, True),
        **dict.fromkeys(after, False),
    }
    assert late.events.reconcile_community_events().events == 0


def test_an_addition_that_the_look_up_of_an_event_detects_first(
    late, client, names, monkeypatch
):
    before, after = _near(late, -60), _near(late, 3600)
    with monkeypatch.context() as patch:
        patch.setattr(capture.timestamps, "moment_now", _yesterday)
        content.include_in_bulk([late.recid], late.other)
    _made_yesterday(late)
    late.view(before, after, community=late.other, counts=False)
    extension = late.app.extensions["invenio-stats-dashboard"]
    less = {k: s for k, s in extension.subcounts.items() if k != "publishers"}
    # stored facts that were made with other breakdowns are read from the database
    monkeypatch.setitem(extension.__dict__, "subcounts", less)
    third = _near(late, 7200)
    late.view(third, community=late.other)
    (event,) = late.stored_events(late.other)
    assert abs(_apart(event["event_date"], late.removed)) <= timedelta(seconds=1)
    late.usage.attribute_again(rest=0)
    assert late.counted(late.other) == {before: False, after: True, third: True}


def test_a_late_addition_to_an_edited_community_is_dated_by_its_parent(late):
    content.include_in_bulk([late.recid], late.other)
    _made_yesterday(late)
    _rename(late.other)
    assert late.events.reconcile_community_events().events == 2
    (event,) = late.stored_events(late.other)
    assert event["evidence"] == "parent"
    assert abs(_apart(event["event_date"], late.removed)) <= timedelta(seconds=1)
