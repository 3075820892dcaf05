# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Count the stored events of robots, and how many of them are left out."""

from dataclasses import dataclass

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
    for event_type in rules.of_record_pages:
        try:
            found[event_type] = _count(client, names, rules, event_type)
        except NotFoundError:
            found[event_type] = RobotEvents()
        except OpenSearchException:
            return None
    return found


def _count(
    client: OpenSearch, names: Names, rules: CountingRules, event_type: str
) -> RobotEvents:
    query = rules.of_record_pages[event_type]
    answer = client.search(
        index=names.events_alias(event_type),
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
    counted = on_record_pages if rules.count_robots else 0
    return RobotEvents(counted, stored - counted, on_record_pages)
