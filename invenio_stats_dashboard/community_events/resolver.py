# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Looking up in the database what OpenSearch does not know of a record."""

from functools import partial

from ..search.templates import shards_and_replicas
from .facts import FactsReader
from .lookup import RecordContext
from .membership import MembershipReader
from .recorder import Recorder
from .store import EventStore


class DatabaseResolver:
    """Finds records in the database and stores their events and facts.

    Args:
        app: the Flask application.
        client: an OpenSearch client, whether it decodes its answers or not.
        names: the instance's :class:`~..search.names.Names`.
        late: see :class:`.recorder.Recorder`; what is found here may have happened
            before events that are enriched.
        cause: what made the caller ask; see :data:`.documents.CAUSES`.
    """

    def __init__(self, app, client, names, late, cause="backfill"):
        """Keep what is needed."""
        self._app = app
        settings = partial(shards_and_replicas, app)
        self._store = EventStore(client, names, settings=settings)
        self._late, self._cause = late, cause

    def __call__(self, recids):
        """Return the contexts of records that are in the database.

        Args:
            recids: identifiers.

        Returns:
            dict: recid -> :class:`.lookup.RecordContext`; those that are no
            published records are missing.

        Raises:
            DatabaseUnavailableError: the database does not answer.
            SearchUnavailableError: OpenSearch took no requests for too long.
        """
        from invenio_db import db

        with self._app.app_context():
            subcounts = self._app.extensions["invenio-stats-dashboard"].subcounts
            rows = MembershipReader(db.engine, subcounts=subcounts).rows(recids)
        if not rows:
            return {}
        self._store.ensure_templates()
        recorder = Recorder(self._store, subcounts, late=self._late)
        recorded = recorder.record(rows, self._cause)
        reader = FactsReader(subcounts)
        return {
            row.recid: RecordContext(reader.read(row), recorded.timeline(row.recid))
            for row in rows
        }
