# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reports that are counted from the usage events themselves."""

from dataclasses import asdict, dataclass

import xxhash

from ..aggregations.usage.event_filter import queries
from ..errors import UsageError
from ..queries import argument_parsing, visible_records
from ..queries.caching import cache, cached
from ..queries.event_filters import of_community
from ..reports.top_records import TopRecordsReader, TopRecordsResult
from ..search.client import json_client
from ..search.names import Names

VIEWS, DOWNLOADS = "views", "downloads"
PARENTS, RECORDS = "parents", "records"
LARGEST = 100
"""Most rows of a list of the most used records."""

_EVENT_TYPES = {VIEWS: "view", DOWNLOADS: "download"}
_FIELDS = {
    PARENTS: ("parent_recid", visible_records.PARENT),
    RECORDS: ("recid", visible_records.RECID),
}


@dataclass(frozen=True)
class UsedRecord:
    """One row of the most used records.

    Attributes:
        rank: 1 for the most used.
        recid: of the record, or of the latest version of a parent; None if the caller
            may not see it.
        parent_recid: the same of all versions together.
        title: its title; None if the caller may not see it.
        count: views or downloads.
        visible: the caller may see the record.
        deleted: it is deleted, or not there any more.
    """

    rank: int
    recid: str | None
    parent_recid: str | None
    title: str | None
    count: int
    visible: bool
    deleted: bool


@dataclass(frozen=True)
class MostUsedRecords:
    """The most used records of a community in some days.

    Attributes:
        community_id: UUID, or ``global``.
        start_date: first UTC day, ``YYYY-MM-DD``.
        end_date: last day, inclusive; not after today.
        by: ``views`` or ``downloads``.
        of: ``parents`` (all versions together) or ``records`` (each by itself).
        total: views or downloads of all records of the community in these days.
        rows: the most used first, ties by identifier.
    """

    community_id: str
    start_date: str
    end_date: str
    by: str
    of: str
    total: int
    rows: tuple[UsedRecord, ...]

    def as_json(self):
        """Return it as dicts and lists; a row has its number under ``by``."""
        rows = []
        for row in self.rows:
            told = asdict(row)
            count = told.pop("count")
            rows.append({**told, self.by: count})
        return {**asdict(self), "rows": rows}


def most_used_records(
    app,
    community_id,
    identity,
    by,
    of,
    start_date=None,
    end_date=None,
    size=10,
    seconds=0,
):
    """Return the most used records; see ``CommunityStatsService.most_used_records``.

    Args:
        app: the Flask application.
        community_id: UUID, slug, or ``global``.
        identity: of the caller; None for somebody who is not logged in.
        by: ``views`` or ``downloads``.
        of: ``parents`` or ``records``.
        start_date: first day, or None.
        end_date: last day, or None.
        size: how many rows at most.
        seconds: for which numbers may be kept in the site's cache.

    Returns:
        MostUsedRecords: the list.
    """
    argument_parsing.one_of(by, _EVENT_TYPES, "by")
    argument_parsing.one_of(of, _FIELDS, "of")
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST:
        raise UsageError(f"The size is {size!r}; it can be from 1 to {LARGEST}.")
    (community,) = argument_parsing.with_global([community_id])
    first, last = argument_parsing.range_of_days(start_date, end_date)
    event_type, (field, key) = _EVENT_TYPES[by], _FIELDS[of]
    found = TopRecordsResult([], 0)
    if only := queries(app).get(event_type):  # a site may not have such events
        alias = Names.of(app).events_alias(event_type)
        query = of_community(only, community, first, last)
        reader = TopRecordsReader(json_client(app, timeout=60), alias, query, field)
        found = _read(reader, f"{alias}:{field}:{size}:{query}", size, seconds)
    rows = tuple(_rows(found.counts, key, identity))
    return MostUsedRecords(community, first, last, by, of, found.total, rows)


def _read(reader, question, size, seconds):
    """Return the numbers, which are the same for everyone, maybe from the cache."""
    if not seconds:
        return reader.read(size)
    digest = xxhash.xxh3_128_hexdigest(question.encode())
    key = f"stats-dashboard-top-records:{digest}"
    if kept := cached({key: key}):
        counts, total = kept[key]
        return TopRecordsResult([(id, count) for id, count in counts], total)
    found = reader.read(size)
    cache({key: (found.counts, found.total)}, seconds)
    return found


def _rows(counts, key, identity):
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
