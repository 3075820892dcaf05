# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Prepare an instance for a test, and reuse it while no test has changed it.

Making content and counting it takes seconds, and many tests only read what was counted.
They need not declare that: before each test, the content of each index is compared with
the earlier content. If anything was written or deleted, the instance is prepared again.
Everything that the services of InvenioRDM write to the database they also index; the
helper that empties the database is noticed, too. A test that writes to the database
with SQL needs content of its own.

A preparation can consist of layers: records and communities, the sources of the
statistics, and what was counted. Each has its own key and scope. A test that deletes
the aggregates then leaves the layers below it as they are.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar

from opensearchpy import OpenSearch

from invenio_stats_dashboard.search.names import Names

from . import content

Thing = TypeVar("Thing")
Scope = Callable[[Names, str], bool]


def everything(names: Names, index: str) -> bool:
    """Return True: all indices belong to the preparation."""
    return True


def records(names: Names, index: str) -> bool:
    """Return whether an index is one of InvenioRDM's records and communities."""
    return "stats-" not in index


def sources(names: Names, index: str) -> bool:
    """Return whether an index is no aggregate, and no bookmark of the aggregations."""
    return not is_counted(names, index)


def is_counted(names: Names, index: str) -> bool:
    """Return whether an index is one that an aggregation creates."""
    of_sources = (names.community_events, names.record_facts)
    ours = index.startswith(f"{names.prefix}stats-community-")
    return ours and not index.startswith(of_sources)


class Layers:
    """The preparations of an instance.

    Args:
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, client: OpenSearch, names: Names) -> None:
        """Start with an instance that is not prepared."""
        self._client, self._names = client, names
        self._made: dict[Hashable, tuple[object, object]] = {}

    def get(
        self, key: Hashable, make: Callable[[], Thing], scope: Scope = everything
    ) -> Thing:
        """Call ``make``, or return its last result if the instance is unchanged.

        Args:
            key: distinguishes this preparation from those of other tests.
            make: prepares the instance from any state; may call this method.
            scope: returns whether an index belongs to the preparation. Tests may change
                the other indices.
        """
        thing, was = self._made.get(key, (None, None))
        if was is None or self._state(scope) != was:
            thing = make()
            # everything written before is visible to readers
            self._client.indices.refresh(index=f"{self._names.prefix}*")
            self._made[key] = thing, self._state(scope)
        return thing  # type: ignore[return-value]

    def remove_counted(self) -> None:
        """Delete everything that aggregations have written."""
        found = self._client.indices.get(
            index=f"{self._names.prefix}stats-community-*", filter_path="*.aliases"
        )
        if counted := [name for name in found if is_counted(self._names, name)]:
            self._client.indices.delete(index=",".join(counted))

    def _state(self, scope: Scope) -> object:
        """Return the last write of each shard and the definition of each index.

        Bookmarks and locks are compared by their content, since most tests that hold a
        lock leave nothing.
        """
        names, client = self._names, self._client
        every = {"expand_wildcards": "all"}
        path = "indices.*.uuid,indices.*.shards.*.seq_no.max_seq_no"
        shards = {"level": "shards", "filter_path": path, **every}
        written = client.indices.stats(index=f"{names.prefix}*", params=shards)
        details = client.indices.get(
            index=f"{names.prefix}*stats-*", params={"flat_settings": "true", **every}
        )
        templates = client.transport.perform_request(
            "GET",
            f"/_index_template/{names.prefix}*",
            params={"filter_path": "**.name", "ignore": 404},
        )
        by_content = (names.bookmarks, names.reindexing)
        state = {
            name: (found["uuid"], None if name in by_content else found["shards"])
            for name, found in written.get("indices", {}).items()
            if scope(names, name)
        }
        return (
            state,
            {name: found for name, found in details.items() if scope(names, name)},
            {name: self._documents(name) for name in by_content if name in state},
            templates if scope is everything else None,
            content.times_removed(),
        )

    def _documents(self, index: str) -> dict[str, object]:
        """Return the documents of a small index, without released locks."""
        self._client.indices.refresh(index=index)
        hits = self._client.search(index=index, body={"size": 10_000})["hits"]["hits"]
        found = {hit["_id"]: hit["_source"] for hit in hits}
        return {id: s for id, s in found.items() if not s.get("released")}
