# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Find and delete the indices that the next run can build again."""

from collections.abc import Sequence
from dataclasses import dataclass

from opensearchpy import OpenSearch

from ..search.foreign_indices import named_indices
from ..search.names import FAMILIES, INTERNAL, Names

_AT_ONCE = 20
"""Maximum number of names in one request; its first line can have four kilobytes."""


@dataclass(frozen=True)
class OwnIndex:
    """An index that can be deleted.

    Attributes:
        name: name of the index.
        documents: number of documents.
        bytes: size, with all replicas.
    """

    name: str
    documents: int
    bytes: int


def own_indices(
    client: OpenSearch, names: Names, with_sources: bool = False
) -> list[OwnIndex]:
    """Return the existing indices of the aggregation, the bookmarks last.

    It returns only concrete indices whose whole name belongs to this package and whose
    mapping shows that this package created it (see :mod:`..search.foreign_indices`): no
    index of another instance or of another extension, no copy under a longer name, no
    index behind an alias of such a name. It never returns usage events, their backups,
    dead letters or the migration's bookmarks. With ``with_sources``, it also returns
    community events and record facts.
    """
    aliases = {names.community_events, *map(names.aggregates, (*FAMILIES, *INTERNAL))}
    retained = {names.reindexing, *aliases}
    wanted = [
        index.name
        for index in named_indices(client, names)
        if index.is_ours
        and index.name not in retained
        and (with_sources or not names.is_source(index.name))
    ]
    own = [
        OwnIndex(row["index"], int(row["docs.count"] or 0), int(row["store.size"] or 0))
        for start in range(0, len(wanted), _AT_ONCE)
        for row in client.cat.indices(
            index=",".join(wanted[start : start + _AT_ONCE]),
            params={
                "format": "json",
                "bytes": "b",
                "h": "index,docs.count,store.size",
                "expand_wildcards": "all",
            },
        )
    ]
    return sorted(own, key=lambda index: (index.name == names.bookmarks, index.name))


def delete(client: OpenSearch, indices: Sequence[OwnIndex]) -> None:
    """Delete indices; this cannot be undone."""
    targets = [index.name for index in indices]
    for start in range(0, len(targets), _AT_ONCE):
        client.indices.delete(
            index=",".join(targets[start : start + _AT_ONCE]),
            params={"ignore_unavailable": "true"},
        )


def forget(client: OpenSearch, names: Names, but: str) -> None:
    """Empty the index of bookmarks.

    The next run compares what it counts with what is stored, so it repairs everything
    that was deleted or left over after that.

    Args:
        client: sends the deletion.
        names: the instance's index names.
        but: id of a document to retain.
    """
    client.delete_by_query(
        index=names.bookmarks,
        body={"query": {"bool": {"must_not": {"ids": {"values": [but]}}}}},
        params={
            "ignore_unavailable": "true",
            "conflicts": "proceed",
            "refresh": "true",
        },
    )
