# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures of the tests of the aggregations."""

import pytest

from invenio_stats_dashboard.search.client import text_client

from ..helpers.zygote import Zygote


@pytest.fixture()
def text(app):
    """Return a client that does not decode."""
    return text_client(app)


@pytest.fixture(scope="session")
def zygote(app, where):
    """Return a process whose children can aggregate, and be killed."""
    process = Zygote(where)
    yield process
    process.end()
