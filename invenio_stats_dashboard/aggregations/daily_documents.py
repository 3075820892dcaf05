# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read a community's documents of one family, one for each day.

Only days with activity have a stored document. For any other day, a delta is zero, and
a snapshot repeats the one before it.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from ..search.names import USAGE_FAMILIES, USAGE_SNAPSHOT, Names
from ..subcounts import Subcount
from .aggregate_reader import FIRST_DAY, AggregateReader, DocumentRange
from .documents import CHECKSUM, UPDATED, day_field, mapping

PAGE = 100
"""Number of documents in one response; on a large instance, one can have a megabyte."""

_NO_NUMBERS = ("community_id", "period_start", "snapshot_date", "subcounts", CHECKSUM)
_BY_BOTH: dict[str, list[Any]] = {"by_view": [], "by_download": []}


class StoredDays:
    """The documents of one community and family.

    Args:
        client: decodes responses.
        text_client: does not decode responses.
        names: the instance's index names.
        subcounts: the registry of breakdowns.
        family: one of :data:`~..search.names.FAMILIES`.
        community: UUID or ``global``.
    """

    def __init__(
        self,
        client: OpenSearch,
        text_client: OpenSearch,
        names: Names,
        subcounts: Mapping[str, Subcount],
        family: str,
        community: str,
    ) -> None:
        self._client, self.family, self.community = client, family, community
        self._documents = AggregateReader(text_client, names, family)
        self._subcounts = subcounts
        self._day = day_field(family)
        self._goes_on = self._day == "snapshot_date"

    def read(self, first: str, last: str) -> Iterator[dict[str, Any]]:
        """Yield a document for each day.

        A document is returned as stored, but without its checksum. If nothing is stored
        for a day, ``updated_timestamp`` is None.

        Args:
            first: first day, ``YYYY-MM-DD``.
            last: last day, inclusive.

        Raises:
            SearchUnavailableError: OpenSearch accepted no requests for too long.
        """
        before = self._before(first) if self._goes_on else None
        expected = date.fromisoformat(first)
        for document in self._stored(first, last):
            day = date.fromisoformat(document[self._day])
            yield from self._between(before, expected, day)
            yield document
            before, expected = document, day + timedelta(days=1)
        end = date.fromisoformat(last) + timedelta(days=1)
        yield from self._between(before, expected, end)

    def empty(self, day: str) -> dict[str, Any]:
        """Return the document of a day before the first activity.

        Args:
            day: ``YYYY-MM-DD``.
        """
        properties = mapping(self.family)["properties"]
        zeros = {
            name: _zeros(field)
            for name, field in properties.items()
            if name not in (*_NO_NUMBERS, UPDATED)
        }
        return {
            "community_id": self.community,
            self._day: day,
            **zeros,
            "subcounts": self._no_cells(),
            UPDATED: None,
        }

    # -- inside -------------------------------------------------------------

    def _stored(self, first: str, last: str) -> Iterator[dict[str, Any]]:
        parts = [DocumentRange(first, last, self.community)]
        for source in self._documents.sources(parts, size=PAGE):
            yield self._told(msgspec.json.decode(source))

    def _before(self, first: str) -> dict[str, Any] | None:
        """Return the last document before a day, or None."""
        filters = [
            {"term": {"community_id": self.community}},
            {"range": {self._day: {"gte": FIRST_DAY, "lt": first}}},
        ]
        hits = self._client.search(
            index=self._documents.alias,
            body={
                "size": 1,
                "query": {"bool": {"filter": filters}},
                "sort": [{self._day: "desc"}],
                "track_total_hits": False,
            },
            params={"ignore_unavailable": "true"},
        )["hits"]["hits"]
        return self._told(hits[0]["_source"]) if hits else None

    def _between(
        self, before: dict[str, Any] | None, first: date, end: date
    ) -> Iterator[dict[str, Any]]:
        """Yield documents for days without a stored one."""
        for number in range((end - first).days):
            day = (first + timedelta(days=number)).isoformat()
            if before is None or not self._goes_on:
                yield self.empty(day)
            else:
                yield {**before, self._day: day, UPDATED: None}

    def _told(self, source: dict[str, Any]) -> dict[str, Any]:
        source.pop(CHECKSUM, None)
        return source

    def _no_cells(self) -> dict[str, Any]:
        of_usage = self.family in USAGE_FAMILIES
        both = self.family == USAGE_SNAPSHOT
        return {
            s.key: _BY_BOTH if both and s.show == "top" else []
            for s in self._subcounts.values()
            if of_usage or s.of_record
        }


def _zeros(field: dict[str, Any]) -> Any:
    """Return zero for a field of the mapping: a number, or an object of numbers."""
    if "properties" in field:
        return {name: _zeros(inner) for name, inner in field["properties"].items()}
    return 0
