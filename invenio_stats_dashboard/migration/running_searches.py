# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Wait for searches that began before an alias moved and may still read the old index.

A search resolves its aliases when it begins, and queries a limited number of shards at
a time. If an index is removed before the search has queried it, the search omits that
index without an error, and its total is too small. So an index is removed only after
all such searches have ended.
"""

import re
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from opensearchpy import OpenSearch

_ACTIONS = "indices:data/read/search,indices:data/read/msearch,indices:data/read/async*"
_INDICES = re.compile(r"indices\[([^\]]*)\]")
_POLL = 0.05


class RunningSearches:
    """Waits for the searches that may read an index under its previous names.

    Create it right after the alias was moved: it waits for searches that are older.

    Args:
        client: decodes responses.
        *names: index and alias names by which the index was read before.
    """

    def __init__(self, client: OpenSearch, *names: str) -> None:
        self._client, self._names = client, names
        self._start = time.monotonic()

    def wait(
        self, check: Callable[[], None], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Wait until all these searches have ended.

        Args:
            check: called before each request; raises to end the waiting.
            sleep: waits for the given seconds.
        """
        while True:
            check()
            if not self._left():
                return
            sleep(_POLL)

    def _left(self) -> list[dict[str, Any]]:
        """Return the tasks of these searches that still run."""
        # take the time first, so that a search starting during the request is not
        # counted
        elapsed = time.monotonic() - self._start
        answer = self._client.tasks.list(
            params={"actions": _ACTIONS, "detailed": "true", "request_timeout": 10}
        )
        return [
            task
            for node in answer.get("nodes", {}).values()
            for task in node["tasks"].values()
            if task["running_time_in_nanos"] / 1e9 > elapsed
            and self._may_read(task.get("description", ""))
        ]

    def _may_read(self, description: str) -> bool:
        """Return whether a search's description names the index or all indices."""
        found = _INDICES.search(description)
        if found is None or not found.group(1):
            return True
        asked = [name.strip() for name in found.group(1).split(",")]
        return any(
            fnmatchcase(name, pattern) or pattern == "_all"
            for pattern in asked
            for name in self._names
        )
