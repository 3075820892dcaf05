# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Puts the dates of the story into the database, since services only know now."""

from datetime import UTC

from invenio_db import db
from sqlalchemy import text

from .story import COMMUNITIES

_PID = "FROM pidstore_pid p WHERE p.pid_type = 'recid' AND p.pid_value = :pid"

STATEMENTS = {
    "communities": """
        UPDATE communities_metadata SET created = :made, updated = :changed
        WHERE slug = :slug""",
    "members": """
        UPDATE communities_members m SET created = c.created
        FROM communities_metadata c WHERE c.id = m.community_id""",
    "deleted communities": """
        UPDATE communities_metadata
        SET json = jsonb_set(json, '{tombstone,removal_date}', to_jsonb(CAST(:day AS text)))
        WHERE slug = :slug""",
    "parents": """
        UPDATE rdm_parents_metadata r SET created = :made, updated = :changed
        FROM pidstore_pid p WHERE p.pid_type = 'recid' AND p.pid_value = :pid
        AND p.object_uuid = r.id""",
    "records": f"""
        UPDATE rdm_records_metadata r SET created = :made, updated = :changed
        {_PID} AND p.object_uuid = r.id""",
    "drafts": f"""
        UPDATE rdm_drafts_metadata r SET created = :made, updated = :made
        {_PID} AND p.object_uuid = r.id""",
    "deleted records": f"""
        UPDATE rdm_records_metadata r
        SET json = jsonb_set(json, '{{tombstone,removal_date}}', to_jsonb(CAST(:day AS text)))
        {_PID} AND p.object_uuid = r.id""",
    "pids": """
        UPDATE pidstore_pid p SET created = r.created FROM rdm_records_metadata r
        WHERE r.id = p.object_uuid""",
    "requests": """
        UPDATE request_metadata SET created = :made, updated = :changed
        WHERE id = CAST(:id AS uuid)""",
    "request events": """
        UPDATE request_events SET created = :changed, updated = :changed
        WHERE request_id = CAST(:id AS uuid)""",
}


def backdate(made, end, days):
    """Give communities, records, requests and their events their dates.

    Needs an application context.

    Args:
        made: list of :class:`~.content.Made`.
        end: the moment at which the story ends (naive UTC).
        days: the length of the story.
    """
    for name, rows in _rows(made, end, days).items():
        if rows:
            db.session.execute(text(STATEMENTS[name]), rows)
    db.session.commit()


def _rows(made, end, days):
    """Return the parameters of each statement, in the order of execution."""
    versions = [(m, v) for m in made for v in m.versions]
    ended = [c for c in COMMUNITIES if c.deleted]
    requests = [
        {"id": id_, "made": _utc(opened), "changed": _utc(closed)}
        for m in made
        for id_, (opened, closed) in m.requests.items()
    ]
    return {
        "communities": [
            {
                "slug": c.slug,
                "made": _utc(c.created(end, days)),
                "changed": _utc(c.gone(end, days) or c.created(end, days)),
            }
            for c in COMMUNITIES
        ],
        "members": [{}],
        "deleted communities": [
            {"slug": c.slug, "day": _iso(c.gone(end, days))} for c in ended
        ],
        "parents": [
            {
                "pid": m.parent,
                "made": _utc(m.deposit.drafted),
                "changed": _utc(m.last_change),
            }
            for m in made
        ],
        "records": [
            {
                "pid": v.recid,
                "made": _utc(v.published),
                "changed": _utc(m.last_change if v is m.versions[-1] else v.published),
            }
            for m, v in versions
        ],
        "drafts": [{"pid": v.recid, "made": _utc(v.published)} for _, v in versions],
        "deleted records": [
            {"pid": v.recid, "day": _iso(v.gone)} for _, v in versions if v.gone
        ],
        "pids": [{}],
        "requests": requests,
        "request events": requests,
    }


def _utc(moment):
    return moment.replace(tzinfo=UTC)


def _iso(moment):
    return _utc(moment).isoformat()
