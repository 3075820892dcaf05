# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which stored usage events a question is about."""

from ..community_events.documents import GLOBAL


def of_community(only, community, first, last):
    """Return the query for what counts of a community in some days.

    Args:
        only: the query for what counts, of
            :func:`~..aggregations.usage.event_filter.queries`.
        community: UUID, or ``global`` for all events.
        first: first UTC day, ``YYYY-MM-DD``.
        last: last day, inclusive.

    Returns:
        dict: a query. Events that are not enriched yet are in no community.
    """
    days = {"gte": first, "lte": last, "format": "yyyy-MM-dd"}
    return {
        "bool": {"filter": [{"range": {"timestamp": days}}, *whose(only, community)]}
    }


def whose(only, community):
    """Return the queries that what counts of a community matches, whatever the day."""
    if community == GLOBAL:
        return [only]
    return [only, {"term": {"community_ids": community}}]
