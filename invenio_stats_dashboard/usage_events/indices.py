# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find the indices of usage events: those of each month, and those that readers see.

If a site's suffix is not a month, such as ``%Y-%m-%d``, it has no months to migrate.
Its new events are enriched like those of any other site.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from ..search.client import is_transient
from ..search.failures import Block, block_of, explain, index_block
from ..search.mappings import schema_of
from ..search.names import MONTH_PATTERN, SCHEMA, Names

_LATE_EVENTS = timedelta(days=7)

MAX_TERMS = 65_536
"""Default of ``index.max_terms_count``, the number of values in a query."""

_RESTRICTIONS = {"filter", "index_routing", "search_routing"}
"""Options of an alias by which it leads to a part of an index."""

_ALL = "open,closed,hidden"
_OPEN = "open,hidden"
"""States of the indices that a pattern matches."""

_PREVENTING = ("metadata", "read_only", "read")
"""Blocks of an index that a migration cannot work with.

``read_only_allow_delete`` is not one of them: OpenSearch removes it when disk space is
free again, so a migration waits for that.
"""

ENRICHED = {"exists": {"field": "enriched_at"}}
"""The query for enriched events."""


def in_ranges(month: str, ranges: Collection[tuple[str, str]]) -> bool:
    """Return whether a month is in one of the ranges; no ranges means every month.

    Args:
        month: ``YYYY-MM``.
        ranges: first and last month of each range, inclusive.
    """
    return not ranges or any(first <= month <= last for first, last in ranges)


def is_writable(month: str, now: datetime) -> bool:
    """Return whether events of a month may still arrive.

    This is true for the current month. For seven days it is also true for the month
    before, because queues may still hold its events.
    """
    return month >= (now - _LATE_EVENTS).strftime("%Y-%m")


@dataclass(frozen=True)
class EventsIndex:
    """The state of one index of usage events in the cluster.

    Attributes:
        name: name of the index.
        uuid: its UUID. A recreated index has another one.
        month: ``YYYY-MM``, or None if neither its name nor its aliases contain one.
        schema: schema version in its mapping; None for a legacy index.
        docs: number of live documents.
        bytes: size of its primary shards.
        shards: number of primary shards.
        replicas: number of replicas of each shard.
        aliases: names of its aliases.
        restricted: those of its aliases that have a filter or a routing.
        mappings: its mappings.
        settings: its ``index`` settings.
        closed: whether it is closed, so that it cannot be read.
    """

    name: str
    uuid: str
    month: str | None
    schema: str | None
    docs: int
    bytes: int
    shards: int
    replicas: int
    aliases: frozenset[str]
    mappings: dict[str, Any] = field(repr=False)
    settings: dict[str, Any] = field(repr=False)
    closed: bool = False
    restricted: frozenset[str] = frozenset()

    @property
    def source_setting(self) -> str | None:
        """Return the setting by which OpenSearch returns events incompletely, or None.

        Such an event cannot be copied, and writing it again would lose fields.
        """
        source = self.mappings.get("_source", {})
        if str(source.get("enabled")).lower() == "false":
            return "_source.enabled"
        parts = [name for name in ("excludes", "includes") if source.get(name)]
        return f"_source.{parts[0]}" if parts else None

    @property
    def block(self) -> Block | None:
        """Return a block that prevents the migration of this index, or None.

        A block of writes only does not prevent it.
        """
        blocks = self.settings.get("blocks", {})
        for name in _PREVENTING:
            if str(blocks.get(name)).lower() == "true":
                return index_block(self.name, name)
        return None


@dataclass(frozen=True)
class Month:
    """All indices of one event type and month.

    Attributes:
        event_type: view or download.
        month: ``YYYY-MM``.
        legacy: the legacy indices; the one that new events are written to is first.
        target: the target index of the migration, before or after the cut-over.
        native: an enriched index that the template made, not the migration.
        backup: the backup index.
    """

    event_type: str
    month: str
    legacy: tuple[EventsIndex, ...] = ()
    target: EventsIndex | None = None
    native: EventsIndex | None = None
    backup: EventsIndex | None = None

    @property
    def id(self) -> str:
        """Return the id of this month's bookmark."""
        return f"{self.event_type}-{self.month}"

    @property
    def source(self) -> EventsIndex | None:
        """Return the legacy index that is in service for this month, or None."""
        return self.legacy[0] if self.legacy else None


def target_name(names: Names, month: Month) -> str:
    """Return the name of a month's target index, which need not exist.

    The earlier extension gave its enriched months the same names. Such an index has no
    schema version, so it is legacy. Its target is named after it, as any other.
    """
    if month.target is not None:
        return month.target.name
    first, second = _target_names(names, month.event_type, month.month)
    return second if any(i.name == first for i in month.legacy) else first


def _target_names(names: Names, event_type: str, month: str) -> tuple[str, str]:
    first = names.events_target(event_type, month)
    return first, f"{first}.v{SCHEMA}"


def migrated_serves(names: Names, month: Month) -> bool:
    """Return whether a month's target index has the write alias of the month."""
    stock = names.events_month(month.event_type, month.month)
    return month.target is not None and stock in month.target.aliases


def serving(names: Names, month: Month) -> EventsIndex | None:
    """Return the enriched index that is in service for a month, or None.

    A legacy index is never returned. Its events are enriched when they are copied.
    Neither is an index whose events cannot be written again completely.
    """
    index = month.target if migrated_serves(names, month) else month.native
    return None if index is None or index.source_setting else index


def survey(
    client: OpenSearch,
    names: Names,
    event_types: Iterable[str],
    ranges: Collection[tuple[str, str]] = (),
) -> tuple[list[Month], list[EventsIndex]]:
    """Return the indices of usage events in the cluster, by month.

    Args:
        client: decodes responses.
        names: the instance's index names.
        event_types: the event types to examine.
        ranges: first and last month of each range, inclusive; empty for all months.

    Returns:
        The months, oldest first, and the legacy indices without a month in their
        names, which cannot be migrated.
    """
    months: list[Month] = []
    strange: list[EventsIndex] = []
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


def undated(
    client: OpenSearch, names: Names, event_types: Iterable[str]
) -> list[EventsIndex]:
    """Return the indices that readers see and whose names contain no month.

    They exist on sites with another suffix than ``%Y-%m``. They are not migrated.

    Args:
        client: decodes responses.
        names: the instance's index names.
        event_types: the event types to examine.

    Returns:
        The indices, for each event type sorted by name.
    """
    found: list[EventsIndex] = []
    for event_type in event_types:
        alias = names.events_alias(event_type)
        indices = _indices(client, names, event_type, f"{alias}-*")
        found += [
            indices[name]
            for name in sorted(indices)
            if indices[name].month is None and alias in indices[name].aliases
        ]
    return found


def _month(
    names: Names,
    event_type: str,
    month: str,
    found: Mapping[str, EventsIndex],
    backups: Mapping[str, EventsIndex],
) -> Month:
    stock = names.events_month(event_type, month)
    mine = [i for i in found.values() if i.month == month]
    legacy = [i for i in mine if i.schema is None]
    enriched = [i for i in mine if i.schema is not None]
    by_name = {i.name: i for i in enriched}
    targets = [by_name.get(n) for n in _target_names(names, event_type, month)]
    target = next((t for t in targets if t is not None), None)
    native = [i for i in enriched if i is not target]
    read = names.events_alias(event_type)
    # First the index that new events are written to, then those that are read.
    legacy.sort(
        key=lambda i: (
            i.name != stock and stock not in i.aliases,
            read not in i.aliases,
            i.name,
        )
    )
    backup = backups.get(names.events_backup(event_type, month))
    if backup and backup.name in found:
        backup = None  # After a rollback it is in service, as a legacy index.
    return Month(
        event_type=event_type,
        month=month,
        legacy=tuple(legacy),
        target=target,
        native=native[0] if native else None,
        backup=backup,
    )


def _backup_month(names: Names, event_type: str, name: str) -> str | None:
    prefix = names.events_backup(event_type, "")
    month = name[len(prefix) :]
    return month if name.startswith(prefix) and MONTH_PATTERN.match(month) else None


def _indices(
    client: OpenSearch, names: Names, event_type: str, pattern: str
) -> dict[str, EventsIndex]:
    details, excluded = _details(client, pattern)
    if not details:
        return {}
    stats = client.transport.perform_request(
        "GET",
        f"/{excluded}/_stats/docs,store",
        params={
            "expand_wildcards": _OPEN,
            "filter_path": "indices.*.primaries.docs.count,"
            "indices.*.primaries.store.size_in_bytes",
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
            restricted=frozenset(
                alias
                for alias, options in index.get("aliases", {}).items()
                if _RESTRICTIONS & options.keys()
            ),
            mappings=index.get("mappings", {}),
            settings=settings,
            # A red index has no statistics either, but it is not closed.
            closed=settings.get("verified_before_close") == "true",
        )
    return result


def _details(client: OpenSearch, pattern: str) -> tuple[dict[str, Any], str]:
    """Return settings, mappings and aliases of indices, also of blocked ones.

    If the metadata of an index is blocked, OpenSearch refuses a request about all
    indices of the pattern. The state of the cluster shows the blocked index all the
    same.

    Args:
        client: decodes responses.
        pattern: pattern of the names.

    Returns:
        Name -> details, and the pattern without the blocked indices.
    """
    params = {"expand_wildcards": _ALL, "allow_no_indices": "true"}
    try:
        return client.indices.get(index=pattern, params=params), pattern
    except OpenSearchException as error:
        found = block_of(error)
        if found is None or found.setting != "index.blocks.metadata":
            raise
    state = client.cluster.state(
        metric="metadata",
        index=pattern,
        params={
            "expand_wildcards": _ALL,
            "filter_path": "metadata.indices.*.settings,"
            "metadata.indices.*.mappings,metadata.indices.*.aliases",
        },
    )
    details: dict[str, Any] = {}
    blocked = []
    for name, index in state.get("metadata", {}).get("indices", {}).items():
        mappings = index.get("mappings", {})
        details[name] = {
            "settings": index["settings"],
            "mappings": mappings.get("_doc", mappings),
            "aliases": {alias: {} for alias in index.get("aliases", ())},
        }
        if index["settings"]["index"].get("blocks", {}).get("metadata") == "true":
            blocked.append(name)
    others = ",".join([pattern, *(f"-{name}" for name in blocked)])
    # the state has the names of aliases, without their filters
    aliases = client.indices.get_alias(index=others, params=params)
    for name, index in aliases.items():
        details.get(name, {}).update(index)
    return details, others


def _month_named(
    names: Names, event_type: str, name: str, aliases: Iterable[str]
) -> str | None:
    """Return the month of an index from its name, else from its aliases.

    After a rollback, a backup index is in service and has the stock name as an alias.
    """
    for candidate in (name, *sorted(aliases)):
        if month := names.month_of(event_type, candidate):
            return month
    return None


def strangers(
    client: OpenSearch, names: Names, event_types: Iterable[str]
) -> list[str]:
    """Return a warning for each index that is in a read alias under a foreign name.

    An index that was restored under another name still has its read alias, so its
    events are counted twice. It is only reported, because any program may own its
    name.

    Args:
        client: decodes responses.
        names: the instance's index names.
        event_types: the event types to examine.

    Returns:
        A text for each index.
    """
    sentences: list[str] = []
    for event_type in event_types:
        alias = names.events_alias(event_type)
        # Given only the alias, OpenSearch would examine all indices of the cluster.
        try:
            found = client.indices.get_alias(index=alias, ignore=[404])
        except OpenSearchException as error:
            if is_transient(error):
                raise
            sentences.append(
                "It is unknown whether other indices are in the alias "
                f"{alias}. {explain(error)}"
            )
            continue
        ours = (f"{alias}-", names.events_backup(event_type, ""))
        sentences += [
            f"The index {index} is in the alias {alias}, but its name does not begin "
            f"with {alias}-. It is not migrated, and its events may be seen twice. If "
            "it was restored from a snapshot, remove it from the alias."
            for index in sorted(found)
            if index not in ("error", "status") and not index.startswith(ours)
        ]
    return sentences


@dataclass(frozen=True)
class ServedIndices:
    """The indices of usage events, except legacy months whose copy has not started.

    Attributes:
        aliases: the read aliases of the event types.
        indices: the enriched index in service of each month, oldest first; then the
            indices that readers see and that belong to no month.
        copied: names of the indices that are being copied, and of their targets.
        max_terms: number of values that a query of all these indices may have.
    """

    aliases: tuple[str, ...]
    indices: tuple[EventsIndex, ...]
    copied: frozenset[str]
    max_terms: int = MAX_TERMS

    def holding(self, client: OpenSearch, only: list[dict[str, Any]]) -> list[str]:
        """Return the indices in which readers see matching events.

        Args:
            client: decodes responses.
            only: queries that an event must match.

        Returns:
            Names, in the order of :attr:`indices`.

        Raises:
            OpenSearchException: OpenSearch does not respond, or not completely.
        """
        found = buckets(client, self.aliases, only, "_index", 10_000)
        return [index.name for index in self.indices if index.name in found]

    def being_copied(
        self, client: OpenSearch, only: dict[str, Any], records: int
    ) -> set[str]:
        """Return the records with matching events in months that are being copied.

        Args:
            client: decodes responses.
            only: a query that an event must match.
            records: maximum number of records that match.

        Returns:
            Identifiers of the records.

        Raises:
            OpenSearchException: OpenSearch does not respond, or not completely.
        """
        if not self.copied:
            return set()
        # Patterns, because hundreds of names would be too long for a URL.
        patterns = [f"{alias}-*" for alias in self.aliases]
        # not "terms", of which an index can allow fewer
        names = [{"term": {"_index": name}} for name in sorted(self.copied)]
        among = {"bool": {"should": names}}
        return set(buckets(client, patterns, [among, only], "recid", records))


def look(
    client: OpenSearch, names: Names, event_types: Collection[str]
) -> ServedIndices:
    """Return the indices of usage events that are in service now.

    Args:
        client: decodes responses.
        names: the instance's index names.
        event_types: the event types to examine.
    """
    months, strange = survey(client, names, event_types)
    without_month = undated(client, names, event_types)
    indices: list[EventsIndex] = []
    copied: set[str] = set()
    others = (terms_limit(index.settings) for index in (*strange, *without_month))
    max_terms = min(others, default=MAX_TERMS)
    for month in months:
        index = serving(names, month)
        if index is not None:
            indices.append(index)
        if month.target is not None and not migrated_serves(names, month):
            copied |= {i.name for i in (month.target, *month.legacy)}
        for found in (month.target, month.native, *month.legacy):
            if found is not None:
                max_terms = min(max_terms, terms_limit(found.settings))
    return ServedIndices(
        aliases=tuple(names.events_alias(kind) for kind in event_types),
        indices=(*indices, *(i for i in without_month if not i.source_setting)),
        copied=frozenset(copied),
        max_terms=max_terms,
    )


def terms_limit(settings: Mapping[str, Any]) -> int:
    """Return the number of values that a query of an index may have.

    Args:
        settings: the ``index`` settings of the index.
    """
    return int(settings.get("max_terms_count", MAX_TERMS))


def buckets(
    client: OpenSearch,
    indices: Collection[str],
    only: list[dict[str, Any]],
    field: str,
    size: int,
) -> dict[str, int]:
    """Return the number of matching documents by value of a field.

    Args:
        client: decodes responses.
        indices: names or patterns. Missing and closed indices are left out.
        only: queries that a document must match.
        field: name of a keyword field.
        size: maximum number of values.

    Returns:
        Number of documents by value.

    Raises:
        OpenSearchException: OpenSearch does not respond, or not completely.
    """
    answer = client.search(
        index=indices,
        body={
            "size": 0,
            "query": {"bool": {"filter": only}},
            "aggs": {"by": {"terms": {"field": field, "size": size}}},
        },
        params={
            "ignore_unavailable": "true",
            "expand_wildcards": _OPEN,
            "request_timeout": 120,
        },
    )
    found = answer.get("aggregations", {}).get("by", {}).get("buckets", ())
    return {bucket["key"]: bucket["doc_count"] for bucket in found}
