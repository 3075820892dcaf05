# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Record SQL statements, and let PostgreSQL explain them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

_SETTINGS = "set_config"


@dataclass(frozen=True)
class SentStatement:
    """A statement as it was sent.

    Attributes:
        sql: its text.
        parameters: parameters of the driver.
        settings: the statement that changed the planner settings of its transaction,
            and its parameters; None without such a statement.
    """

    sql: str
    parameters: Any
    settings: tuple[str, Any] | None

    @property
    def planner(self) -> dict[str, str]:
        """The planner settings, by name."""
        if self.settings is None:
            return {}
        return dict(re.findall(r"set_config\('(\w+)', '(\w+)'", self.settings[0]))

    @property
    def identifiers(self) -> int:
        """The number of identifiers in its longest array."""
        values = self.parameters.values() if self.parameters else ()
        return max((len(v) for v in values if isinstance(v, list)), default=0)


@dataclass(frozen=True)
class Node:
    """A node of an executed plan.

    Attributes:
        kind: type of the node, such as ``Seq Scan``.
        table: table that it reads; None for other nodes.
        loops: number of executions.
        rows: number of rows that it has visited in all loops, with filtered ones.
        blocks: number of pages of 8 kB that it has read itself in all loops.
    """

    kind: str
    table: str | None
    loops: int
    rows: float
    blocks: int


@dataclass(frozen=True)
class Plan:
    """The execution of a statement.

    Attributes:
        statement: the explained statement.
        nodes: all nodes of the plan.
        returned: number of rows in the result.
        milliseconds: time of planning and execution.
        buffers: number of pages of 8 kB that were read or found in memory.
    """

    statement: SentStatement
    nodes: list[Node]
    returned: float
    milliseconds: float
    buffers: int

    @property
    def visited(self) -> float:
        """The number of rows that the busiest node has visited."""
        return max(node.rows for node in self.nodes)

    @property
    def sequential_scans(self) -> list[Node]:
        """The nodes that read a whole table."""
        return [node for node in self.nodes if node.kind == "Seq Scan"]


@contextmanager
def recorded(engine: sa.Engine) -> Iterator[list[SentStatement]]:
    """Yield a list to which each SELECT is added that is sent inside the context."""
    sent: list[SentStatement] = []
    settings: dict[int, tuple[str, Any]] = {}

    def before(connection, cursor, sql, parameters, context, executemany):
        key = id(connection.connection.dbapi_connection)
        if _SETTINGS in sql:
            settings[key] = (sql, parameters)
        elif sql.lstrip().upper().startswith("SELECT"):
            sent.append(SentStatement(sql, parameters, settings.get(key)))

    sa.event.listen(engine, "before_cursor_execute", before)
    try:
        yield sent
    finally:
        sa.event.remove(engine, "before_cursor_execute", before)


def explained(engine: sa.Engine, statement: SentStatement) -> Plan:
    """Execute a statement again with its settings, and return its plan."""
    with engine.connect() as connection:
        if statement.settings:
            connection.exec_driver_sql(*statement.settings)
        answer = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.sql}",
            statement.parameters,
        ).scalar_one()[0]
    root = answer["Plan"]
    return Plan(
        statement,
        list(_nodes(root)),
        root["Actual Rows"],
        answer["Planning Time"] + answer["Execution Time"],
        _blocks(root),
    )


def _blocks(node: dict[str, Any]) -> int:
    return node.get("Shared Hit Blocks", 0) + node.get("Shared Read Blocks", 0)


def _nodes(node: dict[str, Any]) -> Iterator[Node]:
    per_loop = node["Actual Rows"] + sum(
        value for key, value in node.items() if key.startswith("Rows Removed by")
    )
    yield Node(
        node["Node Type"],
        node.get("Relation Name"),
        node["Actual Loops"],
        per_loop * node["Actual Loops"],
        _blocks(node) - sum(map(_blocks, node.get("Plans", ()))),
    )
    for child in node.get("Plans", ()):
        yield from _nodes(child)
