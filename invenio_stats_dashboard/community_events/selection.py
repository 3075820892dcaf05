# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Select records to read, and find their UUIDs."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa

from . import sql
from .database import Database, PlanKind
from .database_indexes import PARENT_INDEX, usable_indexes

MAX_CHANGED = 500_000
"""Maximum number of changed records to select; above it, all records are read.

If a script touches every record, as some upgrades do, the UUIDs of all would otherwise
be in memory.
"""

LOOKUP_SIZE, SCAN_SIZE = 1000, 100_000
"""Number of identifiers in one lookup and in one scan."""

_Item = TypeVar("_Item")

_Finder: TypeAlias = Callable[[sa.Connection, Any], set[str] | None]
"""Returns the UUIDs that meet one condition of a selection; None for all records."""


@dataclass(frozen=True)
class Selection:
    """The records to read; without arguments, all published records.

    Conditions of several kinds are combined by "and".

    Attributes:
        recids: persistent identifiers.
        community_ids: UUIDs; records that are in one of these communities, or that one
            of them accepted and that have since left it.
        parent_ids: UUIDs of parents; all their versions.
        created_from: created at this time or later.
        created_before: created before this time.
        changed_since: the record, its parent or one of its communities was changed at
            this time or later. If these are very many, all records are read.
    """

    recids: tuple[str, ...] | None = None
    community_ids: tuple[str, ...] | None = None
    parent_ids: tuple[str, ...] | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    changed_since: datetime | None = None

    @property
    def dates(self) -> dict[str, datetime]:
        """The bounds of the creation date, ``start`` and ``end``; empty without any."""
        if self.created_from is None and self.created_before is None:
            return {}
        return {
            "start": self.created_from or datetime.min.replace(tzinfo=UTC),
            "end": self.created_before or datetime.max.replace(tzinfo=UTC),
        }


def chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Yield lists of at most ``size`` items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


class SelectedIds:
    """Finds the UUIDs of the records of a selection.

    Args:
        database: contains the records.

    Attributes:
        versions: the versions of parents that were read to find them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.versions: list[sa.Row[Any]] = []

    def find(self, selection: Selection) -> list[str] | None:
        """Return the UUIDs of a selection in order; None for all records.

        Raises:
            StatementTimeoutError: a statement exceeded its time limit.
            DatabaseUnavailableError: the database did not answer.
        """
        with self._database.transaction(PlanKind.LOOKUP) as connection:
            finders: tuple[tuple[Any, _Finder], ...] = (
                (selection.recids, self._by_recids),
                (selection.parent_ids, self._by_parents),
                (selection.community_ids, self._by_communities),
                (selection.changed_since, self._changed_since),
            )
            found = [
                ids
                for wanted, find in finders
                if wanted is not None and (ids := find(connection, wanted)) is not None
            ]
            if not found and selection.dates:
                found = [
                    self._scan(connection, sql.records_created(), **selection.dates)
                ]
        return sorted(set.intersection(*found)) if found else None

    def _by_recids(
        self, connection: sa.Connection, recids: Collection[str]
    ) -> set[str]:
        return _looked_up(connection, sql.record_ids(), recids)

    def _by_parents(
        self, connection: sa.Connection, parent_ids: Collection[str]
    ) -> set[str]:
        versions = list(versions_of(self._database, connection, parent_ids))
        self.versions += versions
        return {version.id for version in versions if version.is_published}

    def _by_communities(
        self, connection: sa.Connection, community_ids: Collection[str]
    ) -> set[str]:
        parents = parents_in(connection, community_ids)
        recids = self._accepted_by(connection, community_ids)
        parents |= {
            topic.parent_id
            for chunk in chunks(recids, LOOKUP_SIZE)
            for topic in connection.execute(sql.topics(), {"values": chunk})
        }
        return self._by_parents(connection, parents)

    def _accepted_by(
        self, connection: sa.Connection, community_ids: Collection[str]
    ) -> set[str]:
        """Return the records whose inclusion in communities was accepted."""
        self._database.plan_as(connection, PlanKind.SCAN)
        found = connection.execute(
            sql.requests_accepted_by(), {"values": list(community_ids)}
        )
        recids = {request.recid for request in found}
        self._database.plan_as(connection, PlanKind.LOOKUP)
        return recids

    def _changed_since(
        self, connection: sa.Connection, since: datetime
    ) -> set[str] | None:
        """Return the records that changed; None if there are too many."""
        most = MAX_CHANGED + 1
        found = self._scan(connection, sql.records_changed(most), since=since)
        parents = self._scan(connection, sql.parents_changed(most), since=since)
        communities = self._scan(connection, sql.communities_changed(), since=since)
        parents |= parents_in(connection, communities)
        if len(found) + len(parents) > MAX_CHANGED:
            return None
        return found | self._by_parents(connection, parents)

    def _scan(
        self,
        connection: sa.Connection,
        statement: sql.Statement,
        **parameters: datetime,
    ) -> set[str]:
        """Return the first column of a scan."""
        self._database.plan_as(connection, PlanKind.SCAN)
        found = set(connection.execute(statement, parameters).scalars())
        self._database.plan_as(connection, PlanKind.LOOKUP)
        return found


def parents_in(connection: sa.Connection, community_ids: Collection[str]) -> set[str]:
    """Return the UUIDs of the parents that are in communities now."""
    return _looked_up(connection, sql.parents_in_communities(), community_ids)


def versions_of(
    database: Database,
    connection: sa.Connection,
    parent_ids: Collection[str],
    is_indexed: bool | None = None,
) -> Iterator[sa.Row[Any]]:
    """Yield the versions of parents; see :func:`.sql.versions`.

    Args:
        database: the database of the connection.
        connection: plans its statements as lookups.
        parent_ids: UUIDs of the parents.
        is_indexed: whether the index of parents exists; None queries the database.
    """
    if not parent_ids:
        return
    if is_indexed is None:
        is_indexed = PARENT_INDEX in usable_indexes(connection)
    if is_indexed:
        for chunk in chunks(parent_ids, LOOKUP_SIZE):
            yield from connection.execute(sql.versions(True), {"values": chunk})
        return
    database.plan_as(connection, PlanKind.SCAN)
    for chunk in chunks(parent_ids, SCAN_SIZE):
        yield from connection.execute(sql.versions(False), {"values": chunk}).all()
    database.plan_as(connection, PlanKind.LOOKUP)


def _looked_up(
    connection: sa.Connection,
    statement: sql.Statement,
    identifiers: Collection[str],
) -> set[str]:
    """Return the first column of lookups for many identifiers."""
    return {
        value
        for chunk in chunks(identifiers, LOOKUP_SIZE)
        for value in connection.execute(statement, {"values": chunk}).scalars()
    }
