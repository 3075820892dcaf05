# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading records with their communities, requests and files from the database.

Everything is read in pages of bounded number and size, in the order of the
records' UUIDs, with a handful of statements a page.
"""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import StatsDashboardError
from . import queries
from .facts import MAX_LENGTH
from .pruning import record_decoder
from .rows import (
    AcceptedRequest,
    CommunityRow,
    DeletedSpan,
    FilesSummary,
    RecordRow,
)
from .times import moment_of

PAGE_BYTES = 8_000_000
"""Bytes of record JSON after which a page is full."""

_FETCHED = 100


class DatabaseUnavailableError(StatsDashboardError):
    """The database did not answer, or the connection broke."""

    exit_code = 3


@dataclass(frozen=True)
class Selection:
    """Which records to read; without arguments all that are published.

    Attributes:
        recids: persistent identifiers.
        community_ids: UUIDs; records that are in one of these communities, or
            were accepted by one.
        parent_ids: UUIDs of parents; all versions that they have.
        created_from: created at this moment or later.
        created_before: created before this moment.
        changed_since: the record, its parent or one of its communities was
            changed then or later.
    """

    recids: tuple[str, ...] | None = None
    community_ids: tuple[str, ...] | None = None
    parent_ids: tuple[str, ...] | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    changed_since: datetime | None = None


class MembershipReader:
    """Reads what the database holds of records.

    Args:
        engine: the SQLAlchemy engine.
        page_size: records in a page at most.
        subcounts: the registry of breakdowns, if no more of a record's JSON is
            needed than they name; see :mod:`.pruning`.
    """

    def __init__(self, engine, page_size=1000, subcounts=None):
        """Keep what is needed."""
        self._engine = engine
        self._page_size = page_size
        self._decode = record_decoder(subcounts) if subcounts else msgspec.json.decode

    def count(self, selection=None, after=None):
        """Return the number of records of a selection.

        Args:
            selection: which; None for all.
            after: UUID of the record to go on after.
        """
        statement = queries.count(selection or Selection(), after)
        with self.connected() as connection:
            return connection.execute(statement).scalar_one()

    def pages(self, selection=None, after=None):
        """Yield the records of a selection.

        Args:
            selection: which; None for all.
            after: UUID of the record to go on after.

        A transaction is open until the generator ends or is closed; two, if the
        records are more than a page.

        Yields:
            list[RecordRow]: pages in the order of the UUIDs, never empty.

        Raises:
            DatabaseUnavailableError: a sentence that says what is wrong.
        """
        selection = selection or Selection()
        with ExitStack() as stack:
            connection = stack.enter_context(self.connected())
            page, is_last = self._record_page(connection, selection, after)
            statement = queries.ended_requests(selection, after)
            if is_last:  # few: the workers of a site share few connections
                ended = _Ended(connection.execute(statement).all() if page else ())
            else:
                side = stack.enter_context(self.connected())
                ended = _Ended(side.execute(_streamed(statement, 1000)))
            while page:
                after = page[-1].id
                yield _rows(connection, page, ended.upto(after), self._decode)
                connection.rollback()
                if is_last:
                    return
                page, is_last = self._record_page(connection, selection, after)

    def rows(self, recids):
        """Return the records with some persistent identifiers.

        Args:
            recids: identifiers.

        Returns:
            list[RecordRow]: of those that are published records, in any order.
        """
        selection = Selection(recids=tuple(sorted(recids)))
        return [row for page in self.pages(selection) for row in page]

    def _record_page(self, connection, selection, after):
        """Return the next records, and whether they are the last ones."""
        statement = queries.records(selection, after).limit(self._page_size)
        page, size = [], 0
        with connection.execute(_streamed(statement, _FETCHED)) as result:
            for record in result:
                page.append(record)
                size += len(record.json)
                if size > PAGE_BYTES:
                    return page, False
        return page, len(page) < self._page_size

    def known(self, recids):
        """Return those of some persistent identifiers that are published records.

        Args:
            recids: identifiers.

        Returns:
            set[str]: the identifiers found.
        """
        with self.connected() as connection:
            return set(connection.execute(queries.known(recids)).scalars())

    def communities(self, ids_or_slugs):
        """Return the UUIDs of communities, deleted ones included.

        Args:
            ids_or_slugs: UUIDs or slugs.

        Returns:
            dict: what was given -> UUID, for those that exist.
        """
        with self.connected() as connection:
            found = connection.execute(queries.named_communities(ids_or_slugs)).all()
        by_name = {slug: str(id_) for id_, slug in found}
        by_name.update({str(id_): str(id_) for id_, _ in found})
        wanted = {name: name.strip().lower() for name in ids_or_slugs}
        return {
            given: by_name[name] for given, name in wanted.items() if name in by_name
        }

    @contextmanager
    def connected(self):
        """Connect to the database; a broken connection is one clear sentence."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.TimeoutError as error:
            raise DatabaseUnavailableError(
                "All connections to the database that this process may have are in use "
                f"({error}). Run the same command again; if it happens often, see "
                "pool_size and max_overflow in SQLALCHEMY_ENGINE_OPTIONS."
            ) from error
        except DBAPIError as error:
            if not isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
                raise
            raise DatabaseUnavailableError(
                f"The database did not answer ({' '.join(str(error.orig).split())}). "
                "See that it is up and run the same command again."
            ) from error


def _streamed(statement, rows):
    """Return a statement whose result is fetched so many rows at a time."""
    return statement.execution_options(stream_results=True, max_row_buffer=rows)


class _Ended:
    """Accepted requests whose row is gone, read beside the records.

    They are few as a rule, but nothing bounds their number: so they come from
    one ordered statement that is read as far as the records have been.

    Args:
        requests: rows of :func:`.queries.ended_requests`.
    """

    def __init__(self, requests):
        self._groups = groupby(requests, key=lambda request: request.record_id)
        self._next = None

    def upto(self, record_id):
        """Return the requests of records up to a UUID, record -> list."""
        found = {}
        while True:
            if self._next is None:
                key, group = next(self._groups, (None, ()))
                if key is None:
                    return found
                self._next = (key, list(group))
            if self._next[0] > record_id:
                return found
            found[self._next[0]] = self._next[1]
            self._next = None


def _rows(connection, page, ended, decode):
    """Return the page's records with what belongs to them."""
    ids = [record.id for record in page]
    communities = _grouped(
        connection.execute(queries.communities({r.parent_id for r in page})),
        "parent_id",
    )
    files = _files(connection, ids)
    history = _history(connection, ids)
    accepted = _acceptances(connection, communities, ended)
    return [
        _row(
            record,
            decode(record.json),
            [_community(c, accepted) for c in communities.get(record.parent_id, ())],
            [_ended(r, accepted) for r in ended.get(record.id, ())],
            files.get(record.id, FilesSummary()),
            *history.get(record.id, ((), None)),
        )
        for record in page
    ]


def _row(record, json, communities, ended, files, deletions, deleted_again):
    is_deleted = record.deletion_status != "P"
    deleted, by = None, None
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


def _community(row, accepted):
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
    )


def _ended(request, accepted):
    return AcceptedRequest(
        community_id=request.community_id,
        requested=request.created,
        accepted=accepted.get(request.request_id, request.updated),
    )


def _acceptances(connection, communities, ended):
    """Return when the requests of a page were accepted, by request."""
    ids = {r.request_id for rows in communities.values() for r in rows}
    ids |= {r.request_id for requests in ended.values() for r in requests}
    ids.discard(None)
    if not ids:
        return {}
    found = connection.execute(queries.acceptances(ids))
    return {row.request_id: row.accepted for row in found}


def _files(connection, ids):
    """Return the files of records in short, by record."""
    return {
        row.record_id: FilesSummary(
            row.count,
            row.volume or 0,
            tuple(sorted({e.lower()[:MAX_LENGTH] for e in row.extensions if e})),
        )
        for row in connection.execute(queries.files(ids))
    }


def _history(connection, ids):
    """Return earlier deletions of records, and the date of the present one."""
    statement = queries.deletion_history(ids)
    if statement is None:
        return {}
    history = {}
    for record_id, versions in _grouped(connection.execute(statement), "id").items():
        spans, deleted = [], None
        for version in versions:
            gone = version.deletion_status != "P"
            if gone and deleted is None:
                deleted = version.issued_at
            elif not gone and deleted is not None:
                spans.append(DeletedSpan(deleted, version.issued_at))
                deleted = None
        history[record_id] = (tuple(spans), deleted)
    return history


def _grouped(result, name):
    groups = {}
    for row in result:
        groups.setdefault(getattr(row, name), []).append(row)
    return groups
