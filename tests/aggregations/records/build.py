# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Build community events and record facts with few arguments."""

import json
from datetime import date

import polars as pl

from invenio_stats_dashboard.aggregations.records import (
    counting,
    documents,
    presence,
    running_totals,
)
from invenio_stats_dashboard.aggregations.records.dates import day_number, first_day
from invenio_stats_dashboard.aggregations.records.value_numbering import CellNumbers

KEYS = ("subjects", "languages")


def day(number):
    """Return a day of February and March 2024; 29 is the leap day, 30 March 1st."""
    return date.fromordinal(date(2024, 1, 31).toordinal() + number)


def text(number):
    """Return such a day in the format of documents."""
    return day(number).isoformat()


def record(name, parent=None, created=1, published=None, files=0, owner=None, **values):
    """Return record facts with 10 bytes per file; keywords are breakdown values."""
    return {
        "recid": name,
        "parent_id": parent or f"parent of {name}",
        "created": f"{text(created)}T10:00:00",
        "published": published,
        "subcounts": values,
        "file_count": files,
        "data_volume": files * 10,
        "owner": owner,
    }


def timeline(record, *days, community="c", times=None):
    """Return events: added on the first day, removed on the second, and so on."""
    return [
        {
            "recid": record,
            "community_id": community,
            "place": place,
            "event_type": ("removed", "added")[place % 2],
            "event_date": f"{text(number)}T{(times or ['12:00:00'] * 9)[place - 1]}",
        }
        for place, number in enumerate(days, start=1)
    ]


class Counted:
    """The aggregates of some records and events on one basis.

    Args:
        records: results of :func:`record`.
        events: list of events.
        basis: created, published or added.
        today: day, numbered as in :func:`day`.
        limits: breakdown key -> number of values in a snapshot.
        restricted: the restricted communities.
    """

    def __init__(
        self,
        records,
        events,
        basis="added",
        today=60,
        limits=None,
        restricted=frozenset(),
    ):
        """Count."""
        communities = sorted({event["community_id"] for event in events})
        self._numbers, self.cells = {}, CellNumbers(KEYS)
        self.stays = presence.stays(self._events(events, communities))
        own = {c: n for n, c in enumerate(communities) if c in restricted}
        self.known = self._records(records, own)
        self.dated = presence.dated(self.stays, self.known, basis)
        self.today = day(today).toordinal()
        self.changes = presence.changes(self.dated, self.today)
        frame = counting.summed(counting.by_parent(self.changes, self.known))
        self._limits, self._communities = limits or {}, communities
        self.deltas, self.snapshots = self._documents([frame])
        self._frame = frame

    def _documents(self, frames):
        what = frames, self._communities, self.cells
        snapshots = documents.snapshot_documents(*what, self._limits)
        return _by_day(documents.delta_documents(frames, *what[1:])), _by_day(snapshots)

    def snapshots_since(self, first):
        """Return snapshots that are continued from a day on, one day at a time.

        Args:
            first: the first of these days, ISO 8601.
        """
        early = pl.col("day") < day_number(first)
        frame = self._frame.with_columns(
            day=pl.when(early).then(running_totals.BEFORE).otherwise("day")
        )
        days = counting.summed(frame).partition_by(
            "community", "day", maintain_order=True
        )
        return _by_day(
            documents.snapshot_documents(
                days, self._communities, self.cells, self._limits
            )
        )

    def _number(self, name):
        return self._numbers.setdefault(name, len(self._numbers))

    def _events(self, events, communities):
        rows = [
            (
                communities.index(event["community_id"]),
                self._number(event["recid"]),
                event["place"],
                event["event_type"] == "added",
                day_number(event["event_date"]),
            )
            for event in events
        ]
        return pl.DataFrame(rows, schema=presence.EVENTS, orient="row")

    def _records(self, records, restricted):
        parents, rows = {}, []
        for facts in records:
            created = day_number(facts["created"])
            rows.append(
                (
                    self._number(facts["recid"]),
                    parents.setdefault(facts["parent_id"], len(parents)),
                    created,
                    first_day(facts["published"]) or created,
                    facts["file_count"],
                    facts["data_volume"],
                    self.cells.of(facts["subcounts"], facts["owner"]),
                    (
                        self.cells.of_hidden(facts["owner"])
                        if facts.get("access") in ("hidden", "closed")
                        else None
                    ),
                    [
                        restricted[community]
                        for community in facts.get("communities", ())
                        if community in restricted
                    ],
                )
            )
        return pl.DataFrame(rows, schema=presence.RECORDS, orient="row")


def _by_day(documents):
    """Return (community, day) -> the document as it is read."""
    return {(d.community, d.day): json.loads(d.encoded) for d in documents}
