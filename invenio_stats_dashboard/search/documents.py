# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Documents that say how far a piece of work has come, written by one run at a time.

Each write names the version that it replaces. So a run that was frozen, and
whose work another run has taken over meanwhile, cannot write any more and knows.
"""

import json
from datetime import UTC, datetime

from opensearchpy.exceptions import ConflictError, NotFoundError

from ..errors import LockLostError


class Bookmark:
    """One document and the version at which it was read or written.

    Args:
        client: an ordinary client.
        index: the index of the bookmarks.
        id: the document's id.
    """

    def __init__(self, client, index, id):
        """Read the document; it need not exist."""
        self._client, self._index, self.id = client, index, id
        self._version = None
        self.data = {}
        try:
            found = client.get(index=index, id=id)
        except NotFoundError:
            return
        self._take(found)

    def _take(self, found):
        self.data = found["_source"]
        self._version = (found["_seq_no"], found["_primary_term"])

    @property
    def exists(self):
        """Tell whether the document has been written."""
        return self._version is not None

    def write(self, **changes):
        """Change fields and store the document.

        Args:
            changes: fields to set.

        Raises:
            LockLostError: somebody else has written it since.
        """
        now = datetime.now(UTC).isoformat()
        # as it will be read: JSON makes texts of the numbers of shards
        self.data = json.loads(json.dumps({**self.data, **changes, "updated_at": now}))
        condition = {"op_type": "create"}
        if self._version:
            seq_no, term = self._version
            condition = {"if_seq_no": seq_no, "if_primary_term": term}
        try:
            answer = self._client.index(
                index=self._index, id=self.id, body=self.data, params=condition
            )
        except ConflictError:
            if self._is_stored():
                return  # only the answer to the first attempt was lost
            raise self._lost() from None
        self._version = (answer["_seq_no"], answer["_primary_term"])

    def _is_stored(self):
        found = self._client.get(index=self._index, id=self.id, ignore=[404])
        if not found.get("found") or found["_source"] != self.data:
            return False
        self._take(found)
        return True

    def _lost(self):
        return LockLostError(
            f"The bookmark {self.id} was written by another run, which has taken "
            "over; this one has stopped."
        )

    def delete(self):
        """Remove the document.

        Raises:
            LockLostError: somebody else has written it since.
        """
        seq_no, term = self._version
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

    def replace(self, data):
        """Store a whole new document in place of this one."""
        self.data = data
        self.write()


def by_shard(stored):
    """Return what a bookmark holds by shard with the shards' numbers as keys."""
    return {int(shard): value for shard, value in stored.items()}


def read_many(client, index, ids):
    """Return the documents of several bookmarks that exist, by id.

    Reads in real time, so that what was just written is seen.
    """
    if not ids:
        return {}
    try:
        answer = client.mget(index=index, body={"ids": list(ids)})
    except NotFoundError:
        return {}
    return {d["_id"]: d["_source"] for d in answer["docs"] if d.get("found")}
