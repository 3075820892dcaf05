# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Store the ``_id`` of each event until its message is acknowledged.

An event's ``_id`` contains a hash of its visitor, with a salt that is deleted after a
day. A worker can die after it has stored a chunk and before it has acknowledged the
messages. The broker then delivers them again. If the salt has changed by then, the
events would be counted twice. A run therefore stores the ``_id`` of each event before
it stores the chunk. Each run has one document, which contains only its current chunk,
and deletes it at the end. A message is identified by a hash with the site's
``SECRET_KEY`` as the key, so the index contains no information about visitors.
"""

import hashlib
import hmac
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ..search import index_templates as templates
from ..search.client import describe, is_transient, patiently
from ..search.multi_get import get_many
from ..search.names import SCHEMA, Names
from ..search.paging import pages
from .dead_letters import letter_id

EventName = tuple[str, str]
"""Name of the index or alias of an event, and its ``_id``."""

_Result = TypeVar("_Result")

_FORGOTTEN = timedelta(days=30)
_PAGE = 100
_MAPPING = templates.strict(
    {
        "queue": {"type": "keyword", "ignore_above": 512},
        "run": {"type": "keyword"},
        "written_at": {"type": "date"},
        "messages": {"type": "object", "enabled": False},
    }
)


def index_templates(names: Names) -> dict[str, dict[str, Any]]:
    """Return the composable template of the index, by name."""
    return {
        f"{names.unacknowledged}-v{SCHEMA}": templates.template(
            [names.unacknowledged], _MAPPING
        )
    }


class Journal:
    """The ``_id`` of events with unacknowledged messages, of this and other runs.

    If the cluster refuses the index, a warning is logged and indexing continues without
    the journal.

    Args:
        client: decodes responses.
        names: the instance's index names.
        queue: name of the queue that the messages come from.
        secret: the site's ``SECRET_KEY``.
        limit: seconds to retry while OpenSearch accepts no requests.
        warn: called with a sentence.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        queue: str,
        secret: str | bytes | None,
        limit: float,
        warn: Callable[[str], None],
    ) -> None:
        self._client, self._index = client, names.unacknowledged
        self._dead_letter, self._queue = names.dead_letter, queue
        self._limit, self._warn = limit, warn
        secret = secret.encode() if isinstance(secret, str) else secret or b""
        self._key = hashlib.sha256(b"unacknowledged\n" + secret).digest()
        self._id, self._is_written, self._works = uuid.uuid4().hex, False, True
        self._others: dict[str, dict[str, EventName]] | None = None
        self._done: set[str] = set()

    def digest(self, body: str | bytes) -> str:
        """Return the keyed hash that identifies a message by its body."""
        body = body.encode() if isinstance(body, str) else bytes(body)
        return hmac.digest(self._key, body, "sha256")[:16].hex()

    def stored(self, messages: Mapping[str, EventName], read_again: bool) -> set[str]:
        """Return the messages whose events are stored under another index or ``_id``.

        Args:
            messages: the current name of each event, by digest of its message.
            read_again: read the journal again, because another worker may have died.

        Returns:
            Digests of the messages whose events must not be written again.

        Raises:
            SearchUnavailableError: OpenSearch accepted no request within the limit.
        """
        if self._others is None or read_again:
            self._others = self._tried(self._read) or {}
            self._forget()
        earlier = [
            (digest, called)
            for called_by in self._others.values()
            for digest, called in called_by.items()
            if digest in messages and called != messages[digest]
        ]
        if not earlier:
            return set()
        found = patiently(
            lambda: self._exist([called for _, called in earlier]),
            self._limit,
            self._warn,
        )
        return {digest for digest, called in earlier if called in found}

    def note(self, messages: Mapping[str, EventName]) -> None:
        """Store the names of the events of a chunk, before the events are stored.

        Args:
            messages: name of each event, by digest of its message.

        Raises:
            SearchUnavailableError: OpenSearch accepted no request within the limit.
        """
        document = {
            "queue": self._queue,
            "run": self._id,
            "written_at": datetime.now(UTC).isoformat(),
            "messages": messages,
        }
        self._tried(lambda: self._put(document))
        self._is_written = self._works

    def acknowledged(self, messages: Mapping[str, EventName]) -> None:
        """Delete the entries of other runs for messages that are now acknowledged.

        Args:
            messages: the last argument of :meth:`note`.
        """
        named = {
            digest for called in (self._others or {}).values() for digest in called
        }
        self._done |= named & messages.keys()
        self._forget()

    def _forget(self) -> None:
        """Remove acknowledged entries, and delete documents that become empty."""
        others = self._others or {}
        for id, called in list(others.items()):
            left = {d: name for d, name in called.items() if d not in self._done}
            others[id] = left
            if called and not left:
                self._delete(id)

    def close(self) -> None:
        """Delete the document of this run, whose messages are all acknowledged."""
        if self._is_written:
            self._delete(self._id)

    def _tried(
        self, request: Callable[[], _Result], otherwise: _Result | None = None
    ) -> _Result | None:
        """Return the result of a request, or ``otherwise`` if it is refused."""
        if not self._works:
            return otherwise
        try:
            return patiently(request, self._limit, self._warn)
        except OpenSearchException as error:
            if is_transient(error):
                raise
            self._works = False
            self._warn(
                f"The index {self._index} cannot be used ({describe(error)}). Events "
                "are still stored. If a worker is killed and the visitors' salt "
                "changes before the broker redelivers its messages, their events "
                "count twice."
            )
            return otherwise

    def _read(self) -> dict[str, dict[str, EventName]]:
        """Return the entries of other runs for this queue: run -> digest -> name."""
        try:
            self._client.indices.refresh(index=self._index)
        except NotFoundError:
            return {}
        found: dict[str, dict[str, EventName]] = {}
        forgotten = (datetime.now(UTC) - _FORGOTTEN).isoformat()
        body = {
            "size": _PAGE,
            "query": {"term": {"queue": self._queue}},
            "sort": [{"written_at": "asc"}, {"run": "asc"}],
        }
        for hits in pages(self._search, body):
            for hit in hits:
                id, source = hit["_id"], hit["_source"]
                if source["written_at"] < forgotten:
                    self._delete(id)
                elif id != self._id:
                    found[id] = {d: tuple(c) for d, c in source["messages"].items()}
        return found

    def _search(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self._client.search(index=self._index, body=body)
        return answer["hits"]["hits"]

    def _exist(self, called: Sequence[EventName]) -> set[EventName]:
        """Return the names under which an event or a dead letter is stored."""
        found = self._exist_now(called)
        # While a cut-over replaces an index by an alias, the index may seem missing.
        return found | self._exist_now([name for name in called if name not in found])

    def _exist_now(self, called: Sequence[EventName]) -> set[EventName]:
        wanted = [{"_index": index, "_id": id} for index, id in called]
        wanted += [
            {"_index": self._dead_letter, "_id": letter_id(index, id)}
            for index, id in called
        ]
        there = get_many(self._client, wanted, source=False)
        pairs = zip(called, there, there[len(called) :], strict=False)
        return {name for name, event, letter in pairs if event or letter}

    def _put(self, document: dict[str, Any]) -> None:
        if not self._is_written:
            templates.make(self._client, self._index, _MAPPING)
        self._client.index(
            index=self._index, id=self._id, body=msgspec.json.encode(document)
        )

    def _delete(self, id: str) -> None:
        try:
            self._client.delete(index=self._index, id=id, ignore=[404])
        except OpenSearchException as error:
            # A later run deletes the document after 30 days.
            self._warn(
                "A document of the redelivery journal cannot be deleted yet "
                f"({describe(error)})."
            )
