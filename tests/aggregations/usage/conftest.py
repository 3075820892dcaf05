# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures for the tests of the usage aggregates."""

import pytest

from ...conftest import remove_statistics
from .build import Events


@pytest.fixture()
def events(app, client, names):
    """Return the usage events of an instance without events."""
    remove_statistics(client, names)
    return Events(app, client, names)
