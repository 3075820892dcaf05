# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Abort overdue cut-overs, and discard the progress of unfinished migrations."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ..errors import LockLostError, StatsDashboardError
from ..search.compare_and_set import Bookmark
from ..search.names import Names
from ..usage_events.indices import Month, migrated_serves
from . import alias_actions, target_index
from .cutover import abort_cutover_of_another_run
from .report import ROLLING_BACK, SWITCHING
from .rollback import undo_anothers
from .run_context import MigrationRun

_FOREVER = datetime.max.replace(tzinfo=UTC)


def recover(
    client: OpenSearch, names: Names, now: datetime, step: Callable[[str], None]
) -> list[str]:
    """Abort every cut-over and rollback whose deadline has passed.

    A living run aborts its work well before the deadline. So any process that finds a
    passed deadline may abort the cut-over.

    Args:
        client: decodes responses.
        names: the instance's index names.
        now: aware.
        step: called with the name of each step before it starts.

    Returns:
        Ids of the months that were recovered.

    Raises:
        StatsDashboardError: a month could not be recovered; all others were tried.
        OpenSearchException: likewise.
    """
    brought: list[str] = []
    error: OpenSearchException | StatsDashboardError | None = None
    for id in _switching(client, names):
        try:
            if _recover(client, names, id, now, step):
                brought.append(id)
        except (OpenSearchException, StatsDashboardError) as raised:
            error = raised  # raised after all other months were tried
    if error is not None:
        raise error
    return brought


def recover_cutovers(client: OpenSearch, names: Names) -> None:
    """Abort every overdue cut-over now; see :func:`recover`."""
    recover(client, names, datetime.now(UTC), lambda _: None)


def _switching(client: OpenSearch, names: Names) -> list[str]:
    """Return the ids of the months that are being cut over or rolled back."""
    try:
        client.indices.refresh(index=names.reindexing)
        answer = client.search(
            index=names.reindexing,
            body={
                "size": 1000,
                "_source": False,
                "query": {"terms": {"state": [SWITCHING, ROLLING_BACK]}},
            },
        )
    except NotFoundError:
        return []
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def _recover(
    client: OpenSearch,
    names: Names,
    id: str,
    now: datetime,
    step: Callable[[str], None],
) -> bool:
    """Recover one month if its deadline has passed; return whether it was done."""
    bookmark = Bookmark(client, names.reindexing, id)
    switch = bookmark.data.get("switch")
    state = bookmark.data.get("state")
    if state not in (SWITCHING, ROLLING_BACK) or not switch:
        return False
    if datetime.fromisoformat(switch["until"]) > now:
        return False
    event_type = bookmark.data["event_type"]
    found = alias_actions.CutoverNames(
        read=names.events_alias(event_type),
        month=names.events_month(event_type, bookmark.data["month"]),
        old=switch["old"],
        new=switch["new"],
        run=f"back-{uuid.uuid4().hex[:12]}",
    )
    try:
        if state == SWITCHING:
            abort_cutover_of_another_run(
                client, found, switch["backup"], bookmark, step
            )
        else:
            back = replace(found, old=switch["new"], new=switch["backup"])
            undo_anothers(client, back, bookmark, step)
    except LockLostError:
        return False  # another process recovers it
    return True


def clear(run: MigrationRun, month: Month, fresh_start: bool) -> bool:
    """Discard the progress of an unfinished month.

    Args:
        run: the run that holds the migration's lock.
        month: the month to clear; one that serves an enriched index is left alone.
        fresh_start: also delete its unfinished target.

    Returns:
        Whether there was progress to discard.
    """
    if migrated_serves(run.names, month):
        return False
    bookmark = Bookmark(run.client, run.names.reindexing, month.id)
    if not bookmark.exists and not (month.target and fresh_start):
        return False
    if bookmark.data.get("state") == SWITCHING:
        # this run holds the lock, so no other run works on the cut-over
        _recover(run.client, run.names, month.id, _FOREVER, run.step)
        bookmark = Bookmark(run.client, run.names.reindexing, month.id)
    if fresh_start and month.target is not None and month.source is not None:
        run.copier.check()
        source = month.source.name
        alias_actions.claim(run.client, run.id, source, month.target.name)
        guard = (source, alias_actions.mark_of(source, run.id))
        target_index.drop(run, month, guard)
        alias_actions.release(run.client, run.id, source)
    if bookmark.exists:
        bookmark.delete()
    return True
