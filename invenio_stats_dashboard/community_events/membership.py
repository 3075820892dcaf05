# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read records with their communities, requests and files from the database.

Records are read in pages of bounded number and size, in the order of their UUIDs, with
a small number of statements for each page. No transaction is open between two pages.
"""

from bisect import bisect_right
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any, TypeAlias, cast
from uuid import UUID

import msgspec
import sqlalchemy as sa

from ..subcounts import Subcount
from . import sql
from .database import Database, PlanKind
from .database_indexes import (
    IndexStatus,
    has_all_indexes,
    index_statuses,
    require_indexes,
)
from .ended_requests import (
    EndedRequests,
    Requests,
    RequestsByParent,
    collect_ended_requests,
)
from .facts import MAX_LENGTH
from .record_decoder import record_decoder
from .record_rows import (
    AcceptedRequest,
    CommunityRow,
    DeletedSpan,
    FilesSummary,
    RecordRow,
)
from .selection import SelectedIds, Selection, chunks, parents_in
from .timestamps import moment_of

PAGE_CHARACTERS = 8_000_000
"""Number of characters of record JSON after which a page is full."""

MOST_LOOKED_UP = 100_000
"""Maximum size of a selection for which ended requests are looked up page by page."""

_FETCHED = 100
_FIRST = str(UUID(int=0))

Page: TypeAlias = list[RecordRow]

_Deletions: TypeAlias = tuple[tuple[DeletedSpan, ...], str | None]
"""Earlier deletions of a record, and the date of the current one."""


class MembershipReader:
    """Reads records from the database.

    Args:
        engine: the site's engine.
        page_size: maximum number of records in a page.
        subcounts: the registry of breakdowns. Only the fields of a record's JSON that
            they name are decoded; see :mod:`.record_decoder`. None decodes all fields.
        timeout: time limit of a statement, in seconds.
    """

    def __init__(
        self,
        engine: sa.Engine,
        page_size: int = 1000,
        subcounts: Mapping[str, Subcount] | None = None,
        timeout: float = 600,
    ) -> None:
        self.database, self._engine = Database(engine, timeout), engine
        self.page_size = page_size
        self._decode: Callable[[str], Any] = (
            record_decoder(subcounts) if subcounts else msgspec.json.decode
        )

    def select(
        self, selection: Selection | None = None, after: str | None = None
    ) -> "SelectedRecords":
        """Find the UUIDs of the records of a selection, without reading records.

        Args:
            selection: the records; None for all.
            after: UUID of a record; select only the records that follow it.

        Raises:
            StatementTimeoutError: a statement exceeded its time limit.
            DatabaseUnavailableError: the database did not answer.
        """
        selection = selection or Selection()
        finder, ids = SelectedIds(self.database), None
        if selection != Selection():
            ids = finder.find(selection)
            if ids is not None and after is not None:
                ids = ids[bisect_right(ids, after) :]
        return SelectedRecords(self, selection, ids, finder.versions, after)

    def rows(self, recids: Iterable[str]) -> Page:
        """Return the published records among some persistent identifiers."""
        selection = Selection(recids=tuple(sorted(recids)))
        return [row for page in self.select(selection).pages() for row in page]

    def known(self, recids: Collection[str]) -> set[str]:
        """Return those persistent identifiers that belong to published records."""
        with self.database.transaction(PlanKind.LOOKUP) as connection:
            return set(
                connection.execute(
                    sql.known_recids(), {"values": list(recids)}
                ).scalars()
            )

    def parents_in(self, community_ids: Collection[str]) -> set[str]:
        """Return the UUIDs of the parents that are in communities now."""
        if not community_ids:
            return set()
        with self.database.transaction(PlanKind.LOOKUP) as connection:
            return parents_in(connection, community_ids)

    def is_indexed(self) -> bool:
        """Return whether the database has the indexes, so that look-ups scan no table."""
        return has_all_indexes(self._engine)

    def changed_since(self, rows: Collection[RecordRow]) -> set[str]:
        """Return which memberships have changed since the rows were read.

        Args:
            rows: records that this reader has returned.

        Returns:
            The recids of the records that are deleted, or in other communities, than
            their row says; also of those that do not exist any more.

        Raises:
            StatementTimeoutError: a statement exceeded its time limit.
            DatabaseUnavailableError: the database did not answer.
        """
        if not rows:
            return set()
        parents = list({row.parent_id for row in rows})
        ids = [row.record_id for row in rows]
        with self.database.transaction(PlanKind.LOOKUP) as connection:
            found = connection.execute(sql.memberships(), {"values": parents}).all()
            records = connection.execute(sql.record_states(), {"values": ids}).all()
        states = {record.id: record.deletion_status != "P" for record in records}
        communities = _grouped(found, "parent_id")
        return {
            row.recid
            for row in rows
            if states.get(row.record_id) != row.is_deleted
            or {(c.community_id, c.deleted is not None) for c in row.communities}
            != {
                (c.community_id, c.deletion_status != "P")
                for c in communities.get(row.parent_id, ())
            }
        }

    def communities(self, ids_or_slugs: Collection[str]) -> dict[str, str]:
        """Return the UUIDs of communities, deleted ones included.

        Args:
            ids_or_slugs: UUIDs or slugs.

        Returns:
            The given name -> UUID, for those that exist.
        """
        with self.database.transaction(PlanKind.SCAN) as connection:
            found = connection.execute(sql.named_communities(ids_or_slugs)).all()
        by_name = {slug: id_ for id_, slug in found}
        by_name.update({id_: id_ for id_, _ in found})
        wanted = {name: name.strip().lower() for name in ids_or_slugs}
        return {
            given: by_name[name] for given, name in wanted.items() if name in by_name
        }

    def restricted_communities(self) -> frozenset[str]:
        """Return the UUIDs of the restricted communities."""
        with self.database.transaction(PlanKind.SCAN) as connection:
            return frozenset(connection.execute(sql.restricted_communities()).scalars())

    def slugs(self, community_ids: Collection[str]) -> dict[str, str]:
        """Return the slugs of communities that exist, by UUID."""
        with self.database.transaction(PlanKind.LOOKUP) as connection:
            found = connection.execute(
                sql.community_slugs(), {"values": list(community_ids)}
            )
            return {id_: slug for id_, slug in found}

    def database_indexes(self) -> list[IndexStatus]:
        """Return the status of each index that live capture uses."""
        with self.database.transaction(PlanKind.LOOKUP) as connection:
            return index_statuses(connection)

    def read_page(
        self, statement: sql.Statement, parameters: dict[str, Any], ended: EndedRequests
    ) -> tuple[Page, bool]:
        """Return the records of a statement, and whether they are all of its records.

        Args:
            statement: :func:`.sql.records` or :func:`.sql.record_page`.
            parameters: parameters of the statement.
            ended: finds the requests of memberships that have ended.

        Raises:
            NotReadyError: the database lacks an index of InvenioRDM's own.
        """
        with self.database.transaction(PlanKind.LOOKUP) as connection:
            require_indexes(connection)
            records, is_whole = _bounded(connection, statement, parameters)
            page = _page(connection, records, ended, self._decode) if records else []
        return page, is_whole


class SelectedRecords:
    """The records of a selection.

    Args:
        reader: reads the pages.
        selection: the selection.
        ids: the UUIDs of the records in order; None for all records.
        versions: versions of their parents that were already read.
        after: UUID of the record to continue after, if all records are read.
    """

    def __init__(
        self,
        reader: MembershipReader,
        selection: Selection,
        ids: list[str] | None,
        versions: list[sa.Row[Any]],
        after: str | None,
    ) -> None:
        self._reader, self._selection = reader, selection
        self._ids, self._after = ids, after or _FIRST
        self._versions = versions

    def count(self) -> int:
        """Return an upper bound for the number of records; for all, scan the table."""
        if self._ids is not None:
            return len(self._ids)
        with self._reader.database.transaction(PlanKind.SCAN) as connection:
            return connection.execute(
                sql.count_records(), {"after": self._after}
            ).scalar_one()

    def pages(self) -> Generator[Page, None, None]:
        """Yield the records.

        Yields:
            Pages in the order of the UUIDs, never empty.

        Raises:
            StatementTimeoutError: a statement exceeded its time limit.
            DatabaseUnavailableError: the database did not answer.
        """
        ended = self._ended_requests()
        following = self._all_records if self._ids is None else self._chosen_records
        for page in following(ended):
            if page:
                yield page

    def _all_records(self, ended: EndedRequests) -> Iterator[Page]:
        after, size, is_whole = self._after, self._reader.page_size, True
        page: Page | None = None
        while page is None or len(page) == size or not is_whole:
            statement = sql.record_page(size)
            page, is_whole = self._reader.read_page(statement, {"after": after}, ended)
            after = page[-1].record_id if page else after
            yield page

    def _chosen_records(self, ended: EndedRequests) -> Iterator[Page]:
        dates = self._selection.dates
        statement = sql.records(is_dated=bool(dates))
        chosen = cast(list[str], self._ids)  # pages() has checked that it is not None
        for ids in chunks(chosen, self._reader.page_size):
            is_whole = False
            while not is_whole:
                parameters = {"values": ids, **dates}
                page, is_whole = self._reader.read_page(statement, parameters, ended)
                yield page
                seen = {row.record_id for row in page}
                ids = [id_ for id_ in ids if id_ not in seen]

    def _ended_requests(self) -> EndedRequests:
        """Return a finder of ended requests: page by page, or all at once."""
        database = self._reader.database
        # For very many records, a scan of everything is cheaper.
        if self._ids is None or len(self._ids) > MOST_LOOKED_UP:
            return collect_ended_requests(database)
        return RequestsByParent(database, self._versions, self._ids)


def _bounded(
    connection: sa.Connection, statement: sql.Statement, parameters: dict[str, Any]
) -> tuple[list[sa.Row[Any]], bool]:
    """Return rows up to the size of a page, and whether they are all rows."""
    records: list[sa.Row[Any]] = []
    size = 0
    options = {"stream_results": True, "max_row_buffer": _FETCHED}
    with connection.execute(statement, parameters, execution_options=options) as result:
        for record in result:
            records.append(record)
            size += len(record.json)
            if size > PAGE_CHARACTERS:
                return records, False
    return records, True


def _page(
    connection: sa.Connection,
    records: list[sa.Row[Any]],
    ended: EndedRequests,
    decode: Callable[[str], Any],
) -> Page:
    """Return records with their communities, requests, files and deletions."""
    ids = [record.id for record in records]
    parents = list({record.parent_id for record in records})
    found = connection.execute(sql.memberships(), {"values": parents}).all()
    requests = ended.find(connection, parents, found)
    communities = _grouped(found, "parent_id")
    files = _files(connection, ids)
    history = _history(connection, ids)
    accepted = _acceptances(connection, found, requests)
    return [
        _row(
            record,
            decode(record.json),
            [_community(c, accepted) for c in communities.get(record.parent_id, ())],
            [_ended(r, accepted) for r in requests.get(record.parent_id, ())],
            files.get(record.id, FilesSummary()),
            *history.get(record.id, ((), None)),
        )
        for record in records
    ]


def _row(
    record: sa.Row[Any],
    json: dict[str, Any],
    communities: Iterable[CommunityRow],
    ended: Iterable[AcceptedRequest],
    files: FilesSummary,
    deletions: tuple[DeletedSpan, ...],
    deleted_again: str | None,
) -> RecordRow:
    is_deleted = record.deletion_status != "P"
    deleted: str | None = None
    by: str | None = None
    if is_deleted:
        removal_date = (json.get("tombstone") or {}).get("removal_date")
        if removal_date:
            deleted, by = moment_of(removal_date), "tombstone"
        elif deleted_again:
            deleted, by = deleted_again, "history"
        else:
            deleted, by = record.updated, "record"
    return RecordRow(
        record_id=record.id,
        parent_id=record.parent_id,
        created=record.created,
        updated=record.updated,
        parent_updated=record.parent_updated,
        revision=record.version_id + record.parent_version_id,
        is_deleted=is_deleted,
        deleted=deleted,
        deleted_by=by,
        record=json,
        parent=msgspec.json.decode(record.parent_json),
        files=files,
        communities=tuple(communities),
        ended=tuple(ended),
        deletions=deletions,
    )


def _community(row: sa.Row[Any], accepted: Mapping[str, str]) -> CommunityRow:
    deleted, by = None, None
    if row.deletion_status != "P":
        deleted, by = row.updated, "community"
        if row.removal_date:
            deleted, by = moment_of(row.removal_date), "tombstone"
    return CommunityRow(
        community_id=row.community_id,
        created=row.created,
        updated=row.updated,
        deleted=deleted,
        deleted_by=by,
        requested=row.request_created,
        accepted=accepted.get(row.request_id, row.request_updated),
        is_restricted=row.visibility == "restricted",
    )


def _ended(request: sa.Row[Any], accepted: Mapping[str, str]) -> AcceptedRequest:
    return AcceptedRequest(
        community_id=request.community_id,
        requested=request.created,
        accepted=accepted.get(request.id, request.updated),
    )


def _acceptances(
    connection: sa.Connection, memberships: Iterable[sa.Row[Any]], ended: Requests
) -> dict[str, str]:
    """Return when the requests of a page were accepted, by request."""
    ids = {row.request_id for row in memberships}
    ids |= {request.id for requests in ended.values() for request in requests}
    ids.discard(None)
    if not ids:
        return {}
    found = connection.execute(sql.acceptances(), {"values": list(ids)})
    return {row.request_id: row.accepted for row in found}


def _files(connection: sa.Connection, ids: list[str]) -> dict[str, FilesSummary]:
    """Return the summary of the files of each record, by record."""
    return {
        row.record_id: FilesSummary(
            cast(int, row.count),  # the column, not the method of tuples
            row.volume or 0,
            tuple(sorted({e.lower()[:MAX_LENGTH] for e in row.extensions if e})),
        )
        for row in connection.execute(sql.files(), {"values": ids})
    }


def _history(connection: sa.Connection, ids: list[str]) -> dict[str, _Deletions]:
    """Return earlier deletions and the date of the current one, by record."""
    statement = sql.ever_deleted()
    if statement is None:
        return {}
    deleted_ids = connection.execute(statement, {"values": ids}).scalars().all()
    if not deleted_ids:
        return {}
    history: dict[str, _Deletions] = {}
    states = connection.execute(sql.deletion_history(), {"values": list(deleted_ids)})
    for record_id, versions in _grouped(states, "id").items():
        spans: list[DeletedSpan] = []
        deleted: str | None = None
        for version in versions:
            gone = version.deletion_status != "P"
            if gone and deleted is None:
                deleted = version.issued_at
            elif not gone and deleted is not None:
                spans.append(DeletedSpan(deleted, version.issued_at))
                deleted = None
        history[record_id] = (tuple(spans), deleted)
    return history


def _grouped(result: Iterable[sa.Row[Any]], name: str) -> dict[str, list[sa.Row[Any]]]:
    groups: dict[str, list[sa.Row[Any]]] = {}
    for row in result:
        groups.setdefault(getattr(row, name), []).append(row)
    return groups
