# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Limit how often the database is scanned because an index is missing.

Without the indexes of :mod:`.database_indexes`, looking up the membership of a record
scans two tables. All processes of the site share one budget of such scans. It is stored
in a document beside the bookmarks.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from flask import Flask
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException

from ..errors import LockLostError, StatsDashboardError
from ..search.compare_and_set import Bookmark
from ..search.names import Names
from ..search.template_composition import make_reindexing_index
from .database import Database

DOCUMENT_ID = "database-scans"
"""The document's ``_id`` in the index of bookmarks."""

LEASE = 60.0
"""Seconds after which the scan of a process that died no longer blocks the next one."""

_ATTEMPTS = 5

WAITING = (
    "An index is missing in the database, so each look-up scans whole tables. Run "
    "'invenio community-stats database-indexes create'"
)
"""The text that a run reports while it waits for the budget."""


class ScanBudget:
    """Permits scans, and schedules the next batch of captures.

    One scan runs at a time, and the next one starts one interval after it ends.

    Args:
        client: decodes responses.
        names: the instance's index names.
        per_minute: number of scans that may start in a minute.
        clock: returns seconds since the epoch, the same in all processes of the site:
            :meth:`.database.Database.now`.

    Attributes:
        interval: seconds between the end of a scan and the start of the next one.
    """

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        per_minute: int,
        clock: Callable[[], float],
    ) -> None:
        self._client, self._names, self._clock = client, names, clock
        self._holder: str | None = None
        self.interval = 60 / per_minute

    @classmethod
    def of_site(cls, app: Flask, client: OpenSearch, engine: sa.Engine) -> "ScanBudget":
        """Return the budget of a site from its configuration.

        Args:
            app: the application.
            client: decodes responses.
            engine: engine of the database whose tables are scanned.
        """
        per_minute = app.config["STATS_DASHBOARD_SCANS_PER_MINUTE"]
        return cls(client, Names.of(app), per_minute, Database(engine).now)

    def take(self) -> float:
        """Request permission for one scan.

        Returns:
            0 if the scan may start now, otherwise the seconds until one may.
        """
        document = self._document()
        now = self._clock()
        busy = document.data.get("busy_until", 0) - now
        rest = document.data.get("ended_at", 0) + self.interval - now
        if busy > LEASE or rest > self.interval:
            # The clock was set back.
            self._store(document, busy_until=0, ended_at=now)
            return self.interval
        if busy > 0 or rest > 0:
            return min(max(busy, rest), self.interval)
        holder = secrets.token_hex(8)
        busy_until = now + LEASE
        if not self._store(document, busy_until=busy_until, batch_at=0, holder=holder):
            return self.interval
        self._holder = holder
        return 0

    def release(self) -> None:
        """Report that the scan that :meth:`take` permitted has ended."""
        with suppress(OpenSearchException):  # The next scan then waits for the lease.
            self._change(busy_until=0, ended_at=self._clock(), holder=None)

    @contextmanager
    def released(self) -> Iterator[None]:
        """Hold the permission as long as the block lasts, then release it."""
        ended = threading.Event()
        renewal = threading.Thread(target=self._renew_until, args=(ended,), daemon=True)
        renewal.start()
        try:
            yield
        finally:
            ended.set()
            renewal.join()
            self.release()

    def _renew_until(self, ended: threading.Event) -> None:
        while not ended.wait(LEASE / 4):
            with suppress(OpenSearchException, StatsDashboardError):
                self._change(busy_until=self._clock() + LEASE)

    def _change(self, **changes: Any) -> None:
        """Change the document, unless another process has the permission now."""
        for _ in range(_ATTEMPTS):
            document = self._document()
            is_ours = document.data.get("holder") == self._holder
            if not is_ours or self._store(document, **changes):
                return

    def schedule(self, seconds: float) -> bool:
        """Reserve the next batch of captures.

        Args:
            seconds: time until the batch.

        Returns:
            Whether the caller must send the task of that batch; False if another
            process has sent it.
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
            sleep: waits for the given seconds; may raise to stop waiting.
            waiting: called with a sentence before each pause.
        """
        while seconds := self.take():
            if waiting:
                waiting(WAITING)
            sleep(seconds)

    def _document(self) -> Bookmark:
        return Bookmark(self._client, self._names.reindexing, DOCUMENT_ID)

    def _store(self, document: Bookmark, **changes: Any) -> bool:
        try:
            document.write(kind=DOCUMENT_ID, **changes)
        except LockLostError:
            return False  # Another process wrote it at the same time.
        except NotFoundError:  # The cluster creates no indices for writes.
            make_reindexing_index(self._client, self._names)
            return False
        return True
