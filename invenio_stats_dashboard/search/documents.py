# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Bookmarks: documents that store how far a piece of work has come.

Only one run at a time writes a bookmark. Each write names the version that it
replaces. If another run has taken over the work of a frozen run, the frozen run's
next write fails, and it stops.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError

from ..errors import LockLostError
from .client import is_found

_Value = TypeVar("_Value")


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
        self._version: tuple[int, int] | None = None
        self.data: dict[str, Any] = {}
        try:
            found = client.get(index=index, id=id)
        except NotFoundError:
            return
        self._take(found)

    def _take(self, found: dict[str, Any]) -> None:
        self.data = found["_source"]
        self._version = (found["_seq_no"], found["_primary_term"])

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
        condition: dict[str, Any] = {"op_type": "create"}
        if self._version:
            seq_no, term = self._version
            condition = {"if_seq_no": seq_no, "if_primary_term": term}
        try:
            answer = self._client.index(
                index=self._index, id=self.id, body=self.data, params=condition
            )
        except ConflictError:
            if self._is_stored():
                return  # Only the response to the first attempt was lost.
            raise self._lost() from None
        self._version = (answer["_seq_no"], answer["_primary_term"])

    def _is_stored(self) -> bool:
        found = self._client.get(index=self._index, id=self.id, ignore=[404])
        if not found.get("found") or found["_source"] != self.data:
            return False
        self._take(found)
        return True

    def _lost(self) -> LockLostError:
        return LockLostError(
            f"Another run has taken over and written the bookmark {self.id}; this run "
            "has stopped."
        )

    def delete(self) -> None:
        """Remove the document, which must exist.

        Raises:
            LockLostError: another run has written it in the meantime.
        """
        # A document that exists has a version.
        seq_no, term = self._version  # type: ignore[misc]
        try:
            self._client.delete(
                index=self._index,
                id=self.id,
                params={"if_seq_no": seq_no, "if_primary_term": term},
            )
        except ConflictError:
            raise self._lost() from None
        except NotFoundError:
            pass
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


def read_many(
    client: OpenSearch, index: str, ids: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Return the documents of those bookmarks that exist, by id.

    The read is real-time: it does not depend on a refresh.

    Raises:
        TransportError: a bookmark could not be read.
    """
    if not ids:
        return {}
    try:
        answer = client.mget(index=index, body={"ids": list(ids)})
    except NotFoundError:
        return {}
    return {d["_id"]: d["_source"] for d in answer["docs"] if is_found(d)}
