# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Detect that memberships may have changed, and notify a worker after the commit.

Every change of a membership writes one of three tables, no matter which service, task
or script makes it. The listeners of this module therefore watch database sessions for
rows of the parent-community table, of records (publishing, editing, deleting,
restoring) and of communities.

This module decides nothing. It collects the parents and communities to compare, and the
worker compares the database with the timelines. A parent that is collected needlessly
costs one comparison and changes nothing. The message also contains when the row of a
membership was written. That dates the change if the worker receives the message late,
after the record has changed again.

The request sends nothing to OpenSearch. It reads the database only for rows that a
query deletes or updates, to find their parents. The message is sent after the response.
If it cannot be sent, the reconciliation finds the change.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import (
    Flask,
    Response,
    after_this_request,
    current_app,
    g,
    has_app_context,
    has_request_context,
)
from invenio_communities.communities.records.models import CommunityMetadata
from invenio_rdm_records.records.models import (
    RDMParentCommunity,
    RDMRecordMetadata,
)
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction

from . import timestamps

IN_A_MESSAGE = 500
"""Maximum number of parents in one message."""

LISTENERS = ("after_flush", "do_orm_execute", "after_commit", "after_soft_rollback")
"""Session events; :class:`Watcher` has a method of the same name for each."""

_KEY, _ANSWERED = "stats_dashboard_changes", "stats_dashboard_answered"


@dataclass
class NoticedChanges:
    """Parents and communities whose memberships may have changed.

    Attributes:
        parents: UUIDs of parents, as text.
        communities: UUIDs of communities that were deleted or restored, or whose
            visibility was changed, as text.
        rows: (parent, community) -> (True if the row of that membership was inserted,
            False if it was deleted; time of the write).
    """

    parents: set[str] = field(default_factory=set)
    communities: set[str] = field(default_factory=set)
    rows: dict[tuple[str, str], tuple[bool, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether anything was noticed."""
        return bool(self.parents or self.communities)

    def take(self, other: "NoticedChanges") -> None:
        """Add newer changes to these."""
        self.parents |= other.parents
        self.communities |= other.communities
        self.rows |= other.rows

    def row(self, parent_id: UUID | str, community_id: UUID | str, added: bool) -> None:
        """Add a row of the parent-community table that was inserted or deleted."""
        self.parents.add(str(parent_id))
        self.rows[(str(parent_id), str(community_id))] = (
            added,
            timestamps.moment_now(),
        )

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield the keyword arguments of messages of bounded size."""
        parents = sorted(self.parents)
        rows: dict[str, list[tuple[str, str, bool, str]]] = defaultdict(list)
        for (parent_id, community_id), written in self.rows.items():
            rows[parent_id].append((parent_id, community_id, *written))
        for start in range(0, len(parents), IN_A_MESSAGE):
            some = parents[start : start + IN_A_MESSAGE]
            noticed = [row for parent_id in some for row in rows[parent_id]]
            yield {"parent_ids": some, **({"rows": noticed} if noticed else {})}
        for community_id in sorted(self.communities):
            yield {"community_ids": [community_id]}


def install(send: Callable[..., None]) -> None:
    """Watch all database sessions of this process; can be called repeatedly.

    Args:
        send: called in an application context with the keyword arguments of one
            message.
    """
    Watcher.send = staticmethod(send)
    for name in LISTENERS:
        listener = getattr(Watcher, name)
        if not sa.event.contains(Session, name, listener):
            sa.event.listen(Session, name, listener)


class Watcher:
    """Session listeners; the session stores what they notice until its commit.

    Attributes:
        send: sends one message.
    """

    # Set by install().
    send: Callable[..., None] = None  # type: ignore[assignment]

    @staticmethod
    def after_flush(session: Session, context: Any) -> None:
        """Notice rows that were written or deleted as objects."""
        for row in session.new:
            _notice(session, row, added=True)
        for row in session.dirty:
            _notice(session, row)
        for row in session.deleted:
            _notice(session, row, added=False)

    @staticmethod
    def do_orm_execute(state: ORMExecuteState) -> None:
        """Notice rows that a statement writes without loading them as objects."""
        if state.is_select or not _is_of_memberships(state):
            return
        table = RDMParentCommunity.__table__
        if state.is_insert:
            for parent_id, community_id in _inserted(state):
                _changes(state.session).row(parent_id, community_id, added=True)
            return
        statement = sa.select(table.c.record_id, table.c.community_id)
        written: Any = state.statement
        if written.whereclause is not None:
            statement = statement.where(written.whereclause)
        for row in state.session.execute(statement, state.parameters or {}):
            if state.is_delete:
                _changes(state.session).row(row.record_id, row.community_id, False)
            else:
                _changes(state.session).parents.add(str(row.record_id))

    @staticmethod
    def after_commit(session: Session) -> None:
        """Send what was noticed, except when only a savepoint is released."""
        if session.in_nested_transaction():
            return
        changes = session.info.pop(_KEY, None)
        if changes and has_app_context() and _is_enabled(current_app):
            _after_the_answer(changes)

    @staticmethod
    def after_soft_rollback(
        session: Session, previous_transaction: SessionTransaction
    ) -> None:
        """Discard what was noticed."""
        # Keep what a rolled-back savepoint noticed: an extra comparison is harmless.
        if previous_transaction.parent is None:
            session.info.pop(_KEY, None)


def _is_of_memberships(state: ORMExecuteState) -> bool:
    """Return whether a statement writes the parent-community table."""
    mapper = state.bind_mapper
    if mapper is not None:
        return mapper.class_ is RDMParentCommunity
    return getattr(state.statement, "table", None) is RDMParentCommunity.__table__


def _inserted(state: ORMExecuteState) -> Iterator[tuple[UUID | str, UUID | str]]:
    """Yield parent and community of the rows of an INSERT.

    The rows are parameters of the execution or values in the statement.
    """
    given: Any = state.parameters
    if not given:
        statement: Any = state.statement
        dialect = state.session.get_bind(**state.bind_arguments).dialect
        given = statement.compile(dialect=dialect).params
    for row in [given] if isinstance(given, dict) else given:
        for name, parent_id in row.items():
            # With several rows in one statement, the names have a suffix.
            of, found, suffix = name.partition("record_id")
            community_id = row.get(f"community_id{suffix}")
            if found and not of and parent_id and community_id:
                yield parent_id, community_id


def _changes(session: Session) -> NoticedChanges:
    return session.info.setdefault(_KEY, NoticedChanges())


def _notice(session: Session, row: object, added: bool | None = None) -> None:
    if isinstance(row, RDMParentCommunity) and added is not None:
        _changes(session).row(row.record_id, row.community_id, added)
    elif isinstance(row, RDMParentCommunity):
        _changes(session).parents.add(str(row.record_id))
    elif isinstance(row, RDMRecordMetadata):
        _changes(session).parents.add(str(row.parent_id))
    elif (
        isinstance(row, CommunityMetadata)
        and row not in session.new
        and _changes_who_sees_records(row)
    ):
        _changes(session).communities.add(str(row.id))


def _changes_who_sees_records(row: CommunityMetadata) -> bool:
    """Return whether a community was deleted, restored, or got another visibility."""
    attributes = sa.inspect(row).attrs
    if attributes.deletion_status.history.has_changes():
        return True
    added, _, deleted = attributes.json.history
    return bool(added) and _visibility(added) != _visibility(deleted)


def _visibility(values: Sequence[Any]) -> str | None:
    """Return the visibility in the JSON of a community; None if it was not loaded."""
    json = (values[0] if values else None) or {}
    return (json.get("access") or {}).get("visibility")


def _is_enabled(app: Flask) -> bool:
    return app.config.get("COMMUNITY_STATS_ENABLED", False)


def _after_the_answer(changes: NoticedChanges) -> None:
    """Send changes now, or, within a request, after its response."""
    # The proxy ends with the request, the application itself does not.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    if not has_request_context() or g.get(_ANSWERED):
        _send(app, changes)
        return
    if _KEY in g:
        g.get(_KEY).take(changes)
        return
    setattr(g, _KEY, changes)

    @after_this_request
    def close(response: Response) -> Response:
        setattr(g, _ANSWERED, True)
        response.call_on_close(lambda: _send(app, changes))
        return response


def _send(app: Flask, changes: NoticedChanges) -> None:
    with app.app_context():
        for message in changes.messages():
            try:
                Watcher.send(**message)
            except Exception:
                app.logger.warning(
                    "A worker could not be notified of a change of memberships; the "
                    "next reconciliation of community events finds the change.",
                    exc_info=True,
                )
                return
