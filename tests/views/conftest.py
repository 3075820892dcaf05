# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures: the site whose pages are read."""

import pytest


@pytest.fixture(scope="session")
def site(website):
    """Return the site whose pages are read."""
    return website
