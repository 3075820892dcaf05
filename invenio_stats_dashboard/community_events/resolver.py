# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Look up records in the database if OpenSearch lacks their events or facts."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial

from flask import Flask
from invenio_db import db
from opensearchpy import OpenSearch

from ..errors import ForeignIndexError, LookupPostponedError, NotReadyError
from ..search.client import json_client
from ..search.foreign_indices import require_own_indices
from ..search.names import Names
from ..search.template_composition import for_site
from ..subcounts import Subcount
from .database_indexes import has_all_indexes
from .facts import FactsReader
from .lookup import RecordContext
from .membership import MembershipReader, Page
from .recorder import Recorder
from .scan_budget import ScanBudget
from .selection import Selection
from .store import EventStore


class DatabaseResolver:
    """Finds records in the database and stores their events and facts.

    Args:
        app: the Flask application.
        client: may or may not decode responses.
        names: the instance's index names.
        subcounts: the registry of breakdowns.
        late: see :class:`.recorder.Recorder`; changes that are found here may be
            earlier than usage events that are already enriched.
        cause: why events are written; see :data:`.documents.CAUSES`.
        wait: called with the budget of scans before a look-up that scans tables because
            an index is missing. Without it, such a look-up is postponed unless the
            budget allows it immediately.
    """

    def __init__(
        self,
        app: Flask,
        client: OpenSearch,
        names: Names,
        subcounts: Mapping[str, Subcount],
        late: Callable[[dict[str, str]], None],
        cause: str = "backfill",
        wait: Callable[[ScanBudget], None] | None = None,
    ) -> None:
        self._app, self._subcounts = app, subcounts
        adapt = partial(for_site, app)
        self._client, self._names = client, names
        self._store = EventStore(client, names, adapt=adapt)
        self._late, self._cause = late, cause
        self._wait = wait

    def __call__(self, recids: Collection[str]) -> dict[str, RecordContext]:
        """Return the contexts of records that are in the database.

        Args:
            recids: identifiers.

        Returns:
            recid -> context; identifiers without a published record are missing.

        Raises:
            DatabaseUnavailableError: the database does not answer.
            LookupPostponedError: the budget of scans is used up, the database lacks an
                index of InvenioRDM's own, or an index of community events belongs to
                another extension.
            SearchUnavailableError: OpenSearch accepted no requests for too long.
        """
        with self._app.app_context():
            database = self._database()
            rows = self._rows(database, recids)
        if not rows:
            return {}
        self._prepare()
        recorder = Recorder(self._store, self._subcounts, database, late=self._late)
        recorded = recorder.record(rows, self._cause)
        reader = FactsReader(self._subcounts)
        return {
            row.recid: RecordContext(reader.read(row), recorded.timeline(row.recid))
            for row in rows
        }

    def _prepare(self) -> None:
        """Put missing templates, unless another extension has indices of these names.

        Raises:
            LookupPostponedError: it has.
            SearchUnavailableError: OpenSearch accepted no requests for too long.
        """
        check = partial(
            require_own_indices, self._client, self._names, sources_only=True
        )
        try:
            self._store.patiently(check)
        except ForeignIndexError as error:
            raise LookupPostponedError(str(error)) from error
        self._store.ensure_templates()

    def _database(self) -> MembershipReader:
        limit = "SCAN" if self._wait else "STATEMENT"
        timeout = self._app.config[f"STATS_DASHBOARD_{limit}_TIMEOUT"]
        return MembershipReader(db.engine, subcounts=self._subcounts, timeout=timeout)

    def _rows(self, database: MembershipReader, recids: Collection[str]) -> Page:
        records = database.select(Selection(recids=tuple(sorted(recids))))
        if not records.count():
            return []
        try:
            with nullcontext() if has_all_indexes(db.engine) else self._scan():
                return [row for page in records.pages() for row in page]
        except NotReadyError as error:
            if self._wait:
                raise
            raise LookupPostponedError(str(error)) from error

    @contextmanager
    def _scan(self) -> Iterator[None]:
        """Use the budget for one scan, which lasts as long as the block.

        Raises:
            LookupPostponedError: the budget allows no scan, and the caller does not
                wait.
        """
        self._prepare()
        budget = ScanBudget.of_site(self._app, json_client(self._app), db.engine)
        if self._wait:
            self._wait(budget)
        elif budget.take():
            raise LookupPostponedError(
                "An index is missing in the database, and the budget of scans is used "
                "up. Run 'invenio community-stats database-indexes create'."
            )
        with budget.released():
            yield
