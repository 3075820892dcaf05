# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Do the daily deltas of the instance hold every event that counts?

InvenioRDM's own statistics leave robots out as events come. Of what is stored, they count
views that did not come by the API, and downloads that are not by robots. The dashboard
counts the same, without views by robots.
"""

_ALIASES = {
    "view": "events-stats-record-view",
    "download": "events-stats-file-download",
}

_COUNTED = {
    "view": {
        "bool": {
            "filter": [{"term": {"via_api": False}}],
            "must_not": [{"term": {"is_robot": True}}],
        }
    },
    "download": {"term": {"is_robot": False}},
}


def totals(client, prefix):
    """Return how many events are to be counted, and how many the deltas count.

    Args:
        client: an ordinary OpenSearch client.
        prefix: the prefix of the instance's indices.

    Returns:
        dict: ``view`` and ``download`` -> ``{"due", "counted"}``.
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
            "due": client.count(
                index=f"{prefix}{alias}", body={"query": _COUNTED[kind]}
            )["count"],
            "counted": int(found[kind]["value"]),
        }
        for kind, alias in _ALIASES.items()
    }
