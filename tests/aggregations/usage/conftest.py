# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

"""Fixtures of the tests of the usage aggregates."""

import pytest

from invenio_stats_dashboard.aggregations.usage import months

from ...conftest import remove_statistics
from .build import Events


@pytest.fixture()
def events(app, client, names):
    """Return the usage events of an instance that has none yet."""
    remove_statistics(client, names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(months, "LEAST", 1)
        yield Events(app, client, names)
