# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""A rolled-back change writes no event; concurrent changes are written once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from invenio_communities.records.records.systemfields.communities.manager import (
    CommunitiesRelationManager,
)
from invenio_db import db
from invenio_rdm_records.proxies import (
    current_rdm_records_service,
    current_record_communities_service,
)
from invenio_records_resources.services.uow import UnitOfWork
from sqlalchemy.orm.exc import StaleDataError

from invenio_stats_dashboard.community_events import capture
from invenio_stats_dashboard.community_events.membership_changes import (
    MembershipChanges,
)
from invenio_stats_dashboard.community_events.recorder import Recorder
from invenio_stats_dashboard.community_events.store import EventStore
from tests.helpers import content
from tests.helpers.statistics import community_events, documents

PAST = "2020-01-01T00:00:00"


class World:
    """Communities and records of a test, the messages sent and the stored events."""

    def __init__(self, app, client, names):
        """Store the fixtures that a test uses."""
        self.app, self._client, self._names = app, client, names
        self.service = app.extensions["invenio-stats-dashboard"].community_stats_service
        self.sent = []

    def stored_events(self, recid, community_id):
        """Return the events of a record and a community."""
        return [
            e
            for e in community_events(self._client, self._names, recid)
            if e["community_id"] == community_id
        ]

    def kinds(self, recid, community_id):
        """Return the types of the events of a record and a community."""
        return [e["event_type"] for e in self.stored_events(recid, community_id)]

    def versions(self):
        """Return how often each event document was written."""
        found = documents(self._client, self._names.community_events)
        return {version for _, version, _ in found.values()}

    def at_once(self, *actions):
        """Run functions in threads, each with its own database connection."""

        def run(action):
            with self.app.app_context():
                action()

        with ThreadPoolExecutor(len(actions)) as pool:
            for done in [pool.submit(run, action) for action in actions]:
                done.result(timeout=120)


@pytest.fixture()
def world(capturing, client, names):
    """Return an instance whose changes of memberships are captured."""
    return World(capturing, client, names)


@pytest.fixture()
def held(world, monkeypatch):
    """Hold back the messages of an instance, and return it."""
    sent = world.sent
    monkeypatch.setattr(
        capture.Watcher, "send", staticmethod(lambda **message: sent.append(message))
    )
    return world


def parent_of(recid):
    """Return the parent of a record."""
    return current_rdm_records_service.record_cls.pid.resolve(recid).parent


def add_row(recid, community):
    """Add a record to a community as the services do, up to the flush."""
    parent_of(recid).communities.add(community)
    db.session.flush()


# -- rollback ---------------------------------------------------------------


def test_a_service_that_fails_after_the_change_writes_no_event(held):
    community, recid = content.make_community(), content.make_record()
    held.sent.clear()
    noticed = []
    with pytest.raises(ZeroDivisionError), UnitOfWork() as uow:
        current_record_communities_service.bulk_add(
            content.system_identity, community, [recid], uow=uow
        )
        db.session.flush()
        noticed.append(dict(db.session.info))
        _ = 1 / 0
    assert noticed[0]  # the change was noticed, and is discarded
    db.session.commit()
    content.make_user()
    assert held.sent == []


def test_changes_outside_a_rolled_back_savepoint_are_written(world):
    community = content.make_community()
    outside, inside = content.make_record(), content.make_record()
    add_row(outside, community)
    savepoint = db.session.begin_nested()
    add_row(inside, community)
    savepoint.rollback()
    db.session.commit()
    assert world.kinds(outside, community) == ["added"]
    assert world.kinds(inside, community) == []


def test_a_change_after_a_rolled_back_savepoint_is_written(world):
    community = content.make_community()
    inside, after = content.make_record(), content.make_record()
    savepoint = db.session.begin_nested()
    add_row(inside, community)
    savepoint.rollback()
    add_row(after, community)
    db.session.commit()
    assert world.kinds(after, community) == ["added"]
    assert world.kinds(inside, community) == []


def test_a_released_savepoint_is_not_written_before_the_commit(held):
    community, recid = content.make_community(), content.make_record()
    held.sent.clear()
    with db.session.begin_nested():
        add_row(recid, community)
    assert held.sent == []
    db.session.rollback()
    db.session.commit()
    assert held.sent == []
    with db.session.begin_nested():
        add_row(recid, community)
    db.session.commit()
    (message,) = held.sent
    assert message["parent_ids"] == [str(parent_of(recid).id)]


# -- concurrently -----------------------------------------------------------


def test_two_concurrent_additions_are_each_written_once(world, monkeypatch):
    one, two, recid = *(content.make_community() for _ in "12"), content.make_record()
    both_have_read, stale = threading.Barrier(2, timeout=60), []
    add = CommunitiesRelationManager.add

    def waiting(manager, *args, **kwargs):
        if not both_have_read.broken:
            both_have_read.wait()
        return add(manager, *args, **kwargs)

    def include(community):
        try:
            content.include_in_bulk([recid], community)
        except StaleDataError as error:  # the other one was first: try again
            stale.append(error)
            both_have_read.abort()
            db.session.rollback()
            content.include_in_bulk([recid], community)

    monkeypatch.setattr(CommunitiesRelationManager, "add", waiting)
    world.at_once(lambda: include(one), lambda: include(two))
    assert len(stale) == 1  # one of the two was rolled back after its change
    for community in (one, two):
        assert [
            (e["event_type"], e["cause"], e["place"])
            for e in world.stored_events(recid, community)
        ] == [("added", "bulk", 1)]
    assert world.versions() == {1}


@pytest.fixture()
def meeting(monkeypatch):
    """Make two writers compare before either of them writes."""
    both_have_compared = threading.Barrier(2, timeout=60)
    create, met = EventStore.create_events, threading.local()

    def waiting(store, events):
        if events and not getattr(met, "once", False):
            met.once = True
            both_have_compared.wait()
        return create(store, events)

    monkeypatch.setattr(EventStore, "create_events", waiting)


def test_back_fill_and_live_capture_of_one_change_write_one_event(held, meeting):
    community, recid = content.make_community(), content.make_record()
    content.include(recid, community)
    parent = str(parent_of(recid).id)
    held.at_once(
        lambda: held.service.capture(MembershipChanges((parent,))),
        held.service.generate_record_community_events,
    )
    assert held.kinds(recid, community) == ["added"]
    assert held.kinds(recid, "global") == ["added"]
    assert held.versions() == {1}


def test_back_fill_and_live_capture_date_a_change_equally(held):
    community, recid = content.make_community(), content.make_record()
    content.date_back(PAST)
    parent = str(parent_of(recid).id)
    held.service.capture(MembershipChanges((parent,)))
    content.include_in_bulk([recid], community)
    changed = parent_of(recid).updated.isoformat()[:19]
    held.service.generate_record_community_events()
    (event,) = held.stored_events(recid, community)
    assert (event["event_date"], event["evidence"]) == (changed, "parent")
    assert held.service.capture(MembershipChanges((parent,))).written.events == 0


@pytest.fixture()
def interrupt(held, client, names, monkeypatch):
    """Return a function that does something before the next call of a method.

    What it changes is captured at once, as by another worker, and searches find it.
    """

    def interrupt(owner, name, action):
        method, waiting = getattr(owner, name), [action]

        def interrupted(*args, **kwargs):
            if waiting:
                action = waiting.pop()
                with held.app.app_context():
                    action()
                    for message in held.sent:
                        held.service.capture(MembershipChanges.of(message))
                client.indices.refresh(index=names.community_events)
            return method(*args, **kwargs)

        monkeypatch.setattr(owner, name, interrupted)

    return interrupt


def _change(change, recid, community):
    """Add, remove or delete a record."""
    if change == "deletion":
        content.delete_record(recid)
    elif change == "removal":
        content.remove(recid, community)
    else:
        content.include_in_bulk([recid], community)


@pytest.mark.parametrize(
    "before, change, kinds",
    [
        ([], "addition", ["added"]),
        (["addition"], "removal", ["added", "removed"]),
        (["addition"], "deletion", ["added", "removed"]),
        (["addition", "removal"], "addition", ["added", "removed", "added"]),
    ],
)
def test_a_row_that_was_read_earlier_does_not_reverse_a_newer_event(
    held, interrupt, before, change, kinds
):
    community, recid = content.make_community(), content.make_record()
    held.service.generate_record_community_events()
    for each in before:
        _change(each, recid, community)
        held.service.generate_record_community_events()
    del held.sent[:]
    interrupt(Recorder, "record", lambda: _change(change, recid, community))
    done = held.service.generate_record_community_events()
    assert held.kinds(recid, community) == kinds
    assert done.events == 0


@pytest.mark.parametrize("step", ["create_events", "put_facts"])
@pytest.mark.parametrize("change", ["removal", "deletion"])
def test_a_change_during_a_capture_is_in_the_timeline_afterwards(
    held, interrupt, step, change
):
    community, recid = content.make_community(), content.make_record()
    held.service.generate_record_community_events()
    del held.sent[:]
    content.include_in_bulk([recid], community)
    messages = [MembershipChanges.of(message) for message in held.sent]
    del held.sent[:]

    def happen():
        time.sleep(1.1)  # events have whole seconds
        _change(change, recid, community)

    interrupt(EventStore, step, happen)
    held.service.capture(*messages)
    assert held.kinds(recid, community) == ["added", "removed"]
    added, removed = held.stored_events(recid, community)
    assert removed["evidence"] != "now" and removed["event_date"] > added["event_date"]
    assert held.kinds(recid, "global")[0] == "added"
    assert held.service.reconcile_community_events().events == 0


@pytest.mark.parametrize("change", ["removal", "deletion"])
def test_a_row_that_was_read_earlier_does_not_reverse_an_event_written_before_its_own(
    held, interrupt, change
):
    community, recid = content.make_community(), content.make_record()
    content.include_in_bulk([recid], community)
    del held.sent[:]

    interrupt(EventStore, "create_events", lambda: _change(change, recid, community))
    held.service.generate_record_community_events()
    assert held.kinds(recid, community) == ["added", "removed"]
    assert held.kinds(recid, "global")[0] == "added"
    assert held.service.reconcile_community_events().events == 0
