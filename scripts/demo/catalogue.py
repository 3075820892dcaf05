# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""What content there is: kept in a file, for events and for later runs."""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import datetime

from .legacy_events import File, Record

VERSION = 3
"""Raise it when older content must not be used any more."""


@dataclass(frozen=True)
class Catalogue:
    """The content of the demonstration.

    Attributes:
        deposits: records of the plan, new versions not counted.
        ended: the moment at which the story ends (naive UTC).
        months: how long the story is.
        communities: slug -> id.
        records: all published versions, as events tell of them.
    """

    deposits: int
    ended: datetime
    months: int
    communities: dict[str, str]
    records: tuple[Record, ...]

    def save(self, path):
        """Write the catalogue to a file."""
        document = {"version": VERSION, **asdict(self)}
        path.write_text(json.dumps(document, default=str, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path):
        """Return the catalogue that a file holds, or None without a usable one."""
        if not path.exists():
            return None
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("version") != VERSION:
            return None
        records = tuple(_record(item) for item in document.pop("records"))
        ended = datetime.fromisoformat(document.pop("ended"))
        return cls(records=records, ended=ended, **document)


def of(author, deposits, end, months):
    """Return the catalogue of what an author made.

    Needs an application context.

    Args:
        author: the :class:`~.content.Author` when all is told.
        deposits: number of deposits of the plan.
        end: the moment at which the story ends (naive UTC).
        months: how long the story is.
    """
    files = _files()
    records = [
        Record(
            recid=version.recid,
            parent_recid=made.parent,
            created=version.published,
            files=tuple(files[version.recid]),
            gone=version.gone,
            popularity=0.1 if made.deposit.access == "restricted" else 1.0,
        )
        for made in author.made
        for version in made.versions
    ]
    return Catalogue(deposits, end, months, dict(author.communities), tuple(records))


_FILES = """
    SELECT p.pid_value, o.bucket_id, o.file_id, o.key, f.size
    FROM rdm_records_files rf
    JOIN pidstore_pid p ON p.object_uuid = rf.record_id AND p.pid_type = 'recid'
    JOIN files_object o ON o.version_id = rf.object_version_id
    JOIN files_files f ON f.id = o.file_id
    ORDER BY p.pid_value, o.key
"""


def _files():
    """Return the files of each record, by its PID value."""
    from invenio_db import db
    from sqlalchemy import text

    files = defaultdict(list)
    for recid, bucket, file, key, size in db.session.execute(text(_FILES)):
        files[recid].append(File(str(bucket), str(file), key, size))
    return files


def _record(item):
    """Return a record from its JSON."""
    return Record(
        recid=item["recid"],
        parent_recid=item["parent_recid"],
        created=datetime.fromisoformat(item["created"]),
        files=tuple(File(**file) for file in item["files"]),
        gone=datetime.fromisoformat(item["gone"]) if item["gone"] else None,
        popularity=item["popularity"],
    )
