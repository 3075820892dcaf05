# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Define, check and create the indexes that look-ups on InvenioRDM's tables need.

With these indexes, what live capture reads for a changed membership does not grow with
the site. InvenioRDM has no index for the versions of a record or for the requests about
it, because it finds them in OpenSearch. InvenioRDM 14 has the other three, and
InvenioRDM 13.1 only that of the files.

An operator creates them by command. An Alembic recipe would run inside a transaction,
where ``CREATE INDEX CONCURRENTLY`` is not allowed, and would not run at all on a site
whose tables were made by ``invenio db create``.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import LockedError, NotReadyError, StatsDashboardError
from .database import Database, DatabaseUnavailableError, PlanKind

_CATALOG_TIMEOUT = 10
_INSUFFICIENT_PRIVILEGE = "42501"

REMEMBERED = 2.0
"""Seconds for which a process does not look again which indexes exist."""


@dataclass(frozen=True)
class IndexDefinition:
    """An index that this package uses.

    Attributes:
        name: name of the index.
        table: table that it belongs to.
        key: indexed expression, as in ``CREATE INDEX``.
        condition: condition for the indexed rows; None for all rows.
        purpose: what is read with the index, as a noun phrase.
    """

    name: str
    table: str
    key: str
    condition: str | None
    purpose: str

    @property
    def create(self) -> str:
        """Return the statement that creates the index while the site is in use."""
        where = f" WHERE {self.condition}" if self.condition else ""
        return (
            f"CREATE INDEX CONCURRENTLY {self.name} ON {self.table} ({self.key}){where}"
        )

    @property
    def drop(self) -> str:
        """Return the statement that removes the index while the site is in use."""
        return f"DROP INDEX CONCURRENTLY IF EXISTS {self.name}"


PARENT_INDEX = IndexDefinition(
    name="ix_stats_dashboard_record_parent_id",
    table="rdm_records_metadata",
    key="parent_id",
    condition=None,
    purpose="the versions of a record",
)

REQUEST_INDEX = IndexDefinition(
    name="ix_stats_dashboard_request_topic",
    table="request_metadata",
    key="(json -> 'topic' ->> 'record')",
    condition="json ->> 'status' = 'accepted'",
    purpose="the accepted requests about a record",
)

INDEXES = (
    PARENT_INDEX,
    REQUEST_INDEX,
    IndexDefinition(
        name="ix_stats_dashboard_request_event_request",
        table="request_events",
        key="request_id",
        condition=None,
        purpose="the events of a request",
    ),
    IndexDefinition(
        name="ix_stats_dashboard_parent_community_record",
        table="rdm_parents_community",
        key="record_id",
        condition=None,
        purpose="the communities of a record",
    ),
    IndexDefinition(
        name="ix_stats_dashboard_record_file_record",
        table="rdm_records_files",
        key="record_id",
        condition=None,
        purpose="the files of a record",
    ),
)
"""All indexes; InvenioRDM 13.1 lacks four, a site upgraded without Alembic any of them."""

REQUIRED = INDEXES[2:]
"""Indexes without which no records are read.

InvenioRDM 14 creates them itself. Without them, each record would scan a table.
"""

# Reads only the catalog: functions such as pg_relation_size() wait for table locks.
_FOUND = sa.text("""
    SELECT name.relname AS name, of_table.relname AS "table", i.indisvalid AS valid,
           name.relpages * CAST(current_setting('block_size') AS bigint) AS bytes,
           of_column.attname AS key,
           i.indpred IS NULL AND method.amname = 'btree' AS whole
    FROM pg_index i
    JOIN pg_class name ON name.oid = i.indexrelid
    JOIN pg_class of_table ON of_table.oid = i.indrelid
    JOIN pg_am method ON method.oid = name.relam
    LEFT JOIN pg_attribute of_column
        ON of_column.attrelid = i.indrelid AND of_column.attnum = i.indkey[0]
    WHERE i.indrelid IN (SELECT to_regclass(name) FROM unnest(CAST(:tables AS text[])) name)
    """).bindparams(tables=[definition.table for definition in INDEXES])

_BUILDING = sa.text("""
    SELECT p.pid FROM pg_stat_progress_create_index p
    JOIN pg_class c ON c.oid = p.index_relid
    WHERE c.relname = :name AND p.datname = current_database()
    """)

_PROGRESS = sa.text("""
    SELECT phase, blocks_done, blocks_total, tuples_done, tuples_total
    FROM pg_stat_progress_create_index WHERE pid = :pid
    """)


@dataclass(frozen=True)
class IndexStatus:
    """Whether the database has an index.

    Attributes:
        name: name of the index that this package would create.
        table: table that it belongs to.
        purpose: what is read with the index.
        exists: whether a usable index exists, this one or an equal one of the site.
        used: name of the index that is used, or None.
        bytes: size of that index when it was created or last vacuumed.
        invalid: whether an unfinished index of this name exists, which ``create``
            replaces.
        create: the statement that creates the index.
    """

    name: str
    table: str
    purpose: str
    exists: bool
    used: str | None
    bytes: int
    invalid: bool
    create: str


@dataclass(frozen=True)
class IndexProgress:
    """The progress of the creation of an index.

    Attributes:
        name: name of the index.
        phase: current phase, as PostgreSQL reports it.
        done: number of blocks or rows that this phase has processed.
        total: number of blocks or rows in this phase; 0 if unknown.
    """

    name: str
    phase: str
    done: int
    total: int


def index_statuses(connection: sa.Connection) -> list[IndexStatus]:
    """Return the status of each of :data:`INDEXES`, with one small statement."""
    found = connection.execute(_FOUND).all()
    return [_status(definition, found) for definition in INDEXES]


_usable: WeakKeyDictionary[sa.Engine, tuple[float, frozenset[IndexDefinition]]]
_usable = WeakKeyDictionary()
"""Engine -> (when the database was asked, the usable indexes)."""


def usable_indexes(connection: sa.Connection) -> frozenset[IndexDefinition]:
    """Return those of :data:`INDEXES` for which the database has a usable index.

    The answer can be some seconds old: reading the catalog takes longer than all
    look-ups of a capture. Until then, look-ups without their index end at the time
    limit of their statements.
    """
    found = _remembered(connection.engine)
    if found is None:
        there = {status.name for status in index_statuses(connection) if status.exists}
        found = frozenset(index for index in INDEXES if index.name in there)
        _usable[connection.engine] = time.monotonic(), found
    return found


def _remembered(engine: sa.Engine) -> frozenset[IndexDefinition] | None:
    """Return the usable indexes, or None if the database must be asked."""
    asked, found = _usable.get(engine, (0.0, None))
    return found if time.monotonic() - asked <= REMEMBERED else None


def require_indexes(connection: sa.Connection) -> None:
    """Check that the database has the indexes of :data:`REQUIRED`.

    Raises:
        NotReadyError: it lacks one.
    """
    usable = usable_indexes(connection)
    missing = [index for index in REQUIRED if index not in usable]
    if missing:
        columns = ", ".join(f"{index.table}.{index.key}" for index in missing)
        raise NotReadyError(
            f"The database lacks an index on {columns}. Run 'invenio community-stats "
            "database-indexes create', then run the same command again. (InvenioRDM 14 "
            "has this index: 'invenio alembic upgrade' creates it there.)"
        )


def look_again(engine: sa.Engine) -> None:
    """Let this process look again which indexes the database has."""
    _usable.pop(engine, None)


def _status(definition: IndexDefinition, found: Sequence[sa.Row[Any]]) -> IndexStatus:
    own = next((row for row in found if row.name == definition.name), None)
    used = own if own is not None and own.valid else None
    if used is None and definition.condition is None:
        used = next((row for row in found if _serves(definition, row)), None)
    return IndexStatus(
        name=definition.name,
        table=definition.table,
        purpose=definition.purpose,
        exists=used is not None,
        used=used.name if used is not None else None,
        bytes=used.bytes if used is not None else 0,
        invalid=own is not None and not own.valid,
        create=definition.create,
    )


def _serves(definition: IndexDefinition, row: sa.Row[Any]) -> bool:
    """Return whether an index of the site has the same first column, for all rows."""
    return (
        row.table == definition.table
        and row.key == definition.key
        and row.valid
        and row.whole
    )


def has_all_indexes(engine: sa.Engine) -> bool:
    """Return whether the database has all of :data:`INDEXES`.

    Raises:
        DatabaseUnavailableError: the database did not answer.
    """
    found = _remembered(engine)
    if found is None:
        database = Database(engine, _CATALOG_TIMEOUT)
        with database.transaction(PlanKind.LOOKUP) as connection:
            found = usable_indexes(connection)
    return len(found) == len(INDEXES)


class DatabaseIndexes:
    """Creates and removes the indexes of this package.

    Args:
        engine: the site's engine; its role must own the tables.
        progress: called with an :class:`IndexProgress` about once a second.
    """

    def __init__(
        self,
        engine: sa.Engine,
        progress: Callable[[IndexProgress], None] | None = None,
    ) -> None:
        self._engine = engine
        self._progress = progress

    def statuses(self) -> list[IndexStatus]:
        """Return which indexes the database has.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        with self._reading() as connection:
            return index_statuses(connection)

    def create(self) -> list[str]:
        """Create the indexes that are missing, while the site is in use.

        The tables stay writable. An interrupted creation leaves an invalid index, which
        the next call removes first.

        Returns:
            Names of the indexes that were created.

        Raises:
            DatabaseUnavailableError: the database does not answer.
            LockedError: another session is creating one of the indexes.
            StatsDashboardError: the database refused the statement.
        """
        statuses = {status.name: status for status in self.statuses()}
        missing = [d for d in INDEXES if not statuses[d.name].exists]
        for definition in missing:
            if statuses[definition.name].invalid:
                self._require_unfinished(definition)
                self._execute(definition.drop)
            self._create(definition)
        look_again(self._engine)
        return [definition.name for definition in missing]

    def drop(self) -> list[str]:
        """Remove the indexes of this package; indexes of the site stay.

        Returns:
            Names of the indexes that were removed.

        Raises:
            DatabaseUnavailableError: the database does not answer.
            StatsDashboardError: the database refused the statement.
        """
        dropped = self._existing()
        for definition in dropped:
            self._execute(definition.drop)
        look_again(self._engine)
        return [definition.name for definition in dropped]

    def drop_statements(self) -> list[str]:
        """Return the statements that :meth:`drop` would send."""
        return [definition.drop for definition in self._existing()]

    def _existing(self) -> list[IndexDefinition]:
        """Return the indexes of this package that exist, unfinished ones included."""
        with self._reading() as connection:
            names = {row.name for row in connection.execute(_FOUND)}
        return [definition for definition in INDEXES if definition.name in names]

    def _require_unfinished(self, definition: IndexDefinition) -> None:
        """Check that no other session is still creating an index that is not valid.

        The database continues a statement whose client was killed.
        """
        with self._reading() as connection:
            pid = connection.scalar(_BUILDING, {"name": definition.name})
        if pid is not None:
            raise LockedError(
                f"{definition.name} is being created by another session (PostgreSQL "
                f"process {pid}). Wait until it ends, then run the same command again."
            )

    def _create(self, definition: IndexDefinition) -> None:
        """Create one index; a second connection reports the progress."""
        with self._connected() as connection:
            pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
            done = threading.Event()
            watcher = threading.Thread(
                target=self._watch, args=(definition, pid, done), daemon=True
            )
            watcher.start()
            try:
                connection.exec_driver_sql(definition.create)
            finally:
                done.set()
                watcher.join()

    def _watch(
        self, definition: IndexDefinition, pid: int, done: threading.Event
    ) -> None:
        if self._progress is None:
            return
        while not done.wait(1.0):
            try:
                with self._engine.connect() as connection:
                    row = connection.execute(_PROGRESS, {"pid": pid}).one_or_none()
            except sa.exc.SQLAlchemyError:
                continue  # The progress is only for display.
            if row is not None:
                total = row.blocks_total or row.tuples_total
                count = row.blocks_done if row.blocks_total else row.tuples_done
                self._progress(IndexProgress(definition.name, row.phase, count, total))

    def _execute(self, statement: str) -> None:
        with self._connected() as connection:
            connection.exec_driver_sql(statement)

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        """Open a transaction whose settings end with it."""
        database = Database(self._engine, _CATALOG_TIMEOUT)
        return database.transaction(PlanKind.LOOKUP)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """Connect outside a transaction, without a time limit of the site's role."""
        try:
            with self._engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                # The settings below apply to this session, so it must not return to the
                # engine's pool. A transaction pooler like pgbouncer must be bypassed.
                connection.detach()
                connection.exec_driver_sql("SET statement_timeout = 0")
                connection.exec_driver_sql("SET lock_timeout = 0")
                yield connection
        except DBAPIError as error:
            raise _sentence(error) from error


def _sentence(error: DBAPIError) -> StatsDashboardError:
    reason = " ".join(str(error.orig).split())
    # The SQLSTATE is called pgcode in psycopg 2, and sqlstate in psycopg 3.
    code = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or code is None:
        return DatabaseUnavailableError(
            f"The database did not answer ({reason}). Check that it is running, then "
            "run the same command again."
        )
    if code == _INSUFFICIENT_PRIVILEGE:
        return StatsDashboardError(
            f"The database refused the statement ({reason}). The role of "
            "SQLALCHEMY_DATABASE_URI must own the table; 'invenio community-stats "
            "database-indexes create --dry-run' prints the statements for the owner."
        )
    return StatsDashboardError(
        f"The database refused the statement ({reason}). Fix the cause, then run the "
        "same command again."
    )
