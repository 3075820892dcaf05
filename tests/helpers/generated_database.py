# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fill the tables of an instance with any number of records, inside the database.

The proportions are those of an instance after some years: for each hundred records, 83
parents, 83 memberships, 17 requests, one file per record, its history, and half a
community. A sixth of the parents requested inclusion, and a sixth of these has left the
community again. Everything follows from the number of the parent, so that a test or a
benchmark can name rows without reading them.
"""

import hashlib
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

_STATEMENTS = {
    "communities_metadata": """
        INSERT INTO communities_metadata
            (id, slug, json, deletion_status, created, updated, version_id)
        SELECT md5('community ' || n)::uuid, 'community-' || n,
               '{"metadata": {"title": "A community"}}', 'P',
               '2019-12-31', '2019-12-31', 1
        FROM generate_series(0, :communities - 1) n""",
    "rdm_parents_metadata": """
        INSERT INTO rdm_parents_metadata (id, json, created, updated, version_id)
        SELECT md5('parent ' || p)::uuid, jsonb_build_object('id', 'p' || p),
               at, at + interval '90 days', 1
        FROM generate_series(1, :parents) p,
             LATERAL (SELECT timestamptz '2020-01-01' + p * :step AS at) moment""",
    "rdm_records_metadata": """
        INSERT INTO rdm_records_metadata
            (id, parent_id, index, json, deletion_status, created, updated, version_id)
        SELECT md5('record ' || p || ' ' || v)::uuid, md5('parent ' || p)::uuid, v,
               jsonb_build_object(
                   'id', 'r' || p || '-' || v,
                   'access', '{"record": "public", "files": "public"}'::jsonb,
                   'files', '{"enabled": true}'::jsonb,
                   'metadata', jsonb_build_object(
                       'publication_date', '2020-01-01',
                       'publisher', 'Press ' || p % 40,
                       'resource_type', '{"id": "dataset"}'::jsonb,
                       'description', (
                           SELECT string_agg(md5(p || ' ' || v || ' ' || n), '')
                           FROM generate_series(1, :blocks) n))),
               CASE WHEN p % 50 = 0 THEN 'D' ELSE 'P' END, at, at, 1
        FROM generate_series(1, :parents) p,
             generate_series(1, CASE WHEN p % 5 = 0 THEN 2 ELSE 1 END) v,
             LATERAL (SELECT timestamptz '2020-01-01' + p * :step AS at) moment""",
    "pidstore_pid": """
        INSERT INTO pidstore_pid
            (pid_type, pid_value, status, object_type, object_uuid, created, updated)
        SELECT 'recid', json ->> 'id', 'R', 'rec', id, created, updated
        FROM rdm_records_metadata
        UNION ALL
        SELECT 'recid', json ->> 'id', 'R', 'rec', id, created, updated
        FROM rdm_parents_metadata""",
    "transaction": """
        INSERT INTO transaction (id, issued_at)
        SELECT n, timestamp '2020-01-01' + n * interval '1 hour'
        FROM generate_series(1, 1000) n""",
    "rdm_records_metadata_version": """
        INSERT INTO rdm_records_metadata_version
            (id, parent_id, index, deletion_status, created, updated, version_id,
             transaction_id, operation_type)
        SELECT id, parent_id, index, state, created, updated, 1,
               CASE WHEN state = 'P' THEN 1 ELSE 500 END, 0
        FROM rdm_records_metadata,
             unnest(ARRAY['P', NULLIF(deletion_status, 'P')]) state
        WHERE state IS NOT NULL""",
    "files_bucket": """
        INSERT INTO files_bucket
            (id, default_location, default_storage_class, size, locked, deleted,
             created, updated)
        SELECT md5('bucket')::uuid, COALESCE((SELECT min(id) FROM files_location), 1), 'S', 0, true,
               false, '2020-01-01', '2020-01-01'""",
    "files_files": """
        INSERT INTO files_files
            (id, uri, size, readable, writable, created, updated)
        SELECT md5('file ' || id)::uuid, 'file:' || id, 1000, true, false, created,
               updated
        FROM rdm_records_metadata""",
    "files_object": """
        INSERT INTO files_object
            (version_id, key, bucket_id, file_id, is_head, created, updated)
        SELECT md5('object ' || id)::uuid, id || '.csv', md5('bucket')::uuid,
               md5('file ' || id)::uuid, true, created, updated
        FROM rdm_records_metadata""",
    "rdm_records_files": """
        INSERT INTO rdm_records_files
            (id, json, key, record_id, object_version_id, created, updated, version_id)
        SELECT md5('entry ' || id)::uuid, '{}', 'data.csv', id,
               md5('object ' || id)::uuid, created, updated, 1
        FROM rdm_records_metadata""",
    "request_metadata": """
        INSERT INTO request_metadata (id, json, number, created, updated, version_id)
        SELECT md5('request ' || p)::uuid,
               jsonb_build_object(
                   'type', 'community-inclusion',
                   'status', CASE WHEN p % 6 = 1 THEN 'accepted' ELSE 'declined' END,
                   'topic', jsonb_build_object('record', 'r' || p || '-1'),
                   'receiver', jsonb_build_object(
                       'community', md5('community ' || p % :communities)::uuid),
                   'created_by', '{"user": "1"}'::jsonb),
               p, at, at + interval '7 days', 1
        FROM generate_series(1, :parents) p,
             LATERAL (SELECT timestamptz '2020-01-01' + p * :step AS at) moment
        WHERE p % 6 = 1 OR p % 25 = 2""",
    "request_events": """
        INSERT INTO request_events
            (id, json, type, request_id, created, updated, version_id)
        SELECT md5('event ' || id || kind)::uuid,
               '{"payload": {"event": "accepted"}}', kind, id, updated, updated, 1
        FROM request_metadata, unnest(ARRAY['L', 'C']) kind
        WHERE json ->> 'status' = 'accepted' OR kind = 'C'""",
    "rdm_parents_community": """
        INSERT INTO rdm_parents_community (community_id, record_id, request_id)
        SELECT md5('community ' || p % :communities)::uuid, md5('parent ' || p)::uuid,
               CASE WHEN p % 6 = 1 THEN md5('request ' || p)::uuid END
        FROM generate_series(1, :parents) p
        WHERE p % 6 <> 5 AND p % 36 <> 1""",
}
"""Table -> the statement that fills it, in the order of their foreign keys."""


@dataclass(frozen=True)
class GeneratedDatabase:
    """The numbers of rows of each kind.

    Attributes:
        records: number of records, with all versions.
        description_bytes: size of each description; the rest of a record's JSON has
            some three hundred bytes more.
    """

    records: int
    description_bytes: int = 320

    @property
    def parents(self) -> int:
        """The number of parents; each fifth one has two versions."""
        return self.records * 5 // 6

    @property
    def communities(self) -> int:
        """The number of communities."""
        return max(10, self.records // 200)

    def fill(self, engine: sa.Engine) -> None:
        """Insert the rows into empty tables, without updating statistics.

        Foreign keys are not checked, which requires the rights of a superuser.
        """
        parameters = {
            "parents": self.parents,
            "communities": self.communities,
            "blocks": max(1, self.description_bytes // 32),
            "step": f"{2000 * 86400 / self.parents} seconds",
        }
        for statement in _STATEMENTS.values():
            text = sa.text(statement.replace(":step", "CAST(:step AS interval)"))
            used = {k: v for k, v in parameters.items() if k in text._bindparams}
            with engine.begin() as connection:
                connection.execute(
                    sa.text("SET LOCAL session_replication_role = replica")
                )
                connection.execute(sa.text("SET LOCAL synchronous_commit = off"))
                connection.execute(text, used)

    def parent_ids(self, count: int) -> list[str]:
        """Return the UUIDs of parents that requested inclusion, spread evenly."""
        step = max(1, self.parents // (6 * count)) * 6
        return [_uuid(f"parent {n * step + 1}") for n in range(count)]

    def recids(self, count: int) -> list[str]:
        """Return persistent identifiers of records of :meth:`parent_ids`."""
        step = max(1, self.parents // (6 * count)) * 6
        return [f"r{n * step + 1}-1" for n in range(count)]

    def community_ids(self, count: int) -> list[str]:
        """Return the UUIDs of communities."""
        return [_uuid(f"community {n}") for n in range(count)]


TABLES = tuple(_STATEMENTS)
"""The tables that are filled."""


def _uuid(text: str) -> str:
    """Return the UUID that equals ``md5(text)::uuid`` in the database."""
    return str(UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()))
