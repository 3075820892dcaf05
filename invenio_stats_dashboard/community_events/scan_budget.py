# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Bound how often the database is scanned for want of an index.

Without the indexes of :mod:`.database_indexes`, looking up the membership of a record
scans two tables. All processes of the site share one budget of such scans, in a
document beside the bookmarks.
"""

import time
from collections.abc import Callable

from opensearchpy import OpenSearch

from ..errors import LockLostError
from ..search.documents import Bookmark
from ..search.names import Names

DOCUMENT_ID = "database-scans"
"""The document's ``_id`` in the index of bookmarks."""

WAITING = (
    "An index is missing in the database, so that each look-up scans whole tables. Run "
    "'invenio community-stats database-indexes create'"
)
"""What a run that waits for the budget reports."""


class ScanBudget:
    """Permits scans, and schedules the next batch of captures.

    Args:
        client: an OpenSearch client that decodes its answers.
        names: the instance's index names.
        per_minute: scans that may start in a minute.
        clock: returns seconds since the epoch.

    Attributes:
        interval: seconds between two scans.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        per_minute: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._names, self._clock = client, names, clock
        self.interval = 60 / per_minute

    def take(self) -> float:
        """Take the permission for one scan.

        Returns:
            0 if the scan may start now, else the seconds until one may.
        """
        document = self._document()
        now = self._clock()
        wait = document.data.get("scanned_at", 0) + self.interval - now
        if wait > 0:
            # a clock that is ahead must not hold up the others for longer than a turn
            return min(wait, self.interval)
        return 0 if self._store(document, scanned_at=now, batch_at=0) else self.interval

    def schedule(self, seconds: float) -> bool:
        """Reserve the next batch of captures.

        Args:
            seconds: until the batch.

        Returns:
            Whether the caller has to send the task of that batch; False if another
            process has.
        """
        document, now = self._document(), self._clock()
        if now < document.data.get("batch_at", 0) <= now + 2 * self.interval:
            return False
        return self._store(document, batch_at=now + seconds)

    def wait(
        self,
        sleep: Callable[[float], None] = time.sleep,
        waiting: Callable[[str], None] | None = None,
    ) -> None:
        """Wait until a scan may start.

        Args:
            sleep: waits for the given seconds; may raise to end the waiting.
            waiting: called with a sentence before each pause.
        """
        while seconds := self.take():
            if waiting:
                waiting(WAITING)
            sleep(seconds)

    def _document(self) -> Bookmark:
        return Bookmark(self._client, self._names.reindexing, DOCUMENT_ID)

    def _store(self, document: Bookmark, **changes: float) -> bool:
        try:
            document.write(kind=DOCUMENT_ID, **changes)
        except LockLostError:
            return False  # another process has written it in the same moment
        return True
