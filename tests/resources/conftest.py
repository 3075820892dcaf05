# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""An instance with communities of all kinds, counted once for all tests of this folder."""

import pytest

from ..conftest import remove_statistics
from ..helpers import content
from ..helpers.counted_site import make_site, remove_superusers
from ..helpers.http import Http
from .slow_client import served


@pytest.fixture(scope="package")
def site(app, client, names):
    """Return an instance whose numbers are known; tests only read it."""
    with app.app_context():
        content.remove_content()
    remove_statistics(client, names)
    yield make_site(app, client, names)
    with app.app_context():
        # other tests take it that nobody is a superuser
        remove_superusers()


@pytest.fixture(scope="package")
def anyone(app, site):
    """Return a client that is not logged in."""
    return Http(app)


@pytest.fixture(scope="module")
def address(site):
    """Return the address of the site, which is served to slow clients."""
    with served(site.app) as address:
        yield address
