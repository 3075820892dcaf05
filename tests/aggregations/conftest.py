# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures of the tests of the aggregations."""

import pytest

from invenio_stats_dashboard.search.client import text_client


@pytest.fixture()
def text(app):
    """Return a client that does not decode."""
    return text_client(app)
