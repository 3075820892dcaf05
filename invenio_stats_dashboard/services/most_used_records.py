# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""List the most used records of a community, counted from its usage events."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from flask import Flask
from flask_principal import Identity
from invenio_records_resources.services.base.results import ServiceListResult

from ..aggregations.usage.event_filter import queries
from ..errors import UsageError
from ..queries import argument_parsing, visible_records
from ..queries.caching import cache, cached
from ..queries.community_filter import of_community
from ..queries.compute_once import ComputeOnce
from ..queries.usage_data_version import EventMonths, digest
from ..reports.top_records import TopRecordsReader, TopRecordsResult
from ..search.client import json_client
from ..search.names import Names

VIEWS, DOWNLOADS = "views", "downloads"
PARENTS, RECORDS = "parents", "records"
LARGEST = 100
"""Maximum number of rows of a list of the most used records."""

_EVENT_TYPES = {VIEWS: "view", DOWNLOADS: "download"}
_FIELDS = {
    PARENTS: ("parent_recid", visible_records.PARENT),
    RECORDS: ("recid", visible_records.RECID),
}


@dataclass(frozen=True)
class UsedRecord:
    """One row of the most used records.

    Attributes:
        rank: 1 for the most used record.
        recid: recid of the record, or of the latest version of a parent; None if the
            caller may not see it.
        parent_recid: recid of the parent; None if the caller may not see it.
        title: its title; None if the caller may not see it.
        count: views or downloads.
        visible: whether the caller may see the record.
        deleted: whether the record is deleted or no longer exists.
    """

    rank: int
    recid: str | None
    parent_recid: str | None
    title: str | None
    count: int
    visible: bool
    deleted: bool


@dataclass(frozen=True)
class MostUsedRecords(ServiceListResult):
    """The most used records of a community in a range of days.

    Attributes:
        community_id: UUID, or ``global``.
        start_date: first UTC day, ``YYYY-MM-DD``.
        end_date: last day, inclusive; not after today.
        by: ``views`` or ``downloads``.
        of: ``parents`` (all versions together) or ``records`` (each version).
        total: views or downloads of all records of the community in these days.
        rows: the most used first; ties in the order of their identifiers.
    """

    community_id: str
    start_date: str
    end_date: str
    by: str
    of: str
    total: int
    rows: tuple[UsedRecord, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the list as JSON; a row has its count under the value of ``by``."""
        rows = []
        for row in self.rows:
            fields = asdict(row)
            count = fields.pop("count")
            rows.append({**fields, self.by: count})
        return {**asdict(self), "rows": rows}


def most_used_records(
    app: Flask,
    community: str,
    identity: Identity,
    by: str,
    of: str,
    start_date: str | date | None = None,
    end_date: str | date | None = None,
    size: int = 10,
    seconds: int = 0,
    once: ComputeOnce | None = None,
) -> MostUsedRecords:
    """Return the most used records; see ``CommunityStatsItem.most_used_records``.

    The community is a UUID, or ``global``; it is not checked whether the identity may
    read its statistics. ``once`` shares the count with other requests.
    """
    argument_parsing.one_of(by, _EVENT_TYPES, "by")
    argument_parsing.one_of(of, _FIELDS, "of")
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST:
        raise UsageError(f"The size is {size!r}; it must be from 1 to {LARGEST}.")
    first, last = argument_parsing.range_of_days(start_date, end_date)
    event_type, (field, key) = _EVENT_TYPES[by], _FIELDS[of]
    found = TopRecordsResult([], 0)
    if only := queries(app).get(event_type):  # a site may not have such events
        client, names = json_client(app, timeout=60), Names.of(app)
        alias = names.events_alias(event_type)
        query = of_community(only, community, first, last)
        reader = TopRecordsReader(client, alias, query, field)
        months = EventMonths(client, names, [event_type], first, last)
        question = digest(alias, field, query)
        found = _read(reader, months, question, size, seconds, once or ComputeOnce())
    rows = tuple(_rows(found.counts, key, identity))
    return MostUsedRecords(community, first, last, by, of, found.total, rows)


def _read(
    reader: TopRecordsReader,
    months: EventMonths,
    question: str,
    size: int,
    seconds: int,
    once: ComputeOnce,
) -> TopRecordsResult:
    """Return the numbers, which are the same for all callers.

    They are counted once for each version of the events. The longest list is counted,
    and serves all sizes: otherwise a caller could have the same events counted a hundred
    times. The version itself is read again after some seconds, since that of the current
    month changes all the time.
    """
    key = f"stats-dashboard-top-records:{question}"
    if not seconds:
        return once.answer(f"{key}:{size}", lambda: reader.read(size), 0)

    def count() -> tuple[list[tuple[str, int]], int]:
        months.refresh()
        found = reader.read(LARGEST)
        return found.counts, found.total

    counts, total = once.answer(f"{key}:{_version(months, seconds)}", count)
    return TopRecordsResult([(id, count) for id, count in counts[:size]], total)


def _version(months: EventMonths, seconds: int) -> str:
    """Return the version of the events, which may be some seconds old."""
    key = f"stats-dashboard-events-version:{months.key}"
    found: dict[str, str] = cached({key: key})
    if not found:
        found = {key: months.version()}
        cache(found, seconds)
    return found[key]


def _rows(
    counts: list[tuple[str, int]], key: str, identity: Identity
) -> Iterator[UsedRecord]:
    ids = [id for id, _ in counts]
    seen = visible_records.seen(identity, key, ids)
    hidden = visible_records.exists(key, [id for id in ids if id not in seen])
    for rank, (id, count) in enumerate(counts, 1):
        if record := seen.get(id):
            yield UsedRecord(
                rank,
                record.recid,
                record.parent_recid,
                record.title,
                count,
                visible=True,
                deleted=record.deleted,
            )
        else:
            gone = id not in hidden or hidden[id].deleted
            yield UsedRecord(rank, None, None, None, count, False, deleted=gone)
