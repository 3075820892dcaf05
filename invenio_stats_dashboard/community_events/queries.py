# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The statements that read records and their memberships.

Plain selects over the tables of InvenioRDM's models, for PostgreSQL: loading a
record object for each row costs more than a hundred times as much. Identifiers
and moments are made text by the database, for the same reason.
"""

from uuid import UUID

import sqlalchemy as sa
from invenio_communities.communities.records.models import CommunityMetadata
from invenio_files_rest.models import FileInstance, ObjectVersion
from invenio_pidstore.models import PersistentIdentifier
from invenio_rdm_records.records.models import (
    RDMFileRecordMetadata,
    RDMParentCommunity,
    RDMParentMetadata,
    RDMRecordMetadata,
)
from invenio_requests.records.models import RequestEventModel, RequestMetadata
from sqlalchemy.dialects import postgresql
from sqlalchemy_continuum import ClassNotVersioned, version_class, versioning_manager

SUBMISSION, INCLUSION = "community-submission", "community-inclusion"
"""The request types that bring a record into a community."""

EXTENSION = r"[^/.][^/]*\.([^./]*)$"
"""What :func:`os.path.splitext` takes for a file's extension, for PostgreSQL."""

_Record = RDMRecordMetadata.__table__.alias("record")
_Parent = RDMParentMetadata.__table__.alias("parent")
_Row = RDMParentCommunity.__table__.alias("parent_community")
_Request = RequestMetadata.__table__.alias("request")


def count(selection, after=None):
    """Return the statement that counts the records of a selection."""
    statement = _selected(
        sa.select(sa.func.count())
        .select_from(_Record)
        .join(_Parent, _Parent.c.id == _Record.c.parent_id),
        selection,
    )
    return statement if after is None else statement.where(_Record.c.id > after)


def known(recids):
    """Return the statement for those of some identifiers that are records."""
    pid = PersistentIdentifier.__table__
    return (
        sa.select(pid.c.pid_value)
        .join(_Record, _Record.c.id == pid.c.object_uuid)
        .where(
            pid.c.pid_type == "recid",
            pid.c.pid_value.in_(recids),
            _Record.c.json.is_not(None),
        )
    )


def named_communities(ids_or_slugs):
    """Return the statement for (UUID, slug) of communities by either."""
    table = CommunityMetadata.__table__
    ids, slugs = [], []
    for name in ids_or_slugs:
        try:
            ids.append(UUID(name))
        except ValueError:
            slugs.append(name.strip().lower())
    return sa.select(table.c.id, table.c.slug).where(
        sa.or_(table.c.id.in_(ids), sa.func.lower(table.c.slug).in_(slugs))
    )


def memberships(community_ids=None):
    """Return the statement that counts the records in each community now.

    Args:
        community_ids: UUIDs; None for all.
    """
    community = CommunityMetadata.__table__
    statement = (
        sa.select(_Row.c.community_id, sa.func.count())
        .select_from(_Row)
        .join(_Record, _Record.c.parent_id == _Row.c.record_id)
        .join(community, community.c.id == _Row.c.community_id)
        .where(
            _Record.c.json.is_not(None),
            _plain(_Record.c.deletion_status) == "P",
            _plain(community.c.deletion_status) == "P",
        )
        .group_by(_Row.c.community_id)
    )
    if community_ids is not None:
        statement = statement.where(_Row.c.community_id.in_(community_ids))
    return statement


def existing():
    """Return the statement that counts the records that are not deleted."""
    return (
        sa.select(sa.func.count())
        .select_from(_Record)
        .where(_Record.c.json.is_not(None), _plain(_Record.c.deletion_status) == "P")
    )


def slugs(community_ids):
    """Return the statement for (UUID, slug) of communities."""
    table = CommunityMetadata.__table__
    return sa.select(table.c.id, table.c.slug).where(table.c.id.in_(community_ids))


def records(selection, after=None):
    """Return the statement for records with their parents, by UUID.

    Args:
        selection: a :class:`.membership.Selection`.
        after: UUID of the record to go on after.
    """
    statement = _selected(
        sa.select(
            _id(_Record.c.id),
            _id(_Record.c.parent_id),
            _moment(_Record.c.created),
            _moment(_Record.c.updated),
            _Record.c.version_id,
            _plain(_Record.c.deletion_status).label("deletion_status"),
            sa.cast(_Record.c.json, sa.Text).label("json"),
            _moment(_Parent.c.updated, "parent_updated"),
            _Parent.c.version_id.label("parent_version_id"),
            sa.cast(_Parent.c.json, sa.Text).label("parent_json"),
        )
        .select_from(_Record)
        .join(_Parent, _Parent.c.id == _Record.c.parent_id),
        selection,
    )
    if after is not None:
        statement = statement.where(_Record.c.id > after)
    return statement.order_by(_Record.c.id)


def communities(parent_ids):
    """Return the statement for the rows of the parent-community table."""
    community = CommunityMetadata.__table__.alias("community")
    accepted = _Request.c.json["status"].as_string() == "accepted"
    return (
        sa.select(
            _id(_Row.c.record_id, "parent_id"),
            _id(_Row.c.community_id),
            _id(_Row.c.request_id),
            _moment(community.c.created),
            _moment(community.c.updated),
            _plain(community.c.deletion_status).label("deletion_status"),
            community.c.json["tombstone", "removal_date"]
            .as_string()
            .label("removal_date"),
            _moment(_Request.c.created, "request_created"),
            _moment(sa.case((accepted, _Request.c.updated)), "request_updated"),
        )
        .select_from(_Row)
        .join(community, community.c.id == _Row.c.community_id)
        .outerjoin(_Request, _Request.c.id == _Row.c.request_id)
        .where(_among(_Row.c.record_id, parent_ids))
    )


def acceptances(request_ids):
    """Return the statement for the moments in which requests were accepted."""
    event = RequestEventModel.__table__.alias("event")
    return (
        sa.select(
            _id(event.c.request_id),
            _moment(sa.func.max(event.c.created), "accepted"),
        )
        .where(
            _among(event.c.request_id, request_ids),
            event.c.type == "L",
            event.c.json["payload", "event"].as_string() == "accepted",
        )
        .group_by(event.c.request_id)
    )


def ended_requests(selection, after=None):
    """Return the statement for accepted requests whose row is gone.

    A request is about one version, membership about all of them: each version
    gets a row. The submission of a later version changes no membership, since
    the record is in the community already.

    Args:
        selection: a :class:`.membership.Selection`.
        after: UUID of the record to go on after.
    """
    pid = PersistentIdentifier.__table__.alias("pid")
    topic = RDMRecordMetadata.__table__.alias("topic")
    kind = _Request.c.json["type"].as_string()
    community_id = _Request.c.json["receiver", "community"].as_string()
    statement = (
        sa.select(
            _id(_Record.c.id, "record_id"),
            _id(_Request.c.id, "request_id"),
            community_id.label("community_id"),
            _moment(_Request.c.created),
            _moment(_Request.c.updated),
        )
        .select_from(_Request)
        .join(
            pid,
            sa.and_(
                pid.c.pid_type == "recid",
                pid.c.pid_value == _Request.c.json["topic", "record"].as_string(),
            ),
        )
        .join(topic, topic.c.id == pid.c.object_uuid)
        .join(_Record, _Record.c.parent_id == topic.c.parent_id)
        .join(_Parent, _Parent.c.id == _Record.c.parent_id)
        .outerjoin(
            _Row,
            sa.and_(
                _Row.c.record_id == topic.c.parent_id,
                _Row.c.request_id == _Request.c.id,
                sa.cast(_Row.c.community_id, sa.String) == community_id,
            ),
        )
        .where(
            kind.in_([SUBMISSION, INCLUSION]),
            _Request.c.json["status"].as_string() == "accepted",
            sa.or_(kind == INCLUSION, topic.c.index == 1),
            community_id.is_not(None),
            _Row.c.record_id.is_(None),
        )
        .order_by(_Record.c.id, _Request.c.id)
    )
    if after is not None:
        statement = statement.where(_Record.c.id > after)
    return _selected(statement, selection)


def files(record_ids):
    """Return the statement for the number, bytes and extensions of records' files."""
    entry = RDMFileRecordMetadata.__table__.alias("entry")
    version = ObjectVersion.__table__.alias("object_version")
    content = FileInstance.__table__.alias("content")
    extension = sa.func.substring(entry.c.key, EXTENSION)
    return (
        sa.select(
            _id(entry.c.record_id),
            sa.func.count().label("count"),
            sa.cast(sa.func.sum(content.c.size), sa.BigInteger).label("volume"),
            sa.func.array_agg(sa.distinct(extension)).label("extensions"),
        )
        .select_from(entry)
        .join(version, version.c.version_id == entry.c.object_version_id)
        .join(content, content.c.id == version.c.file_id)
        .where(_among(entry.c.record_id, record_ids), entry.c.json.is_not(None))
        .group_by(entry.c.record_id)
    )


def deletion_history(record_ids):
    """Return the statement for the states of records that were ever deleted.

    Returns:
        The statement, or None where the instance keeps no history.
    """
    try:
        version = version_class(RDMRecordMetadata).__table__
    except (ClassNotVersioned, KeyError):
        return None
    transaction = versioning_manager.transaction_cls.__table__
    status = _plain(version.c.deletion_status)
    ever = sa.select(version.c.id).where(
        _among(version.c.id, record_ids), status != "P"
    )
    return (
        sa.select(
            _id(version.c.id),
            status.label("deletion_status"),
            sa.func.to_char(transaction.c.issued_at, _MOMENT).label("issued_at"),
        )
        .join(transaction, transaction.c.id == version.c.transaction_id)
        .where(version.c.id.in_(ever))
        .order_by(version.c.id, version.c.transaction_id)
    )


_MOMENT = 'YYYY-MM-DD"T"HH24:MI:SS.US'


def _id(column, name=None):
    """Return a UUID as text."""
    return sa.cast(column, sa.String).label(name or column.name)


def _moment(column, name=None):
    """Return a moment as text in UTC; see :mod:`.rows`."""
    utc = sa.func.timezone("UTC", column)
    return sa.func.to_char(utc, _MOMENT).label(name or column.name)


def _among(column, ids):
    """Return the condition that a UUID is one of many, as one parameter."""
    uuids = postgresql.ARRAY(postgresql.UUID(as_uuid=False))
    many = sa.bindparam(None, list(ids), type_=uuids)
    return sa.type_coerce(column, postgresql.UUID(as_uuid=False)) == sa.any_(many)


def _plain(column):
    """Return a column without the conversion of its values to an enumeration."""
    return sa.type_coerce(column, sa.String)


def _selected(statement, selection):
    """Return a statement over records and parents restricted to a selection."""
    conditions = [_Record.c.json.is_not(None)]
    if selection.recids is not None:
        pid = PersistentIdentifier.__table__
        conditions.append(
            _Record.c.id.in_(
                sa.select(pid.c.object_uuid).where(
                    pid.c.pid_type == "recid", pid.c.pid_value.in_(selection.recids)
                )
            )
        )
    if selection.community_ids is not None:
        conditions.append(_of_communities(selection.community_ids))
    if selection.parent_ids is not None:
        conditions.append(_among(_Record.c.parent_id, selection.parent_ids))
    if selection.created_from is not None:
        conditions.append(_Record.c.created >= selection.created_from)
    if selection.created_before is not None:
        conditions.append(_Record.c.created < selection.created_before)
    if selection.changed_since is not None:
        conditions.append(_changed(selection.changed_since))
    return statement.where(*conditions)


def _changed(since):
    """Return the condition that a record or what belongs to it was changed."""
    rows, table = RDMParentCommunity.__table__, CommunityMetadata.__table__
    of_communities = (
        sa.select(rows.c.record_id)
        .join(table, table.c.id == rows.c.community_id)
        .where(table.c.updated >= since)
    )
    return sa.or_(
        _Record.c.created >= since,
        _Record.c.updated >= since,
        _Parent.c.updated >= since,
        _Record.c.parent_id.in_(of_communities),
    )


def _of_communities(community_ids):
    """Return the condition that a record is or was in some communities."""
    rows = RDMParentCommunity.__table__
    request = RequestMetadata.__table__
    pid = PersistentIdentifier.__table__.alias("topic_pid")
    topic = RDMRecordMetadata.__table__.alias("topic_record")
    present = sa.select(rows.c.record_id).where(rows.c.community_id.in_(community_ids))
    past = (
        sa.select(topic.c.parent_id)
        .select_from(request)
        .join(
            pid,
            sa.and_(
                pid.c.pid_type == "recid",
                pid.c.pid_value == request.c.json["topic", "record"].as_string(),
            ),
        )
        .join(topic, topic.c.id == pid.c.object_uuid)
        .where(
            request.c.json["type"].as_string().in_([SUBMISSION, INCLUSION]),
            request.c.json["status"].as_string() == "accepted",
            request.c.json["receiver", "community"].as_string().in_(community_ids),
        )
    )
    return sa.or_(_Record.c.parent_id.in_(present), _Record.c.parent_id.in_(past))
