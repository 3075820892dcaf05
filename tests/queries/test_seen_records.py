# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The most used records show a caller what the site's search would show."""

import pytest
from flask_principal import Identity
from invenio_access.permissions import any_user, authenticated_user, system_identity
from invenio_rdm_records.proxies import current_rdm_records_service
from invenio_users_resources.permissions import user_management_action

from invenio_stats_dashboard.permissions import guest_identity

from ..aggregations.usage.build import Events
from ..helpers import content

DAY = "2026-03-05"
RESTRICTED = {"record": "restricted", "files": "restricted"}


@pytest.fixture()
def site(fresh, client, names):
    """Return usage events of real records, in an application context."""
    with fresh.app_context():
        yield Events(fresh, client, names)


def use(events, recid, count):
    """Store views of a record."""
    parent = record(recid).parent.pid.pid_value
    first = len(events.stored["view"])
    made = []
    for number in range(first, first + count):
        id, source = events.event(number, f"{DAY}T00:00:{number:02d}")
        made.append((id, {**source, "recid": recid, "parent_recid": parent}))
    events.write(made)
    return parent


def record(recid):
    """Return a record from the database."""
    return current_rdm_records_service.record_cls.pid.resolve(
        recid, registered_only=False
    )


def rows(events, identity=None, of="parents"):
    """Return the rows as JSON."""
    events.client.indices.refresh(index=f"{events.names.prefix}events-*")
    events.client.indices.refresh(index=f"{events.names.prefix}rdmrecords*")
    service = events.app.extensions["invenio-stats-dashboard"].community_stats_service
    item = service.read_global(identity or guest_identity())
    found = item.most_used_records(of=of, start_date=DAY, end_date=DAY)
    return found.as_json()["rows"]


def moderator():
    """Return the identity of somebody who may see what is deleted."""
    identity = Identity(1)
    identity.provides |= {any_user, authenticated_user, user_management_action}
    return identity


def test_who_may_not_see_a_record_sees_its_place_and_number_only(site):
    owner, other = content.make_user(), content.make_user()
    secret = content.make_record(owner, access=RESTRICTED, title="Secret")
    public = content.make_record(owner, title="Public")
    parents = use(site, secret, 5), use(site, public, 3)
    visible = {
        "rank": 2,
        "recid": public,
        "parent_recid": parents[1],
        "title": "Public",
        "views": 3,
        "visible": True,
        "deleted": False,
    }
    hidden = {
        "rank": 1,
        "recid": None,
        "parent_recid": None,
        "title": None,
        "views": 5,
        "visible": False,
        "deleted": False,
    }
    for of in ("parents", "records"):
        for identity in (None, other):
            assert rows(site, identity, of) == [hidden, visible]
        for identity in (owner, system_identity):
            first, second = rows(site, identity, of)
            assert second == visible
            assert (first["recid"], first["parent_recid"]) == (secret, parents[0])
            assert first["title"] == "Secret" and first["visible"]


def test_a_deleted_record_is_listed_as_deleted_without_its_title(site):
    recid = content.make_record(title="Gone")
    use(site, recid, 2)
    content.delete_record(recid)
    for of in ("parents", "records"):
        (row,) = rows(site, None, of)
        assert (row["title"], row["recid"], row["views"]) == (None, None, 2)
        assert row["deleted"] and not row["visible"]
        (row,) = rows(site, moderator(), of)
        assert (row["title"], row["recid"]) == ("Gone", recid)
        assert row["deleted"] and row["visible"]
    content.restore_record(recid)
    (row,) = rows(site)
    assert (row["title"], row["deleted"], row["visible"]) == ("Gone", False, True)


def test_all_versions_together_are_represented_by_the_latest_one(site):
    first = content.make_record(title="First")
    second = content.new_version(first, title="Second")
    parent = use(site, first, 2)
    use(site, second, 1)
    (row,) = rows(site)
    assert (row["recid"], row["parent_recid"]) == (second, parent)
    assert (row["title"], row["views"]) == ("Second", 3)
    titles = [(row["title"], row["views"]) for row in rows(site, of="records")]
    assert titles == [("First", 2), ("Second", 1)]
    content.delete_record(second)
    (row,) = rows(site)
    assert (row["recid"], row["title"], row["deleted"]) == (first, "First", False)


def test_a_record_that_no_longer_exists_is_listed_as_deleted(site):
    site.write([site.event(1, f"{DAY}T00:00:00")])
    (row,) = rows(site)
    assert (row["recid"], row["views"], row["deleted"]) == (None, 1, True)


def test_a_site_that_lets_nobody_search_shows_no_title(site, monkeypatch):
    use(site, content.make_record(), 1)
    policy = current_rdm_records_service.config.permission_policy_cls
    monkeypatch.setattr(policy, "can_search", [])
    (row,) = rows(site)
    assert row["title"] is None and not row["visible"] and not row["deleted"]
