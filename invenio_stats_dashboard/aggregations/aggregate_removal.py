# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Which indices are this package's own and can be made again, and their deletion."""

import re
from dataclasses import dataclass

from ..search.names import FAMILIES, INTERNAL

_AT_ONCE = 20
"""Names in one request: its line has room for four kilobytes."""


@dataclass(frozen=True)
class OwnIndex:
    """An index that can be deleted.

    Attributes:
        name: of the index.
        documents: how many it holds.
        bytes: of all its copies.
    """

    name: str
    documents: int
    bytes: int


def own_indices(client, names, with_sources=False):
    """Return the indices of the aggregation that there are.

    Only concrete indices whose whole name is one of ours: not those of another
    instance, not copies under a longer name, not what an alias of such a name leads to.
    Usage events, their backups, dead letters and the migration's bookmarks are not
    among them.

    Args:
        client: an ordinary client.
        names: the instance's :class:`~..search.names.Names`.
        with_sources: also community events and record facts.

    Returns:
        list[OwnIndex]: sorted by name, that of the bookmarks last.
    """
    aggregates = [names.aggregates(family) for family in (*FAMILIES, *INTERNAL)]
    single = [names.between_runs, names.bookmarks]
    # versions before the first release had an index of aggregates for each year
    by_year = [*aggregates, *(f"{alias}-from" for alias in aggregates)]
    if with_sources:
        by_year.append(names.community_events)
        single.append(names.record_facts)
    ours = re.compile(
        "|".join(
            [rf"{re.escape(start)}-\d{{4}}" for start in by_year]
            + [re.escape(name) for name in single]
        )
    )
    found = client.cat.indices(
        # with a wildcard a name that leads nowhere is no error
        index=f"{names.prefix}stats-community-*",
        params={
            "format": "json",
            "bytes": "b",
            "h": "index,docs.count,store.size",
            "expand_wildcards": "all",
        },
    )
    own = [
        OwnIndex(row["index"], int(row["docs.count"] or 0), int(row["store.size"] or 0))
        for row in found
        if ours.fullmatch(row["index"])
    ]
    return sorted(own, key=lambda index: (index.name == names.bookmarks, index.name))


def delete(client, indices):
    """Delete indices for good.

    Args:
        client: an ordinary client.
        indices: list of :class:`OwnIndex`.
    """
    targets = [index.name for index in indices]
    for start in range(0, len(targets), _AT_ONCE):
        client.indices.delete(
            index=",".join(targets[start : start + _AT_ONCE]),
            params={"ignore_unavailable": "true"},
        )


def forget(client, names, but):
    """Empty the index of bookmarks.

    What is counted is compared with what is stored, so whatever is deleted or left
    after that is put right by the next run.

    Args:
        client: an ordinary client.
        names: the instance's names.
        but: id of a document that stays.
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
