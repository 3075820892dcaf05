# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which ``_id`` the messages in hand were given, for whoever gets them again.

An event's ``_id`` holds a hash of its visitor, salted with a secret that is thrown away
after a day. If a worker dies after storing a chunk and before acknowledging it, and
the salt is another one when the messages are delivered again, their events would be
counted twice. So a run writes down, before it stores a chunk, what each message is going
to be called; one document a run, which holds the chunk in hand only and goes when the run
ends. A message is named by a hash keyed with the site's ``SECRET_KEY``: what is in the
index says nothing of a visitor.
"""

import hashlib
import hmac
import uuid
from datetime import UTC, datetime, timedelta

import msgspec
from opensearchpy.exceptions import (
    NotFoundError,
    OpenSearchException,
    TransportError,
)

from ..search import index_templates as templates
from ..search.client import describe, is_transient, patiently
from ..search.names import SCHEMA
from .dead_letters import letter_id

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


def index_templates(names):
    """Return the composable template of the index, by name.

    Args:
        names: the instance's :class:`~..search.names.Names`.
    """
    return {
        f"{names.unacknowledged}-v{SCHEMA}": templates.template(
            [names.unacknowledged], _MAPPING
        )
    }


class Journal:
    """What the messages in hand are called, of this run and of others.

    Where the cluster does not allow it, indexing goes on without: a warning says so.

    Args:
        client: an ordinary client.
        names: the instance's names.
        queue: name of the queue that the messages come from.
        secret: the site's ``SECRET_KEY``, text or bytes.
        limit: seconds to go on trying while OpenSearch takes no requests.
        warn: called with a sentence.
    """

    def __init__(self, client, names, queue, secret, limit, warn):
        """Prepare; nothing is read or written yet."""
        self._client, self._index = client, names.unacknowledged
        self._dead_letter, self._queue = names.dead_letter, queue
        self._limit, self._warn = limit, warn
        secret = secret.encode() if isinstance(secret, str) else secret or b""
        self._key = hashlib.sha256(b"unacknowledged\n" + secret).digest()
        self._id, self._is_written, self._works = uuid.uuid4().hex, False, True
        self._others, self._done = None, set()

    def digest(self, body):
        """Return what names a message.

        Args:
            body: what it holds, text or bytes.
        """
        body = body.encode() if isinstance(body, str) else bytes(body)
        return hmac.digest(self._key, body, "sha256")[:16].hex()

    def stored(self, messages, read_again):
        """Return the messages that are stored under another name than they have now.

        Args:
            messages: dict, digest -> (index, ``_id``) that it has now.
            read_again: somebody may have died since the last call.

        Returns:
            set[str]: digests of those whose events must not be written again.

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        if self._others is None or read_again:
            self._others = self._tried(self._read, {})
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

    def note(self, messages):
        """Write down what the messages in hand are called, before they are stored.

        Args:
            messages: dict, digest -> (index, ``_id``).

        Raises:
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        document = {
            "queue": self._queue,
            "run": self._id,
            "written_at": datetime.now(UTC).isoformat(),
            "messages": messages,
        }
        self._tried(lambda: self._put(document))
        self._is_written = self._works

    def acknowledged(self, messages):
        """Forget what others have noted, where nobody needs it any more.

        Args:
            messages: what was noted last and is acknowledged by now.
        """
        named = {
            digest for called in (self._others or {}).values() for digest in called
        }
        self._done |= named & messages.keys()
        self._forget()

    def _forget(self):
        """Take out what this run has acknowledged, and what is empty by that."""
        for id, called in list((self._others or {}).items()):
            left = {d: name for d, name in called.items() if d not in self._done}
            self._others[id] = left
            if called and not left:
                self._delete(id)

    def close(self):
        """Forget what this run has noted: nothing is in its hands."""
        if self._is_written:
            self._delete(self._id)

    def _tried(self, request, otherwise=None):
        """Return what a request returns, or something else where it is not allowed."""
        if not self._works:
            return otherwise
        try:
            return patiently(request, self._limit, self._warn)
        except OpenSearchException as error:
            if is_transient(error):
                raise
            self._works = False
            self._warn(
                f"The index {self._index} cannot be used ({describe(error)}); events "
                "are stored all the same. If a worker is killed and the salt of the "
                "visitors is lost before its messages come again, they count twice."
            )
            return otherwise

    def _read(self):
        """Return what is noted for this queue: id of the run -> digest -> name."""
        try:
            self._client.indices.refresh(index=self._index)
        except NotFoundError:
            return {}
        found, after = {}, None
        forgotten = (datetime.now(UTC) - _FORGOTTEN).isoformat()
        while hits := self._page(after):
            for hit in hits:
                id, source = hit["_id"], hit["_source"]
                if source["written_at"] < forgotten:
                    self._delete(id)
                elif id != self._id:
                    found[id] = {d: tuple(c) for d, c in source["messages"].items()}
            after = hits[-1]["sort"]
        return found

    def _page(self, after):
        body = {
            "size": _PAGE,
            "query": {"term": {"queue": self._queue}},
            "sort": [{"written_at": "asc"}, {"run": "asc"}],
        }
        if after:
            body["search_after"] = after
        answer = self._client.search(
            index=self._index,
            body=body,
            params={"allow_partial_search_results": "false"},
        )
        return answer["hits"]["hits"]

    def _exist(self, called):
        """Return those of the names under which an event, or a dead letter, is there."""
        wanted = [{"_index": index, "_id": id} for index, id in called]
        wanted += [
            {"_index": self._dead_letter, "_id": letter_id(index, id)}
            for index, id in called
        ]
        answer = self._client.mget(body={"docs": wanted}, params={"_source": "false"})
        there = [_is_found(doc) for doc in answer["docs"]]
        pairs = zip(called, there, there[len(called) :], strict=False)
        return {name for name, event, letter in pairs if event or letter}

    def _put(self, document):
        if not self._is_written:
            templates.make(self._client, self._index, _MAPPING)
        self._client.index(
            index=self._index, id=self._id, body=msgspec.json.encode(document)
        )

    def _delete(self, id):
        try:
            self._client.delete(index=self._index, id=id, ignore=[404])
        except OpenSearchException as error:
            # what stays is forgotten after a month
            self._warn(f"What was noted cannot be removed yet ({describe(error)}).")


def _is_found(doc):
    """Tell whether a document is there, of an answer that tells of each.

    Raises:
        TransportError: that cannot be told now; it is no reason to write it again.
    """
    error = doc.get("error")
    if error and error["type"] != "index_not_found_exception":
        raise TransportError(503, error["type"], error)
    return doc.get("found", False)
