# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures of the tests of community events."""

import pytest

from tests.conftest import remove_statistics
from tests.helpers import content


@pytest.fixture(scope="module")
def emptied(app, client, names):
    """Empty the instance once for a module whose tests look at their own records.

    A test that looks at all records uses ``fresh`` or ``capturing``, which empty it
    again. Returns what the tests of the module share.
    """
    with app.app_context():
        content.remove_content()
    remove_statistics(client, names)
    return {}


@pytest.fixture()
def community(app, emptied):
    """Return a community that the tests of a module share and do not change."""
    key = content.times_removed()
    if key not in emptied:
        emptied[key] = content.make_community()
    return emptied[key]
