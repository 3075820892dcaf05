# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Read the stored statistics with the plain search API."""

from opensearchpy.exceptions import TransportError


def documents(client, index):
    """Return all documents of an index or alias with their versions.

    Args:
        client: decodes responses.
        index: its name; a missing one counts as empty.

    Returns:
        dict: (index, ``_id``) -> (``_source``, ``_version``, ``_seq_no``).
    """
    _wait_until_served(client, index)
    client.indices.refresh(index=index, ignore_unavailable=True)
    found, after = {}, None
    while True:
        body = {
            "size": 1000,
            "sort": ["_index", "_seq_no"],
            "seq_no_primary_term": True,
            "version": True,
        }
        if after:
            body["search_after"] = after
        try:
            answer = client.search(index=index, body=body, ignore_unavailable=True)
        except TransportError as error:
            if error.status_code != 503:
                raise
            # the index was created in the meantime, and its first shard has not started
            _wait_until_served(client, index)
            continue
        hits = answer["hits"]["hits"]
        for hit in hits:
            found[(hit["_index"], hit["_id"])] = (
                hit["_source"],
                hit["_version"],
                hit["_seq_no"],
            )
        if not hits:
            return found
        after = hits[-1]["sort"]


def _wait_until_served(client, index):
    client.cluster.health(index=f"{index}*", wait_for_status="yellow")


def community_events(client, names, recid=None):
    """Return the community events, sorted by record, community and place.

    Args:
        client: decodes responses.
        names: the instance's index names.
        recid: return only the events of this record.

    Returns:
        list[dict]: their sources.
    """
    sources = [s for s, *_ in documents(client, names.community_events).values()]
    key = ("record_id", "community_id", "place")
    return sorted(
        (s for s in sources if recid in (None, s["recid"])),
        key=lambda s: [s[k] for k in key],
    )


def history(client, names, recid, community_id):
    """Return the event types of a record and a community, in order."""
    return [
        e["event_type"]
        for e in community_events(client, names, recid)
        if e["community_id"] == community_id
    ]


def facts(client, names):
    """Return the record facts, recid -> source."""
    found = documents(client, names.record_facts)
    return {id_: source for (_, id_), (source, *_) in found.items()}
