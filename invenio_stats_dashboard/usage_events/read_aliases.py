# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Where enriched events are served from, whatever a site's suffix is.

A site whose suffix is no month, such as ``%Y-%m-%d``, has nothing that is migrated; its
events are enriched as they come like those of any other.
"""

from dataclasses import dataclass

from ..errors import SearchUnavailableError
from ..migration.months import EventsIndex, serving, survey, undated

ENRICHED = {"exists": {"field": "enriched_at"}}
"""The query for events with enrichment."""


@dataclass(frozen=True)
class Served:
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
    return Served(
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
