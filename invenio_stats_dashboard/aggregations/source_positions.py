# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""How far each source index is counted, and what of it is still to be counted again.

One document for each scope of work (usage, records) and source index: the position
of each shard, the number of documents by day, and the days to redo. A position and
the days that lie behind it are written in one request, so that no crash can move
the one without the other.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from opensearchpy.exceptions import ConflictError, NotFoundError

from ..errors import LockLostError

_KIND = "source"
_MOST = 10_000


@dataclass(frozen=True)
class SourcePosition:
    """What is known of one source index.

    Attributes:
        scope: the work that reads it, such as ``usage``.
        index: name of the index.
        uuid: of the index that the positions belong to; a recreated one has another.
        shards: shard number -> (history, checkpoint) that is accounted for.
        counts: key (a day, for usage events) -> number of documents.
        redo: sorted keys that are to be counted again.
        why: key -> why it is to be counted again, for the correction log.
        gone: the index is not there any more; the document goes when nothing is
            left to redo.
    """

    scope: str
    index: str
    uuid: str = ""
    shards: dict[int, tuple[str, int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    redo: tuple[str, ...] = ()
    why: dict[str, str] = field(default_factory=dict)
    gone: bool = False
    version: tuple[int, int] | None = field(default=None, compare=False, repr=False)

    @property
    def id(self):
        """Return the document's ``_id``."""
        return f"{_KIND}:{self.scope}:{self.index}"

    def without(self, done):
        """Return it with some keys done."""
        return replace(
            self,
            redo=tuple(key for key in self.redo if key not in done),
            why={key: why for key, why in self.why.items() if key not in done},
        )


class SourcePositions:
    """The bookmarks of all source indices of one scope.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~..search.names.Names`.
        scope: the work that reads them, such as ``usage``.
    """

    def __init__(self, client, names, scope):
        """Keep what is needed; reads nothing yet."""
        self._client, self._index, self.scope = client, names.bookmarks, scope

    def read(self):
        """Return all of them.

        Returns:
            dict: name of the index -> :class:`SourcePosition`.
        """
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
            params={"allow_partial_search_results": "false"},
        )
        found = [self._source(hit) for hit in answer["hits"]["hits"]]
        return {source.index: source for source in found}

    def write(self, source):
        """Store one; it must not have been written by anybody else since it was read.

        Args:
            source: the :class:`SourcePosition`.

        Returns:
            Source: the same with its new version.

        Raises:
            LockLostError: another run has written it.
        """
        body = _body(source)
        condition = {"op_type": "create"}
        if source.version:
            condition = _condition(source)
        try:
            answer = self._client.index(
                index=self._index, id=source.id, body=body, params=condition
            )
        except ConflictError:
            found = self._client.get(index=self._index, id=source.id, ignore=[404])
            # only the answer to the first attempt may have been lost
            if not found.get("found") or found["_source"] != body:
                raise _lost(source) from None
            answer = found
        return replace(source, version=(answer["_seq_no"], answer["_primary_term"]))

    def delete(self, source):
        """Remove one that was read.

        Raises:
            LockLostError: another run has written it.
        """
        try:
            self._client.delete(
                index=self._index, id=source.id, params=_condition(source)
            )
        except ConflictError:
            raise _lost(source) from None
        except NotFoundError:
            pass

    def save(self, source):
        """Store one, or remove it if its index is gone and nothing is left to redo.

        Returns:
            Source: as stored; None if it was removed.
        """
        if source.gone and not source.redo:
            if source.version:
                self.delete(source)
            return None
        return self.write(source)

    def remove(self, index, done, check=None):
        """Take keys off an index's list, whoever else takes off others meanwhile.

        Args:
            index: name of the index.
            done: the keys.
            check: raises when this run must not write any more. It is asked between
                reading and writing: what a later run has noted changes the version.

        Returns:
            Source: as stored; None if it was removed.

        Raises:
            LockLostError: ``check`` says so.
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

    def _source(self, hit):
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
            version=(hit["_seq_no"], hit["_primary_term"]),
        )


def _body(source):
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


def _condition(source):
    seq_no, term = source.version
    return {"if_seq_no": seq_no, "if_primary_term": term}


def _lost(source):
    return LockLostError(
        f"The bookmark {source.id} was written by another run, which has taken over; "
        "this one has stopped."
    )
