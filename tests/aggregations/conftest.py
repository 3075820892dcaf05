# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures for the tests of the aggregations."""

import pytest

from invenio_stats_dashboard.aggregations.usage import month_sums
from invenio_stats_dashboard.search.client import text_client


@pytest.fixture(autouse=True)
def every_month():
    """Make month sums for every month, so that they are tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(month_sums, "LEAST", 1)
        yield


@pytest.fixture()
def text(app):
    """Return a client that does not decode responses."""
    return text_client(app)
