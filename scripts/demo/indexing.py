# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Indexing all content once instead of at every change of it."""

from contextlib import contextmanager
from unittest.mock import patch

from invenio_access.permissions import system_identity
from invenio_indexer.api import RecordIndexer
from invenio_records_resources.proxies import current_service_registry

BESIDE_RECORDS = ("users", "communities", "members", "requests")


@contextmanager
def postponed():
    """Leave the search indices alone for a while.

    A record is indexed half a dozen times on its way through review and
    publication, a third of the time that making it takes. None of the services
    used here looks into an index for what was written a moment before.
    """

    def nothing(self, *args, **kwargs):
        pass

    with patch.multiple(RecordIndexer, index=nothing, refresh=nothing, delete=nothing):
        yield


def rebuild(services):
    """Index what the database holds.

    Needs an application context.

    Args:
        services: ids of the services of what is to be indexed.
    """
    for name in services:
        service = current_service_registry.get(name)
        service.rebuild_index(system_identity)
        service.indexer.process_bulk_queue()
        service.indexer.refresh()
