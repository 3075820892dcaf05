# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures of the migration's tests."""

import pytest

from ..conftest import remove_statistics
from ..helpers.usage import Usage


@pytest.fixture()
def usage(app, client, names):
    """Return usage events of an instance that has none yet, and known records."""
    remove_statistics(client, names)
    client.indices.delete(index=f"{names.prefix}backup-*", ignore=[404])
    with app.app_context():
        yield Usage(app, client, names)


@pytest.fixture(scope="module")
def known(app, client, names):
    """Return records that are known, once for a module of tests."""
    remove_statistics(client, names)
    with app.app_context():
        return Usage(app, client, names)


@pytest.fixture()
def events_of(app, known):
    """Return the known records without any event, index or bookmark of one."""
    client, names = known.client, known.names
    for pattern in ("events-stats-*", "backup-*"):
        client.indices.delete(
            index=f"{names.prefix}{pattern}", expand_wildcards="all", ignore=[404]
        )
    client.indices.refresh(index=names.reindexing)
    client.delete_by_query(
        index=names.reindexing,
        body={"query": {"terms": {"kind": ["month", "re-enrich", "lock"]}}},
        refresh=True,
    )
    with app.app_context():
        yield known
