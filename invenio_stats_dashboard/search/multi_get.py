# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read many documents by ``_id``, in real time.

OpenSearch answers 200 even if a shard is unavailable, for example while it relocates,
and returns an error for each document in it. Such a document may exist, so the error is
raised. A missing index is not an error: it has no documents.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, TransportError

from .client import decoded

_NO_INDEX = "index_not_found_exception"

_Source = TypeVar("_Source")


class ReadError(msgspec.Struct):
    """The reason why OpenSearch could not read a document."""

    type: str
    reason: str | None = None


class StoredSource(msgspec.Struct, Generic[_Source], gc=False):
    """A document; a missing one has no source.

    Attributes:
        id: ``_id`` of the document.
        source: None if the document is missing or its source was not requested.
        found: whether the document exists.
        seq_no: sequence number of its last write; -1 if it is missing.
        term: primary term of its last write; -1 if it is missing.
        error: why it could not be read.
    """

    id: str = msgspec.field(name="_id")
    # Not "_Source | None": msgspec cannot decode a union with msgspec.Raw.
    source: _Source = msgspec.field(name="_source", default=None)  # type: ignore
    found: bool = False
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    term: int = msgspec.field(name="_primary_term", default=-1)
    error: ReadError | None = None


class _StoredSources(msgspec.Struct, Generic[_Source]):
    docs: list[StoredSource[_Source]]


def stored_sources(answer: Any, kind: type[_Source]) -> list[StoredSource[_Source]]:
    """Return the documents in the response to an ``_mget``, in the order requested.

    Call it inside the request of :func:`.client.patiently`, which then repeats a
    request that could not read a document.

    Args:
        answer: what either OpenSearch client returns.
        kind: the type of the sources.

    Raises:
        TransportError: with a transient status; a document could not be read.
    """
    # msgspec evaluates the type parameter.
    docs = decoded(answer, _StoredSources[kind]).docs  # type: ignore[valid-type]
    for doc in docs:
        if doc.error:
            _require_missing_index(doc.error.type, doc.error.reason)
    return docs


def get_many(
    client: OpenSearch,
    docs: Sequence[Mapping[str, str]],
    index: str | None = None,
    source: bool = True,
) -> list[dict[str, Any] | None]:
    """Return documents in the order requested; None for each missing one.

    Args:
        client: decodes responses.
        docs: ``_id`` of each document, and its ``_index`` unless all have the same.
        index: the index of all documents.
        source: return the sources.

    Raises:
        TransportError: with a transient status; a document could not be read.
    """
    if not docs:
        return []
    params = {} if source else {"_source": "false"}
    try:
        answer = client.mget(index=index, body={"docs": docs}, params=params)
    except NotFoundError:
        return [None] * len(docs)
    return [doc if is_found(doc) else None for doc in answer["docs"]]


def is_found(doc: Mapping[str, Any]) -> bool:
    """Return whether a document in the decoded response to an ``_mget`` exists.

    Raises:
        TransportError: with a transient status; the document could not be read.
    """
    error = doc.get("error")
    if error:
        _require_missing_index(error["type"], error.get("reason"))
    return doc.get("found", False)


def _require_missing_index(type: str, reason: str | None) -> None:
    """Raise an error unless a document could not be read because its index is missing.

    Raises:
        TransportError: with a transient status.
    """
    if type != _NO_INDEX:
        raise TransportError(503, type, {"error": {"reason": reason}})
