# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What a caller may see of records, asked of the records service's own search.

Its permission filter decides, so what is restricted or deleted is hidden here as it is
in the site's search. Only a few fields are fetched: presenting a whole record as the
REST API does takes milliseconds, and a report can have a hundred thousand.
"""

from dataclasses import dataclass, replace

from flask_principal import AnonymousIdentity
from invenio_access.permissions import any_user, system_identity
from invenio_rdm_records.proxies import current_rdm_records_service
from invenio_rdm_records.records.systemfields.deletion_status import (
    RecordDeletionStatusEnum,
)
from invenio_search.engine import dsl

RECID, PARENT = "id", "parent.id"
"""What records can be asked for by."""

_FIELDS = (
    *("id", "parent.id", "deletion_status", "pids.doi.identifier"),
    *("metadata.title", "metadata.publisher", "metadata.publication_date"),
)


@dataclass(frozen=True)
class VisibleRecord:
    """A record.

    Attributes:
        recid: of this version.
        parent_recid: of all versions together.
        title: its title; None if the caller may not see it.
        publisher: the same of its publisher.
        published: the same of its publication date, EDTF.
        doi: its DOI, or None.
        deleted: it is deleted; its tombstone is left.
    """

    recid: str
    parent_recid: str
    title: str | None
    publisher: str | None
    published: str | None
    doi: str | None
    deleted: bool


def anybody():
    """Return the identity of somebody who is not logged in."""
    identity = AnonymousIdentity()
    identity.provides.add(any_user)
    return identity


def seen(identity, by, ids):
    """Return the records that somebody may see.

    Args:
        identity: of the caller; None for somebody who is not logged in.
        by: :data:`RECID`, or :data:`PARENT` for the latest version of each.
        ids: of records or parents; at most 10,000.

    Returns:
        dict: id -> :class:`VisibleRecord`.

    Raises:
        OpenSearchException: the cluster does not answer.
    """
    identity = identity or anybody()
    if not current_rdm_records_service.check_permission(identity, "search"):
        return {}
    return _found(identity, by, ids)


def exists(by, ids):
    """Return the records that there are, whoever may see them.

    Args:
        by: :data:`RECID` or :data:`PARENT`.
        ids: of records or parents; at most 10,000.

    Returns:
        dict: id -> :class:`VisibleRecord` without what a caller would have to be allowed to see.

    Raises:
        OpenSearchException: the cluster does not answer.
    """
    return {
        id: replace(record, title=None, publisher=None, published=None)
        for id, record in _found(system_identity, by, ids).items()
    }


def _found(identity, by, ids):
    if not ids:
        return {}
    service = current_rdm_records_service
    wanted = dsl.Q("terms", **{by: list(ids)})
    if by == PARENT:
        wanted &= dsl.Q("term", **{"versions.is_latest": True})
    search = service.create_search(
        identity,
        service.record_cls,
        service.config.search,
        permission_action="read_deleted",
        extra_filter=wanted,
    )
    found = {}
    for hit in search.source(_FIELDS)[: len(ids)].execute().to_dict()["hits"]["hits"]:
        record = _seen(hit["_source"])
        found[record.recid if by == RECID else record.parent_recid] = record
    return found


def _seen(source):
    metadata = source.get("metadata", {})
    return VisibleRecord(
        recid=source["id"],
        parent_recid=source["parent"]["id"],
        title=metadata.get("title"),
        publisher=metadata.get("publisher"),
        published=metadata.get("publication_date"),
        doi=source.get("pids", {}).get("doi", {}).get("identifier"),
        deleted=source["deletion_status"] != RecordDeletionStatusEnum.PUBLISHED.value,
    )
