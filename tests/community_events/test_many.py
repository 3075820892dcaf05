# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Many memberships at once are captured in bounded messages and memory.

They fill four messages. What a message and its capture take does not grow from the
first to the last of them, so it does not depend on their number.
"""

import json
import tracemalloc

import pytest
import sqlalchemy as sa
from invenio_db import db
from invenio_rdm_records.records.models import RDMParentCommunity

from invenio_stats_dashboard.community_events import capture
from invenio_stats_dashboard.tasks import send_capture
from tests.helpers import content
from tests.helpers.statistics import documents

pytestmark = pytest.mark.slow

COUNT = 4 * capture.IN_A_MESSAGE
PARENTS = """
INSERT INTO rdm_parents_metadata (id, json, created, updated, version_id)
SELECT md5('parent ' || n)::uuid,
       jsonb_build_object('id', 'p' || n), '2020-01-01', '2020-01-01', 1
FROM generate_series(1, :count) AS n
"""
RECORDS = """
INSERT INTO rdm_records_metadata
    (id, parent_id, index, json, deletion_status, created, updated, version_id)
SELECT md5('record ' || n)::uuid, md5('parent ' || n)::uuid, 1,
       jsonb_build_object(
           'id', 'r' || n,
           'access', '{"record": "public", "files": "public"}'::jsonb,
           'metadata', jsonb_build_object('publisher', 'Press ' || n % 40)
       ),
       'P', '2020-01-01', '2020-01-01', 1
FROM generate_series(1, :count) AS n
"""


@pytest.fixture()
def parents(capturing):
    """Return the parents of many records whose timelines exist."""
    for statement in (PARENTS, RECORDS):
        db.session.execute(sa.text(statement), {"count": COUNT})
    db.session.commit()
    service = capturing.extensions["invenio-stats-dashboard"].community_stats_service
    assert service.generate_record_community_events().events == COUNT
    return db.session.scalars(sa.text("SELECT id FROM rdm_parents_metadata")).all()


def test_many_memberships_at_once(parents, capturing, client, names, monkeypatch):
    service = capturing.extensions["invenio-stats-dashboard"].community_stats_service
    community, sizes, peaks = content.make_community(), [], []

    def measured(**message):
        sizes.append(len(json.dumps(message)))
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        send_capture(**message)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)

    monkeypatch.setattr(capture.Watcher, "send", staticmethod(measured))
    rows = [{"record_id": id, "community_id": community} for id in parents]
    tracemalloc.start()
    try:
        db.session.execute(sa.insert(RDMParentCommunity), rows)
        db.session.commit()
    finally:
        tracemalloc.stop()
    assert len(sizes) == COUNT / capture.IN_A_MESSAGE
    assert max(sizes) < 100_000  # bytes of a message
    # the last one takes no more than the first, so nothing grows with their number
    assert max(peaks[1:]) < 1.5 * peaks[0] < 60_000_000
    events = documents(client, names.community_events).values()
    came = [(s, v) for s, v, _ in events if s["community_id"] == community]
    assert len({source["recid"] for source, _ in came}) == len(came) == COUNT
    kinds = {(s["event_type"], s["cause"], s["evidence"], v) for s, v in came}
    assert kinds == {("added", "bulk", "row", 1)}
    assert min(s["event_date"] for s, _ in came) > "2026"
    assert service.community_events_status().drift == 0
    assert service.reconcile_community_events().events == 0
