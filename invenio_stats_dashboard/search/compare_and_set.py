# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Write single documents by compare-and-set; a bookmark is such a document.

A bookmark stores how far a piece of work has come. Only one run at a time writes it,
and each write names the version that it replaces. If another run has taken over the
work of a frozen run, the frozen run's next write fails, and it stops.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError

from ..errors import LockLostError

Version = tuple[int, int]
"""Sequence number and primary term of a document's last write."""

_Value = TypeVar("_Value")


def version_of(found: Mapping[str, Any]) -> Version:
    """Return the version in the response to a read or a write, or in a hit."""
    return found["_seq_no"], found["_primary_term"]


def put_version(
    client: OpenSearch,
    index: str,
    id: str,
    body: Mapping[str, Any],
    version: Version | None,
) -> Version:
    """Store a document in place of the version that was read.

    Args:
        client: decodes responses.
        index: index of the document.
        id: its ``_id``.
        body: its source.
        version: the version that was read; None if the document did not exist.

    Returns:
        The version of this write.

    Raises:
        ConflictError: another process has written or deleted the document meanwhile, or
            the response to a first attempt of this write was lost.
    """
    condition: dict[str, Any] = {"op_type": "create"}
    if version:
        condition = _condition(version)
    return version_of(client.index(index=index, id=id, body=body, params=condition))


def replace_version(
    client: OpenSearch,
    index: str,
    id: str,
    body: Mapping[str, Any],
    version: Version | None,
) -> Version:
    """Store a document as :func:`put_version` does, even if a response is lost.

    Args:
        client: decodes responses.
        index: index of the document.
        id: its ``_id``.
        body: its source, equal to what decoding its JSON returns.
        version: the version that was read; None if the document did not exist.

    Raises:
        LockLostError: another run has written it in the meantime.
    """
    try:
        return put_version(client, index, id, body, version)
    except ConflictError:
        found = client.get(index=index, id=id, ignore=[404])
        if not found.get("found") or found["_source"] != body:
            raise _lost(id) from None
        return version_of(found)  # Only the response to the first attempt was lost.


def delete_version(client: OpenSearch, index: str, id: str, version: Version) -> None:
    """Remove a document if it still has the version that was read.

    A missing document is not an error.

    Raises:
        LockLostError: another run has written it in the meantime.
    """
    try:
        client.delete(index=index, id=id, params=_condition(version))
    except ConflictError:
        raise _lost(id) from None
    except NotFoundError:
        pass


def _condition(version: Version) -> dict[str, Any]:
    seq_no, term = version
    return {"if_seq_no": seq_no, "if_primary_term": term}


def _lost(id: str) -> LockLostError:
    return LockLostError(
        f"Another run has taken over and written the bookmark {id}; this run has "
        "stopped."
    )


class Bookmark:
    """One document and the version at which it was read or written.

    Creating a ``Bookmark`` reads the document, which need not exist.

    Args:
        client: decodes responses.
        index: the index of the bookmarks.
        id: the document's id.

    Attributes:
        data: the document; empty if it does not exist.
    """

    def __init__(self, client: OpenSearch, index: str, id: str) -> None:
        self._client, self._index, self.id = client, index, id
        self._version: Version | None = None
        self.data: dict[str, Any] = {}
        try:
            found = client.get(index=index, id=id)
        except NotFoundError:
            return
        self.data, self._version = found["_source"], version_of(found)

    @property
    def exists(self) -> bool:
        """Return whether the document is stored."""
        return self._version is not None

    def write(self, **changes: Any) -> None:
        """Change fields and store the document.

        Args:
            changes: fields to set.

        Raises:
            LockLostError: another run has written it in the meantime.
        """
        now = datetime.now(UTC).isoformat()
        # Convert to the form in which it is read: JSON turns shard numbers into text.
        self.data = json.loads(json.dumps({**self.data, **changes, "updated_at": now}))
        self._version = replace_version(
            self._client, self._index, self.id, self.data, self._version
        )

    def delete(self) -> None:
        """Remove the document, which must exist.

        Raises:
            LockLostError: another run has written it in the meantime.
        """
        assert self._version is not None  # A document that exists has a version.
        delete_version(self._client, self._index, self.id, self._version)
        self._version, self.data = None, {}

    def replace(self, data: dict[str, Any]) -> None:
        """Store a new document in place of this one.

        Raises:
            LockLostError: another run has written it in the meantime.
        """
        self.data = data
        self.write()


def by_shard(stored: Mapping[str, _Value]) -> dict[int, _Value]:
    """Return the values that a bookmark stores for shards, by shard number.

    JSON stores the numbers as text.
    """
    return {int(shard): value for shard, value in stored.items()}
