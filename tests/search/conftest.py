# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures for the tests of the OpenSearch tools."""

import pytest

from invenio_stats_dashboard.search.client import text_client


@pytest.fixture()
def text(app):
    """Return a client that does not decode responses."""
    return text_client(app)


@pytest.fixture()
def index(client, names):
    """Return the name of an index that exists neither before nor after a test."""
    name = f"{names.prefix}some-index"
    client.indices.delete(index=name, ignore=[404])
    yield name
    client.indices.delete(index=name, ignore=[404])
