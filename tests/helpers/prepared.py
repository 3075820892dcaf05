# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""An instance that is prepared for a test, and used again while no test has changed it.

Making content and counting it takes seconds, and many tests only read what was counted.
They need not say so: what each index of the instance holds is compared after the test
before, and the instance is prepared anew where anything was written or deleted.
"""

from collections.abc import Callable, Hashable
from typing import TypeVar

from opensearchpy import OpenSearch

from invenio_stats_dashboard.search.names import Names

Thing = TypeVar("Thing")


class Prepared:
    """What was prepared last on an instance.

    Args:
        client: an ordinary client.
        names: the instance's names.
    """

    def __init__(self, client: OpenSearch, names: Names) -> None:
        """Begin with an instance that is not prepared."""
        self._client, self._names = client, names
        self._key: Hashable = None
        self._thing: object = None
        self._was: object = None

    def get(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """Return what ``make`` made, if the instance is as it was then; else make it.

        Args:
            key: tells what is made from what other tests make.
            make: prepares the instance, from whatever state it is in.
        """
        if self._key is None or self._key != key or self._state() != self._was:
            self._key = None
            self._thing = make()
            # nothing that was written before is on its way to a reader any more
            self._client.indices.refresh(index=f"{self._names.prefix}*")
            self._key, self._was = key, self._state()
        return self._thing  # type: ignore[return-value]

    def _state(self) -> object:
        """Return the last write of each shard, and the aliases, of each index."""
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
