# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Do the daily deltas of the instance hold every event that is stored?"""

_ALIASES = {
    "view": "events-stats-record-view",
    "download": "events-stats-file-download",
}


def totals(client, prefix):
    """Return how many events are stored, and how many the deltas count.

    InvenioRDM leaves robots out as events come, and counts whatever is stored.

    Args:
        client: an ordinary OpenSearch client.
        prefix: of the instance's indices.

    Returns:
        dict: ``view`` and ``download`` -> ``{"stored", "counted"}``.
    """
    deltas = f"{prefix}stats-community-usage-delta"
    client.indices.refresh(index=f"{deltas},{prefix}events-stats-*")
    sums = {
        kind: {"sum": {"field": f"totals.{kind}.total_events"}} for kind in _ALIASES
    }
    query = {"term": {"community_id": "global"}}
    body = {"size": 0, "query": query, "aggs": sums}
    found = client.search(index=deltas, body=body)["aggregations"]
    return {
        kind: {
            "stored": client.count(index=f"{prefix}{alias}")["count"],
            "counted": int(found[kind]["value"]),
        }
        for kind, alias in _ALIASES.items()
    }
