# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The cost of each SQL statement follows what is requested, not planner statistics.

Every statement is executed with statistics that are missing, misleading and fresh, with
and without the indexes, and its plan is compared with the rows that it needs.
"""

from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice

import pytest
import sqlalchemy as sa
from invenio_db import db

from invenio_stats_dashboard.community_events import sql
from invenio_stats_dashboard.community_events.database import PlanKind
from invenio_stats_dashboard.community_events.database_indexes import (
    INDEXES,
    DatabaseIndexes,
)
from invenio_stats_dashboard.community_events.membership import MembershipReader
from invenio_stats_dashboard.community_events.selection import Selection
from tests.helpers import instance
from tests.helpers.generated_database import TABLES, GeneratedDatabase
from tests.helpers.plans import Plan, explained, recorded
from tests.helpers.versions import create_later_indexes

RECORDS = 6000
FACTOR, ALLOWANCE = 8, 60
"""Rows that a lookup may visit for each row that it needs, and in addition."""

BLOCKS = 6
"""Blocks that a node may read for each loop and each row; a whole index has more."""

ID_COLUMNS = {
    "rdm_records_metadata": ("id", "parent_id"),
    "rdm_parents_metadata": ("id",),
    "rdm_parents_community": ("record_id", "community_id", "request_id"),
    "pidstore_pid": ("pid_value", "object_uuid"),
    "request_metadata": ("id",),
    "request_events": ("request_id",),
    "rdm_records_files": ("record_id", "object_version_id"),
    "rdm_records_metadata_version": ("id", "transaction_id"),
}
WORLD = GeneratedDatabase(RECORDS)
SELECTIONS = {
    "a parent": Selection(parent_ids=tuple(WORLD.parent_ids(1))),
    "parents": Selection(parent_ids=tuple(WORLD.parent_ids(500))),
    "a recid": Selection(recids=tuple(WORLD.recids(1))),
    "recids": Selection(recids=tuple(WORLD.recids(500))),
    "an unknown recid": Selection(recids=("nobody",)),
    "a community": Selection(community_ids=tuple(WORLD.community_ids(1))),
    "what has changed": Selection(changed_since=datetime(2025, 6, 1, tzinfo=UTC)),
    "what was created": Selection(created_from=datetime(2025, 6, 1, tzinfo=UTC)),
    "all": Selection(),
}
HOT = ("a parent", "parents", "a recid", "recids", "an unknown recid")
"""The selections that live capture and the event indexer read."""


@pytest.fixture(scope="module")
def engine(app):
    """Return a separate database with generated rows."""
    with instance.place() as place:
        engine = sa.create_engine(place.database_uri)
        with app.app_context():
            db.metadata.create_all(bind=engine)
        create_later_indexes(engine)
        with engine.begin() as connection:
            for table in TABLES:
                off = f'ALTER TABLE "{table}" SET (autovacuum_enabled = false)'
                connection.exec_driver_sql(off)
        WORLD.fill(engine)
        yield engine
        engine.dispose()


@pytest.fixture(scope="module", params=["missing", "misleading", "outdated", "fresh"])
def statistics(request, engine):
    """Give the planner one kind of statistics."""
    wrong = request.param == "misleading"
    with engine.begin() as connection:
        for table, columns in ID_COLUMNS.items():
            for column in columns:
                # misleading statistics, or the real ones
                option = "SET (n_distinct = 1)" if wrong else "RESET (n_distinct)"
                connection.exec_driver_sql(
                    f"ALTER TABLE {table} ALTER COLUMN {column} {option}"
                )
        if request.param == "missing":
            connection.exec_driver_sql(
                "DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class "
                "WHERE relnamespace = 'public'::regnamespace)"
            )
        else:
            connection.exec_driver_sql("ANALYZE")
        if request.param == "outdated":
            # as if the tables had been analysed with one row
            connection.exec_driver_sql(
                "UPDATE pg_class SET reltuples = 1 WHERE relkind IN ('r', 'i') "
                "AND relnamespace = 'public'::regnamespace"
            )
    return request.param


@pytest.fixture(params=["indexed", "not indexed"])
def is_indexed(request, engine):
    """Create the indexes, or remove them."""
    indexes = DatabaseIndexes(engine)
    indexes.create() if request.param == "indexed" else indexes.drop()
    return request.param == "indexed"


@contextmanager
def _plans(engine):
    """Yield a list; when the block ends, it contains the plans of sent statements."""
    plans: list[Plan] = []
    with recorded(engine) as sent:
        yield plans
    plans += [explained(engine, s) for s in sent if "pg_index" not in s.sql]


def _excess(plans):
    """Return the plans that visit more rows than their statement needs."""
    return [
        (plan.statement.sql, [n for n in plan.nodes if n.rows > _bound(plan)])
        for plan in plans
        if plan.visited > _bound(plan)
    ] + [
        (plan.statement.sql, node)
        for plan in plans
        for node in plan.nodes
        if node.blocks > BLOCKS * (node.loops + node.rows) + ALLOWANCE
    ]


def _bound(plan):
    """Return the number of rows that a node may visit."""
    if plan.statement.planner["enable_nestloop"] == "off":
        # a scan: the largest table is read once, and hashed with another one
        return 3 * RECORDS
    needed = max(plan.statement.identifiers, plan.returned)
    return FACTOR * needed + ALLOWANCE


@pytest.mark.parametrize("selection", SELECTIONS)
def test_visited_rows_follow_the_selection(engine, statistics, is_indexed, selection):
    reader = MembershipReader(engine)
    with _plans(engine) as plans:
        rows = list(islice(reader.select(SELECTIONS[selection]).pages(), 2))
    assert bool(rows) == (selection != "an unknown recid")
    assert _excess(plans) == []
    scans = [node for plan in plans for node in plan.sequential_scans]
    assert all(node.loops == 1 for node in scans)
    if selection in HOT:
        scanned = sorted(node.table for node in scans)
        if is_indexed or not rows:
            assert scanned == []
        else:
            assert scanned == ["rdm_records_metadata", "request_metadata"]


def test_the_look_for_newer_changes_reads_no_other_records(
    engine, statistics, is_indexed
):
    reader = MembershipReader(engine)
    rows = next(reader.select(SELECTIONS["parents"]).pages())
    assert len(rows) >= 500
    with _plans(engine) as plans:
        assert reader.changed_since(rows) == set()
    assert len(plans) == 2 and _excess(plans) == []
    assert [node for plan in plans for node in plan.sequential_scans] == []


def test_counting_reads_each_table_once(engine, statistics, is_indexed):
    reader = MembershipReader(engine)
    with _plans(engine) as plans:
        with reader.database.transaction(PlanKind.SCAN) as connection:
            connection.execute(sql.count_memberships()).all()
            connection.execute(sql.count_existing_records()).all()
        assert reader.select().count() == RECORDS
        reader.known(WORLD.recids(10))
        reader.slugs(WORLD.community_ids(10))
        reader.communities(["community-1"])
    assert len(plans) == 6
    assert _excess(plans) == []
    assert all(n.loops == 1 for plan in plans for n in plan.sequential_scans)


def test_the_result_does_not_depend_on_the_indexes(engine):
    selections = [SELECTIONS[name] for name in ("parents", "recids", "a community")]
    reader, indexes = MembershipReader(engine), DatabaseIndexes(engine)

    def read():
        return [
            [row for page in reader.select(selection).pages() for row in page]
            for selection in selections
        ]

    indexes.create()
    with_indexes = read()
    indexes.drop()
    assert read() == with_indexes
    # for several pages, the requests are collected at once instead of by page
    reader.page_size = 7
    assert read() == with_indexes
    assert sum(len(row.ended) for row in with_indexes[0]) > 0


def test_creating_and_dropping_indexes_changes_only_missing_ones(engine):
    indexes, names = DatabaseIndexes(engine), [d.name for d in INDEXES[:2]]
    indexes.drop()
    # InvenioRDM or the site has the others
    assert [s.exists for s in indexes.statuses()] == [False, False, True, True, True]
    assert indexes.create() == names
    assert all(status.exists for status in indexes.statuses())
    assert all(status.bytes > 0 for status in indexes.statuses())
    assert indexes.create() == []
    assert indexes.drop() == names
    assert indexes.drop() == []
