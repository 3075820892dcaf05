# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find accepted requests whose membership has since ended.

A request is about one version of a record, and a membership is about all of them. The
submission of a later version changes no membership, because the record is already in
the community.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Protocol, TypeAlias

import sqlalchemy as sa

from . import sql
from .database import Database, PlanKind
from .database_indexes import (
    PARENT_INDEX,
    REQUEST_INDEX,
    require_indexes,
    usable_indexes,
)
from .selection import LOOKUP_SIZE, SCAN_SIZE, chunks, versions_of

Requests: TypeAlias = dict[str, list[sa.Row[Any]]]
"""UUID of a parent -> rows of its requests, in the order of their UUIDs."""


class EndedRequests(Protocol):
    """Finds the ended requests of parents."""

    def find(
        self,
        connection: sa.Connection,
        parent_ids: Collection[str],
        memberships: Iterable[sa.Row[Any]],
    ) -> Requests:
        """Return the ended requests of parents.

        Args:
            connection: plans its statements as lookups.
            parent_ids: UUIDs of the parents.
            memberships: rows of :func:`.sql.memberships` of these parents.
        """


class RequestsByParent:
    """Reads the requests about all versions of parents.

    With the indexes of :mod:`.database_indexes` it uses look-ups. Without them it scans
    the records once and the requests once.

    Args:
        database: the database of the connections.
        versions: versions of parents that were already read.
        record_ids: UUIDs of all records that are read page by page. Without the
            indexes, one scan serves all pages.
    """

    def __init__(
        self,
        database: Database,
        versions: Iterable[sa.Row[Any]] = (),
        record_ids: Collection[str] = (),
    ) -> None:
        self._database, self._record_ids = database, record_ids
        self._versions: dict[str, list[sa.Row[Any]]] = defaultdict(list)
        self._scanned: dict[str, list[sa.Row[Any]]] | None = None
        for version in versions:
            self._versions[version.parent_id].append(version)

    def find(
        self,
        connection: sa.Connection,
        parent_ids: Collection[str],
        memberships: Iterable[sa.Row[Any]],
    ) -> Requests:
        """Return the ended requests of parents; see :class:`EndedRequests`."""
        self._read_versions(connection, parent_ids)
        versions = {v.id: v for parent in parent_ids for v in self._versions[parent]}
        topics = _recids_of(connection, versions)
        found = [
            (versions[topics[request.recid]], request)
            for request in self._requests_about(connection, topics)
        ]
        return _ended(found, _present(memberships))

    def _requests_about(
        self, connection: sa.Connection, recids: Collection[str]
    ) -> list[sa.Row[Any]]:
        if not recids:
            return []
        if REQUEST_INDEX in usable_indexes(connection):
            statement = sql.accepted_requests_about(True)
            return [
                request
                for chunk in chunks(recids, LOOKUP_SIZE)
                for request in connection.execute(statement, {"values": chunk})
            ]
        if self._scanned is None or set(recids) - self._scanned.keys():
            self._scanned = self._scan(connection, recids)
        return [request for recid in recids for request in self._scanned[recid]]

    def _read_versions(
        self, connection: sa.Connection, parent_ids: Collection[str]
    ) -> None:
        """Read the versions of parents that are not known yet."""
        unknown = set(parent_ids) - self._versions.keys()
        if not unknown:
            return
        is_indexed = PARENT_INDEX in usable_indexes(connection)
        if not is_indexed and self._record_ids:
            ids = {"values": list(self._record_ids)}
            every = connection.execute(sql.parents(), ids).scalars()
            unknown.update(set(every) - self._versions.keys())
        for version in versions_of(self._database, connection, unknown, is_indexed):
            self._versions[version.parent_id].append(version)

    def _scan(
        self, connection: sa.Connection, recids: Collection[str]
    ) -> dict[str, list[sa.Row[Any]]]:
        """Return the requests about all known versions, so later pages need no scan."""
        known = {v.id for versions in self._versions.values() for v in versions}
        wanted = {*_recids_of(connection, known), *recids}
        found: dict[str, list[sa.Row[Any]]] = {recid: [] for recid in wanted}
        self._database.plan_as(connection, PlanKind.SCAN)
        statement = sql.accepted_requests_about(False)
        for chunk in chunks(wanted, SCAN_SIZE):
            for request in connection.execute(statement, {"values": chunk}):
                found[request.recid].append(request)
        self._database.plan_as(connection, PlanKind.LOOKUP)
        return found


class CollectedRequests:
    """Ended requests of all parents, found by one scan.

    They are usually few, but nothing bounds their number, so only the UUIDs are in
    memory.

    Args:
        pairs: UUID of the parent and UUID of the request, for each request.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = sorted(pairs)

    def find(
        self,
        connection: sa.Connection,
        parent_ids: Collection[str],
        memberships: Iterable[sa.Row[Any]],
    ) -> Requests:
        """Return the ended requests of parents; see :class:`EndedRequests`."""
        parents = {
            request_id: parent_id
            for parent_id in parent_ids
            for request_id in self._of(parent_id)
        }
        present = _present(memberships)
        requests: Requests = defaultdict(list)
        for chunk in chunks(sorted(parents), LOOKUP_SIZE):
            rows = connection.execute(sql.requests(), {"values": chunk}).all()
            for request in sorted(rows, key=lambda row: row.id):
                parent_id = parents[request.id]
                if (parent_id, request.community_id, request.id) not in present:
                    requests[parent_id].append(request)
        return dict(requests)

    def _of(self, parent_id: str) -> Iterable[str]:
        for number in range(
            bisect_left(self._pairs, (parent_id, "")), len(self._pairs)
        ):
            if self._pairs[number][0] != parent_id:
                return
            yield self._pairs[number][1]


def collect_ended_requests(database: Database) -> CollectedRequests:
    """Return the ended requests of all parents.

    A membership that ends while the records are read is missing. The caller compares
    the records that changed in the meantime again.

    Raises:
        NotReadyError: the database lacks an index of InvenioRDM's own.
        StatementTimeoutError: a statement exceeded its time limit.
        DatabaseUnavailableError: the database did not answer.
    """
    pairs: list[tuple[str, str]] = []
    options = {"stream_results": True, "max_row_buffer": LOOKUP_SIZE}
    with database.transaction(PlanKind.SCAN) as connection:
        require_indexes(connection)
        statement = sql.all_accepted_requests()
        scan = connection.execute(statement, execution_options=options)
        # This does not change the plan of the open cursor.
        database.plan_as(connection, PlanKind.LOOKUP)
        for requests in scan.partitions(LOOKUP_SIZE):
            recids = {request.recid for request in requests}
            topics = {
                t.recid: t
                for t in connection.execute(sql.topics(), {"values": list(recids)})
            }
            found = [(topics[r.recid], r) for r in requests if r.recid in topics]
            parents = {topic.parent_id for topic in topics.values()}
            rows = connection.execute(
                sql.membership_requests(), {"values": list(parents)}
            )
            present = _present(rows)
            for parent_id, ended in _ended(found, present).items():
                pairs += [(parent_id, request.id) for request in ended]
    return CollectedRequests(pairs)


def _present(memberships: Iterable[sa.Row[Any]]) -> set[tuple[str, str, str]]:
    """Return (parent, community, request) of memberships that a request made."""
    return {
        (row.parent_id, row.community_id, row.request_id)
        for row in memberships
        if row.request_id is not None
    }


def _recids_of(
    connection: sa.Connection, record_ids: Collection[str]
) -> dict[str, str]:
    """Return the UUIDs of records by persistent identifier."""
    return {
        row.pid_value: row.id
        for chunk in chunks(record_ids, LOOKUP_SIZE)
        for row in connection.execute(sql.recids(), {"values": chunk})
    }


def _ended(
    found: Iterable[tuple[sa.Row[Any], sa.Row[Any]]],
    present: set[tuple[str, str, str]],
) -> Requests:
    """Return the requests that added a record and whose membership no longer exists.

    Args:
        found: (version, request about it) pairs.
        present: the memberships that exist, as :func:`_present` returns them.
    """
    requests: Requests = defaultdict(list)
    for version, request in sorted(found, key=lambda pair: pair[1].id):
        brought_in = request.type == sql.INCLUSION or version.version_index == 1
        key = (version.parent_id, request.community_id, request.id)
        if brought_in and key not in present:
            requests[version.parent_id].append(request)
    return dict(requests)
