# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Searches that began before an alias moved, and still mean to read the old index.

A search resolves its aliases when it begins, and asks a bounded number of shards at a
time. If an index that it still has to ask is removed, it answers without that part and
without an error: too small a total that looks right. So an index is removed only when
no such search is left.
"""

import re
import time
from fnmatch import fnmatchcase

_ACTIONS = "indices:data/read/search,indices:data/read/msearch,indices:data/read/async*"
_INDICES = re.compile(r"indices\[([^\]]*)\]")
_POLL = 0.05


class SearchDrain:
    """Tells when the searches that may read an index under its old names have ended.

    Make it right after the alias was moved.

    Args:
        client: an ordinary client.
        names: index and alias names by which the index was read before.
    """

    def __init__(self, client, *names):
        """Note the moment."""
        self._client, self._names = client, names
        self._start = time.monotonic()

    def wait(self, check, sleep=time.sleep):
        """Wait for the last of them to end.

        Args:
            check: called before each look; raises to end the waiting.
            sleep: waits for the given seconds.
        """
        while True:
            check()
            if not self._left():
                return
            sleep(_POLL)

    def _left(self):
        # taken before the answer: one that began meanwhile is no older than that
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

    def _may_read(self, description):
        """Tell whether a search's description names the index, or everything."""
        found = _INDICES.search(description)
        if found is None or not found.group(1):
            return True
        asked = [name.strip() for name in found.group(1).split(",")]
        return any(
            fnmatchcase(name, pattern) or pattern == "_all"
            for pattern in asked
            for name in self._names
        )
