# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Prevent back-fills from running while community events are deleted.

Several back-fills may run at the same time, so each holds a lock of its own, which only
shows that it is running. The deletion of community events first takes its one lock and
then looks for back-fills. A back-fill first takes its lock and then looks for the
deletion. At least one of the two therefore sees the other.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from opensearchpy import OpenSearch

from ..errors import LockedError
from ..search.lock import ClusterLock, describe_holder, is_held, read_lock
from ..search.names import Names

DELETION = "community-events-deletion-lock"
"""Id of the deletion's lock, in the index of the migration's bookmarks."""

_RUN = "community-events-backfill-run"
_TTL = 60.0
_MOST = 10_000


@contextmanager
def announced(client: OpenSearch, names: Names) -> Iterator[ClusterLock]:
    """Hold the lock of one back-fill for the duration of the block.

    Args:
        client: decodes responses.
        names: the instance's index names.

    Yields:
        The lock.

    Raises:
        LockedError: the community events are being deleted.
    """
    holder = uuid.uuid4().hex[:12]
    id = f"{_RUN}:{holder}"
    lock = ClusterLock(client, names.reindexing, id, holder, _TTL)
    lock.acquire()
    try:
        deletion = read_lock(client, names.reindexing, DELETION)
        if deletion is not None and is_held(deletion):
            raise LockedError(
                "Community events are being deleted right now "
                f"({describe_holder(deletion)}). Wait until the deletion ends, then "
                "run the same command again."
            )
        yield lock
    finally:
        lock.release()
        client.delete(index=names.reindexing, id=id, ignore=[404])


def require_none(client: OpenSearch, names: Names) -> None:
    """Check that no back-fill is running; the caller must hold the deletion's lock.

    Args:
        client: decodes responses.
        names: the instance's index names.

    Raises:
        LockedError: a back-fill is running.
    """
    client.indices.refresh(index=names.reindexing)
    answer = client.search(
        index=names.reindexing,
        body={"size": _MOST, "query": {"term": {"kind": "lock"}}},
    )
    for hit in answer["hits"]["hits"]:
        if hit["_id"].startswith(f"{_RUN}:") and is_held(hit):
            raise LockedError(
                "Community events are being generated right now "
                f"({describe_holder(hit)}). Wait until this ends, or stop it. If the "
                f"process has died, its lock expires within {_TTL * 2:.0f} seconds."
            )
