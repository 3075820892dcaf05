# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""SQL statements that read records and their memberships from PostgreSQL.

Each statement is one of two kinds, and :class:`.database.Database` runs each kind
with its own planner settings:

A *lookup* starts from an array of identifiers and reaches every row by an index. Each
table is a lateral subquery with ``OFFSET 0``, which the planner does not merge into the
outer query. The planner can therefore neither reorder the tables nor read one as a
whole.

A *scan* reads one large table once from beginning to end. Scans of different tables are
not joined in SQL; the reader combines their results.

No statement mixes the two. A join of a filtered scan with a large table becomes a
nested loop over sequential scans if the planner expects few rows, and for conditions on
JSON it always expects few rows.

Each function returns the same statement each time, because building it costs more than
sending it. Its parameters are named: ``values`` is the array of identifiers.

Rows are read by column and not as ORM objects, which cost more than a hundred times as
much. For the same reason, the database converts identifiers and timestamps to text.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias, cast
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
from sqlalchemy.sql.selectable import NamedFromClause
from sqlalchemy_continuum import ClassNotVersioned, version_class, versioning_manager

SUBMISSION, INCLUSION = "community-submission", "community-inclusion"
"""The request types that add a record to a community."""

EXTENSION = r"[^/.][^/]*\.([^./]*)$"
"""Regular expression of a file's extension as :func:`os.path.splitext` returns it."""

Statement: TypeAlias = sa.Select[Any]

_TIMESTAMP = 'YYYY-MM-DD"T"HH24:MI:SS.US'

_UUID = postgresql.UUID(as_uuid=False)


def _table(table: sa.Table, alias: str) -> NamedFromClause:
    """Return a table whose columns have plain types.

    The types of InvenioRDM's models convert to objects, and prevent SQLAlchemy from
    caching the compiled statement.
    """
    columns = [sa.column(column.name, _plain_type(column)) for column in table.c]
    return sa.table(table.name, *columns).alias(alias)


def _plain_type(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    if column.name == "json":
        return postgresql.JSONB()
    if column.name == "id" or column.name.endswith(("_id", "_uuid")):
        return column.type if isinstance(column.type, sa.Integer) else _UUID
    if isinstance(column.type, sa.DateTime | sa.Integer):
        return column.type
    return sa.String()


_Record = _table(RDMRecordMetadata.__table__, "record")
_Parent = _table(RDMParentMetadata.__table__, "parent")
_Membership = _table(RDMParentCommunity.__table__, "parent_community")
_Community = _table(CommunityMetadata.__table__, "community")
_Request = _table(RequestMetadata.__table__, "request")
_RequestEvent = _table(RequestEventModel.__table__, "request_event")
_Pid = _table(PersistentIdentifier.__table__, "pid")
_Entry = _table(RDMFileRecordMetadata.__table__, "entry")
_Object = _table(ObjectVersion.__table__, "object_version")
_File = _table(FileInstance.__table__, "file")

# The expressions of the index on requests; see :mod:`.database_indexes`. They are
# literal text, because the planner compares them with the expressions of the index, and
# a parameter would not match.
_TOPIC: sa.ColumnElement[str] = sa.literal_column(
    "request.json -> 'topic' ->> 'record'", sa.String
)
_IS_ACCEPTED: sa.ColumnElement[bool] = sa.literal_column(
    "request.json ->> 'status' = 'accepted'", sa.Boolean
)
_RECEIVER: sa.ColumnElement[str] = sa.literal_column(
    "request.json -> 'receiver' ->> 'community'", sa.String
)
_TYPE: sa.ColumnElement[str] = sa.literal_column("request.json ->> 'type'", sa.String)

# -- lookups: which records ---------------------------------------------------------


@cache
def record_ids() -> Statement:
    """Select the UUIDs of published records by their persistent identifiers."""
    _pid, record, tables = _records_of()
    return sa.select(_text(record.c.id)).select_from(tables).where(_exists(record))


@cache
def known_recids() -> Statement:
    """Select those persistent identifiers that belong to published records."""
    pid, record, tables = _records_of()
    return sa.select(pid.c.pid_value).select_from(tables).where(_exists(record))


@cache
def topics() -> Statement:
    """Select the parents of records that are topics of requests, by identifier.

    Purged records are included: their parents can have other versions.
    """
    pid, record, tables = _records_of()
    return sa.select(
        pid.c.pid_value.label("recid"),
        _text(record.c.parent_id),
        record.c.index.label("version_index"),
    ).select_from(tables)


@cache
def parents() -> Statement:
    """Select the UUIDs of the parents of records, by the records' UUIDs."""
    wanted = _wanted(_UUID)
    record = _matching(_Record, _Record.c.id == wanted.c.value)
    return sa.select(_text(record.c.parent_id)).select_from(_chain(wanted, record))


@cache
def parents_in_communities() -> Statement:
    """Select the UUIDs of the parents that are in some communities now."""
    wanted = _wanted(_UUID)
    row = _matching(_Membership, _Membership.c.community_id == wanted.c.value)
    return sa.select(_text(row.c.record_id, "parent_id")).select_from(
        _chain(wanted, row)
    )


# -- lookups or scans: the columns have an index only if the site has created it ----


@cache
def versions(is_indexed: bool) -> Statement:
    """Select the versions of parents, purged ones included.

    Args:
        is_indexed: whether ``rdm_records_metadata.parent_id`` has an index; without it
            the statement is a scan.
    """
    wanted = _wanted(_UUID)
    source, record = _by_key(wanted, _Record, _Record.c.parent_id, is_indexed)
    return sa.select(
        _text(record.c.id),
        _text(record.c.parent_id),
        record.c.index.label("version_index"),
        _exists(record).label("is_published"),
    ).select_from(source)


@cache
def accepted_requests_about(is_indexed: bool) -> Statement:
    """Select the accepted requests to include some records in a community.

    Args:
        is_indexed: whether the index on requests exists; without it the statement is a
            scan.
    """
    wanted = _wanted(sa.Text())
    source, _ = _by_key(wanted, _Request, _TOPIC, is_indexed, _IS_ACCEPTED)
    return _accepted_requests(source)


# -- scans --------------------------------------------------------------------------


@cache
def all_accepted_requests() -> Statement:
    """Select all accepted requests to include a record in a community."""
    return _accepted_requests(_Request)


@cache
def requests_accepted_by() -> Statement:
    """Select the requests to include a record that some communities accepted."""
    wanted = sa.any_(_values(sa.String()))
    return _accepted_requests(_Request).where(wanted == _RECEIVER)


@cache
def records_changed(limit: int) -> Statement:
    """Select the UUIDs of the records whose row was written since ``since``."""
    since: sa.BindParameter[datetime] = sa.bindparam("since")
    return (
        sa.select(_text(_Record.c.id))
        .where(
            _exists(_Record),
            sa.or_(_Record.c.created >= since, _Record.c.updated >= since),
        )
        .limit(limit)
    )


@cache
def parents_changed(limit: int) -> Statement:
    """Select the UUIDs of the parents whose row was written since ``since``."""
    changed = _Parent.c.updated >= sa.bindparam("since")
    return sa.select(_text(_Parent.c.id, "parent_id")).where(changed).limit(limit)


@cache
def communities_changed() -> Statement:
    """Select the UUIDs of the communities whose row was written since ``since``."""
    changed = _Community.c.updated >= sa.bindparam("since")
    return sa.select(_text(_Community.c.id)).where(changed)


@cache
def records_created() -> Statement:
    """Select the UUIDs of the records created in [``start``, ``end``)."""
    return sa.select(_text(_Record.c.id)).where(_exists(_Record), _created(_Record))


@cache
def count_records() -> Statement:
    """Count the records that follow a UUID, ``after``, in the order of their UUIDs."""
    return (
        sa.select(sa.func.count())
        .select_from(_Record)
        .where(_exists(_Record), _follows(_Record))
    )


@cache
def count_existing_records() -> Statement:
    """Count the records that are not deleted."""
    return (
        sa.select(sa.func.count())
        .select_from(_Record)
        .where(_exists(_Record), _is_not_deleted(_Record))
    )


@cache
def count_memberships(of_some: bool = False) -> Statement:
    """Count the records that are in each community now.

    This is the only join of large tables. It is a scan: without nested loops, each
    table is read once.

    Args:
        of_some: count only the communities in ``values``.
    """
    statement = (
        sa.select(_text(_Membership.c.community_id), sa.func.count())
        .select_from(_Membership)
        .join(_Record, _Record.c.parent_id == _Membership.c.record_id)
        .join(_Community, _Community.c.id == _Membership.c.community_id)
        .where(_exists(_Record), _is_not_deleted(_Record), _is_not_deleted(_Community))
        .group_by(_Membership.c.community_id)
    )
    if of_some:
        column = _Membership.c.community_id
        statement = statement.where(column == sa.any_(_values(_UUID)))
    return statement


# -- lookups: what belongs to records -----------------------------------------------


@cache
def record_page(size: int) -> Statement:
    """Select the records that follow a UUID, ``after``, with their parents, in order.

    Args:
        size: maximum number of records.
    """
    page = sa.select(_Record).where(_exists(_Record), _follows(_Record))
    record = page.order_by(_Record.c.id).limit(size).subquery("record")
    parent = _matching(_Parent, _Parent.c.id == record.c.parent_id)
    return _records(record, parent, _chain(record, parent)).order_by(record.c.id)


@cache
def records(is_dated: bool) -> Statement:
    """Select records with their parents.

    Args:
        is_dated: select only records created in [``start``, ``end``).
    """
    wanted = _wanted(_UUID)
    record = _matching(_Record, _Record.c.id == wanted.c.value)
    parent = _matching(_Parent, _Parent.c.id == record.c.parent_id)
    found = _records(record, parent, _chain(wanted, record, parent))
    found = found.where(_exists(record))
    return found.where(_created(record)) if is_dated else found


@cache
def recids() -> Statement:
    """Select the persistent identifiers of records."""
    wanted = _wanted(_UUID)
    pid = _matching(
        _Pid, _Pid.c.object_type == "rec", _Pid.c.object_uuid == wanted.c.value
    )
    return (
        sa.select(_text(pid.c.object_uuid, "id"), pid.c.pid_value)
        .select_from(_chain(wanted, pid))
        .where(pid.c.pid_type == "recid")
    )


@cache
def memberships() -> Statement:
    """Select the rows of the parent-community table with their communities."""
    wanted = _wanted(_UUID)
    row = _matching(_Membership, _Membership.c.record_id == wanted.c.value)
    community = _matching(_Community, _Community.c.id == row.c.community_id)
    request = _matching(_Request, _Request.c.id == row.c.request_id)
    accepted = sa.case((_IS_ACCEPTED, request.c.updated))
    removal_date = community.c.json["tombstone", "removal_date"].as_string()
    return sa.select(
        _text(row.c.record_id, "parent_id"),
        _text(row.c.community_id),
        _text(row.c.request_id),
        _timestamp(community.c.created),
        _timestamp(community.c.updated),
        community.c.deletion_status,
        removal_date.label("removal_date"),
        _visibility(community).label("visibility"),
        _timestamp(request.c.created, "request_created"),
        _timestamp(accepted, "request_updated"),
    ).select_from(
        _chain(wanted, row, community).outerjoin(request, sa.true()),
    )


@cache
def record_states() -> Statement:
    """Select the deletion status of records."""
    wanted = _wanted(_UUID)
    record = _matching(_Record, _Record.c.id == wanted.c.value)
    return sa.select(_text(record.c.id), record.c.deletion_status).select_from(
        _chain(wanted, record)
    )


@cache
def membership_requests() -> Statement:
    """Select the request behind each row of the parent-community table."""
    wanted = _wanted(_UUID)
    row = _matching(_Membership, _Membership.c.record_id == wanted.c.value)
    return (
        sa.select(
            _text(row.c.record_id, "parent_id"),
            _text(row.c.community_id),
            _text(row.c.request_id),
        )
        .select_from(_chain(wanted, row))
        .where(row.c.request_id.is_not(None))
    )


@cache
def requests() -> Statement:
    """Select requests by UUID, with the columns of :func:`all_accepted_requests`."""
    wanted = _wanted(_UUID)
    request = _matching(_Request, _Request.c.id == wanted.c.value)
    return _accepted_requests(_chain(wanted, request))


@cache
def acceptances() -> Statement:
    """Select the times at which requests were accepted."""
    wanted = _wanted(_UUID)
    event = _matching(_RequestEvent, _RequestEvent.c.request_id == wanted.c.value)
    return (
        sa.select(
            _text(event.c.request_id),
            _timestamp(sa.func.max(event.c.created), "accepted"),
        )
        .select_from(_chain(wanted, event))
        .where(
            event.c.type == "L",
            event.c.json["payload", "event"].as_string() == "accepted",
        )
        .group_by(event.c.request_id)
    )


@cache
def files() -> Statement:
    """Select number, bytes and extensions of the files of records."""
    wanted = _wanted(_UUID)
    entry = _matching(_Entry, _Entry.c.record_id == wanted.c.value)
    version = _matching(_Object, _Object.c.version_id == entry.c.object_version_id)
    content = _matching(_File, _File.c.id == version.c.file_id)
    extension = sa.func.substring(entry.c.key, EXTENSION)
    return (
        sa.select(
            _text(entry.c.record_id),
            sa.func.count().label("count"),
            sa.cast(sa.func.sum(content.c.size), sa.BigInteger).label("volume"),
            sa.func.array_agg(sa.distinct(extension)).label("extensions"),
        )
        .select_from(_chain(wanted, entry, version, content))
        .where(_exists(entry))
        .group_by(entry.c.record_id)
    )


@cache
def ever_deleted() -> Statement | None:
    """Select the records that have ever been deleted.

    Returns:
        The statement; None if the instance stores no history of records.
    """
    history = _record_history()
    if history is None:
        return None
    wanted = _wanted(_UUID)
    state = _matching(history, history.c.id == wanted.c.value)
    return (
        sa.select(_text(state.c.id))
        .select_from(_chain(wanted, state))
        .where(sa.not_(_is_not_deleted(state)))
        .distinct()
    )


@cache
def deletion_history() -> Statement:
    """Select the deletion status of records after each of their changes, in order.

    Works only if the instance stores the history of records; see :func:`ever_deleted`.
    """
    history = cast(NamedFromClause, _record_history())
    wanted = _wanted(_UUID)
    state = _matching(history, history.c.id == wanted.c.value)
    transactions = _table(versioning_manager.transaction_cls.__table__, "transaction")
    transaction = _matching(transactions, transactions.c.id == state.c.transaction_id)
    issued_at = sa.func.to_char(transaction.c.issued_at, _TIMESTAMP)
    return (
        sa.select(
            _text(state.c.id),
            state.c.deletion_status,
            issued_at.label("issued_at"),
        )
        .select_from(_chain(wanted, state, transaction))
        .order_by(state.c.id, state.c.transaction_id)
    )


# -- communities --------------------------------------------------------------------


def named_communities(ids_or_slugs: Iterable[str]) -> Statement:
    """Select (UUID, slug) of communities by UUID or slug; a scan of the communities."""
    ids, slugs = [], []
    for name in ids_or_slugs:
        try:
            ids.append(UUID(name))
        except ValueError:
            slugs.append(name.strip().lower())
    return sa.select(_text(_Community.c.id), _Community.c.slug).where(
        sa.or_(_Community.c.id.in_(ids), sa.func.lower(_Community.c.slug).in_(slugs))
    )


@cache
def restricted_communities() -> Statement:
    """Select the UUIDs of the restricted communities; a scan of the communities."""
    restricted = _visibility(_Community) == "restricted"
    return sa.select(_text(_Community.c.id)).where(restricted)


def _visibility(community: sa.FromClause) -> sa.ColumnElement[str]:
    return community.c.json["access", "visibility"].as_string()


@cache
def community_slugs() -> Statement:
    """Select (UUID, slug) of communities; a lookup."""
    wanted = _wanted(_UUID)
    community = _matching(_Community, _Community.c.id == wanted.c.value)
    return sa.select(_text(community.c.id), community.c.slug).select_from(
        _chain(wanted, community)
    )


# -- parts of statements ------------------------------------------------------------


def _records_of() -> tuple[sa.FromClause, sa.FromClause, sa.FromClause]:
    """Return PIDs and records as tables, and the join that connects them."""
    wanted = _wanted(sa.Text())
    pid = _matching(
        _Pid, _Pid.c.pid_type == "recid", _Pid.c.pid_value == wanted.c.value
    )
    record = _matching(_Record, _Record.c.id == pid.c.object_uuid)
    return pid, record, _chain(wanted, pid, record)


def _records(
    record: sa.FromClause, parent: sa.FromClause, tables: sa.FromClause
) -> Statement:
    return sa.select(
        _text(record.c.id),
        _text(record.c.parent_id),
        _timestamp(record.c.created),
        _timestamp(record.c.updated),
        record.c.version_id,
        record.c.deletion_status,
        sa.cast(record.c.json, sa.Text).label("json"),
        _timestamp(parent.c.updated, "parent_updated"),
        parent.c.version_id.label("parent_version_id"),
        sa.cast(parent.c.json, sa.Text).label("parent_json"),
    ).select_from(tables)


def _accepted_requests(source: sa.FromClause) -> Statement:
    """Select from a source in which the requests are named ``request``."""
    request = _Request.c
    return (
        sa.select(
            _text(sa.literal_column("request.id", request.id.type), "id"),
            _TOPIC.label("recid"),
            _TYPE.label("type"),
            _RECEIVER.label("community_id"),
            _timestamp(
                sa.literal_column("request.created", request.created.type), "created"
            ),
            _timestamp(
                sa.literal_column("request.updated", request.updated.type), "updated"
            ),
        )
        .select_from(source)
        .where(
            _IS_ACCEPTED,
            _TYPE.in_([SUBMISSION, INCLUSION]),
            _RECEIVER.is_not(None),
        )
    )


def _by_key(
    wanted: sa.TableValuedAlias,
    table: NamedFromClause,
    key: sa.ColumnElement[Any],
    is_indexed: bool,
    *conditions: sa.ColumnElement[bool],
) -> tuple[sa.FromClause, sa.FromClause]:
    """Join values with the rows that have them as a key, for a lookup or a scan.

    Returns:
        The join, and the table in it.
    """
    if not is_indexed:
        return (
            sa.join(wanted, table, sa.and_(key == wanted.c.value, *conditions)),
            table,
        )
    rows = _matching(table, key == wanted.c.value, *conditions)
    return _chain(wanted, rows), rows


def _wanted(type_: sa.types.TypeEngine[str]) -> sa.TableValuedAlias:
    """Return the array ``values`` as a table; PostgreSQL knows its number of rows."""
    column = sa.column("value", type_)
    return sa.func.unnest(_values(type_)).table_valued(column).render_derived("wanted")


def _values(type_: sa.types.TypeEngine[str]) -> sa.BindParameter[Any]:
    return sa.bindparam("values", type_=postgresql.ARRAY(type_))


def _matching(
    table: NamedFromClause, *conditions: sa.ColumnElement[bool]
) -> NamedFromClause:
    """Return the matching rows of a table for each row of the tables before it."""
    return sa.select(table).where(*conditions).offset(0).lateral(table.name)


def _chain(first: sa.FromClause, *others: sa.FromClause) -> sa.FromClause:
    """Return tables joined in this order."""
    for other in others:
        first = first.join(other, sa.true())
    return first


def _record_history() -> NamedFromClause | None:
    """Return the table of earlier states of records; None without such a table."""
    try:
        return _table(version_class(RDMRecordMetadata).__table__, "state")
    except (ClassNotVersioned, KeyError):
        return None


def _created(record: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(
        record.c.created >= sa.bindparam("start"),
        record.c.created < sa.bindparam("end"),
    )


def _follows(record: sa.FromClause) -> sa.ColumnElement[bool]:
    return record.c.id > sa.bindparam("after", type_=_UUID)


def _exists(row: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a row was not emptied by a deletion."""
    return row.c.json.is_not(None)


def _is_not_deleted(row: sa.FromClause) -> sa.ColumnElement[bool]:
    return row.c.deletion_status == "P"


def _text(column: Any, name: str | None = None) -> sa.Label[str]:
    """Return a UUID as text."""
    return sa.cast(column, sa.String).label(name or column.name)


def _timestamp(column: Any, name: str | None = None) -> sa.Label[str]:
    """Return a timestamp as text in UTC; see :mod:`.record_rows`."""
    utc = sa.func.timezone("UTC", column)
    return sa.func.to_char(utc, _TIMESTAMP).label(name or column.name)
