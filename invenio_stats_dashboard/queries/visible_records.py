# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find the records that a caller may see, with the search of the records service.

Its permission filter hides restricted and deleted records here as in the site's search.
Only a few fields are fetched. Serialising a whole record as the REST API does would
take milliseconds, and a report can have a hundred thousand records.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from flask_principal import Identity
from invenio_access.permissions import system_identity
from invenio_rdm_records.proxies import current_rdm_records_service
from invenio_rdm_records.records.systemfields.deletion_status import (
    RecordDeletionStatusEnum,
)
from invenio_search.engine import dsl

RECID, PARENT = "id", "parent.id"
"""The fields by which records can be found."""

_FIELDS = (
    *("id", "parent.id", "deletion_status", "pids.doi.identifier"),
    *("metadata.title", "metadata.publisher", "metadata.publication_date"),
)


@dataclass(frozen=True)
class VisibleRecord:
    """A record.

    Attributes:
        recid: identifier of this version.
        parent_recid: identifier of the parent.
        title: None if the caller may not see it.
        publisher: None if the caller may not see it.
        published: publication date, EDTF; None if the caller may not see it.
        doi: its DOI, or None.
        deleted: whether only a tombstone remains.
    """

    recid: str
    parent_recid: str
    title: str | None
    publisher: str | None
    published: str | None
    doi: str | None
    deleted: bool


def seen(identity: Identity, by: str, ids: Collection[str]) -> dict[str, VisibleRecord]:
    """Return the records that a caller may see, by id.

    Args:
        identity: the identity of the caller.
        by: :data:`RECID`, or :data:`PARENT` for the latest version of each.
        ids: ids of records or parents; at most 10,000.

    Raises:
        OpenSearchException: the cluster does not answer.
    """
    if not current_rdm_records_service.check_permission(identity, "search"):
        return {}
    return _found(identity, by, ids)


def exists(by: str, ids: Collection[str]) -> dict[str, VisibleRecord]:
    """Return the records that exist, by id, regardless of permissions.

    They have no title, publisher or publication date, because the caller may have no
    permission to see these.

    Args:
        by: :data:`RECID`, or :data:`PARENT` for the latest version of each.
        ids: ids of records or parents; at most 10,000.

    Raises:
        OpenSearchException: the cluster does not answer.
    """
    return {
        id: replace(record, title=None, publisher=None, published=None)
        for id, record in _found(system_identity, by, ids).items()
    }


def _found(
    identity: Identity, by: str, ids: Collection[str]
) -> dict[str, VisibleRecord]:
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
    found: dict[str, VisibleRecord] = {}
    for hit in search.source(_FIELDS)[: len(ids)].execute().to_dict()["hits"]["hits"]:
        record = _seen(hit["_source"])
        found[record.recid if by == RECID else record.parent_recid] = record
    return found


def _seen(source: dict[str, Any]) -> VisibleRecord:
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
