# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Deleting the aggregates, and what they are counted from beside usage events."""

import secrets
from contextlib import ExitStack, contextmanager

from ..aggregations import aggregate_removal
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


def destroy_indices(app, everything=False, dry_run=False):
    """Delete indices; see ``CommunityStatsService.destroy_indices``.

    Args:
        app: the Flask application.
        everything: also community events and record facts.
        dry_run: delete nothing.

    Returns:
        list[OwnIndex]: what was deleted, or would be.
    """
    names, client = Names.of(app), json_client(app, timeout=120)
    if dry_run:
        return aggregate_removal.own_indices(client, names, everything)
    with ExitStack() as stack:
        if everything:
            stack.enter_context(_sources_locked(app, client, names))
        return _destroy(app, client, names, everything)


def _destroy(app, client, names, everything):
    if not client.indices.exists(index=names.bookmarks):
        # nothing was ever counted; a lock would make the index
        found = aggregate_removal.own_indices(client, names, everything)
        _delete(client, names, found, everything)
        return found
    with locked(app, client, names):
        found = aggregate_removal.own_indices(client, names, everything)
        # first, so that after a crash nothing counts as counted that is gone
        aggregate_removal.forget(client, names, but=LOCK)
        _delete(
            client,
            names,
            [index for index in found if index.name != names.bookmarks],
            everything,
        )
    # given back first: renewing the lock would make the index again
    aggregate_removal.delete(
        client, [index for index in found if index.name == names.bookmarks]
    )
    return found


def _delete(client, names, indices, everything):
    if everything and client.indices.exists(index=names.reindexing):
        # else a back-fill that was interrupted would go on behind what is gone
        for id in (BACKFILL, RECONCILIATION):
            client.delete(index=names.reindexing, id=id, ignore=[404])
    aggregate_removal.delete(client, indices)


@contextmanager
def _sources_locked(app, client, names):
    """Keep away what reads and writes the sources: migration, back-fill and the like."""
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
