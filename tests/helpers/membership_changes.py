# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Change memberships at a steady rate, and measure when live capture stores them."""

import threading
import time
from dataclasses import dataclass, field

import sqlalchemy as sa
from flask import Flask
from invenio_db import db
from invenio_rdm_records.records.models import RDMParentCommunity
from opensearchpy import OpenSearch

from invenio_stats_dashboard.community_events.documents import event_id
from invenio_stats_dashboard.search.names import Names

_PARENTS = sa.text("""
    SELECT record.id, record.parent_id, EXTRACT(year FROM record.created)::int
    FROM rdm_records_metadata record
    WHERE record.index = 1 AND record.deletion_status = 'P' AND record.json IS NOT NULL
      AND NOT EXISTS (SELECT FROM rdm_records_metadata other
                      WHERE other.parent_id = record.parent_id AND other.index > 1)
      AND NOT EXISTS (SELECT FROM rdm_parents_community row
                      WHERE row.record_id = record.parent_id)
      AND NOT EXISTS (SELECT FROM request_metadata request
                      WHERE request.json -> 'topic' ->> 'record' = record.json ->> 'id')
    LIMIT :count
    """)

_POLLED, _AT_ONCE = 0.05, 100
"""Seconds between two looks for the oldest events, and their number.

More would load the cluster that is measured.
"""


@dataclass
class MembershipChanges:
    """Adds records to a community at a steady rate, one record per transaction.

    Args:
        app: the application of this process.
        client: decodes responses.
        names: the instance's index names.
        per_second: number of changes per second.

    Attributes:
        seconds: time from the commit of each change until its event was stored, for
            the stored events.
        late: largest delay of a change, in seconds.
    """

    app: Flask
    client: OpenSearch
    names: Names
    per_second: float
    seconds: list[float] = field(default_factory=list)
    late: float = 0.0
    _waiting: dict[str, tuple[int, float]] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)

    def make(
        self, community_id: str, count: int, stop: threading.Event | None = None
    ) -> int:
        """Add records that are in no community.

        Args:
            community_id: UUID of the community to add the records to.
            count: maximum number of changes.
            stop: ends this early when it is set.

        Returns:
            The number of changes.
        """
        stop, made = stop or threading.Event(), 0
        with self.app.app_context():
            records = db.session.execute(_PARENTS, {"count": count}).all()
            db.session.rollback()
            start = time.monotonic()
            for number, (record_id, parent_id, year) in enumerate(records):
                due = start + number / self.per_second
                self.late = max(self.late, time.monotonic() - due)
                if stop.wait(max(0.0, due - time.monotonic())):
                    break
                db.session.add(
                    RDMParentCommunity(record_id=parent_id, community_id=community_id)
                )
                db.session.commit()
                key = event_id(str(record_id), community_id, 1)
                self._waiting[key] = year, time.monotonic()
                made += 1
        return made

    def watch(self) -> threading.Thread:
        """Start to look for the events of the changes; :meth:`finish` stops it."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        return thread

    def finish(self, patience: float) -> int:
        """Wait for the events of all changes.

        Args:
            patience: maximum number of seconds to wait.

        Returns:
            The number of changes that still have no event.
        """
        end = time.monotonic() + patience
        while self._waiting and time.monotonic() < end:
            time.sleep(0.1)
        self._done.set()
        return len(self._waiting)

    def _watch(self) -> None:
        while not self._done.wait(_POLLED):
            waiting = dict(self._waiting)
            if not waiting:
                continue
            docs = [
                {"_index": self.names.community_events_year(year), "_id": key}
                for key, (year, _) in list(waiting.items())[:_AT_ONCE]
            ]
            answer = self.client.mget(body={"docs": docs}, _source=False)
            now = time.monotonic()
            for doc in answer["docs"]:
                if doc.get("found"):
                    self.seconds.append(now - waiting[doc["_id"]][1])
                    del self._waiting[doc["_id"]]
