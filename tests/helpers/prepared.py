# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Prepare an instance for a test, and reuse it while no test has changed it.

Making content and counting it takes seconds, and many tests only read what was counted.
They need not declare that: after each test, the content of each index is compared with
the earlier content. If anything was written or deleted, the instance is prepared again.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar

from opensearchpy import OpenSearch

from invenio_stats_dashboard.search.names import Names

Thing = TypeVar("Thing")


class Prepared:
    """The last preparation of an instance.

    Args:
        client: decodes responses.
        names: the instance's index names.
    """

    def __init__(self, client: OpenSearch, names: Names) -> None:
        """Start with an instance that is not prepared."""
        self._client, self._names = client, names
        self._key: Hashable = None
        self._thing: object = None
        self._was: object = None

    def get(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """Call ``make``, or return its last result if the instance is unchanged.

        Args:
            key: distinguishes this preparation from those of other tests.
            make: prepares the instance from any state.
        """
        if self._key is None or self._key != key or self._state() != self._was:
            self._key = None
            self._thing = make()
            # everything written before is visible to readers
            self._client.indices.refresh(index=f"{self._names.prefix}*")
            self._key, self._was = key, self._state()
        return self._thing  # type: ignore[return-value]

    def _state(self) -> object:
        """Return the last write of each shard and the aliases, for each index."""
        every = f"{self._names.prefix}*"
        path = "indices.*.uuid,indices.*.shards.*.seq_no.max_seq_no"
        written = self._client.indices.stats(
            index=every,
            params={
                "level": "shards",
                "filter_path": path,
                "expand_wildcards": "all",
            },
        )
        details = self._client.indices.get(
            index=every, params={"expand_wildcards": "all", "flat_settings": "true"}
        )
        templates = self._client.transport.perform_request(
            "GET", "/_index_template", params={"filter_path": "**.name"}
        )
        return written, details, templates
