# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Switches that nobody finished, and bookmarks that nobody wants any more."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ..errors import LockLostError, StatsDashboardError
from ..search.documents import Bookmark
from ..usage_events.indices import migrated_serves
from . import alias_actions, target_index
from .cutover import take_back_anothers
from .report import ROLLING_BACK, SWITCHING
from .rollback import undo_anothers

_FOREVER = datetime.max.replace(tzinfo=UTC)


def recover(client, names, now, step):
    """Take back every switch whose deadline has passed.

    A run that lives leaves a switch off well before its deadline, so whoever sees
    one that has passed may take it back without asking.

    Args:
        client: an ordinary client.
        names: the instance's names.
        now: aware datetime.
        step: called with the name of each step before it is made.

    Returns:
        list[str]: ids of the months that were brought back.

    Raises:
        StatsDashboardError: one could not be; the others were tried all the same.
        OpenSearchException: the same.
    """
    brought, error = [], None
    for id in _switching(client, names):
        try:
            if _recover(client, names, id, now, step):
                brought.append(id)
        except (OpenSearchException, StatsDashboardError) as raised:
            error = raised  # the others are not kept waiting by this one
    if error is not None:
        raise error
    return brought


def recover_cutovers(client, names):
    """Take back every overdue cut-over now; see :func:`recover`."""
    recover(client, names, datetime.now(UTC), lambda _: None)


def _switching(client, names):
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


def _recover(client, names, id, now, step):
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
            take_back_anothers(client, found, switch["backup"], bookmark, step)
        else:
            back = replace(found, old=switch["new"], new=switch["backup"])
            undo_anothers(client, back, bookmark, step)
    except LockLostError:
        return False  # somebody else is at it
    return True


def clear(run, month, fresh_start):
    """Forget how far a month was copied.

    Args:
        run: the :class:`~.run_context.MigrationRun`.
        month: the :class:`~..usage_events.indices.Month`.
        fresh_start: delete its half-filled target, too.

    Returns:
        bool: whether there was anything to forget.
    """
    if migrated_serves(run.names, month):
        return False
    bookmark = Bookmark(run.client, run.names.reindexing, month.id)
    if not bookmark.exists and not (month.target and fresh_start):
        return False
    if bookmark.data.get("state") == SWITCHING:
        # the lock is ours, so nobody is at it any more
        _recover(run.client, run.names, month.id, _FOREVER, run.step)
        bookmark = Bookmark(run.client, run.names.reindexing, month.id)
    if fresh_start and month.target is not None and month.source is not None:
        run.copier.check()
        source = month.source.name
        alias_actions.claim(run.client, run.id, source, month.target.name)
        guard = (source, alias_actions.mark_of(source, run.id))
        target_index.drop(run.client, month.target.name, guard)
        alias_actions.release(run.client, run.id, source)
    if bookmark.exists:
        bookmark.delete()
    return True
