# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store how far each source index is counted, and which keys must be counted again.

One document exists for each scope of work (usage, records) and source index. It
contains the position of each shard, the number of documents by day, and the days to
count again. A position and the days that were found before it are written in one
request, so no crash can store one without the other.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from ..errors import LockLostError
from ..search.compare_and_set import (
    Version,
    delete_version,
    replace_version,
    version_of,
)
from ..search.names import Names

_KIND = "source"
_MOST = 10_000


@dataclass(frozen=True)
class SourcePosition:
    """The bookmark of one source index.

    Attributes:
        scope: the work that reads the index, such as ``usage``.
        index: name of the index.
        uuid: UUID of the index that the positions belong to. A recreated index has
            another one.
        shards: shard number -> (history, checkpoint) up to which it is counted.
        counts: key (a day, for usage events) -> number of documents.
        redo: sorted keys that must be counted again.
        why: key -> why it must be counted again, for the correction log.
        gone: whether the index no longer exists. The document is removed when nothing
            is left to count again.
        version: sequence number and primary term of the document when it was read.
    """

    scope: str
    index: str
    uuid: str = ""
    shards: dict[int, tuple[str, int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    redo: tuple[str, ...] = ()
    why: dict[str, str] = field(default_factory=dict)
    gone: bool = False
    version: Version | None = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> str:
        """Return the document's ``_id``."""
        return f"{_KIND}:{self.scope}:{self.index}"

    def without(self, done: Collection[str]) -> "SourcePosition":
        """Return a copy without some keys, which have been counted."""
        return replace(
            self,
            redo=tuple(key for key in self.redo if key not in done),
            why={key: why for key, why in self.why.items() if key not in done},
        )


class SourcePositions:
    """The bookmarks of all source indices of one scope.

    Args:
        client: decodes responses.
        names: the instance's index names.
        scope: the work that reads the indices, such as ``usage``.
    """

    def __init__(self, client: OpenSearch, names: Names, scope: str) -> None:
        self._client, self._index, self.scope = client, names.bookmarks, scope

    def read(self) -> dict[str, SourcePosition]:
        """Return all bookmarks, by the name of the index."""
        try:
            self._client.indices.refresh(index=self._index)
        except NotFoundError:
            return {}
        query = [{"term": {"kind": _KIND}}, {"term": {"scope": self.scope}}]
        answer = self._client.search(
            index=self._index,
            body={
                "size": _MOST,
                "query": {"bool": {"filter": query}},
                "seq_no_primary_term": True,
            },
        )
        found = [self._source(hit) for hit in answer["hits"]["hits"]]
        return {source.index: source for source in found}

    def write(self, source: SourcePosition) -> SourcePosition:
        """Store a bookmark, and return it with its new version.

        Raises:
            LockLostError: another run has written it in the meantime.
        """
        version = replace_version(
            self._client, self._index, source.id, _body(source), source.version
        )
        return replace(source, version=version)

    def delete(self, source: SourcePosition) -> None:
        """Remove a bookmark that was read.

        Raises:
            LockLostError: another run has written it.
        """
        assert source.version is not None  # A bookmark that was read has a version.
        delete_version(self._client, self._index, source.id, source.version)

    def save(self, source: SourcePosition) -> SourcePosition | None:
        """Store a bookmark; remove it if its index and its list of keys are gone.

        Returns:
            The bookmark as stored; None if it was removed.
        """
        if source.gone and not source.redo:
            if source.version:
                self.delete(source)
            return None
        return self.write(source)

    def remove(
        self,
        index: str,
        done: Collection[str],
        check: Callable[[], None] | None = None,
    ) -> SourcePosition | None:
        """Remove keys from an index's list, even if others remove keys concurrently.

        Args:
            index: name of the index.
            done: the keys.
            check: raises when this run must not write any more. It is called between
                reading and writing. If a later run writes the bookmark after that, its
                version changes and this write fails.

        Returns:
            The bookmark as stored; None if it was removed.

        Raises:
            LockLostError: ``check`` reports that another run has taken over.
        """
        while True:
            id = SourcePosition(self.scope, index).id
            found = self._client.get(index=self._index, id=id, ignore=[404])
            if check:
                check()
            if not found.get("found"):
                return None
            source = self._source(found)
            if not set(done).intersection(source.redo):
                return source
            try:
                return self.save(source.without(done))
            except LockLostError:
                continue

    def _source(self, hit: dict[str, Any]) -> SourcePosition:
        stored = hit["_source"]
        return SourcePosition(
            scope=stored["scope"],
            index=stored["index"],
            uuid=stored["uuid"],
            shards={int(k): tuple(v) for k, v in stored["shards"].items()},
            counts=stored["counts"],
            redo=tuple(stored["redo"]),
            why=stored["why"],
            gone=stored["gone"],
            version=version_of(hit),
        )


def _body(source: SourcePosition) -> dict[str, Any]:
    return {
        "kind": _KIND,
        "scope": source.scope,
        "index": source.index,
        "uuid": source.uuid,
        "shards": {str(k): list(v) for k, v in sorted(source.shards.items())},
        "counts": source.counts,
        "redo": sorted(source.redo),
        "why": source.why,
        "gone": source.gone,
        "updated_at": datetime.now(UTC).isoformat(),
    }
