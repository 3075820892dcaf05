# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The rows of one record as plain data, without a database session.

Identifiers are text. Times are text of the form ``YYYY-MM-DDTHH:MM:SS.ffffff`` in UTC,
which sorts chronologically and costs less to read than a datetime. The classes are
frozen structs, because a frozen dataclass takes ten times as long to create.
"""

from typing import Any

import msgspec


class FilesSummary(msgspec.Struct, frozen=True, gc=False):
    """The files of a record.

    Attributes:
        count: number of files.
        volume: bytes of all files.
        types: types of the files, sorted; see :func:`.facts.file_type`.
    """

    count: int = 0
    volume: int = 0
    types: tuple[str, ...] = ()


class CommunityRow(msgspec.Struct, frozen=True, gc=False):
    """A row of the parent-community table, with its community.

    Attributes:
        community_id: UUID of the community.
        created: when the community was created.
        updated: when the community was last changed.
        deleted: when the community was deleted; None if it is not.
        deleted_by: the evidence for ``deleted``; see :mod:`.evidence`.
        requested: when the request behind the row was created; None without a request.
        accepted: when that request was accepted.
        is_restricted: whether only members can see the community.
    """

    community_id: str
    created: str
    updated: str
    deleted: str | None = None
    deleted_by: str | None = None
    requested: str | None = None
    accepted: str | None = None
    is_restricted: bool = False


class AcceptedRequest(msgspec.Struct, frozen=True, gc=False):
    """An accepted request whose row in the parent-community table no longer exists.

    Attributes:
        community_id: UUID of the community that accepted.
        requested: when the request was created.
        accepted: when it was accepted.
    """

    community_id: str
    requested: str
    accepted: str


class DeletedSpan(msgspec.Struct, frozen=True, gc=False):
    """A period in which a record was deleted, and after which it was restored.

    Attributes:
        deleted: when it was deleted.
        restored: when it was restored.
    """

    deleted: str
    restored: str


class RecordRow(msgspec.Struct, frozen=True, gc=False):
    """One published record with its files, communities and requests.

    Attributes:
        record_id: UUID of the record, which is one version.
        parent_id: UUID of the parent, which all versions share.
        created: when the row was created, which is when the record was published.
        updated: when the row was last changed.
        parent_updated: when the parent's row was last changed.
        revision: grows with each change of the record or its parent.
        is_deleted: whether it is deleted or marked for purge.
        deleted: when it was deleted; None if it is not.
        deleted_by: the evidence for ``deleted``; see :mod:`.evidence`.
        record: the record's JSON, or the fields of it that statistics use.
        parent: the parent's JSON.
        files: its files.
        communities: rows of the parent-community table.
        ended: accepted requests whose row no longer exists.
        deletions: earlier deletions after which the record was restored, in order.
    """

    record_id: str
    parent_id: str
    created: str
    updated: str
    parent_updated: str
    revision: int
    is_deleted: bool
    deleted: str | None
    deleted_by: str | None
    record: dict[str, Any]
    parent: dict[str, Any]
    files: FilesSummary = FilesSummary()
    communities: tuple[CommunityRow, ...] = ()
    ended: tuple[AcceptedRequest, ...] = ()
    deletions: tuple[DeletedSpan, ...] = ()

    @property
    def recid(self) -> str:
        """Return the record's persistent identifier."""
        return self.record["id"]

    @property
    def published(self) -> str | None:
        """Return the publication date in the metadata (EDTF, as given), or None."""
        metadata = self.record.get("metadata")
        date = metadata.get("publication_date") if type(metadata) is dict else None
        return date if type(date) is str else None
