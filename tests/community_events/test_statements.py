# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Membership rows that are written by statements of any form are noticed."""

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_rdm_records.proxies import current_rdm_records_service
from invenio_rdm_records.records.models import RDMParentCommunity
from sqlalchemy.dialects import postgresql

from tests.helpers import content
from tests.helpers.statistics import community_events

TABLE = RDMParentCommunity.__table__
NOTICED = {
    "values": lambda rows: sa.insert(RDMParentCommunity).values(**rows[0]),
    "rows": lambda rows: sa.insert(RDMParentCommunity).values(rows),
    "table": lambda rows: sa.insert(TABLE).values(rows),
    "upsert": lambda rows: (
        postgresql.insert(RDMParentCommunity).values(rows).on_conflict_do_nothing()
    ),
}


def _parent(recid):
    return current_rdm_records_service.record_cls.pid.resolve(recid).parent.id


def _rows(community, recids):
    return [{"record_id": _parent(r), "community_id": community} for r in recids]


@pytest.fixture()
def stored_events(capturing, client, names):
    """Return a function from a community to (recid, type, evidence) of its events."""

    def events_of(community):
        return {
            (e["recid"], e["event_type"], e["evidence"])
            for e in community_events(client, names)
            if e["community_id"] == community
        }

    return events_of


@pytest.mark.parametrize("form", NOTICED)
def test_rows_within_a_statement_are_noticed(stored_events, form):
    community = content.make_community()
    recids = [content.make_record() for _ in ("1" if form == "values" else "12")]
    db.session.execute(NOTICED[form](_rows(community, recids)))
    db.session.commit()
    assert stored_events(community) == {(recid, "added", "row") for recid in recids}


def test_rows_outside_the_session_are_found_by_the_sweep(stored_events, capturing):
    service = capturing.extensions["invenio-stats-dashboard"].community_stats_service
    community = content.make_community()
    recids = [content.make_record() for _ in "123"]
    service.generate_record_community_events()
    first, second, third = _rows(community, recids)
    db.session.bulk_save_objects([RDMParentCommunity(**first)])
    db.session.connection().execute(sa.insert(TABLE).values(**second))
    parent = sa.literal(third["record_id"], TABLE.c.record_id.type)
    id_ = sa.literal(community, TABLE.c.community_id.type)
    db.session.execute(
        sa.insert(TABLE).from_select(
            ["record_id", "community_id"], sa.select(parent, id_)
        )
    )
    db.session.commit()
    assert stored_events(community) == set()
    assert service.reconcile_community_events().events == 3
    assert {recid for recid, *_ in stored_events(community)} == set(recids)
