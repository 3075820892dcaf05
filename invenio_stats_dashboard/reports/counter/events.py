# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the stored events that a COUNTER report counts."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from ...aggregations.usage.event_reader import EventReader
from ...community_events.documents import GLOBAL
from ...queries.community_filter import of_community, whose
from ...search.names import Names
from .usage import UseEvent

SourceIndex = tuple[str, str, range]
"""Event type, name and shard numbers of an index."""

_NO_ROBOTS = {"bool": {"must_not": [{"term": {"is_robot": True}}]}}
_NOT_ENRICHED = {"bool": {"must_not": [{"exists": {"field": "enriched_at"}}]}}


class CountedEvents:
    """Reads the events of a community that count, without robots.

    Args:
        client: sends the requests.
        text_client: returns undecoded bodies.
        names: the names of the instance's indices.
        only: event type -> query for the events that count; see
            :func:`~...aggregations.usage.event_filter.queries`.
        community: UUID, or ``global``.
        waiting: called with a sentence before each pause.
    """

    def __init__(
        self,
        client: OpenSearch,
        text_client: OpenSearch,
        names: Names,
        only: Mapping[str, dict[str, Any]],
        community: str,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        self._client, self._names, self._community = client, names, community
        self._reader = EventReader(text_client, waiting, event=UseEvent)
        self._only = {
            event_type: {"bool": {"filter": [query, _NO_ROBOTS]}}
            for event_type, query in only.items()
        }

    def indices(self, month: str) -> list[SourceIndex]:
        """Return the indices that can hold events of a month.

        An index that a migration replaces meanwhile can still be read by its name.

        Args:
            month: ``YYYY-MM``.
        """
        found: list[SourceIndex] = []
        for event_type in self._only:
            alias = self._names.events_alias(event_type)
            try:
                settings = self._client.indices.get_settings(
                    index=alias, name="index.number_of_shards"
                )
            except NotFoundError:
                continue
            for name, body in sorted(settings.items()):
                shards = range(int(body["settings"]["index"]["number_of_shards"]))
                # an index without a month in its name can hold events of any month
                if self._names.month_of(event_type, name) in (month, None):
                    found.append((event_type, name, shards))
        return found

    def day(
        self, indices: Iterable[SourceIndex], day: str
    ) -> Iterator[tuple[str, list[UseEvent]]]:
        """Yield the events of a day, with their event type.

        Args:
            indices: result of :meth:`indices`.
            day: ``YYYY-MM-DD``, UTC.

        Raises:
            SearchUnavailableError: OpenSearch did not answer, or not completely.
        """
        for event_type, name, shards in indices:
            only = {"bool": {"filter": whose(self._only[event_type], self._community)}}
            for events in self._reader.read(name, shards, day, day, only):
                yield event_type, events

    def number(self, first: str, last: str) -> int:
        """Return the number of events to count in some days.

        Args:
            first: first UTC day, ``YYYY-MM-DD``.
            last: last day, inclusive.
        """
        return self._count(self._community, first, last)

    def unattributed(self, first: str, last: str) -> int:
        """Return the number of events of the whole instance that are not enriched.

        Args:
            first: first UTC day, ``YYYY-MM-DD``.
            last: last day, inclusive.
        """
        return self._count(GLOBAL, first, last, _NOT_ENRICHED)

    def _count(
        self, community: str, first: str, last: str, *also: dict[str, Any]
    ) -> int:
        number = 0
        for event_type, only in self._only.items():
            query = of_community(only, community, first, last)
            query["bool"]["filter"] += also
            number += self._client.count(
                index=self._names.events_alias(event_type),
                body={"query": query},
                params={"ignore_unavailable": "true"},
            )["count"]
        return number
