# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Each way in which a membership changes results in the correct community events.

======================================  ==============================================
way                                     test
======================================  ==============================================
direct publication                      ``test_direct_publication``
review attached, submitted, declined    ``test_submission_for_review_changes_nothing``
submission accepted                     ``test_accepted_submission``
submission without review               ``test_submission_without_review``
inclusion requested                     ``test_requested_inclusion_changes_nothing_yet``
inclusion accepted                      ``test_accepted_inclusion``
inclusion declined, cancelled           ``test_inclusion_that_is_not_accepted``
added although already included         ``test_adding_an_included_record_again``
default community set                   ``test_default_community_is_no_change``
removed by the record's API             ``test_removal_and_addition_again[remove]``
removed by the community's API          ``test_removal_and_addition_again[remove_by…]``
several removed, one not included       ``test_removal_of_several_by_the_community``
bulk addition                           ``test_bulk_addition_is_dated_by_when_it_was…``
bulk addition, one already included     ``test_bulk_addition_of_an_included_record``
bulk addition to a subcommunity         ``test_addition_to_a_subcommunity[include_in…]``
inclusion, submission into one          ``test_addition_to…``, ``test_submission_to…``
removal from a subcommunity             ``test_removal_from_a_subcommunity_stays_in_…``
community becomes a subcommunity        ``test_a_community_that_becomes_a_subcommuni…``
new version, draft and published        ``test_new_version_is_a_record_of_its_own``
edition                                 ``test_edition_writes_no_event_and_new_facts``
record deleted, restored                ``test_deletion_and_restoration_of_a_record``
user blocked, restored                  ``test_users_records_that_are_blocked_and_res…``
community deleted, restored             ``test_deletion_and_restoration_of_a_community``
rows written by hand                    ``test_rows_…``
======================================  ==============================================

Rollbacks and concurrent changes are in ``test_capture_races``.
"""

import threading
import uuid

import pytest
import sqlalchemy as sa
from flask import has_request_context
from invenio_access.permissions import system_identity
from invenio_communities.proxies import current_communities
from invenio_db import db
from invenio_rdm_records.proxies import (
    current_community_records_service,
    current_rdm_records_service,
    current_record_communities_service,
)
from invenio_rdm_records.records.models import RDMParentCommunity, RDMParentMetadata
from invenio_rdm_records.requests.user_moderation.actions import on_block, on_restore
from invenio_records_resources.services.uow import UnitOfWork
from invenio_requests.proxies import current_requests_service

from invenio_stats_dashboard.community_events import capture, timestamps
from invenio_stats_dashboard.community_events.membership_changes import (
    MembershipChanges,
)
from invenio_stats_dashboard.usage_events.maintenance.reattribution import KIND
from tests.helpers import content
from tests.helpers.statistics import community_events, documents, facts


@pytest.fixture()
def stored_events(emptied, watched, client, names):
    """Return a function from a record to (type, cause) of its events, by community."""

    def events_of(recid):
        events = {}
        for e in community_events(client, names, recid):
            entry = (e["event_type"], e["cause"])
            events.setdefault(e["community_id"], []).append(entry)
            assert e["place"] == len(events[e["community_id"]])
        return events

    return events_of


PUBLISHED = [("added", "publish")]
ACCEPTED = [("added", "accepted")]


def _events(client, names, recid, community_id):
    found = community_events(client, names, recid)
    return [e for e in found if e["community_id"] == community_id]


def test_direct_publication(stored_events, capturing, client, names):
    recid = content.make_record()
    assert stored_events(recid) == {"global": PUBLISHED}
    assert set(facts(client, names)) == {recid}


def test_submission_for_review_changes_nothing(stored_events, community):
    recid = content.make_draft()
    request = content.submit(recid, community)
    assert stored_events(recid) == {}
    current_requests_service.execute_action(system_identity, request, "decline", {})
    assert stored_events(recid) == {}


def test_accepted_submission(stored_events, community):
    recid = content.make_draft()
    content.accept(content.submit(recid, community))
    assert stored_events(recid) == {"global": PUBLISHED, community: ACCEPTED}


def test_submission_without_review(stored_events, community):
    recid = content.make_draft()
    reviews = current_rdm_records_service.review
    data = {"receiver": {"community": community}, "type": "community-submission"}
    reviews.update(system_identity, recid, data)
    reviews.submit(system_identity, recid, {}, require_review=False)
    assert stored_events(recid) == {"global": PUBLISHED, community: ACCEPTED}


@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_inclusion_that_is_not_accepted(stored_events, community, action):
    recid = content.make_record()
    request = content.request_inclusion(recid, community)
    current_requests_service.execute_action(system_identity, request, action, {})
    assert stored_events(recid) == {"global": PUBLISHED}


def test_requested_inclusion_changes_nothing_yet(stored_events, community):
    recid = content.make_record()
    content.request_inclusion(recid, community)
    assert stored_events(recid) == {"global": PUBLISHED}


def test_accepted_inclusion(stored_events, community):
    recid = content.make_record()
    content.include(recid, community)
    assert stored_events(recid) == {"global": PUBLISHED, community: ACCEPTED}


def test_adding_an_included_record_again(stored_events, community):
    recid = content.make_record()
    content.include(recid, community)
    data = {"communities": [{"id": community, "require_review": False}]}
    _, errors = current_record_communities_service.add(system_identity, recid, data)
    assert errors
    assert stored_events(recid) == {"global": PUBLISHED, community: ACCEPTED}


def test_bulk_addition_is_dated_by_when_it_was_made(
    stored_events, capturing, client, names
):
    community = content.make_community()
    recids = [content.make_record(), content.make_record()]
    past = "2020-01-01T00:00:00"
    _made_at(past)
    _forget(client, names)
    for recid in recids:
        content.edit(recid, title="Seen once more")
    before = timestamps.now()
    content.include_in_bulk(recids, community)
    for recid in recids:
        assert stored_events(recid) == {
            "global": PUBLISHED,
            community: [("added", "bulk")],
        }
        (event,) = _events(client, names, recid, community)
        assert before <= event["event_date"] <= timestamps.now()
        (event,) = _events(client, names, recid, "global")
        assert event["event_date"] == past


def test_bulk_addition_of_an_included_record(stored_events, community):
    inside, outside = content.make_record(), content.make_record()
    content.include(inside, community)
    current_record_communities_service.bulk_add(
        system_identity, community, [inside, outside]
    )
    assert stored_events(inside) == {"global": PUBLISHED, community: ACCEPTED}
    assert stored_events(outside) == {
        "global": PUBLISHED,
        community: [("added", "bulk")],
    }


@pytest.mark.parametrize(
    "add", [content.include, lambda recid, part: content.include_in_bulk([recid], part)]
)
def test_addition_to_a_subcommunity(stored_events, add):
    whole = content.make_community()
    part = content.make_community(parent=whole)
    recid = content.make_record()
    add(recid, part)
    events = stored_events(recid)
    assert events == {"global": PUBLISHED, part: events[part], whole: events[part]}
    assert [kind for kind, _ in events[part]] == ["added"]


def test_submission_to_a_subcommunity(stored_events):
    whole = content.make_community()
    part = content.make_community(parent=whole)
    recid = content.make_draft()
    content.accept(content.submit(recid, part))
    assert stored_events(recid) == {
        "global": PUBLISHED,
        part: ACCEPTED,
        whole: ACCEPTED,
    }


def test_removal_from_a_subcommunity_stays_in_the_parent(stored_events):
    whole = content.make_community()
    part = content.make_community(parent=whole)
    recid = content.make_record()
    content.include(recid, part)
    content.remove(recid, part)
    assert stored_events(recid)[part] == [*ACCEPTED, ("removed", "removed")]
    assert stored_events(recid)[whole] == ACCEPTED


def test_a_community_that_becomes_a_subcommunity_moves_no_record(stored_events):
    whole, part = content.make_community(), content.make_community()
    content.allow_parts(whole)
    recid = content.make_record()
    content.include(recid, part)
    current_communities.service.bulk_update_parent(
        system_identity, [part], parent_id=whole
    )
    assert stored_events(recid) == {"global": PUBLISHED, part: ACCEPTED}


def test_removal_of_several_by_the_community(stored_events, community):
    inside, outside = content.make_record(), content.make_record()
    content.include(inside, community)
    records = [{"id": inside}, {"id": outside}]
    current_community_records_service.delete(
        system_identity, community, {"records": records}
    )
    assert stored_events(inside)[community] == [*ACCEPTED, ("removed", "removed")]
    assert stored_events(outside) == {"global": PUBLISHED}


@pytest.mark.parametrize("remove", [content.remove, content.remove_by_community])
def test_removal_and_addition_again(stored_events, community, remove):
    recid = content.make_record()
    content.include(recid, community)
    remove(recid, community)
    gone = [*ACCEPTED, ("removed", "removed")]
    assert stored_events(recid) == {"global": PUBLISHED, community: gone}
    content.include(recid, community)
    again = stored_events(recid)[community]
    assert [kind for kind, _ in again] == ["added", "removed", "added"]


def test_new_version_is_a_record_of_its_own(stored_events, community):
    recid = content.make_record()
    content.include(recid, community)
    draft = current_rdm_records_service.new_version(system_identity, recid)
    assert stored_events(draft.id) == {}
    second = content.new_version(recid)
    assert set(stored_events(second)) == {"global", community}
    content.remove(second, community)
    for version in (recid, second):
        kinds = [kind for kind, _ in stored_events(version)[community]]
        assert kinds == ["added", "removed"]


def test_edition_writes_no_event_and_new_facts(stored_events, client, names):
    recid = content.make_record()
    before = facts(client, names)[recid]
    content.edit(recid, publisher="Another one")
    assert stored_events(recid) == {"global": PUBLISHED}
    after = facts(client, names)[recid]
    assert before["subcounts"]["publishers"] != after["subcounts"]["publishers"]


def test_deletion_and_restoration_of_a_record(stored_events, community):
    recid = content.make_record()
    content.include(recid, community)
    # a stay that ends in its first second leaves no trace
    content.wait_for_the_next_second()
    content.delete_record(recid)
    deleted = ("removed", "deleted")
    assert stored_events(recid) == {
        "global": [*PUBLISHED, deleted],
        community: [*ACCEPTED, deleted],
    }
    content.wait_for_the_next_second()
    content.restore_record(recid)
    for entries in stored_events(recid).values():
        assert entries[-1] == ("added", "restored"), stored_events(recid)


def test_deletion_and_restoration_of_a_community(stored_events):
    community, recid = content.make_community(), content.make_record()
    content.include(recid, community)
    content.delete_community(community)
    assert stored_events(recid)[community] == [*ACCEPTED, ("removed", "deleted")]
    content.restore_community(community)
    kinds = [kind for kind, _ in stored_events(recid)[community]]
    assert kinds == ["added", "removed", "added"]
    assert stored_events(recid)["global"] == PUBLISHED


def test_default_community_is_no_change(stored_events, community):
    recid = content.make_record()
    content.include(recid, community)
    before = stored_events(recid)
    current_record_communities_service.set_default(
        system_identity, recid, {"default": community}
    )
    assert stored_events(recid) == before


def test_a_change_is_noted_for_reattribution_from_its_time_on(
    stored_events, capturing, client, names
):
    community, recid = content.make_community(), content.make_record()
    assert _noted(client, names) == {}
    content.include(recid, community)
    (event,) = _events(client, names, recid, community)
    assert _noted(client, names) == {recid: event["event_date"]}


def test_nothing_is_sent_after_a_rollback(stored_events, community, monkeypatch):
    recid = content.make_record()
    sent = []
    monkeypatch.setattr(
        capture.Watcher, "send", staticmethod(lambda **message: sent.append(message))
    )
    parent = current_rdm_records_service.record_cls.pid.resolve(recid).parent
    parent.communities.add(community)
    db.session.flush()
    db.session.rollback()
    db.session.commit()
    assert sent == []


def test_rows_deleted_by_a_query_are_noticed(stored_events, community, monkeypatch):
    recid = content.make_record()
    content.include(recid, community)
    record = current_rdm_records_service.record_cls.pid.resolve(recid)
    record.parent.communities.remove(community)
    db.session.commit()
    assert [kind for kind, _ in stored_events(recid)[community]] == ["added", "removed"]


def test_two_concurrent_changes_write_each_event_once(stored_events, app):
    one, two, recid = *(content.make_community() for _ in "12"), content.make_record()
    parent = str(current_rdm_records_service.record_cls.pid.resolve(recid).parent.id)
    for community in (one, two):
        _insert(parent, community)
    service = app.extensions["invenio-stats-dashboard"].community_stats_service

    def work():
        with app.app_context():
            service.capture(MembershipChanges((parent,)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {len(entries) for entries in stored_events(recid).values()} == {1}
    assert set(stored_events(recid)) == {"global", one, two}


@pytest.mark.parametrize("by", ["objects", "statement", "table"])
def test_many_memberships_are_sent_in_few_messages(capturing, monkeypatch, by):
    community, sent = content.make_community(), []
    monkeypatch.setattr(
        capture.Watcher, "send", staticmethod(lambda **message: sent.append(message))
    )
    parents = [uuid.uuid4() for _ in range(3 * capture.IN_A_MESSAGE)]
    db.session.execute(
        sa.insert(RDMParentMetadata),
        [{"id": id, "json": {}, "version_id": 1} for id in parents],
    )
    rows = [{"record_id": id, "community_id": community} for id in parents]
    if by == "objects":
        db.session.add_all(RDMParentCommunity(**row) for row in rows)
    elif by == "statement":
        db.session.execute(sa.insert(RDMParentCommunity), rows)
    else:
        db.session.execute(sa.insert(RDMParentCommunity.__table__), rows)
    db.session.commit()
    assert len(sent) == 3
    parent_ids = [id for message in sent for id in message["parent_ids"]]
    assert sorted(parent_ids) == sorted(str(id) for id in parents)


def test_an_action_succeeds_while_opensearch_is_down(
    stored_events, capturing, monkeypatch, client, names
):
    service = capturing.extensions["invenio-stats-dashboard"].community_stats_service
    service.generate_record_community_events()
    community, recid = content.make_community(), content.make_record()
    with monkeypatch.context() as patch:
        patch.setitem(capturing.config, "SEARCH_HOSTS", ["localhost:1"])
        content.include(recid, community)
    assert stored_events(recid) == {"global": PUBLISHED}
    assert service.reconcile_community_events(changed_only=True).events == 1
    (event,) = _events(client, names, recid, community)
    assert (event["cause"], event["evidence"]) == ("reconciled", "request")


def test_in_a_request_the_message_is_sent_after_the_response(
    stored_events, community, app, monkeypatch
):
    recid = content.make_record()
    request = content.request_inclusion(recid, community)
    monkeypatch.setattr(capture, "has_request_context", has_request_context)
    with app.test_request_context():
        content.accept(request)
        response = app.process_response(app.response_class())
        assert community not in stored_events(recid)
    response.close()
    assert stored_events(recid)[community] == ACCEPTED


def test_users_records_that_are_blocked_and_restored(stored_events):
    user, community = content.make_user(), content.make_community()
    recid = content.make_record(owner=user)
    content.include(recid, community)
    current_rdm_records_service.indexer.refresh()
    for act, kinds in (
        (on_block, ["added", "removed"]),
        (on_restore, ["added", "removed", "added"]),
    ):
        with UnitOfWork() as uow:
            act(user.id, uow=uow)
            uow.commit()
        for entries in stored_events(recid).values():
            assert [kind for kind, _ in entries] == kinds
        content.wait_for_the_next_second()


def test_a_change_that_cannot_be_sent_raises_no_error_and_is_reconciled(
    stored_events, capturing, monkeypatch, client, names
):
    service = capturing.extensions["invenio-stats-dashboard"].community_stats_service
    service.generate_record_community_events()
    community = content.make_community()
    with monkeypatch.context() as patch:
        patch.setattr(capture.Watcher, "send", staticmethod(_no_broker))
        recid = content.make_record()
        content.include(recid, community)
    assert stored_events(recid) == {}
    assert service.reconcile_community_events(dry_run=True).events == 2
    report = service.reconcile_community_events(changed_only=True)
    assert report.events == 2
    reconciled = [("added", "reconciled")]
    assert stored_events(recid) == {"global": reconciled, community: reconciled}
    assert service.reconcile_community_events().events == 0


def test_rows_changed_outside_the_application_are_found_by_the_sweep(
    stored_events, capturing, client, names
):
    service = capturing.extensions["invenio-stats-dashboard"].community_stats_service
    one, two = content.make_community(), content.make_community()
    left, came, gone = (content.make_record() for _ in "123")
    content.include(left, one)
    _forget(client, names)
    _made_at("2020-01-01T00:00:00")
    service.generate_record_community_events()
    assert service.reconcile_if_due().events == 0
    # the records were compared in an earlier second than the changes
    content.wait_for_the_next_second()
    before = timestamps.now()
    db.session.execute(sa.text("DELETE FROM rdm_parents_community"))
    parent = current_rdm_records_service.record_cls.pid.resolve(came).parent.id
    _insert(str(parent), two)
    statement = "UPDATE rdm_records_metadata SET deletion_status = 'D' WHERE id = :id"
    db.session.execute(sa.text(statement), {"id": content.record_id(gone)})
    db.session.commit()
    assert service.community_events_status().drift == 3
    report = service.reconcile_community_events()
    assert report.causes == {"bulk": 1, "removed": 2}
    assert [kind for kind, _ in stored_events(left)[one]] == ["added", "removed"]
    assert [kind for kind, _ in stored_events(came)[two]] == ["added"]
    assert [kind for kind, _ in stored_events(gone)["global"]] == ["added", "removed"]
    for recid, community in ((left, one), (came, two), (gone, "global")):
        # the rows were last changed years ago, but the timeline was verified later
        event = _events(client, names, recid, community)[-1]
        assert before <= event["event_date"] <= timestamps.now()
        assert event["evidence"] == "now"
    assert service.reconcile_community_events().events == 0
    status = service.community_events_status()
    assert status.drift == 0
    assert status.reconciliation.repaired == {"bulk": 1, "removed": 2}


def test_back_fill_after_live_capture_writes_nothing(stored_events, capturing):
    service = capturing.extensions["invenio-stats-dashboard"].community_stats_service
    community, recid = content.make_community(), content.make_record()
    content.include(recid, community)
    content.remove(recid, community)
    report = service.generate_record_community_events()
    assert (report.events, report.facts) == (0, 0)


def _noted(client, names):
    """Return record -> time from which its usage events are re-attributed."""
    found = documents(client, names.reindexing).values()
    return {s["recid"]: s["since"] for s, *_ in found if s.get("kind") == KIND}


def _no_broker(**_):
    raise ConnectionRefusedError("no broker")


def _made_at(moment):
    for table in ("rdm_records_metadata", "rdm_parents_metadata"):
        statement = f"UPDATE {table} SET created = :moment, updated = :moment"
        db.session.execute(sa.text(statement), {"moment": moment})
    db.session.commit()


def _insert(parent, community):
    statement = (
        "INSERT INTO rdm_parents_community (record_id, community_id) VALUES (:p, :c)"
    )
    db.session.execute(sa.text(statement), {"p": parent, "c": community})
    db.session.commit()


def _forget(client, names):
    for index in (names.community_events, names.record_facts):
        client.indices.refresh(index=index)
        client.delete_by_query(
            index=index, body={"query": {"match_all": {}}}, refresh=True
        )
