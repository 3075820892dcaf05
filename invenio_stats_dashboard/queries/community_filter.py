# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Filter the usage events that count for a community."""

from typing import Any

from ..community_events.documents import GLOBAL


def of_community(
    only: dict[str, Any], community: str, first: str, last: str
) -> dict[str, Any]:
    """Return the query for the usage events that count for a community in a range.

    Events that are not enriched yet are in no community.

    Args:
        only: the query for events that count, from
            :func:`~..aggregations.usage.event_filter.queries`.
        community: UUID, or ``global`` for all events.
        first: first UTC day, ``YYYY-MM-DD``.
        last: last day, inclusive.
    """
    days = {"gte": first, "lte": last, "format": "yyyy-MM-dd"}
    return {
        "bool": {"filter": [{"range": {"timestamp": days}}, *whose(only, community)]}
    }


def whose(only: dict[str, Any], community: str) -> list[dict[str, Any]]:
    """Return the queries that an event must match to count for a community."""
    if community == GLOBAL:
        return [only]
    return [only, {"term": {"community_ids": community}}]
