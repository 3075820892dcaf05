# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Reading the stored events that a COUNTER report counts."""

from opensearchpy.exceptions import NotFoundError

from ...aggregations.usage.event_reader import EventReader
from ...community_events.documents import GLOBAL
from ...queries.event_filters import of_community, whose
from .usage import UseEvent

_NO_ROBOTS = {"bool": {"must_not": [{"term": {"is_robot": True}}]}}
_NOT_ENRICHED = {"bool": {"must_not": [{"exists": {"field": "enriched_at"}}]}}


class CountedEvents:
    """The events of a community that count, without robots.

    Args:
        client: an ordinary client.
        text_client: a client that does not decode.
        names: the instance's :class:`~...search.names.Names`.
        only: event type -> the query for what counts, of
            :func:`~...aggregations.usage.event_filter.queries`.
        community: UUID, or ``global``.
        waiting: called with a sentence before each pause.
    """

    def __init__(self, client, text_client, names, only, community, waiting=None):
        """Keep what is needed; asks nothing yet."""
        self._client, self._names, self._community = client, names, community
        self._reader = EventReader(text_client, waiting, event=UseEvent)
        self._only = {
            event_type: {"bool": {"filter": [query, _NO_ROBOTS]}}
            for event_type, query in only.items()
        }

    def indices(self, month):
        """Return the indices that can hold events of a month.

        Args:
            month: ``YYYY-MM``.

        Returns:
            list: (event type, name, numbers of its shards). One that a migration
            replaces meanwhile can still be read by its name.
        """
        found = []
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
                # an index that is no month's can hold any
                if self._names.month_of(event_type, name) in (month, None):
                    found.append((event_type, name, shards))
        return found

    def day(self, indices, day):
        """Yield the events of a day.

        Args:
            indices: what :meth:`indices` returns.
            day: ``YYYY-MM-DD``, UTC.

        Yields:
            tuple: event type, and a list of :class:`~.usage.UseEvent`.

        Raises:
            SearchUnavailableError: OpenSearch did not answer, or not completely.
        """
        for event_type, name, shards in indices:
            only = {"bool": {"filter": whose(self._only[event_type], self._community)}}
            for events in self._reader.read(name, shards, day, day, only):
                yield event_type, events

    def number(self, first, last):
        """Return how many events of some days there are to count.

        Args:
            first: first UTC day, ``YYYY-MM-DD``.
            last: last day, inclusive.
        """
        return self._count(self._community, first, last)

    def unattributed(self, first, last):
        """Return how many events of some days are not enriched, of all communities.

        Args:
            first: first UTC day, ``YYYY-MM-DD``.
            last: last day, inclusive.
        """
        return self._count(GLOBAL, first, last, _NOT_ENRICHED)

    def _count(self, community, first, last, *also):
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
