# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Test the rules of reading records from the database."""

import json

import pytest
import sqlalchemy as sa
from invenio_db import db

from invenio_stats_dashboard.community_events import membership
from invenio_stats_dashboard.community_events.database import DatabaseUnavailableError
from invenio_stats_dashboard.community_events.facts import (
    MAX_VALUES,
    FactsReader,
    file_type,
)
from invenio_stats_dashboard.community_events.membership import MembershipReader
from invenio_stats_dashboard.community_events.sql import EXTENSION
from tests.helpers import content
from tests.helpers.layers import records
from tests.helpers.statistics import facts

from .build import REGISTRY


@pytest.fixture()
def recids(request, layers):
    """Return five records; two of them have an ended membership."""

    def make():
        request.getfixturevalue("fresh")
        community = content.make_community()
        made = [content.make_record() for _ in range(5)]
        for recid in made[:2]:
            content.include(recid, community)
            content.remove(recid, community)
        return made

    return layers.get(__name__, make, records)


@pytest.mark.parametrize("page_size", [1, 2, 500])
def test_each_record_is_read_once_for_any_page_size(page_size, recids):
    pages = list(MembershipReader(db.engine, page_size).select().pages())
    rows = [row for page in pages for row in page]
    assert sorted(row.recid for row in rows) == sorted(recids)
    assert [row.record_id for row in rows] == sorted(row.record_id for row in rows)
    assert max(len(page) for page in pages) <= page_size
    assert sum(len(row.ended) for row in rows) == 2


def test_reading_continues_after_any_record(recids):
    reader = MembershipReader(db.engine, page_size=2)
    everything = [row for page in reader.select().pages() for row in page]
    for number, row in enumerate(everything, start=1):
        following = reader.select(after=row.record_id)
        rest = [r for page in following.pages() for r in page]
        assert rest == everything[number:]
        assert following.count() == len(rest)


def test_a_page_ends_when_its_records_are_large(recids, monkeypatch):
    monkeypatch.setattr(membership, "PAGE_CHARACTERS", 1)
    pages = list(MembershipReader(db.engine).select().pages())
    assert [len(page) for page in pages] == [1] * 5


def test_a_record_of_five_thousand_authors_is_read(fresh, client, names):
    recid, other = content.make_record(), content.make_record()
    creators = [
        {"affiliations": [{"name": f"Institute {n} {'x' * 2000}"}]} for n in range(5000)
    ]
    db.session.execute(
        sa.text(
            "UPDATE rdm_records_metadata SET json = "
            "jsonb_set(json, '{metadata,creators}', CAST(:creators AS jsonb)) "
            "WHERE id = :id"
        ),
        {"creators": json.dumps(creators), "id": content.record_id(recid)},
    )
    db.session.commit()
    service = fresh.extensions["invenio-stats-dashboard"].community_stats_service
    report = service.generate_record_community_events()
    assert (report.facts, report.refused) == (2, ())
    stored = facts(client, names)
    assert len(stored[recid]["subcounts"]["affiliations"]) == MAX_VALUES
    assert set(stored) == {recid, other}


def test_the_database_and_python_find_the_same_file_extensions(fresh):
    keys = [
        *("a.pdf", "A.PDF", "a.tar.gz", "README", ".hidden", "..a", "...a.b"),
        *("a.", "a..", "a.b/c", "a/.b", "a/.b.c", "a/b.c", "x y.z z", "a.é", ""),
        *("/a.b", "a/b/", "Ä.Ö.Ü", "1.2.3", "a.b\nc", "a.JPEG"),
    ]
    found = db.session.execute(
        sa.select(
            *(
                sa.func.substring(sa.literal(key), EXTENSION).label(f"k{n}")
                for n, key in enumerate(keys)
            )
        )
    ).one()
    extensions = {k: (v or "").lower() for k, v in zip(keys, found, strict=True)}
    assert extensions == {key: file_type(key) for key in keys}


def test_facts_and_search_index_agree_about_files(app):
    recid = content.make_record(files={"a.csv": b"12345", "b.pdf": b"678"})
    (row,) = MembershipReader(db.engine).rows([recid])
    read = FactsReader(REGISTRY).read(row)
    record = content.current_rdm_records_service.record_cls.pid.resolve(recid)
    indexed = record.dumps()["files"]
    assert read.file_count == indexed["count"]
    assert read.data_volume == indexed["totalbytes"]
    assert read.file_types == sorted(indexed["types"])
    status = record.dumps()["access"]["status"]
    assert read.subcounts["access_statuses"] == [status]


@pytest.mark.parametrize(
    "access",
    [
        {"record": "public", "files": "public"},
        {"record": "public", "files": "restricted"},
        {"record": "restricted", "files": "restricted"},
        {
            "record": "public",
            "files": "restricted",
            "embargo": {"active": True, "until": "2099-01-01", "reason": None},
        },
    ],
)
@pytest.mark.parametrize("files", [None, {"a.txt": b"1"}])
def test_the_access_status_equals_that_of_the_instance(access, files, app):
    recid = content.make_record(access=access, files=files)
    (row,) = MembershipReader(db.engine).rows([recid])
    record = content.current_rdm_records_service.record_cls.pid.resolve(recid)
    read = FactsReader(REGISTRY).read(row)
    assert read.subcounts["access_statuses"] == [record.access.status.value]


@pytest.fixture()
def one_connection():
    """Return an engine whose pool has one connection."""
    engine = sa.create_engine(
        db.engine.url, pool_size=1, max_overflow=0, pool_timeout=0.5
    )
    yield engine
    engine.dispose()


def test_one_page_is_read_with_one_connection(recids, one_connection):
    expected = MembershipReader(db.engine, page_size=1).rows(recids)
    rows = MembershipReader(one_connection, page_size=6).rows(recids)
    assert sorted(r.recid for r in rows) == sorted(recids)
    assert [r.ended for r in rows] == [r.ended for r in expected]
    assert sum(len(row.ended) for row in rows) == 2
    assert MembershipReader(one_connection).rows(["nobody"]) == []


def test_a_pool_without_free_connections_is_an_error(recids, one_connection):
    with (
        one_connection.connect(),
        pytest.raises(DatabaseUnavailableError, match="SQLALCHEMY_ENGINE_OPTIONS"),
    ):
        MembershipReader(one_connection).rows(recids)
    pages = list(MembershipReader(one_connection, page_size=2).select().pages())
    assert sum(map(len, pages)) == len(recids)
