# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which back-fills are under way, and keeping them apart from the deletion of events.

Back-fills may run beside each other, so each has a lock of its own, which says no more
than that it lives. Who deletes the community events takes the one lock of the deletion
first and looks for back-fills then; a back-fill does the same the other way round. So
one of the two sees the other, whoever comes first.
"""

import uuid
from contextlib import contextmanager

from ..errors import LockedError
from ..search.lock import ClusterLock, describe_holder, is_held, read_lock

DELETION = "community-events-deletion-lock"
"""Id of the lock of the deletion, in the index of the migration's bookmarks."""

_RUN = "community-events-backfill-run"
_TTL = 60.0
_MOST = 10_000


@contextmanager
def announced(client, names):
    """Be known as a back-fill that is under way.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~..search.names.Names`.

    Yields:
        ClusterLock: what says that it lives.

    Raises:
        LockedError: the community events are being deleted.
    """
    holder = uuid.uuid4().hex[:12]
    id = f"{_RUN}:{holder}"
    lock = ClusterLock(client, names.reindexing, id, holder, _TTL)
    lock.acquire()
    try:
        deletion = read_lock(client, names.reindexing, DELETION)
        if is_held(deletion):
            raise LockedError(
                "The community events are being deleted right now "
                f"({describe_holder(deletion)}). Wait for its end and run the same "
                "command again."
            )
        yield lock
    finally:
        lock.release()
        client.delete(index=names.reindexing, id=id, ignore=[404])


def require_none(client, names):
    """See that no back-fill is under way; the lock of the deletion must be held.

    Args:
        client: an ordinary client.
        names: the instance's names.

    Raises:
        LockedError: one is.
    """
    client.indices.refresh(index=names.reindexing)
    answer = client.search(
        index=names.reindexing,
        body={"size": _MOST, "query": {"term": {"kind": "lock"}}},
        params={"allow_partial_search_results": "false"},
    )
    for hit in answer["hits"]["hits"]:
        if hit["_id"].startswith(f"{_RUN}:") and is_held(hit):
            raise LockedError(
                "Community events are being generated right now "
                f"({describe_holder(hit)}). Wait for its end, or stop it; if it has died "
                f"this is possible after {_TTL * 2:.0f} seconds at most."
            )
