# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Create, move and delete communities and records with InvenioRDM's own services.

All functions need an application context. Records are identified by their recid,
communities by their UUID.
"""

import itertools
import secrets
import time
from copy import deepcopy
from io import BytesIO

import sqlalchemy as sa
from flask_principal import Identity, UserNeed
from invenio_access.permissions import any_user, authenticated_user, system_identity
from invenio_communities.proxies import current_communities
from invenio_db import db
from invenio_rdm_records.proxies import (
    current_community_records_service,
    current_rdm_records_service,
    current_record_communities_service,
)
from invenio_requests.proxies import current_requests_service

_numbers = itertools.count(1)
_removed = [0]

METADATA = {
    "title": "A record of a test",
    "publication_date": "2024-05",
    "resource_type": {"id": "publication-article"},
    "creators": [
        {
            "person_or_org": {
                "type": "personal",
                "family_name": "Curie",
                "given_name": "Marie",
            }
        }
    ],
    "publisher": "Tests",
}
"""The minimal metadata of a record."""


RESTRICTED = {"record": "restricted", "files": "restricted"}
"""The ``access`` object of a record that only people with access find."""


def make_user():
    """Create a user, and return the identity of the logged-in user."""
    from invenio_accounts.proxies import current_datastore

    number = next(_numbers)
    user = current_datastore.create_user(
        email=f"user{number}-{secrets.token_hex(3)}@example.org",
        password=secrets.token_hex(16),
        active=True,
    )
    db.session.commit()
    identity = Identity(user.id)
    identity.provides |= {any_user, authenticated_user, UserNeed(user.id)}
    return identity


def make_member(community_id, role="reader"):
    """Create a user who is a member of a community, and return the identity."""
    user = make_user()
    add_member(community_id, user.id, role)
    return user


def add_member(community_id, user_id, role):
    """Add a user to a community."""
    members = [{"type": "user", "id": str(user_id)}]
    data = {"members": members, "role": role}
    current_communities.service.members.add(system_identity, community_id, data)


def make_community(
    owner=system_identity, parent=None, restricted=False, slug=None, **metadata
):
    """Create a community.

    Args:
        owner: identity that creates it.
        parent: UUID of a community of which it becomes a subcommunity.
        restricted: whether only members can see it.
        slug: its slug; by default an unused one.
        **metadata: metadata besides a title.

    Returns:
        str: its UUID.
    """
    number = next(_numbers)
    data = {
        "slug": slug or f"community-{number}-{secrets.token_hex(3)}",
        "metadata": {"title": f"Community {number}", **metadata},
        "access": {
            "visibility": "restricted" if restricted else "public",
            "member_policy": "open",
            "record_submission_policy": "open",
            "review_policy": "closed",
        },
    }
    if parent is not None:
        allow_parts(parent)
        data["parent"] = {"id": parent}
    item = current_communities.service.create(system_identity, data)
    return str(item.id)


def allow_parts(community_id):
    """Allow other communities to become subcommunities of a community."""
    _edit_community(community_id, lambda d: d.update(children={"allow": True}))


def set_fields(community_id, fields):
    """Set custom fields of a community; fields with None are removed."""

    def change(data):
        data["custom_fields"] = {
            name: value
            for name, value in {**data.get("custom_fields", {}), **fields}.items()
            if value is not None
        }

    _edit_community(community_id, change)


def restrict_community(community_id):
    """Make a community visible only to members."""
    _edit_community(community_id, lambda d: d["access"].update(visibility="restricted"))


def slug_of(community_id):
    """Return the slug of a community."""
    item = current_communities.service.read(system_identity, community_id)
    return item.data["slug"]


def make_draft(owner=system_identity, files=None, access=None, custom=None, **metadata):
    """Create a draft that can be published.

    Args:
        owner: identity that creates it.
        files: name -> bytes; None for a record without files.
        access: the ``access`` object, if not everything is public.
        custom: custom fields.
        **metadata: metadata that replaces parts of :data:`METADATA`.

    Returns:
        str: its future recid.
    """
    service = current_rdm_records_service
    data = {
        "metadata": {**deepcopy(METADATA), **metadata},
        "access": {"record": "public", "files": "public", **(access or {})},
        "files": {"enabled": bool(files)},
        "custom_fields": custom or {},
    }
    recid = service.create(owner, data).id
    if files:
        drafts = service.draft_files
        drafts.init_files(owner, recid, [{"key": key} for key in files])
        for key, content in files.items():
            drafts.set_file_content(owner, recid, key, BytesIO(content))
            drafts.commit_file(owner, recid, key)
    return recid


def make_record(owner=system_identity, communities=(), **draft):
    """Publish a record without a review.

    Args:
        owner: identity that creates it.
        communities: UUIDs; an accepted request includes it in each of them.
        **draft: see :func:`make_draft`.

    Returns:
        str: its recid.
    """
    recid = make_draft(owner, **draft)
    current_rdm_records_service.publish(owner, recid)
    for community_id in communities:
        include(recid, community_id)
    return recid


def submit(recid, community_id, owner=system_identity):
    """Submit a draft for review by a community; return the request's id."""
    reviews = current_rdm_records_service.review
    data = {"receiver": {"community": community_id}, "type": "community-submission"}
    reviews.update(owner, recid, data)
    request = reviews.submit(owner, recid, {}, require_review=True)
    return request.id


def request_inclusion(recid, community_id, owner=system_identity):
    """Request the inclusion of a record in a community; return the request's id."""
    data = {"communities": [{"id": community_id, "require_review": True}]}
    processed, errors = current_record_communities_service.add(owner, recid, data)
    assert not errors, errors
    return processed[0]["request_id"]


def accept(request_id):
    """Accept a request."""
    current_requests_service.execute_action(system_identity, request_id, "accept", {})


def include(recid, community_id):
    """Include a record in a community by an accepted request."""
    accept(request_inclusion(recid, community_id))


def include_in_bulk(recids, community_id):
    """Add records to a community without requests."""
    errors = current_record_communities_service.bulk_add(
        system_identity, community_id, recids
    )
    assert not errors, errors


def remove(recid, community_id):
    """Remove a record from a community."""
    _, errors = current_record_communities_service.remove(
        system_identity, recid, {"communities": [{"id": community_id}]}
    )
    assert not errors, errors


def remove_by_community(recid, community_id):
    """Remove a record from a community, as a curator of the community does."""
    current_community_records_service.delete(
        system_identity, community_id, {"records": [{"id": recid}]}
    )


def new_version(recid, **metadata):
    """Publish a new version of a record, and return its recid."""
    service = current_rdm_records_service
    draft = service.new_version(system_identity, recid)
    data = draft.data
    data["metadata"].update({"publication_date": "2024-06", **metadata})
    service.update_draft(system_identity, draft.id, data)
    return service.publish(system_identity, draft.id).id


def edit(recid, **metadata):
    """Change a published record's metadata."""
    service = current_rdm_records_service
    data = service.edit(system_identity, recid).data
    data["metadata"].update(metadata)
    service.update_draft(system_identity, recid, data)
    service.publish(system_identity, recid)


def restrict_record(recid):
    """Make a published record visible only to people with access."""
    service = current_rdm_records_service
    data = service.edit(system_identity, recid).data
    data["access"].update(RESTRICTED)
    service.update_draft(system_identity, recid, data)
    service.publish(system_identity, recid)


def delete_record(recid):
    """Delete a record; a tombstone remains."""
    data = {"removal_reason": {"id": "duplicate"}, "note": "A test"}
    current_rdm_records_service.delete_record(system_identity, recid, data)


def restore_record(recid):
    """Restore a deleted record."""
    current_rdm_records_service.restore_record(system_identity, recid)


def delete_community(community_id):
    """Delete a community; a tombstone remains."""
    data = {"removal_reason": {"id": "duplicate"}, "note": "A test"}
    current_communities.service.delete_community(system_identity, community_id, data)


def restore_community(community_id):
    """Restore a deleted community."""
    current_communities.service.restore_community(system_identity, community_id)


def record_id(recid):
    """Return the UUID of a record."""
    return str(current_rdm_records_service.record_cls.pid.resolve(recid).id)


def parent_of(recid):
    """Return the recid of the parent of a record."""
    return current_rdm_records_service.read(system_identity, recid).data["parent"]["id"]


def wait_for_the_next_second():
    """Wait until all that was written until now was written in an earlier second."""
    time.sleep(1.01 - time.time() % 1)


def remove_content():
    """Remove all records, communities with their OAI sets, and requests.

    Users, vocabularies and search indices do not change.
    """
    tables = (
        "rdm_records_metadata, rdm_records_metadata_version, rdm_parents_metadata, "
        "rdm_drafts_metadata, communities_metadata, request_metadata, oaiserver_set"
    )
    db.session.execute(sa.text(f"TRUNCATE {tables} CASCADE"))
    db.session.commit()
    _removed[0] += 1


_DATED = ("rdm_records_metadata", "rdm_parents_metadata", "communities_metadata")


def date_back(created):
    """Make all records, parents and communities as old as a moment (naive UTC)."""
    _set_dates(_DATED, ":value", ":value", created)


def make_older(span, *tables):
    """Date all records, parents, communities and further tables back by a time span."""
    _set_dates((*_DATED, *tables), "created - :value", "updated - :value", span)


def _set_dates(tables, created, updated, value):
    for table in tables:
        statement = f"UPDATE {table} SET created = {created}, updated = {updated}"
        db.session.execute(sa.text(statement), {"value": value})
    db.session.commit()


def times_removed():
    """Return how often :func:`remove_content` was called in this process."""
    return _removed[0]


def _edit_community(community_id, change):
    service = current_communities.service
    data = service.read(system_identity, community_id).data
    change(data)
    service.update(system_identity, community_id, data)
