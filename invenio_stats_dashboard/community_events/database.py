# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Open read-only transactions with a time limit and predictable query plans.

PostgreSQL chooses a plan by the number of rows that it expects. For conditions on JSON
it expects too few, and it knows nothing about a table that was never analysed. Each
transaction therefore switches off the plan nodes that would be wrong for its kind of
statement (see :mod:`.sql`):

* Lookups: sequential scans, hash joins and merge joins. What remains are nested loops
  over indexes, whose cost follows the number of identifiers.
* Scans: nested loops and merge joins. What remains are hash joins, which read each
  table once. Parallel workers are also off, to leave the other cores to the site.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..errors import StatsDashboardError

_QUERY_CANCELED = "57014"
"""SQLSTATE of a statement that exceeded ``statement_timeout``."""


class DatabaseUnavailableError(StatsDashboardError):
    """The database did not answer, or the connection broke."""

    exit_code = 3


class StatementTimeoutError(StatsDashboardError):
    """A statement exceeded its time limit."""

    exit_code = 3


def _set_locally(**settings: str) -> str:
    """Return a statement that changes settings until the end of the transaction."""
    calls = [
        f"set_config('{name}', '{value}', true)" for name, value in settings.items()
    ]
    return f"SELECT {', '.join(calls)}"


class PlanKind(Enum):
    """The kind of plan that a statement needs; the value sets the planner's options."""

    LOOKUP = _set_locally(
        enable_seqscan="off",
        enable_hashjoin="off",
        enable_mergejoin="off",
        enable_nestloop="on",
        cursor_tuple_fraction="1",
        jit="off",
    )
    SCAN = _set_locally(
        enable_seqscan="on",
        enable_hashjoin="on",
        enable_mergejoin="off",
        enable_nestloop="off",
        cursor_tuple_fraction="1",
        jit="off",
        max_parallel_workers_per_gather="0",
    )


_NOW = sa.text("SELECT extract(epoch FROM clock_timestamp())")


class Database:
    """Opens read-only transactions.

    Args:
        engine: the site's engine.
        timeout: time limit of a statement, in seconds.
    """

    def __init__(self, engine: sa.Engine, timeout: float = 600) -> None:
        self._engine = engine
        self._timeout = timeout

    def now(self) -> float:
        """Return the database's clock, in seconds since the epoch.

        Unlike the clocks of the site's machines, it is the same for all processes.

        Raises:
            DatabaseUnavailableError: the database did not answer.
        """
        with self.transaction(PlanKind.LOOKUP) as connection:
            return float(connection.execute(_NOW).scalar_one())

    @contextmanager
    def transaction(self, kind: PlanKind) -> Iterator[sa.Connection]:
        """Open a transaction in which all statements see the same data.

        Args:
            kind: the kind of its statements; :meth:`plan_as` can change it.

        Raises:
            StatementTimeoutError: a statement exceeded its time limit.
            DatabaseUnavailableError: the database did not answer, or the pool has no
                free connection.
        """
        with database_errors(), self._engine.connect() as connection:
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self.plan_as(connection, kind)
            yield connection

    def plan_as(self, connection: sa.Connection, kind: PlanKind) -> None:
        """Use the plans of a kind for the following statements of a transaction."""
        timeout = max(1, int(self._timeout * 1000))
        connection.exec_driver_sql(
            f"{kind.value}, set_config('statement_timeout', '{timeout}', true)"
        )


@contextmanager
def database_errors() -> Iterator[None]:
    """Raise errors of the database driver in the block as errors of this package.

    Raises:
        StatementTimeoutError: a statement exceeded its time limit.
        DatabaseUnavailableError: the database did not answer, or the pool has no free
            connection.
    """
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise DatabaseUnavailableError(
            "All database connections that this process may open are in use "
            f"({error}). Run the same command again. If this happens often, raise "
            "pool_size or max_overflow in SQLALCHEMY_ENGINE_OPTIONS."
        ) from error
    except DBAPIError as error:
        translated = _translated(error)
        if translated is None:
            raise
        raise translated from error


def _translated(error: DBAPIError) -> StatsDashboardError | None:
    """Return this package's error for an error of the database driver, or None."""
    reason = " ".join(str(error.orig).split())
    state = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)
    if state == _QUERY_CANCELED:
        return StatementTimeoutError(
            f"The database canceled a statement ({reason}). Check "
            "STATS_DASHBOARD_STATEMENT_TIMEOUT, and whether 'invenio community-stats "
            "database-indexes status' reports a missing index."
        )
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        return DatabaseUnavailableError(
            f"The database did not answer ({reason}). Check that it is running, then "
            "run the same command again."
        )
    return None
