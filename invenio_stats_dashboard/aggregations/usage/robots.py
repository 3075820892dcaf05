# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Count the stored events of robots, and how many of them are left out."""

from dataclasses import dataclass, replace
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ...search.names import Names
from .event_filter import ROBOTS, CountingRules


@dataclass(frozen=True)
class RobotEvents:
    """The stored events of one type that are flagged as those of robots.

    Attributes:
        counted: number of those that count.
        left_out: number of the others.
        on_record_pages: number of those that the record pages count.
    """

    counted: int = 0
    left_out: int = 0
    on_record_pages: int = 0

    def with_those_of_record_pages(self) -> "RobotEvents":
        """Return the numbers if robots count as on the record pages."""
        counted = self.on_record_pages
        return replace(self, counted=counted, left_out=self.left_out - counted)


def count_robots(
    client: OpenSearch, names: Names, rules: CountingRules
) -> dict[str, RobotEvents] | None:
    """Return the events of robots of the whole instance, by event type.

    It sends one search for each event type.

    Args:
        client: decodes responses.
        names: the instance's index names.
        rules: decide which events count.

    Returns:
        None if an index is closed or cannot be read completely.
    """
    found = {}
    for event_type, query in rules.of_record_pages.items():
        try:
            found[event_type] = _count(client, names.events_alias(event_type), query)
        except NotFoundError:
            found[event_type] = RobotEvents()
        except OpenSearchException:
            return None
        if rules.count_robots:
            found[event_type] = found[event_type].with_those_of_record_pages()
    return found


def _count(client: OpenSearch, alias: str, query: dict[str, Any]) -> RobotEvents:
    answer = client.search(
        index=alias,
        body={
            "size": 0,
            "query": {"bool": {"filter": [ROBOTS]}},
            "track_total_hits": True,
            "aggs": {"on_record_pages": {"filter": query}},
        },
        # without ignore_unavailable, which skips a closed index
        params={"request_timeout": 120},
    )
    stored = answer["hits"]["total"]["value"]
    on_record_pages = answer["aggregations"]["on_record_pages"]["doc_count"]
    return RobotEvents(0, stored, on_record_pages)
