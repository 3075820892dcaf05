# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The service and the commands find, create and remove the indexes of live capture."""

import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa
from invenio_db import db

from invenio_stats_dashboard.community_events import database_indexes
from invenio_stats_dashboard.community_events.database_indexes import (
    INDEXES,
    PARENT_INDEX,
    DatabaseIndexes,
)
from invenio_stats_dashboard.errors import LockedError, StatsDashboardError
from tests.helpers import content
from tests.helpers.commands import run
from tests.helpers.faults import until

NAMES = [definition.name for definition in INDEXES[:2]]
"""The indexes that this version of InvenioRDM does not have."""


@pytest.fixture()
def engine(fresh):
    """Return the engine of an instance without the indexes."""
    db.session.rollback()  # PostgreSQL waits for transactions that use the table
    DatabaseIndexes(db.engine).drop()
    yield db.engine
    db.session.rollback()
    indexes = DatabaseIndexes(db.engine)
    indexes.drop()
    indexes.create()


def _execute(engine, statement):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statement)


def test_an_index_of_the_site_is_used(engine):
    _execute(engine, "CREATE INDEX site_own ON rdm_records_metadata (parent_id, index)")
    try:
        status = DatabaseIndexes(engine).statuses()[0]
        assert (status.exists, status.used) == (True, "site_own")
        assert DatabaseIndexes(engine).create() == NAMES[1:]
        assert DatabaseIndexes(engine).drop() == NAMES[1:]
        assert DatabaseIndexes(engine).statuses()[0].used == "site_own"
    finally:
        _execute(engine, "DROP INDEX site_own")


def test_a_missing_index_of_a_newer_invenio_rdm_is_created(engine):
    definition = INDEXES[2]
    status = DatabaseIndexes(engine).statuses()[2]
    assert status.exists and status.used != definition.name
    _execute(engine, f"DROP INDEX {status.used}")
    try:
        assert definition.name in DatabaseIndexes(engine).create()
        assert DatabaseIndexes(engine).statuses()[2].used == definition.name
        assert definition.name in DatabaseIndexes(engine).drop()
    finally:
        table, key = definition.table, definition.key
        _execute(engine, f"CREATE INDEX {status.used} ON {table} ({key})")


@pytest.mark.parametrize(
    "index",
    [
        "(index, parent_id)",
        "(parent_id) WHERE index = 1",
        "USING hash (parent_id)",
    ],
)
def test_an_unsuitable_index_is_not_used(engine, index):
    _execute(engine, f"CREATE INDEX site_own ON rdm_records_metadata {index}")
    try:
        assert not DatabaseIndexes(engine).statuses()[0].exists
    finally:
        _execute(engine, "DROP INDEX site_own")


def test_reading_changes_no_setting_of_the_session(engine):
    sent = []

    def statement(connection, cursor, sql, *_):
        sent.append(sql)

    sa.event.listen(engine, "before_cursor_execute", statement)
    try:
        DatabaseIndexes(engine).statuses()
        DatabaseIndexes(engine).drop_statements()
    finally:
        sa.event.remove(engine, "before_cursor_execute", statement)
    assert sent and not [sql for sql in sent if sql.startswith("SET")]


def test_an_unfinished_index_is_replaced(engine):
    recid = content.make_record()
    content.new_version(recid)
    db.session.rollback()
    # two versions of a parent, so the creation of a unique index fails half-way
    with pytest.raises(sa.exc.IntegrityError):
        _execute(engine, PARENT_INDEX.create.replace("CREATE", "CREATE UNIQUE"))
    status = DatabaseIndexes(engine).statuses()[0]
    assert (status.exists, status.invalid) == (False, True)
    assert DatabaseIndexes(engine).create() == NAMES
    assert DatabaseIndexes(engine).statuses()[0].exists


def test_an_index_that_another_session_is_creating_does_not_change(engine):
    content.make_record()
    db.session.rollback()
    blocker = sa.create_engine(engine.url).connect()
    blocker.execute(sa.text("UPDATE rdm_records_metadata SET index = index"))
    builder = threading.Thread(target=_execute, args=(engine, PARENT_INDEX.create))
    builder.start()
    try:
        until(lambda: DatabaseIndexes(engine).statuses()[0].invalid, "it has begun", 30)
        with pytest.raises(LockedError, match="being created by another session"):
            DatabaseIndexes(engine).create()
    finally:
        blocker.rollback()
        builder.join()
        blocker.close()
    assert DatabaseIndexes(engine).statuses()[0].exists
    assert DatabaseIndexes(engine).create() == NAMES[1:]


def test_a_refusal_for_another_reason_does_not_mention_the_role(engine, monkeypatch):
    wrong = replace(PARENT_INDEX, key="no_such_column")
    with monkeypatch.context() as patch:
        patch.setattr(database_indexes, "INDEXES", (wrong,))
        with pytest.raises(StatsDashboardError, match="no_such_column") as refusal:
            DatabaseIndexes(engine).create()
    assert "own the table" not in str(refusal.value)


def test_a_role_that_does_not_own_the_tables_gets_one_sentence(engine):
    _execute(engine, "CREATE ROLE reader LOGIN PASSWORD 'reader'")
    try:
        url = engine.url.set(username="reader", password="reader")
        with pytest.raises(StatsDashboardError, match="must own the table"):
            DatabaseIndexes(sa.create_engine(url)).create()
    finally:
        _execute(engine, "DROP ROLE reader")


def test_progress_is_reported_while_an_index_is_created(engine):
    recid = content.make_record()
    db.session.rollback()
    seen = []
    blocker = sa.create_engine(engine.url).connect()
    # an open transaction that has written: the creation waits until it ends
    blocker.execute(
        sa.text(
            "UPDATE rdm_records_metadata SET index = index WHERE json->>'id' = :id"
        ),
        {"id": recid},
    )

    def progress(update):
        seen.append(update)
        blocker.rollback()

    DatabaseIndexes(engine, progress).create()
    assert seen and seen[0].name == PARENT_INDEX.name
    assert "waiting" in seen[0].phase
    blocker.close()


def test_the_commands(engine, fresh):
    missing = run(fresh, "database-indexes", "status")
    assert missing.exit_code == 1
    assert missing.out.count("missing") == 2
    assert "database-indexes create" in missing.out

    planned = run(fresh, "database-indexes", "create", "--dry-run")
    assert planned.exit_code == 0
    assert planned.out.count("CREATE INDEX CONCURRENTLY") == 2
    assert not DatabaseIndexes(engine).statuses()[0].exists

    created = run(fresh, "database-indexes", "create", "--json")
    assert created.document == {"dry_run": False, "created": NAMES}
    again = run(fresh, "database-indexes", "create")
    assert (again.exit_code, again.out) == (0, "All indexes exist already.\n")

    present = run(fresh, "database-indexes", "status", "--json")
    assert present.exit_code == 0
    assert [i["used"] for i in present.document["indexes"]][:2] == NAMES

    planned = run(fresh, "database-indexes", "drop", "--dry-run", "--json")
    assert len(planned.document["statements"]) == 2
    dropped = run(fresh, "database-indexes", "drop")
    assert dropped.out == f"Dropped {' and '.join(NAMES)}.\n"
    again = run(fresh, "database-indexes", "drop").out
    assert again == "There are no indexes to drop.\n"
