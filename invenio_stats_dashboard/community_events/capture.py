# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Noticing that memberships may have changed, and telling a worker after the commit.

All that changes a membership writes one of three tables, whichever service, task or
script does it, so their rows are watched in the database session: rows of the
parent-community table, records (publishing, editing, deleting, restoring) and
communities. Nothing is read and nothing is decided here. What is noticed are
parents and communities to look at; the worker compares what the database holds
with the timelines, so that one too many costs a look and changes nothing. When a
membership's row was written is told, too: it dates the change if the worker comes to
it late, when the record has been changed again since.

OpenSearch is not asked in the request; the database once, for the parents of rows
that are deleted by a query. The one message is sent when the answer has gone out; if it
cannot be sent, the reconciliation finds the change.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import sqlalchemy as sa
from flask import (
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
from sqlalchemy.orm import Session

from . import timestamps

IN_A_MESSAGE = 500
"""Parents that one message names at most."""

LISTENERS = ("after_flush", "do_orm_execute", "after_commit", "after_soft_rollback")
"""Events of a session that the methods of :class:`Watcher` listen to."""

_KEY, _ANSWERED = "stats_dashboard_changes", "stats_dashboard_answered"


@dataclass
class NoticedChanges:
    """What may have changed.

    Attributes:
        parents: UUIDs of parents, as text.
        communities: UUIDs of communities that were deleted or restored.
        rows: (parent, community) -> whether the row of that membership was inserted
            or deleted, and when.
    """

    parents: set = field(default_factory=set)
    communities: set = field(default_factory=set)
    rows: dict = field(default_factory=dict)

    def __bool__(self):
        """Tell whether there is anything."""
        return bool(self.parents or self.communities)

    def take(self, other):
        """Add what another one holds."""
        self.parents |= other.parents
        self.communities |= other.communities
        self.rows |= other.rows

    def row(self, parent_id, community_id, added):
        """Add that a row of the parent-community table was inserted or deleted."""
        self.parents.add(str(parent_id))
        self.rows[(str(parent_id), str(community_id))] = (
            added,
            timestamps.moment_now(),
        )

    def messages(self):
        """Yield the arguments of as many messages as it takes, bounded in size."""
        parents, rows = sorted(self.parents), defaultdict(list)
        for (parent_id, community_id), written in self.rows.items():
            rows[parent_id].append((parent_id, community_id, *written))
        for start in range(0, len(parents), IN_A_MESSAGE):
            some = parents[start : start + IN_A_MESSAGE]
            told = [row for parent_id in some for row in rows[parent_id]]
            yield {"parent_ids": some, **({"rows": told} if told else {})}
        for community_id in sorted(self.communities):
            yield {"community_ids": [community_id]}


def install(send):
    """Watch all database sessions of this process; the same once or many times.

    Args:
        send: called in an application context with the arguments of one message.
    """
    Watcher.send = staticmethod(send)
    for name in LISTENERS:
        listener = getattr(Watcher, name)
        if not sa.event.contains(Session, name, listener):
            sa.event.listen(Session, name, listener)


class Watcher:
    """The listeners; what they notice waits in the session for its commit."""

    send = None

    @staticmethod
    def after_flush(session, context):
        """Notice rows that were written or deleted as objects."""
        for row in session.new:
            _notice(session, row, added=True)
        for row in session.dirty:
            _notice(session, row)
        for row in session.deleted:
            _notice(session, row, added=False)

    @staticmethod
    def do_orm_execute(state):
        """Notice rows that are written by a statement and never are objects."""
        if state.is_select or not _is_of_memberships(state):
            return
        table = RDMParentCommunity.__table__
        if state.is_insert:
            for parent_id, community_id in _inserted(state):
                _changes(state.session).row(parent_id, community_id, added=True)
            return
        statement = sa.select(table.c.record_id, table.c.community_id)
        if state.statement.whereclause is not None:
            statement = statement.where(state.statement.whereclause)
        for row in state.session.execute(statement, state.parameters or {}):
            if state.is_delete:
                _changes(state.session).row(*row, added=False)
            else:
                _changes(state.session).parents.add(str(row.record_id))

    @staticmethod
    def after_commit(session):
        """Send what was noticed; not yet when a savepoint is released."""
        if session.in_nested_transaction():
            return
        changes = session.info.pop(_KEY, None)
        if changes and has_app_context() and _is_enabled(current_app):
            _after_the_answer(changes)

    @staticmethod
    def after_soft_rollback(session, previous_transaction):
        """Forget what was noticed."""
        # of a savepoint's rollback the rest stays; to look once too often is harmless
        if previous_transaction.parent is None:
            session.info.pop(_KEY, None)


def _is_of_memberships(state):
    """Tell whether a statement is about the parent-community table, as class or table."""
    mapper = state.bind_mapper
    if mapper is not None:
        return mapper.class_ is RDMParentCommunity
    return getattr(state.statement, "table", None) is RDMParentCommunity.__table__


def _inserted(state):
    """Yield parent and community of the rows that an INSERT is given, or holds itself."""
    given = state.parameters
    if not given:
        dialect = state.session.get_bind(**state.bind_arguments).dialect
        given = state.statement.compile(dialect=dialect).params
    for row in [given] if isinstance(given, dict) else given:
        for name, parent_id in row.items():
            # of several rows in one statement the names have a suffix
            of, found, suffix = name.partition("record_id")
            community_id = row.get(f"community_id{suffix}")
            if found and not of and parent_id and community_id:
                yield parent_id, community_id


def _changes(session):
    return session.info.setdefault(_KEY, NoticedChanges())


def _notice(session, row, added=None):
    if isinstance(row, RDMParentCommunity) and added is not None:
        _changes(session).row(row.record_id, row.community_id, added)
    elif isinstance(row, RDMParentCommunity):
        _changes(session).parents.add(str(row.record_id))
    elif isinstance(row, RDMRecordMetadata):
        _changes(session).parents.add(str(row.parent_id))
    elif isinstance(row, CommunityMetadata):
        status = sa.inspect(row).attrs.deletion_status
        if row not in session.new and status.history.has_changes():
            _changes(session).communities.add(str(row.id))


def _is_enabled(app):
    return app.config.get("COMMUNITY_STATS_ENABLED", False)


def _after_the_answer(changes):
    """Send now, or in a request when its answer has gone out."""
    app = current_app._get_current_object()
    if not has_request_context() or g.get(_ANSWERED):
        _send(app, changes)
        return
    if _KEY in g:
        g.get(_KEY).take(changes)
        return
    setattr(g, _KEY, changes)

    @after_this_request
    def close(response):
        setattr(g, _ANSWERED, True)
        response.call_on_close(lambda: _send(app, changes))
        return response


def _send(app, changes):
    with app.app_context():
        for message in changes.messages():
            try:
                Watcher.send(**message)
            except Exception:
                app.logger.warning(
                    "A change of memberships could not be handed to a worker; the "
                    "next reconciliation of community events will find it.",
                    exc_info=True,
                )
                return
