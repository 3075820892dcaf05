# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""The indices of usage events: what the cluster has of each month, and what readers see.

A site whose suffix is no month, such as ``%Y-%m-%d``, has nothing that is migrated; its
events are enriched as they come like those of any other.
"""

import re
from dataclasses import dataclass, field
from datetime import timedelta

from ..errors import SearchUnavailableError
from ..search.mappings import schema_of

_MONTH = re.compile(r"^\d{4}-(0[1-9]|1[0-2])$")
_LATE_EVENTS = timedelta(days=7)

ENRICHED = {"exists": {"field": "enriched_at"}}
"""The query for events with enrichment."""


def in_ranges(month, ranges):
    """Tell whether a month is in one of the ranges; no ranges means every month."""
    return not ranges or any(first <= month <= last for first, last in ranges)


def is_writable(month, now):
    """Tell whether events of a month may still arrive.

    The current month, and the one before while queues may hold its last days.
    """
    return month >= (now - _LATE_EVENTS).strftime("%Y-%m")


@dataclass(frozen=True)
class EventsIndex:
    """One index of an event family as the cluster has it.

    Attributes:
        name: of the index.
        uuid: of the index; a recreated one has another.
        month: ``YYYY-MM``, or None if the name has none.
        schema: of the mark in its mapping; None for a legacy index.
        docs: live documents.
        bytes: of its primaries.
        shards: number of primaries.
        replicas: of each.
        aliases: names that lead to it.
        mappings: its mappings.
        settings: its ``index`` settings.
        closed: it cannot be read.
    """

    name: str
    uuid: str
    month: str | None
    schema: str | None
    docs: int
    bytes: int
    shards: int
    replicas: int
    aliases: frozenset
    mappings: dict = field(repr=False)
    settings: dict = field(repr=False)
    closed: bool = False


@dataclass(frozen=True)
class Month:
    """All indices of one event type and month.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        legacy: indices without the mark; the one that serves first.
        target: the enriched index of the migration, being filled or in service.
        native: an enriched index made by the template, not by the migration.
        backup: the legacy index after its switch.
    """

    event_type: str
    month: str
    legacy: tuple[EventsIndex, ...] = ()
    target: EventsIndex | None = None
    native: EventsIndex | None = None
    backup: EventsIndex | None = None

    @property
    def id(self):
        """Return the id of this month's bookmark."""
        return f"{self.event_type}-{self.month}"

    @property
    def source(self):
        """Return the legacy index that serves this month, or None."""
        return self.legacy[0] if self.legacy else None


def migrated_serves(names, month):
    """Tell whether the index that a month was migrated to has the month's name.

    Args:
        names: the instance's names.
        month: a :class:`Month`.
    """
    stock = names.events_month(month.event_type, month.month)
    return month.target is not None and stock in month.target.aliases


def serving(names, month):
    """Return the enriched index of a month that serves, or None.

    The source of a migration is none: its events are enriched when they are copied.

    Args:
        names: the instance's names.
        month: a :class:`Month`.
    """
    return month.target if migrated_serves(names, month) else month.native


def survey(client, names, event_types, ranges=()):
    """Return what the cluster holds of the event families, by month.

    Args:
        client: an ordinary client.
        names: the instance's names.
        event_types: the event types to look at.
        ranges: what :func:`parse_months` returned.

    Returns:
        tuple: the months in order, oldest first, and a list of legacy indices
        whose names have no month, which cannot be migrated.
    """
    months, strange = [], []
    for event_type in event_types:
        alias = names.events_alias(event_type)
        found = _indices(client, names, event_type, f"{alias}-*")
        backups = _indices(
            client, names, event_type, names.events_backup(event_type, "*")
        )
        kept = {
            name: index
            for name, index in found.items()
            if index.month is not None or index.schema is None
        }
        strange += [i for i in kept.values() if i.month is None]
        seen = {i.month for i in kept.values() if i.month} | {
            _backup_month(names, event_type, name) for name in backups
        }
        for month in sorted(m for m in seen if m and in_ranges(m, ranges)):
            months.append(_month(names, event_type, month, found, backups))
    return sorted(months, key=lambda m: (m.month, m.event_type != "view")), strange


def undated(client, names, event_types):
    """Return the indices that readers see and that are no month's by their names.

    A site that has another suffix than ``%Y-%m`` has them. They are no part of a
    migration.

    Args:
        client: an ordinary client.
        names: the instance's names.
        event_types: the event types to look at.

    Returns:
        list[EventsIndex]: by name.
    """
    found = []
    for event_type in event_types:
        alias = names.events_alias(event_type)
        indices = _indices(client, names, event_type, f"{alias}-*")
        found += [
            indices[name]
            for name in sorted(indices)
            if indices[name].month is None and alias in indices[name].aliases
        ]
    return found


def _month(names, event_type, month, found, backups):
    stock = names.events_month(event_type, month)
    target = names.events_target(event_type, month)
    mine = [i for i in found.values() if i.month == month]
    legacy = [i for i in mine if i.schema is None and i.name != target]
    native = [i for i in mine if i.schema is not None and i.name != target]
    read = names.events_alias(event_type)
    # the one that new events are written to comes first, then the one that is read
    legacy.sort(
        key=lambda i: (
            i.name != stock and stock not in i.aliases,
            read not in i.aliases,
            i.name,
        )
    )
    backup = backups.get(names.events_backup(event_type, month))
    if backup and backup.name in found:
        backup = None  # rolled back: it serves, and is among the legacy ones
    return Month(
        event_type=event_type,
        month=month,
        legacy=tuple(legacy),
        target=found.get(target),
        native=native[0] if native else None,
        backup=backup,
    )


def _backup_month(names, event_type, name):
    prefix = names.events_backup(event_type, "")
    month = name[len(prefix) :]
    return month if name.startswith(prefix) and _MONTH.match(month) else None


def _indices(client, names, event_type, pattern):
    details = client.indices.get(
        index=pattern,
        params={"expand_wildcards": "open,closed", "allow_no_indices": "true"},
    )
    if not details:
        return {}
    stats = client.transport.perform_request(
        "GET",
        f"/{pattern}/_stats/docs,store",
        params={
            "filter_path": "indices.*.primaries.docs.count,"
            "indices.*.primaries.store.size_in_bytes"
        },
    ).get("indices", {})
    result = {}
    for name, index in details.items():
        settings = index["settings"]["index"]
        primaries = stats.get(name, {}).get("primaries", {})
        result[name] = EventsIndex(
            name=name,
            uuid=settings["uuid"],
            month=_month_named(names, event_type, name, index.get("aliases", {})),
            schema=schema_of(index.get("mappings", {})),
            docs=primaries.get("docs", {}).get("count", 0),
            bytes=primaries.get("store", {}).get("size_in_bytes", 0),
            shards=int(settings["number_of_shards"]),
            replicas=int(settings["number_of_replicas"]),
            aliases=frozenset(index.get("aliases", {})),
            mappings=index.get("mappings", {}),
            settings=settings,
            # a red index is not among the statistics either, but it is not closed
            closed=settings.get("verified_before_close") == "true",
        )
    return result


def _month_named(names, event_type, name, aliases):
    """Return the month of an index by its name, else by the names that lead to it.

    After a rollback a backup serves under the stock name as its alias.
    """
    for candidate in (name, *sorted(aliases)):
        if month := names.month_of(event_type, candidate):
            return month
    return None


def strangers(client, names, event_types):
    """Return sentences about indices that are read but are not named as ours are.

    An index that was restored under another name brings its read alias along, and
    its events are seen twice. It is only told, since its name may be anybody's.

    Args:
        client: an ordinary client.
        names: the instance's names.
        event_types: the event types to look at.

    Returns:
        list[str]: one for each index.
    """
    sentences = []
    for event_type in event_types:
        alias = names.events_alias(event_type)
        # by the alias alone OpenSearch would look at all indices of the cluster
        found = client.indices.get_alias(index=alias, ignore=[404])
        ours = (f"{alias}-", names.events_backup(event_type, ""))
        sentences += [
            f"The index {index} is in the alias {alias}, but its name is not that of a "
            "month, so that it is not migrated and its events may be seen twice. Take "
            "it out of the alias if it was restored from a snapshot."
            for index in sorted(found)
            if index not in ("error", "status") and not index.startswith(ours)
        ]
    return sentences


@dataclass(frozen=True)
class ServedIndices:
    """The indices of usage events, but for legacy months nobody has begun with.

    Attributes:
        aliases: the read aliases of the event types that were looked at.
        indices: the enriched index of each month that has one in service, oldest
            first; then those that are read and are no month's.
        copied: names of what a month is being copied from and to.
    """

    aliases: tuple[str, ...]
    indices: tuple[EventsIndex, ...]
    copied: frozenset

    def holding(self, client, only):
        """Return the indices that readers see matching events in.

        Args:
            client: an ordinary client.
            only: list of queries that an event must match.

        Returns:
            list[str]: names, in the order of :attr:`indices`.

        Raises:
            SearchUnavailableError: OpenSearch does not answer completely.
        """
        found = buckets(client, self.aliases, only, "_index", 10_000)
        return [index.name for index in self.indices if index.name in found]

    def being_copied(self, client, only, records):
        """Return the records with matching events in months that are being copied.

        Args:
            client: an ordinary client.
            only: a query that an event must match.
            records: how many records can match.

        Returns:
            set[str]: their identifiers.

        Raises:
            SearchUnavailableError: OpenSearch does not answer completely.
        """
        if not self.copied:
            return set()
        # by pattern: hundreds of names would be too long for an address
        patterns = [f"{alias}-*" for alias in self.aliases]
        among = {"terms": {"_index": sorted(self.copied)}}
        return set(buckets(client, patterns, [among, only], "recid", records))


def look(client, names, event_types):
    """Return what is served now.

    Args:
        client: an ordinary client.
        names: the instance's names.
        event_types: the event types to look at.

    Returns:
        Served: of these event types.
    """
    months, _ = survey(client, names, event_types)
    indices, copied = [], set()
    for month in months:
        index = serving(names, month)
        if index is not None:
            indices.append(index)
        if month.target is not None and index is not month.target:
            copied |= {i.name for i in (month.target, *month.legacy)}
    return ServedIndices(
        aliases=tuple(names.events_alias(kind) for kind in event_types),
        indices=(*indices, *undated(client, names, event_types)),
        copied=frozenset(copied),
    )


def buckets(client, indices, only, field, size):
    """Return how many documents match, by a field.

    Args:
        client: an ordinary client.
        indices: names or patterns; what does not exist or is closed is left out.
        only: list of queries that a document must match.
        field: of a keyword.
        size: how many values there can be.

    Returns:
        dict: value -> number of documents.

    Raises:
        SearchUnavailableError: the cluster does not tell of all of them.
    """
    answer = client.search(
        index=indices,
        body={
            "size": 0,
            "query": {"bool": {"filter": only}},
            "aggs": {"by": {"terms": {"field": field, "size": size}}},
        },
        params={"ignore_unavailable": "true", "request_timeout": 120},
    )
    if answer["timed_out"] or answer["_shards"]["failed"]:
        raise SearchUnavailableError(
            "OpenSearch did not answer completely which usage events there are; the "
            "next run asks again."
        )
    found = answer.get("aggregations", {}).get("by", {}).get("buckets", ())
    return {bucket["key"]: bucket["doc_count"] for bucket in found}
