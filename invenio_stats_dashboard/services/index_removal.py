# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Delete the aggregates, and on request community events and record facts."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from flask import Flask
from opensearchpy import OpenSearch

from ..aggregations import aggregate_removal
from ..aggregations.aggregate_removal import OwnIndex
from ..aggregations.runner import LOCK
from ..community_events.backfill_locks import DELETION, require_none
from ..community_events.backfill_state import DOCUMENT_ID as BACKFILL
from ..community_events.reconciliation import DOCUMENT_ID as RECONCILIATION
from ..community_events.reconciliation import LOCK as RECONCILING
from ..search.client import json_client
from ..search.lock import ClusterLock
from ..search.names import Names
from .aggregation import locked
from .event_reindexing import LOCK as MIGRATION


def destroy_indices(
    app: Flask, everything: bool = False, dry_run: bool = False
) -> list[OwnIndex]:
    """Delete indices; see ``CommunityStatsService.destroy_indices``.

    Args:
        app: the application.
        everything: also community events and record facts.
        dry_run: delete nothing.

    Returns:
        The indices that were deleted, or would be.
    """
    names, client = Names.of(app), json_client(app, timeout=120)
    if dry_run:
        return aggregate_removal.own_indices(client, names, everything)
    with ExitStack() as stack:
        if everything:
            stack.enter_context(_sources_locked(app, client, names))
        return _destroy(app, client, names, everything)


def _destroy(
    app: Flask, client: OpenSearch, names: Names, everything: bool
) -> list[OwnIndex]:
    if not client.indices.exists(index=names.bookmarks):
        # nothing was ever counted; a lock would create the index
        found = aggregate_removal.own_indices(client, names, everything)
        _delete(client, names, found, everything)
        return found
    with locked(app, client, names):
        found = aggregate_removal.own_indices(client, names, everything)
        # first, so that after a crash no bookmark refers to deleted aggregates
        aggregate_removal.forget(client, names, but=LOCK)
        _delete(
            client,
            names,
            [index for index in found if index.name != names.bookmarks],
            everything,
        )
    # after the lock was released, since renewing it would create the index again
    aggregate_removal.delete(
        client, [index for index in found if index.name == names.bookmarks]
    )
    return found


def _delete(
    client: OpenSearch,
    names: Names,
    indices: Sequence[OwnIndex],
    everything: bool,
) -> None:
    if everything and client.indices.exists(index=names.reindexing):
        # otherwise an interrupted back-fill would continue and skip deleted events
        for id in (BACKFILL, RECONCILIATION):
            client.delete(index=names.reindexing, id=id, ignore=[404])
    aggregate_removal.delete(client, indices)


@contextmanager
def _sources_locked(app: Flask, client: OpenSearch, names: Names) -> Iterator[None]:
    """Hold the locks of all runs that write the sources, during the block.

    Raises:
        LockedError: a migration, a reconciliation, a back-fill or another deletion is
            running.
    """
    if not client.indices.exists(index=names.reindexing):
        yield
        return
    ttl = app.config["STATS_DASHBOARD_REINDEXING_LOCK_TTL"]
    with ExitStack() as stack:
        for name in (DELETION, MIGRATION, RECONCILING):
            holder = secrets.token_hex(6)
            lock = ClusterLock(client, names.reindexing, name, holder, ttl)
            lock.acquire()
            stack.callback(lock.release)
        require_none(client, names)
        yield
